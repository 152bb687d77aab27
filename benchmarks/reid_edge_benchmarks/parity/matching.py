"""The matchers of the reference: kornia's and PyTorch's, one pair of photos at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid_edge.pack import Pack
from reid_edge.recipe.stages import Match
from reid_edge_benchmarks.parity.describing import Described, Points
from reid_edge_benchmarks.parity.torch_networks import TorchNetworks
from reid_edge_benchmarks.references.scores import MatchedPair

Pairs = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Rows of the keypoints that match [M, 2], and how sure each match is [M]."""

_NONE = np.empty((0, 2), np.int64), np.empty(0, np.float32)
_RIVALS = 2  # keypoints that a ratio of the two nearest takes


class PairMatchers:
    """What the matchers of a recipe find of two photos."""

    def __init__(self, pack: Pack, networks: TorchNetworks) -> None:
        self._networks = networks
        self._parameters: Mapping[str, Mapping[str, object]] = {n: each.parameters for n, each in pack.manifest.networks.items()}

    def match(self, match: Match, query: Described, candidate: Described) -> MatchedPair:
        """The matches of one matcher; see `reid_edge_benchmarks.references.scores.count` for what a stage counts of them."""
        with torch.inference_mode():
            if match.rules.pictures:
                pictures = query.pictures[match.keypoints], candidate.pictures[match.keypoints]
                pairs, scores = self._loftr(match, *pictures)
                return MatchedPair(pairs[:, 0], scores, np.empty((0, 2)), np.empty((0, 2)), 1, 1)  # places are not looked at
            mine, other = (each.points[match.keypoints].first(match.points) for each in (query, candidate))
            pairs, scores = self._pairs(match, mine, other)
        query_xy, candidate_xy = (points.xy.numpy()[pairs[:, side]] for side, points in enumerate((mine, other)))
        return MatchedPair(pairs[:, 0], scores, query_xy, candidate_xy, max(mine.size), max(other.size))

    def _pairs(self, match: Match, mine: Points, other: Points) -> Pairs:
        if not len(mine) or not len(other):
            return _NONE
        if match.matcher == "mutual-nearest":
            return _mutual_nearest(mine.descriptors, other.descriptors, match.min_score)
        if match.matcher in ("adalam", "fginn"):
            return _NONE if min(len(mine), len(other)) < _RIVALS else _geometric(match.matcher, mine, other, match.min_score)
        return self._lightglue_pairs(match, mine, other)

    def _lightglue_pairs(self, match: Match, mine: Points, other: Points) -> Pairs:
        sides = (part for points in (mine, other) for part in (self._places(match, points), points.descriptors))
        partners, confidences = self._networks.lightglue(match.network)(*sides)
        return _above(match.min_score, partners, confidences)

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

    def _loftr(self, match: Match, mine: Tensor, other: Tensor) -> Pairs:
        matches, scores = self._networks.exported(match.network)(mine[None, None] / 255, other[None, None] / 255)
        partners, confidences = matches.flatten(), scores.flatten()
        pairs = torch.column_stack((torch.arange(len(partners)), partners))
        return _above(match.min_score, pairs[partners >= 0], confidences[partners >= 0])


def _mutual_nearest(mine: Tensor, other: Tensor, least: float) -> Pairs:
    from kornia.feature import match_mnn

    distances, pairs = match_mnn(mine, other)
    return _above(least, pairs, 1 - distances[:, 0].square() / 2)


def _geometric(matcher: str, mine: Points, other: Points, least: float) -> Pairs:
    """kornia's geometry-aware matcher, fginn or AdaLAM, in the pixels that the detectors saw."""
    from kornia.feature import GeometryAwareDescriptorMatcher

    distances, pairs = GeometryAwareDescriptorMatcher(matcher)(mine.descriptors, other.descriptors, _lafs(mine), _lafs(other))
    return _above(least, pairs, 1 - distances[:, 0])


def _above(least: float, pairs: Tensor, scores: Tensor) -> Pairs:
    kept = scores > least
    return np.asarray(pairs[kept].numpy(), np.int64), np.asarray(scores[kept].numpy(), np.float32)


def _lafs(points: Points) -> Tensor:
    """Local affine frames [1, N, 2, 3], upright circles of one size where the detector gives none."""
    zoom = torch.tensor(points.seen) / torch.tensor(points.size)
    frames = torch.eye(2).expand(len(points), 2, 2) if points.frames is None else torch.diag(zoom) @ points.frames
    return torch.cat((frames, ((points.xy + 0.5) * zoom - 0.5)[:, :, None]), 2)[None]
