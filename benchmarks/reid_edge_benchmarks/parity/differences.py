"""How far apart the two sides are at every stage, and where the most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from reid_edge.decide.calibration import Entry
from reid_edge.recipe import Recipe
from reid_edge_benchmarks.parity.calibrating import IsotonicCurve
from reid_edge_benchmarks.parity.deciding import ReferenceAnswer
from reid_edge_benchmarks.parity.describing import Described
from reid_edge_benchmarks.parity.fitting import ReferenceEntry
from reid_edge_benchmarks.parity.runtime_system import RuntimeAnswer
from reid_edge_calibration.calibrators import fit_isotonic
from reid_edge_calibration.score_table import ScoreTable

REPEATED_PIXELS = 1.0
"""A keypoint is the same where the other side has one within this many pixels of the upright photo."""
SAME_COUNT, SAME_SHARE = 2.0, 0.02
"""Two counts are the same within so many matches, or this share of the larger one."""

Values = Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Difference:
    """The differences of one stage; 0 is the same.

    Attributes:
        stage, unit: what differs, and in what.
        p50, p99, largest: of the differences.
        where: the photo or pair of the largest.
        compared: how many differences.
    """

    stage: str
    unit: str
    p50: float
    p99: float
    largest: float
    where: str
    compared: int

    @classmethod
    def of(cls, stage: str, unit: str, values: Values) -> Difference:
        """Of differences, each with where it is; one or more."""
        numbers = [value for value, _ in values]
        p50, p99 = np.quantile(numbers, [0.5, 0.99])
        worst = int(np.argmax(numbers))
        return cls(stage, unit, float(p50), float(p99), numbers[worst], values[worst][1] if numbers[worst] else "", len(values))

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def description_differences(
    recipe: Recipe, photos: Sequence[str], reference: Sequence[Described], runtime: Sequence[RuntimeAnswer]
) -> Iterator[Difference]:
    """Masks, chips, vectors, keypoints and pictures of the same photos."""
    pairs = [(photo, mine, each.described) for photo, mine, each in zip(photos, reference, runtime, strict=True)]
    yield Difference.of("mask", "1 - IoU", [(1 - _iou(mine, its.animal.box, its.animal.mask), at) for at, mine, its in pairs])
    boxes = [(float(np.abs(np.subtract(mine.box, its.animal.box)).max()), at) for at, mine, its in pairs]
    yield Difference.of("chip", "pixels of a side", boxes)
    for name in recipe.embedding_names:
        cosines = [
            (max(0.0, 1 - float(mine.vectors[name].numpy() @ its.features.vectors[name])), at)
            for at, mine, its in pairs
            if name in mine.vectors  # the stage may be for other species
        ]
        if not cosines:
            continue
        yield Difference.of(f"embedding {name}", "1 - cosine", cosines)
    for extract in recipe.extract:
        if not any(extract.name in mine.points or extract.name in mine.pictures for _, mine, _ in pairs):
            continue  # for other species
        if extract.detector == "picture":
            grey = [
                (float(np.abs(mine.pictures[extract.name].numpy() - its.features.pictures[extract.name]).mean()), at)
                for at, mine, its in pairs
            ]
            yield Difference.of(f"picture {extract.name}", "grey levels of 255, mean", grey)
            continue
        repeated, descriptors = [], []
        for at, mine, its in pairs:
            missed, unlike = _keypoints(mine, its.features.keypoints[extract.name], extract.name)
            repeated.append((missed, at))
            descriptors.append((unlike, at))
        yield Difference.of(f"keypoints {extract.name}", f"share not within {REPEATED_PIXELS:g} px", repeated)
        yield Difference.of(f"descriptors {extract.name}", "1 - mean cosine of these", descriptors)


@dataclass(frozen=True)
class PairScores:
    """Raw scores [S] of one side, by the query's place and the gallery photo's path."""

    raw: Mapping[tuple[int, str], NDArray[np.float64]]
    table: ScoreTable

    @classmethod
    def of(cls, table: ScoreTable, gallery: Sequence[Path]) -> PairScores:
        """The scores of a table in the gallery as it is, where these are the photos in its order."""
        compared, photos = ~np.isnan(table.raw).all(axis=1), [str(path.resolve()) for path in gallery]
        rows = zip(table.query[compared], table.candidate[compared], table.raw[compared].astype(np.float64), strict=True)
        return cls({(int(query), photos[candidate]): raw for query, candidate, raw in rows}, table)

    def shortlist(self, query: int, column: int) -> list[str]:
        """The gallery photos that the query was compared with, by this score."""
        mine = [(float(scores[column]), photo) for (asked, photo), scores in self.raw.items() if asked == query]
        return [photo for _, photo in sorted(mine, key=lambda each: (-each[0], each[1]))]


def score_differences(recipe: Recipe, photos: Sequence[str], reference: PairScores, runtime: PairScores) -> Iterator[Difference]:
    """Shortlists and raw scores of the same queries, whose photos these are."""
    place = recipe.score_names.index(recipe.retrieve.embedding)
    missing, moved = [], []
    for query, at in enumerate(photos):
        mine, its = (each.shortlist(query, place) for each in (reference, runtime))
        if mine or its:
            missing.append((1 - len(set(mine) & set(its)) / max(len(mine), len(its)), at))
        common = [candidate for candidate in mine if candidate in set(its)]
        order = [candidate for candidate in its if candidate in set(mine)]
        if common:
            moved.append((float(max(abs(order.index(each) - rank) for rank, each in enumerate(common))), at))
    yield Difference.of("shortlist", "share not in common", missing)
    yield Difference.of("shortlist's order", "places moved, of common ones", moved)
    counts = {match.name for match in recipe.match if match.count in ("matches", "sum", "inliers")}
    for column, name in enumerate(recipe.score_names):
        both, alone = [], []
        for pair in sorted(reference.raw.keys() & runtime.raw.keys()):
            mine, its = reference.raw[pair][column], runtime.raw[pair][column]
            at = f"{photos[pair[0]]} with {Path(pair[1]).name}"
            if np.isnan(mine) != np.isnan(its):
                alone.append((1.0, at))
            elif not np.isnan(mine):
                both.append((abs(mine - its), mine, its, at))
                alone.append((0.0, at))
        if not both:
            continue
        unit = "matches" if name in counts else "score"
        yield Difference.of(f"score {name}", unit, [(apart, f"{at}: {mine:.6g}, {its:.6g}") for apart, mine, its, at in both])
        if name in counts:
            unequal = [(float(apart > max(SAME_COUNT, SAME_SHARE * max(mine, its))), at) for apart, mine, its, at in both]
            yield Difference.of(f"counts unequal {name}", "share of pairs", [*_mean_first(unequal)])
        if any(value for value, _ in alone):
            yield Difference.of(f"computed by one side {name}", "share of pairs", [*_mean_first(alone)])


def calibration_differences(
    names: Sequence[str], reference: PairScores, runtime: PairScores, mine: ReferenceEntry, its: Entry
) -> Iterator[Difference]:
    """Calibrated scores of the same pairs, each side's by its own calibrator; and the calibrators fitted on the runtime's scores alike."""
    pairs, table = sorted(reference.raw.keys() & runtime.raw.keys()), runtime.table
    for column, name in enumerate(names):
        scores = np.array([[side.raw[pair][column] for pair in pairs] for side in (reference, runtime)])
        there = ~np.isnan(scores).any(axis=0)
        if not there.any():
            continue  # for other species
        apart = np.abs(mine.curves[name](scores[0, there]) - its.calibrators[name](scores[1, there]))
        ats = [f"scores {first:.6g}, {second:.6g}" for first, second in scores[:, there].T]
        yield Difference.of(f"calibrated {name}", "probability", list(zip(map(float, apart), ats, strict=True)))
        x, same = table.raw[:, column].astype(np.float64), table.same
        seen = ~np.isnan(x)
        if not same[seen].any() or same[seen].all():
            continue
        curve, levels = IsotonicCurve(x, same), np.unique(x[seen])
        exact = np.abs(curve.probability(levels) - fit_isotonic(x, same, tolerance=0).interpolate(levels))
        thinned = np.abs(curve.probability(levels) - fit_isotonic(x, same).interpolate(levels))
        for what, values in (("same scores, all knots", exact), ("same scores, thinned", thinned)):
            told = [(float(value), f"score {level:.6g}") for value, level in zip(values, levels, strict=True)]
            yield Difference.of(f"calibrator {name}, {what}", "probability", told)


def answer_differences(
    photos: Sequence[str], reference: Sequence[ReferenceAnswer], runtime: Sequence[RuntimeAnswer]
) -> Iterator[Difference]:
    """Fused scores of the same individuals, and the confidence of the answer."""
    fused, sure = [], []
    for at, mine, its in zip(photos, reference, runtime, strict=True):
        fused += [(abs(mine.fused[who] - its.fused[who]), f"{at}, {who}") for who in mine.fused.keys() & its.fused.keys()]
        sure.append((abs(mine.confidence - its.evidence), at))
    if fused:
        yield Difference.of("fused", "probability", fused)
    yield Difference.of("confidence of the answer", "probability", sure)


def _iou(mine: Described, box: tuple[int, int, int, int], mask: NDArray[np.bool_]) -> float:
    """Of both masks in the photo."""
    right, bottom = max(mine.box[2], box[2]), max(mine.box[3], box[3])
    canvas = np.zeros((2, bottom, right), bool)
    for layer, (x0, y0, x1, y1), part in ((0, mine.box, mine.mask), (1, box, mask)):
        canvas[layer, y0:y1, x0:x1] = part
    return float((canvas[0] & canvas[1]).sum() / max(1, (canvas[0] | canvas[1]).sum()))


def _keypoints(mine: Described, its: Any, name: str) -> tuple[float, float]:
    """The share of keypoints of either side that the other lacks, and 1 - the mean cosine of those in common."""
    own, other = mine.photo_xy(name), np.asarray(its.xy, np.float64)
    if not len(own) or not len(other):
        return float(len(own) != len(other)), 0.0
    near = cKDTree(other).query(own)[0]
    back = cKDTree(own).query(other)[0]
    shared = near <= REPEATED_PIXELS
    missed = 1 - min(shared.mean(), (back <= REPEATED_PIXELS).mean())
    if not shared.any():
        return float(missed), 0.0
    # Several frames can have one centre: of those within reach the likest one counts.
    descriptors = mine.points[name].descriptors.numpy()
    reach = cKDTree(other).query_ball_point(own[shared], REPEATED_PIXELS)
    cosines = [
        max(float(row @ its.descriptors[each]) for each in rows) for row, rows in zip(descriptors[shared], reach, strict=True)
    ]
    return float(missed), max(0.0, 1 - float(np.mean(cosines)))


def _mean_first(flags: Values) -> Values:
    """The share of flags that are set, for each of them: of flags, quantiles say nothing."""
    share = float(np.mean([value for value, _ in flags]))
    at = next((where for value, where in flags if value), "")
    return [(share, at)] * len(flags)
