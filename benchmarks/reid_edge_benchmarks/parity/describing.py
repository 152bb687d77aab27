"""The reference's way from a photo to features: animal, vectors and keypoints, by PyTorch, SciPy and OpenCV."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
import scipy.ndimage
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid_edge.engines.network_input import content_size, input_size, to_network_input
from reid_edge.pack import Pack
from reid_edge.pack.manifest import Preprocessing
from reid_edge.photo import Photo
from reid_edge.recipe import Recipe
from reid_edge.recipe.stages import Embed, Extract, Segment
from reid_edge_benchmarks.parity.torch_networks import TorchNetworks, unit

_ANY_OF_EIGHT = np.ones((3, 3))
_COCO_ANIMALS, _COCO = slice(14, 24), 80
_MOST_OVERLAP, _CELL = 0.7, 4
_BOX_OF_THE_MIDDLE = 0.9
# As the extractor that LightGlue's weights for SIFT come with.
_SIFT = {"nOctaveLayers": 4, "contrastThreshold": 0.0066667, "edgeThreshold": 10}


@dataclass(frozen=True)
class Points:
    """Keypoints of a turned chip, best first.

    Attributes:
        xy: float32 [N, 2], pixels of the turned chip, pixel centres at whole numbers.
        descriptors: float32 [N, D], of length 1.
        frames: float32 [N, 2, 2], pixels of the turned chip; None where the detector gives none.
        size: width and height of the turned chip.
        seen: width and height of what the detector saw of it.
    """

    xy: Tensor
    descriptors: Tensor
    frames: Tensor | None
    size: tuple[int, int]
    seen: tuple[int, int]

    def __len__(self) -> int:
        return len(self.xy)

    def first(self, count: int) -> Points:
        """The best `count` of them; all where 0."""
        kept = slice(count or None)
        frames = None if self.frames is None else self.frames[kept]
        return replace(self, xy=self.xy[kept], descriptors=self.descriptors[kept], frames=frames)


@dataclass(frozen=True)
class Described:
    """The largest animal of a photo.

    Attributes:
        box: (x0, y0, x1, y1) pixels of the upright photo, end exclusive.
        mask: bool [h, w] in the box, not turned.
        quarters: turns of 90 degrees counter-clockwise that bring the crop to the chip.
        vectors: by name, float32 [D] of length 1.
        points: by extraction.
        pictures: by extraction, float32 [S, S], grey, 0..255.
        photo: the hash of the photo's file.
    """

    box: tuple[int, int, int, int]
    mask: NDArray[np.bool_]
    quarters: int
    vectors: Mapping[str, Tensor]
    points: Mapping[str, Points]
    pictures: Mapping[str, Tensor]
    photo: str = ""

    def photo_xy(self, extraction: str) -> NDArray[np.float64]:
        """The places of keypoints in pixels of the upright photo: float64 [N, 2]."""
        points = self.points[extraction]
        columns, rows = np.meshgrid(np.arange(self.mask.shape[1]), np.arange(self.mask.shape[0]))
        upright = np.rot90(np.stack((columns, rows), -1), self.quarters)  # of each pixel of the chip its place in the crop
        origin, along, down = upright[0, 0], upright[0, -1] - upright[0, 0], upright[-1, 0] - upright[0, 0]
        axes = np.stack((along / max(1, points.size[0] - 1), down / max(1, points.size[1] - 1)))
        return points.xy.numpy().astype(np.float64) @ axes + origin + np.array(self.box[:2])


def is_for(stage: Collection[str], species: str) -> bool:
    """Whether a stage for these species, all where there are none, is for an animal of this one."""
    return not stage or species.strip().lower() in stage


class Describer:
    """A recipe's first half in PyTorch."""

    def __init__(self, pack: Pack, recipe: Recipe, networks: TorchNetworks) -> None:
        self._recipe, self._networks = recipe, networks
        self._preprocessing = {name: network.preprocessing for name, network in pack.manifest.networks.items()}

    def describe(self, photo: Photo, viewpoint: str, species: str) -> Described:
        """Describe the largest animal of a photo.

        Raises:
            UsageError: the weights of a network cannot be had.
        """
        with torch.inference_mode():
            box, mask = self._animal(photo, species)
            x0, y0, x1, y1 = box
            quarters = self._quarters(viewpoint, species)
            chip, own = (np.ascontiguousarray(np.rot90(each, quarters)) for each in (photo.rgb[y0:y1, x0:x1], mask))
            vectors: dict[str, Tensor] = {
                each.name: self._embed(chip, each) for each in self._recipe.embed if is_for(each.species, species)
            }
            for joined in self._recipe.concatenate:
                if not set(joined.of) <= set(vectors):
                    continue
                vectors[joined.name] = self._projected(torch.cat([vectors[name] for name in joined.of]), joined.projection)
            points, pictures = {}, {}
            for extract in self._recipe.extract:
                if not is_for(extract.species, species):
                    continue
                if extract.detector == "picture":
                    pictures[extract.name] = _picture(chip, own, extract)
                elif extract.detector == "sift":
                    points[extract.name] = _sift(chip, own, extract)
                else:
                    points[extract.name] = self._extract(chip, own, extract)
        return Described(box, mask, quarters, vectors, points, pictures, photo.sha256)

    def _quarters(self, viewpoint: str, species: str) -> int:
        orient = self._recipe.orient
        if orient is None or not is_for(orient.species, species):
            return 0
        return orient.turn.get(viewpoint.lower(), 0) // 90

    def _pre(self, network: str) -> Preprocessing:
        preprocessing = self._preprocessing[network]
        assert preprocessing is not None, network
        return preprocessing

    def _animal(self, photo: Photo, species: str) -> tuple[tuple[int, int, int, int], NDArray[np.bool_]]:
        height, width = photo.rgb.shape[:2]
        whole = (0, 0, width, height), np.ones((height, width), bool)
        segment = self._recipe.segment
        if segment is None or not is_for(segment.species, species):
            return whole
        module, preprocessing = self._networks.exported(segment.network), self._pre(segment.network)
        image = torch.from_numpy(to_network_input(photo.rgb, preprocessing))
        content = content_size(width, height, preprocessing)
        if preprocessing.resize == "letterbox" and preprocessing.scale == 1.0:  # asked for what is in the middle
            edge = (1 - _BOX_OF_THE_MIDDLE) / 2
            side = torch.tensor([content], dtype=torch.float32)
            answer = module(image, torch.cat((side * edge, side * (1 - edge)), 1))
        else:
            answer = module(image)
        if isinstance(answer, tuple):
            found = _largest_instance(*(part[0].numpy() for part in answer), content, segment)
        else:
            found = _largest_part(answer[0, 0].numpy(), image.shape[2], content, segment)
        return whole if found is None else _cut(found, width, height, segment)

    def _embed(self, chip: NDArray[np.uint8], embed: Embed) -> Tensor:
        crops = _five(chip, embed.crop_share) if embed.crops == 5 else [chip]
        images = torch.cat([torch.from_numpy(to_network_input(crop, self._pre(embed.network))) for crop in crops])
        return self._projected(unit(self._networks.embedder(embed.network)(images)).mean(0), embed.projection)

    def _projected(self, vector: Tensor, projection: str) -> Tensor:
        vector = unit(vector)
        return unit(torch.from_numpy(self._networks.graph(projection)(vector[None].numpy())[0])) if projection else vector

    def _extract(self, chip: NDArray[np.uint8], mask: NDArray[np.bool_], extract: Extract) -> Points:
        height, width = chip.shape[:2]
        preprocessing = self._pre(extract.network)
        size = input_size(width, height, preprocessing)
        allowed = _grown(mask, size, extract) if extract.mask else np.ones(size[::-1], np.uint8)
        image = torch.from_numpy(to_network_input(chip, preprocessing))
        xy, _, descriptors, *frames = self._networks.detector(extract.network)(
            image, torch.from_numpy(allowed).float()[None, None]
        )
        zoom = torch.tensor([width / size[0], height / size[1]])
        return Points(
            (xy + 0.5) * zoom - 0.5, descriptors, torch.diag(zoom) @ frames[0] if frames else None, (width, height), size
        )


