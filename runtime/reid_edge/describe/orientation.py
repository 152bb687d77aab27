"""Turn animals so that all lie the same way: what embedders and extractors see of an animal is its chip.

A chip is turned by whole quarters, so that no pixel is resampled. Turns are degrees counter-clockwise, as a person sees the picture:
90, 180 or -90, and 0 for none. Points are (x, y) pixels, x right, y down, pixel centres at whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.segmentation import Animal
from reid_edge.recipe import Orient
from reid_edge.recipe.species import applies_to

Pixel = TypeVar("Pixel", bound=np.generic)

NOT_TURNED = "Which side the photo shows is not known (--viewpoint), so the animal was not turned as others are."


@dataclass(frozen=True)
class Chip:
    """An animal as embedders and extractors see it.

    Attributes:
        rgb: uint8 [h, w, 3], the animal's crop, turned.
        mask: bool [h, w], True on the animal.
        box: (x0, y0, x1, y1) pixels of the upright photo, end exclusive.
        turn: by how many degrees counter-clockwise the crop was turned.
    """

    rgb: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    box: tuple[int, int, int, int]
    turn: int

    @classmethod
    def of(cls, animal: Animal, turn: int = 0) -> Chip:
        """The crop and the mask of an animal, turned."""
        return cls(turn_picture(animal.crop, turn), turn_picture(animal.mask, turn), animal.box, turn)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as turned."""
        height, width = self.mask.shape
        return width, height

    def to_photo(self, xy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points of the chip, float32 [N, 2], as pixels of the upright photo."""
        return turn_points(xy, self.size, -self.turn) + np.array(self.box[:2], np.float32)

    def mask_at(self, width: int, height: int, margin: float) -> NDArray[np.uint8]:
        """The mask at another size, grown by `margin` of its long side: uint8 [height, width] of 0 and 1."""
        mask = cv2.resize(self.mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        grow = round(margin * max(width, height))
        if grow:
            mask = cv2.dilate(mask, np.ones((2 * grow + 1, 2 * grow + 1), np.uint8))
        return np.asarray(mask, np.uint8)


def turn_of(orient: Orient | None, viewpoint: str, species: str) -> int:
    """By how much an animal is turned that is seen from this side; 0 for other viewpoints and species than the recipe names."""
    return orient.turn.get(viewpoint.strip().lower(), 0) if orient and applies_to(orient.species, species) else 0


def lacks_viewpoint(orient: Orient | None, viewpoint: str, species: str) -> bool:
    """Whether animals of this species are turned, but nobody said which side of this one is seen."""
    return orient is not None and applies_to(orient.species, species) and not viewpoint.strip()


def turn_picture(picture: NDArray[Pixel], turn: int) -> NDArray[Pixel]:
    """A picture [h, w, ...], turned; the very same one where `turn` is 0."""
    return np.ascontiguousarray(np.rot90(picture, _quarters(turn))) if _quarters(turn) else picture


def turn_points(xy: NDArray[np.float32], size: tuple[float, float], turn: int) -> NDArray[np.float32]:
    """Where the points of a picture lie once it is turned.

    Args:
        xy: [N, 2], pixels of the picture before.
        size: its width and height before.
        turn: degrees counter-clockwise; the negative of a turn brings points back, with the size of the turned picture.
    """
    x, y = xy[:, 0], xy[:, 1]
    right, bottom = size[0] - 1, size[1] - 1
    turned = ((x, y), (y, right - x), (right - x, bottom - y), (bottom - y, x))[_quarters(turn)]
    return np.stack(turned, axis=1)


def turn_frames(frames: NDArray[np.float32], turn: int) -> NDArray[np.float32]:
    """Matrices [N, 2, 2] to pixels of a picture as matrices to pixels of the turned one."""
    return np.asarray(_TURNS[_quarters(turn)] @ frames, np.float32)


def turn_size(size: tuple[float, float], turn: int) -> tuple[float, float]:
    """Width and height of a turned picture."""
    return (size[1], size[0]) if _quarters(turn) % 2 else size


_TURNS = np.array([[[1, 0], [0, 1]], [[0, 1], [-1, 0]], [[-1, 0], [0, -1]], [[0, -1], [1, 0]]], np.float32)


def _quarters(turn: int) -> int:
    return turn // 90 % 4
