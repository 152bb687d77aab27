"""The matchers of the reference: kornia's, PyTorch's and OpenCV's, one pair of photos at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid_edge.pack import Pack
from reid_edge.recipe.stages import Match
from reid_edge_benchmarks.parity.describing import Described, Points
from reid_edge_benchmarks.parity.torch_networks import TorchNetworks

_INLIER_SIDE = 512  # pixels of the long side; `inlier_pixels` refers to this size
_MAGSAC_CONFIDENCE, _MAGSAC_ITERATIONS = 0.9999, 5000
_MODELLED = 4  # matches that a homography takes
_RIVALS = 2  # keypoints that a ratio of the two nearest takes


class PairMatchers:
    """What the matchers of a recipe count of two photos."""

    def __init__(self, pack: Pack, networks: TorchNetworks) -> None:
        self._networks = networks
        self._parameters: Mapping[str, Mapping[str, object]] = {n: each.parameters for n, each in pack.manifest.networks.items()}

    def score(self, match: Match, query: Described, candidate: Described) -> float:
        """The pair score of one matcher."""
        with torch.inference_mode():
            if match.matcher == "loftr":
                return float(self._loftr(match, query.pictures[match.keypoints], candidate.pictures[match.keypoints]))
            mine, other = query.points[match.keypoints], candidate.points[match.keypoints]
            pairs = self._pairs(match, mine, other)
        if match.count == "share":
            return len(pairs) / len(mine) if len(mine) else 0.0
        return float(_inliers(mine, other, pairs, match.inlier_pixels) if match.count == "inliers" else len(pairs))

    def _pairs(self, match: Match, mine: Points, other: Points) -> NDArray[np.int64]:
        """Rows of the keypoints that match, int64 [M, 2]."""
        if not len(mine) or not len(other):
            return np.empty((0, 2), np.int64)
        if match.matcher == "mutual-nearest":
            return _mutual_nearest(mine.descriptors, other.descriptors, match.min_score)
        if match.matcher in ("adalam", "fginn"):
            if min(len(mine), len(other)) < _RIVALS:
                return np.empty((0, 2), np.int64)
            return _geometric(match.matcher, mine, other, match.min_score)
        return self._lightglue_pairs(match, mine, other)

    def _lightglue_pairs(self, match: Match, mine: Points, other: Points) -> NDArray[np.int64]:
        sides = (part for points in (mine, other) for part in (self._places(match, points), points.descriptors))
        partners, confidences = self._networks.lightglue(match.network)(*sides)
        kept = confidences > match.min_score
        return np.asarray(partners[kept].numpy(), np.int64)

    def _places(self, match: Match, points: Points) -> Tensor:
        """As LightGlue takes them: centred, the long side 2 long; with scale and orientation of SIFT, or the frame's axes' ends."""
        size = torch.tensor(points.size, dtype=torch.float32)
        half = size.max() / 2
        xy = (points.xy - size / 2) / half
        numbers = self._networks.position(match.network)
        if numbers == 2:
            return xy
        assert points.frames is not None, match.keypoints
        if numbers == 4:
            radius = points.frames.det().abs().sqrt()
            angle = torch.atan2(points.frames[:, 1, 0], points.frames[:, 0, 0]) % (2 * math.pi)
            return torch.column_stack((xy, radius * max(points.seen) / half, angle))
        return torch.column_stack((xy, xy + points.frames[:, :, 0] / half, xy + points.frames[:, :, 1] / half))

    def _loftr(self, match: Match, mine: Tensor, other: Tensor) -> int:
        matches, scores = self._networks.exported(match.network)(mine[None, None] / 255, other[None, None] / 255)
        return int(((matches >= 0) & (scores > match.min_score)).sum())


def _mutual_nearest(mine: Tensor, other: Tensor, least: float) -> NDArray[np.int64]:
    from kornia.feature import match_mnn

    distances, pairs = match_mnn(mine, other)
    return np.asarray(pairs[(1 - distances[:, 0].square() / 2) > least].numpy(), np.int64)


def _geometric(matcher: str, mine: Points, other: Points, least: float) -> NDArray[np.int64]:
    """kornia's geometry-aware matcher, fginn or AdaLAM, in the pixels that the detectors saw."""
    from kornia.feature import GeometryAwareDescriptorMatcher

    distances, pairs = GeometryAwareDescriptorMatcher(matcher)(mine.descriptors, other.descriptors, _lafs(mine), _lafs(other))
    return np.asarray(pairs[1 - distances[:, 0] > least].numpy(), np.int64)


def _lafs(points: Points) -> Tensor:
    """Local affine frames [1, N, 2, 3], upright circles of one size where the detector gives none."""
    zoom = torch.tensor(points.seen) / torch.tensor(points.size)
    frames = torch.eye(2).expand(len(points), 2, 2) if points.frames is None else torch.diag(zoom) @ points.frames
    return torch.cat((frames, ((points.xy + 0.5) * zoom - 0.5)[:, :, None]), 2)[None]


def _inliers(mine: Points, other: Points, pairs: NDArray[np.int64], pixels: float) -> int:
    """Matches that one homography explains, found by OpenCV's MAGSAC++ with the runtime's settings and its draws: with other draws the
    count of one pair moves by a tenth, so that no other search could be compared.
    """
    if len(pairs) < _MODELLED:
        return 0
    settings = cv2.UsacParams()
    settings.score, settings.loMethod = cv2.SCORE_METHOD_MAGSAC, cv2.LOCAL_OPTIM_SIGMA
    settings.threshold, settings.confidence, settings.maxIterations = pixels, _MAGSAC_CONFIDENCE, _MAGSAC_ITERATIONS
    settings.randomGeneratorState, settings.isParallel = 0, False
    source, target = (
        points.xy[pairs[:, side]].numpy().astype(np.float64) * (_INLIER_SIDE / max(points.size))
        for side, points in enumerate((mine, other))
    )
    _, inside = cv2.findHomography(source, target, settings)
    count = 0 if inside is None else int(inside.sum())
    return count if count >= _MODELLED else 0
