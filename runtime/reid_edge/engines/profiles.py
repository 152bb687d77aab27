"""Sizes that a TensorRT engine is built for: one optimisation profile per network, chosen from its task, its pixels and the recipe.

An engine runs any size between smallest and largest and is tuned for the usual one; a size outside of that is an error, never a rebuild.

| axis                 | networks                           | smallest     | usual              | largest       |
|----------------------|------------------------------------|--------------|--------------------|---------------|
| `batch`              | embedding of five crops            | 5            | 5                  | 5             |
| `batch`              | all others but matching            | 1            | 1                  | 1             |
| `batch`              | matching                           | 1            | `most_pairs`       | `most_pairs`  |
| `height`, `width`    | preprocessing `long-side`          | the multiple | a landscape of 4:3 | the long side |
| `height`, `width`    | any other preprocessing            | its size     | its size           | its size      |
| `points0`, `points1` | matching                           | 1            | K (512 if unknown) | K (or 2048)   |

How many pairs a matcher takes at most follows from the memory of the GPU: `fitted` turns ranges for any GPU into those for one. One photo
is described at a time, so the image networks have a batch of 1 or 5, which fixes the shapes of all but the keypoint networks.
A network that embeds both whole chips and five crops takes 1 to 5. K is the number of keypoints of the extractor that the recipe gives the
matcher, or the `points` of the matcher if these are fewer; 2048 is the most that a graph may have; a matcher of pictures has a keypoint per
cell of 8 x 8 pixels.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from reid_edge.pack.manifest import Manifest, Network, Preprocessing
from reid_edge.pack.onnx_file import read_onnx
from reid_edge.plain_data import InvalidValue, decode
from reid_edge.recipe import Match, Recipe

_USUAL_POINTS, _MOST_POINTS = 512, 2048
_CELL_PIXELS = 8

MOST_PAIRS = 64
"""Pairs that a matching network is given in one run at most."""
# The attention of one pair: four heads, about four products of K x K float32 at a time. A sixteenth of the memory is left to it.
_ATTENTION_BYTES = 4 * 4 * 4
_MEMORY_SHARE = 16
# What an engine is built for that has to run on any GPU of a generation.
_SMALLEST_MEMORY = 8 << 30


@dataclass(frozen=True)
class SizeRange:
    """The sizes that one dynamic axis may have: whole numbers, smallest <= usual <= largest."""

    smallest: int
    usual: int
    largest: int


AxisRanges = Mapping[str, SizeRange]
"""By the axis' name in the graph."""


def axis_ranges(
    task: str, preprocessing: Preprocessing | None, points: int | None = None, crops: Collection[int] = (1,)
) -> AxisRanges:
    """The ranges of every axis that a network of this task may have.

    Args:
        task: as in a pack's manifest; another word gives `batch` only.
        preprocessing: of an image network.
        points: for a matcher of keypoints, how many keypoints an image has at most (K); None where no recipe says it.
        crops: for an embedding network, how many crops of a chip it is given at a time: 1, 5 or both.
    """
    ranges = {"batch": SizeRange(min(crops), max(crops), max(crops))}
    if task == "matching":
        ranges["batch"] = SizeRange(1, MOST_PAIRS, MOST_PAIRS)
        ranges["points0"] = ranges["points1"] = SizeRange(1, points or _USUAL_POINTS, points or _MOST_POINTS)
    if preprocessing is None:
        return ranges
    width, height, multiple = preprocessing.width, preprocessing.height, preprocessing.multiple
    if task == "matching":  # of pictures: a cell of 8 x 8 pixels counts as a keypoint
        cells = max(1, width // _CELL_PIXELS * (height // _CELL_PIXELS))
        ranges["points0"] = ranges["points1"] = SizeRange(cells, cells, cells)
    if preprocessing.resize == "long-side":
        usual_height = max(multiple, round(0.75 * height / multiple) * multiple)
        ranges["height"], ranges["width"] = SizeRange(multiple, usual_height, height), SizeRange(multiple, width, width)
    else:
        ranges["height"], ranges["width"] = SizeRange(height, height, height), SizeRange(width, width, width)
    return ranges


def fitted(ranges: AxisRanges, memory: int) -> AxisRanges:
    """The same ranges on a GPU with `memory` bytes, 0 for any: a matcher takes fewer pairs at a time where memory is small.

    Every engine, its key and every run of a matcher take their sizes from here.
    """
    if "points0" not in ranges:
        return ranges
    pairs = most_pairs(ranges["points0"].largest, memory)
    return {**ranges, "batch": SizeRange(1, pairs, pairs)}


def most_pairs(points: int, memory: int = 0) -> int:
    """How many pairs one run of a matcher of keypoints may have: a power of two, 1 to `MOST_PAIRS`.

    Args:
        points: K of each image.
        memory: bytes of the GPU; 0 for the smallest that engines are built for.
    """
    pairs = (memory or _SMALLEST_MEMORY) // _MEMORY_SHARE // (_ATTENTION_BYTES * points**2)
    return int(min(MOST_PAIRS, 1 << max(1, pairs).bit_length() - 1))


def ranges_of_network(manifest: Manifest, recipe: Recipe, name: str) -> AxisRanges:
    """The ranges of a pack's network; a matcher's keypoints are as many as the recipe gives it.

    Raises:
        PackError: the pack has no such network.
    """
    network = manifest.network(name)
    extractors = {extract.name: manifest.network(extract.network) for extract in recipe.extract if extract.network}
    counts = [_keypoints(match, extractors, recipe) for match in recipe.match if match.network == name]
    stated = [count for count in counts if count is not None]
    points = max(stated) if stated and len(stated) == len(counts) else None
    crops = {embed.crops for embed in recipe.embed if embed.network == name}
    return axis_ranges(network.task, network.preprocessing, points, crops or (1,))


def _keypoints(match: Match, extractors: Mapping[str, Network], recipe: Recipe) -> int | None:
    """How many of an image are matched at most; None where the recipe does not say it."""
    if match.keypoints in extractors:
        found = extractors[match.keypoints].parameters.get("keypoints")
    else:
        found = next(extract.keypoints for extract in recipe.extract if extract.name == match.keypoints)
    limits = [limit for limit in (found, match.points) if isinstance(limit, int) and limit]
    return min(limits, default=None)


def ranges_of_file(model: bytes, name: str) -> AxisRanges:
    """The ranges of a network that is known by its ONNX file alone, from the metadata that the exporter writes into it.

    Raises:
        PackError: it is not a sound ONNX file.
    """
    metadata = read_onnx(model, name).metadata
    try:
        facts = json.loads(metadata.get("preprocessing", "{}"))
        preprocessing = decode(Preprocessing, facts) if facts else None
    except (ValueError, InvalidValue):  # another exporter's metadata
        preprocessing = None
    return axis_ranges(metadata.get("task", ""), preprocessing)