@dataclass(frozen=True)
class _Found:
    """The likelihood [h, w] of every cell that it is the animal's, its tight box in cells, and the cells that the photo spans."""

    likelihood: NDArray[np.float32]
    threshold: float
    box: tuple[float, float, float, float]
    cells: tuple[float, float]


def _largest_part(saliency: NDArray[np.float32], side: int, content: tuple[int, int], segment: Segment) -> _Found | None:
    cells = content[0] * len(saliency) / side, content[1] * len(saliency) / side
    seen = saliency[: int(np.ceil(cells[1])), : int(np.ceil(cells[0]))]
    parts, count = scipy.ndimage.label(seen >= segment.threshold, _ANY_OF_EIGHT)
    if seen.max() < segment.min_contrast or not count:
        return None
    areas = scipy.ndimage.sum_labels(np.ones_like(parts), parts, np.arange(1, count + 1))
    largest = int(areas.argmax())
    if areas[largest] < segment.min_area * seen.size:
        return None
    rows, columns = scipy.ndimage.find_objects(parts)[largest]
    box = (columns.start, rows.start, min(columns.stop, cells[0]), min(rows.stop, cells[1]))
    return _Found((parts == 1 + largest).astype(np.float32), 0.5, box, cells)


def _largest_instance(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    coefficients: NDArray[np.float32],
    prototypes: NDArray[np.float32],
    content: tuple[int, int],
    segment: Segment,
) -> _Found | None:
    scores = (scores[:, _COCO_ANIMALS] if scores.shape[1] == _COCO else scores).max(1)
    corners_and_sides = np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), 1)
    kept = np.array(cv2.dnn.NMSBoxes(corners_and_sides, scores, segment.min_contrast, _MOST_OVERLAP), int).ravel()[:100]
    cells = content[0] / _CELL, content[1] / _CELL
    best: tuple[float, _Found] | None = None
    for row in kept:
        x0, y0, x1, y1 = np.clip(boxes[row] / _CELL, 0, (*cells, *cells))
        likelihood = torch.sigmoid(torch.tensordot(torch.from_numpy(coefficients[row]), torch.from_numpy(prototypes), 1)).numpy()
        down, across = np.mgrid[: likelihood.shape[0], : likelihood.shape[1]] + 0.5
        likelihood = likelihood * ((across >= x0) & (across < x1) & (down >= y0) & (down < y1))
        likelihood = likelihood[: int(np.ceil(cells[1])), : int(np.ceil(cells[0]))].astype(np.float32)
        area = float((likelihood >= segment.threshold).mean())
        if area >= segment.min_area and area > 0 and (best is None or area > best[0]):
            best = area, _Found(likelihood, segment.threshold, (float(x0), float(y0), float(x1), float(y1)), cells)
    return best[1] if best else None


