"""Find keypoints on an animal and describe the coat around each."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge.engines import Engine
from reid_edge.network_input import input_size, to_network_input
from reid_edge.pack.manifest import Preprocessing
from reid_edge.recipe import Extract
from reid_edge.segmentation import Animal


@dataclass(frozen=True)
class Keypoints:
    """The keypoints of one animal, best first.

    Attributes:
        xy: float32 [N, 2], pixels of the upright photo, x right, y down, pixel centres at whole numbers.
        scores: float32 [N], how sure the detector is, above 0.
        descriptors: float32 [N, D], each of length 1.
        region: float32 [4], (x0, y0, x1, y1) pixels of the upright photo: the frame that the matchers normalise `xy` by.
    """

    xy: NDArray[np.float32]
    scores: NDArray[np.float32]
    descriptors: NDArray[np.float32]
    region: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.xy)


def extract_keypoints(animal: Animal, engine: Engine, preprocessing: Preprocessing, settings: Extract) -> Keypoints:
    """Extract the keypoints of one animal.

    Args:
        animal: from `reid_edge.segmentation.find_animals`.
        engine: a keypoint network: inputs ``image`` [1, C, h, w] and ``mask`` [1, 1, h, w], outputs ``keypoints`` [1, K, 2] in input
            pixels, ``scores`` [1, K] (0 or less where there is no keypoint) and ``descriptors`` [1, K, D].
        preprocessing: the network's.
        settings: whether and how widely the mask restricts keypoints.

    Raises:
        EngineError: the network failed.
    """
    height, width = animal.crop.shape[:2]
    size = input_size(width, height, preprocessing)
    inputs = {"image": to_network_input(animal.crop, preprocessing), "mask": _input_mask(animal, size, settings)}
    outputs = engine.run(inputs)
    scores = np.asarray(outputs["scores"], np.float32)[0]
    kept = scores > 0
    x0, y0 = animal.box[:2]
    to_photo = np.array([width / size[0], height / size[1]], np.float32)
    xy = (np.asarray(outputs["keypoints"], np.float32)[0][kept] + 0.5) * to_photo - 0.5 + np.array([x0, y0], np.float32)
    return Keypoints(
        xy.astype(np.float32),
        scores[kept],
        np.asarray(outputs["descriptors"], np.float32)[0][kept],
        np.array(animal.box, np.float32),
    )


def _input_mask(animal: Animal, size: tuple[int, int], settings: Extract) -> NDArray[np.float32]:
    """The animal's mask at the network's input size, grown by the recipe's margin: float32 [1, 1, h, w] of 0 and 1."""
    width, height = size
    if not settings.mask:
        return np.ones((1, 1, height, width), np.float32)
    mask = cv2.resize(animal.mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    grow = round(settings.mask_margin * max(width, height))
    if grow:
        mask = cv2.dilate(mask, np.ones((2 * grow + 1, 2 * grow + 1), np.uint8))
    return np.asarray(mask, np.float32)[None, None]
