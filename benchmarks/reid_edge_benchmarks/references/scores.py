"""What a stage counts of the matches of a query with its candidates: the matches, their share, inliers, or how distinctive they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from reid_edge.recipe.stages import Match

_INLIER_SIDE = 512  # pixels of the long side; `inlier_pixels` refers to this size
_MODELLED = 4  # matches that a homography takes
_MAGSAC_CONFIDENCE, _MAGSAC_ITERATIONS = 0.9999, 5000
_RANSAC_CONFIDENCE, _RANSAC_ITERATIONS, _MOST_SCALING = 0.999, 1000, 3


@dataclass(frozen=True)
class MatchedPair:
    """The matches of a query with one candidate.

    Attributes:
        rows: int64 [M], of the query's keypoints.
        scores: float [M], cosine or confidence of each match.
        query_xy, candidate_xy: float [M, 2], pixels of either chip.
        query_side, candidate_side: pixels of the long side of either chip.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.floating]
    query_xy: NDArray[np.floating]
    candidate_xy: NDArray[np.floating]
    query_side: float
    candidate_side: float


def count(match: Match, keypoints: int, found: Sequence[MatchedPair], owners: Sequence[str]) -> list[float]:
    """The scores of all candidates of one stage.

    Args:
        match: says what is counted.
        keypoints: of the query.
        found: per candidate.
        owners: per candidate, whom it shows.
    """
    if match.count == "distinctive":
        return distinctive(keypoints, found, owners)
    if match.count == "inliers":
        return [float(inliers(each, match)) for each in found]
    if match.count == "sum":
        return [math.fsum(map(float, each.scores)) for each in found]
    numbers = [float(len(each.rows)) for each in found]
    return [number / max(1, keypoints) for number in numbers] if match.count == "share" else numbers


def distinctive(keypoints: int, found: Sequence[MatchedPair], owners: Sequence[str]) -> list[float]:
    """Local naive Bayes nearest neighbour (McCann & Lowe, CVPR 2012), with the best other individual as the normaliser.

    score(photo) = sum over keypoints of max(0, own cosine - the highest cosine among the photos of all other individuals), where a keypoint
    that a photo does not match has the cosine 0. NaN where all photos are of one individual.
    """
    names = sorted(set(owners))
    if len(names) < 2:
        return [float("nan")] * len(found)
    individual = torch.tensor([names.index(owner) for owner in owners])
    cosines = torch.zeros(len(found), keypoints, dtype=torch.float64)
    for row, each in enumerate(found):
        cosines[row, torch.from_numpy(each.rows)] = torch.from_numpy(each.scores).double()
    place = individual[:, None].expand_as(cosines)
    of_individual = torch.zeros(len(names), keypoints, dtype=torch.float64).scatter_reduce_(0, place, cosines, "amax")
    highest, second = of_individual.topk(2, dim=0).values
    rival = torch.where(of_individual == highest, second, highest)
    scores: list[float] = (cosines - rival[individual]).clamp(min=0).sum(1).tolist()
    return scores


def inliers(pair: MatchedPair, match: Match) -> int:
    """Matches that one homography (MAGSAC++) or one similarity (RANSAC) explains, found by OpenCV with the runtime's settings and its
    draws: with other draws the count of one pair moves by a tenth, so that no other search could be compared.
    """
    if len(pair.rows) < _MODELLED:
        return 0
    source, target = (
        np.asarray(xy, np.float64) * (_INLIER_SIDE / side)
        for xy, side in ((pair.query_xy, pair.query_side), (pair.candidate_xy, pair.candidate_side))
    )
    search = _similarity if match.geometry == "similarity" else _homography
    number = int(search(source, target, match.inlier_pixels).sum())
    return number if number >= _MODELLED else 0


def _homography(source: NDArray[np.float64], target: NDArray[np.float64], pixels: float) -> NDArray[np.uint8]:
    settings = cv2.UsacParams()
    settings.score, settings.loMethod = cv2.SCORE_METHOD_MAGSAC, cv2.LOCAL_OPTIM_SIGMA
    settings.threshold, settings.confidence, settings.maxIterations = pixels, _MAGSAC_CONFIDENCE, _MAGSAC_ITERATIONS
    settings.randomGeneratorState, settings.isParallel = 0, False
    _, inside = cv2.findHomography(source, target, settings)
    return np.zeros(0, np.uint8) if inside is None else np.asarray(inside, np.uint8)


def _similarity(source: NDArray[np.float64], target: NDArray[np.float64], pixels: float) -> NDArray[np.uint8]:
    """None where the animal would be more than three times as large, or as small, in the other chip: both chips show all of it."""
    cv2.setRNGSeed(0)
    found, inside = cv2.estimateAffinePartial2D(
        source, target, None, cv2.RANSAC, pixels, _RANSAC_ITERATIONS, _RANSAC_CONFIDENCE, 0
    )
    scale = 0.0 if found is None else float(np.linalg.norm(found[:, 0]))
    return np.asarray(inside, np.uint8) if 1 / _MOST_SCALING < scale < _MOST_SCALING else np.zeros(0, np.uint8)
