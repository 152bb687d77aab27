"""Find keypoints on an animal and describe the coat around each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.orientation import Chip, turn_frames, turn_points, turn_size
from reid_edge.engines import Engine
from reid_edge.engines.network_input import input_size, to_network_input
from reid_edge.pack.manifest import Preprocessing
from reid_edge.recipe import Extract


@dataclass(frozen=True)
class Keypoints:
    """The keypoints of one animal, best first.

    Places are pixels of the upright photo, for people; matchers compare chips, which may be turned: `chip_xy` and its neighbours.

    Attributes:
        xy: float32 [N, 2], pixels of the upright photo, x right, y down, pixel centres at whole numbers.
        scores: float32 [N], how sure the detector is, above 0.
        descriptors: float32 [N, D], each of length 1.
        region: float32 [4], (x0, y0, x1, y1) pixels of the upright photo: the frame that the matchers normalise `xy` by.
        frames: float32 [N, 2, 2], the affine shape of each: the region of a keypoint c is the ellipse c + A u over the unit circle u, in
            pixels of the upright photo; A's columns are the x and y axes of the patch. None where the detector gives none.
        turn: degrees counter-clockwise by which the chip was turned before keypoints were sought.
        long_side: pixels of the chip's long side at which SIFT sought them; 0 of a network's keypoints.
    """

    xy: NDArray[np.float32]
    scores: NDArray[np.float32]
    descriptors: NDArray[np.float32]
    region: NDArray[np.float32]
    frames: NDArray[np.float32] | None = None
    turn: int = 0
    long_side: int = 0

    def __len__(self) -> int:
        return len(self.xy)

    def first(self, count: int) -> Keypoints:
        """The best `count` of them."""
        if len(self) <= count:
            return self
        frames = None if self.frames is None else self.frames[:count]
        return replace(self, xy=self.xy[:count], scores=self.scores[:count], descriptors=self.descriptors[:count], frames=frames)

    @property
    def chip_size(self) -> NDArray[np.float32]:
        """float32 [2], width and height of the turned chip in pixels."""
        width, height = self.region[2:] - self.region[:2]
        return np.array(turn_size((width, height), self.turn), np.float32)

    @property
    def chip_xy(self) -> NDArray[np.float32]:
        """float32 [N, 2], pixels of the turned chip."""
        width, height = self.region[2:] - self.region[:2]
        return turn_points(self.xy - self.region[:2], (width, height), self.turn)

    @property
    def chip_frames(self) -> NDArray[np.float32] | None:
        """float32 [N, 2, 2], the affine shapes in pixels of the turned chip; None where there are none."""
        return None if self.frames is None else turn_frames(self.frames, self.turn)


def extract_keypoints(chip: Chip, engine: Engine, preprocessing: Preprocessing, settings: Extract) -> Keypoints:
    """Extract the keypoints of one animal.

    Args:
        chip: the animal as it is turned.
        engine: a keypoint network: inputs ``image`` [1, C, h, w] and ``mask`` [1, 1, h, w], outputs ``keypoints`` [1, K, 2] in input
            pixels, ``scores`` [1, K] (0 or less where there is no keypoint), ``descriptors`` [1, K, D], and perhaps ``frames``
            [1, K, 2, 2], see `Keypoints.frames`, in input pixels.
        preprocessing: the network's.
        settings: whether and how widely the mask restricts keypoints.

    Raises:
        EngineError: the network failed.
    """
    width, height = chip.size
    size = input_size(width, height, preprocessing)
    allowed = chip.mask_at(*size, settings.mask_margin) if settings.mask else np.ones(size[::-1], np.uint8)
    inputs = {"image": to_network_input(chip.rgb, preprocessing), "mask": allowed.astype(np.float32)[None, None]}
    outputs = engine.run(inputs)
    scores = np.asarray(outputs["scores"], np.float32)[0]
    kept = scores > 0
    to_chip = np.array([width / size[0], height / size[1]], np.float32)
    xy = chip.to_photo((np.asarray(outputs["keypoints"], np.float32)[0][kept] + 0.5) * to_chip - 0.5)
    frames = None
    if "frames" in outputs:
        frames = turn_frames(to_chip[:, None] * np.asarray(outputs["frames"], np.float32)[0][kept], -chip.turn)
    return Keypoints(
        xy.astype(np.float32),
        scores[kept],
        np.asarray(outputs["descriptors"], np.float32)[0][kept],
        np.array(chip.box, np.float32),
        frames,
        chip.turn,
    )
