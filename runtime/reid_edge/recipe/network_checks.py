"""A recipe's networks: they are in the pack, say what their stage has to know, and fit each other in the width of vectors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial

from reid_edge.errors import PackError
from reid_edge.pack.manifest import Manifest
from reid_edge.recipe.recipe import Recipe
from reid_edge.recipe.stages import Extract, Match

_HEADS = "heads/{}.json"


def presence_checks(recipe: Recipe, manifest: Manifest) -> Iterator[Callable[[], None]]:
    """That the pack has each network, for the task of its stage, with its preprocessing; a check for each."""
    return (partial(_check_presence, network, task, manifest) for network, task in _wanted(recipe))


def network_checks(recipe: Recipe, manifest: Manifest) -> Iterator[Callable[[], None]]:
    """That each network can work in its stage, of a recipe whose names are right; a check for each stage."""
    extracts = {extract.name: extract for extract in recipe.extract}
    yield from (partial(_check_extract, extract, manifest) for extract in recipe.extract)
    yield from (partial(_check_place, match, extracts[match.keypoints], manifest) for match in recipe.match)
    yield from (partial(_check_picture, match, extracts[match.keypoints], manifest) for match in recipe.match)
    yield partial(_check_heads, recipe, manifest)


def _check_presence(network: str, task: str, manifest: Manifest) -> None:
    one_of(f"The recipe's {task} network", network, [n for n, info in manifest.networks.items() if info.task == task])
    if task not in ("matching", "projection", "head") and manifest.networks[network].preprocessing is None:
        raise PackError(f"The {task} network {network} states no preprocessing.", "Export the pack again.")


def _check_extract(extract: Extract, manifest: Manifest) -> None:
    preprocessing = manifest.networks[extract.network].preprocessing if extract.network else None
    if preprocessing is not None and preprocessing.resize == "letterbox":
        raise PackError(
            f"The keypoint network {extract.network} states a letterbox, on whose bars it would find keypoints.",
            "Give it long-side.",
        )


def _check_picture(match: Match, extract: Extract, manifest: Manifest) -> None:
    if not match.rules.pictures:
        return
    preprocessing = manifest.networks[match.network].preprocessing
    if preprocessing is None:
        raise PackError(f"The matching network {match.network} states no preprocessing.", "Export the pack again.")
    if preprocessing.width != extract.size:
        raise PackError(
            f"The network {match.network} takes pictures of {preprocessing.width} pixels, "
            f"but {match.keypoints} is of {extract.size}.",
            f"Give {match.keypoints} the size {preprocessing.width}.",
        )


def _check_heads(recipe: Recipe, manifest: Manifest) -> None:
    files = {file.path for file in manifest.files}
    for head in recipe.head:
        if files and _HEADS.format(head.network) not in files:
            raise PackError(
                f"The head {head.name} has no {_HEADS.format(head.network)}, which lists the individuals of its probabilities.",
                "Train it: reid-edge train-head.",
            )
    if recipe.viewpoint and files and _HEADS.format(recipe.viewpoint.head) not in files:
        raise PackError(
            f"The viewpoint head has no {_HEADS.format(recipe.viewpoint.head)}, which lists the viewpoints of its probabilities.",
            "Train it: reid-edge train-head viewpoint.",
        )


def _check_place(match: Match, extract: Extract, manifest: Manifest) -> None:
    """A network that takes more of a keypoint than its place needs keypoints that have it: SIFT's scale and orientation (4 numbers), or
    affine frames (6), which SIFT has too.
    """
    position = manifest.networks[match.network].parameters.get("position", 2) if match.rules.positions else 2
    frames = bool(extract.network) and manifest.networks[extract.network].parameters.get("frames") is True
    if position not in (2, 4, 6):
        raise PackError(
            f"The network {match.network} takes {position!r} numbers for a place, not 2, 4 or 6.", "Export the pack again."
        )
    if (position == 4 and extract.detector != "sift") or (position == 6 and extract.detector != "sift" and not frames):
        wants = "scale and orientation of SIFT" if position == 4 else "affine frames"
        raise PackError(
            f"The matcher {match.name} ({match.network}) needs the {wants}, which {match.keypoints} does not have.",
            "Give it other keypoints, or take another matcher.",
        )


def check_widths(recipe: Recipe, manifest: Manifest) -> None:
    """Vectors are as wide as the networks that take them say, as far as both say it.

    Raises:
        PackError: they are not.
    """
    width: dict[str, object] = {}
    for embed in recipe.embed:
        dimension = manifest.networks[embed.network].parameters.get("dimension")
        width[embed.name] = _projected(embed.projection, dimension, embed.network, manifest)
    for each in recipe.concatenate:
        parts = [width[name] for name in each.of]
        total = sum(part for part in parts if isinstance(part, int)) if all(isinstance(part, int) for part in parts) else None
        width[each.name] = _projected(each.projection, total, each.name, manifest)
    heads = [(head.name, head.network, head.embedding, 1) for head in recipe.head]
    if recipe.viewpoint:
        heads.append((recipe.viewpoint.head, recipe.viewpoint.head, recipe.viewpoint.embedding, 2))
    for name, network, embedding, halves in heads:
        takes, one = manifest.networks[network].parameters.get("input_dimension"), width[embedding]
        gives = one * halves if isinstance(one, int) else one
        if takes is not None and gives is not None and takes != gives:
            raise PackError(
                f"The head {name} takes vectors of {takes} values, but {'two halves of ' if halves == 2 else ''}{embedding} gives {gives}.",
                "Train it on the vectors of this pack: reid-edge train-head.",
            )


def _projected(projection: str, gives: object, source: str, manifest: Manifest) -> object:
    """How many values a vector has behind its projection; None where no network states it."""
    if not projection:
        return gives
    parameters = manifest.networks[projection].parameters
    takes = parameters.get("input_dimension")
    if takes is None:
        raise PackError(
            f"The projection {projection} does not say how wide the vectors are that it takes.",
            f"Give networks.{projection}.parameters the input_dimension.",
        )
    if gives is not None and takes != gives:
        raise PackError(
            f"The projection {projection} takes vectors of {takes} values, but {source} gives {gives}.",
            "Fit the projection on the vectors of this pack: reid-edge calibrate --fit-projection.",
        )
    return parameters.get("dimension")


def _wanted(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """The networks with their tasks."""
    if recipe.segment:
        yield recipe.segment.network, "segmentation"
        if recipe.segment.locator:
            yield recipe.segment.locator, "segmentation"
    yield from ((embed.network, "embedding") for embed in recipe.embed)
    projections = [embed.projection for embed in recipe.embed] + [each.projection for each in recipe.concatenate]
    yield from ((projection, "projection") for projection in projections if projection)
    yield from ((extract.network, "keypoints") for extract in recipe.extract if extract.network)
    yield from ((match.network, "matching") for match in recipe.match if match.network)
    yield from ((head.network, "head") for head in recipe.head)
    if recipe.viewpoint:
        yield recipe.viewpoint.head, "head"


def one_of(what: str, value: str, choices: Collection[str]) -> None:
    """Refuse a value that is not among the choices."""
    if value not in choices:
        raise PackError(f"{what} is {value!r}, which the pack does not have.", f"It has: {', '.join(choices) or 'none'}.")