def _cut(found: _Found, width: int, height: int, segment: Segment) -> tuple[tuple[int, int, int, int], NDArray[np.bool_]]:
    """Box and mask in the photo, the likelihood enlarged linearly with SciPy."""
    across, down = width / found.cells[0], height / found.cells[1]
    left, top, right, bottom = found.box[0] * across, found.box[1] * down, found.box[2] * across, found.box[3] * down
    wider, taller = segment.margin * (right - left), segment.margin * (bottom - top)
    x0, y0 = max(0, int(left - wider)), max(0, int(top - taller))
    x1, y1 = min(width, int(np.ceil(right + wider))), min(height, int(np.ceil(bottom + taller)))
    rows, columns = (np.arange(y0, y1) + 0.5) / down - 0.5, (np.arange(x0, x1) + 0.5) / across - 0.5
    places = np.meshgrid(rows, columns, indexing="ij")
    likelihood = scipy.ndimage.map_coordinates(found.likelihood, places, order=1, mode="nearest")
    return (x0, y0, x1, y1), np.asarray(likelihood >= np.float32(found.threshold))


def _five(chip: NDArray[np.uint8], share: float) -> list[NDArray[np.uint8]]:
    """The centre and the four corners."""
    height, width = chip.shape[:2]
    h, w = max(1, round(share * height)), max(1, round(share * width))
    places = [((height - h) // 2, (width - w) // 2), *((y, x) for y in (0, height - h) for x in (0, width - w))]
    return [np.ascontiguousarray(chip[y : y + h, x : x + w]) for y, x in places]


def _grown(mask: NDArray[np.bool_], size: tuple[int, int], extract: Extract) -> NDArray[np.uint8]:
    """The mask at (width, height), with the recipe's margin around it: uint8 of 0 and 1."""
    scaled = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    reach = round(extract.mask_margin * max(size))
    return np.asarray(scipy.ndimage.maximum_filter(scaled, 2 * reach + 1, mode="constant"), np.uint8)


def _picture(chip: NDArray[np.uint8], mask: NDArray[np.bool_], extract: Extract) -> Tensor:
    size = (mask.shape[1], mask.shape[0])
    seen = chip * _grown(mask, size, extract)[:, :, None] if extract.mask else chip
    plain = Preprocessing("stretch", extract.size, extract.size, "grey", 1.0, (0.0,), (1.0,), "area")
    return torch.from_numpy(to_network_input(seen, plain)[0, 0]).round()


def _sift(chip: NDArray[np.uint8], mask: NDArray[np.bool_], extract: Extract) -> Points:
    height, width = chip.shape[:2]
    plain = Preprocessing("long-side", extract.size, extract.size, "rgb", 1.0, (0.0,) * 3, (1.0,) * 3, "area")
    pixels = to_network_input(chip, plain)[0].transpose(1, 2, 0).astype(np.uint8)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    size = grey.shape[1], grey.shape[0]
    found, descriptors = cv2.SIFT_create(**_SIFT).detectAndCompute(grey, _grown(mask, size, extract) if extract.mask else None)
    order = sorted(range(len(found)), key=lambda row: -found[row].response)[: extract.keypoints]
    first: dict[tuple[int, int], int] = {}
    for row in order:  # of several orientations in one pixel the first
        first.setdefault((round(found[row].pt[0] - 0.5), round(found[row].pt[1] - 0.5)), row)
    rows = list(first.values())
    if not rows:
        return Points(torch.empty(0, 2), torch.empty(0, 128), torch.empty(0, 2, 2), (width, height), size)
    facts = torch.tensor([(*found[row].pt, found[row].size, found[row].angle) for row in rows], dtype=torch.float32)
    zoom = torch.tensor([width / size[0], height / size[1]])
    angle, radius = torch.deg2rad(facts[:, 3]), facts[:, 2] / 2 * max(width, height) / extract.size
    turned = torch.stack((torch.cos(angle), -torch.sin(angle), torch.sin(angle), torch.cos(angle)), 1).unflatten(1, (2, 2))
    rooted = torch.from_numpy(descriptors[rows]) / torch.from_numpy(descriptors[rows]).sum(1, keepdim=True).clamp(min=1e-6)
    return Points(
        (facts[:, :2] + 0.5) * zoom - 0.5,
        unit(rooted.clamp(min=1e-6).sqrt()),
        turned * radius[:, None, None],
        (width, height),
        size,
    )
