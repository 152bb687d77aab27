"""AdaLAM: nearest neighbours that move with their neighbourhood (Cavalli et al., ECCV 2020), as kornia's `match_adalam` does it.

Nearest neighbours in descriptor space are the putative matches. The surest among them in every circle of the query are seeds, and the
putative matches around a seed that turn and grow like it vote on an affine map that keeps the seed in place. The maps tried are those
through the surest pairs, in a fixed order: nothing here is random.

`reid-edge bench matchers` measures the time of a query on one core.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.matching.affine_points import AffinePoints, DescriptorDistances, squared_distances
from reid_edge.compare.matching.matches import Matches, no_matches

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

# The defaults of kornia, which are those of the authors.
_SEED_SHARE = 100  # a seed's circle has this share of the area that the keypoints span
_EXPANSION = np.float32(4)  # a neighbourhood's radius is this many of a seed's
_SEED_RATIO = 0.8**2  # ratio of squared distances below which a match may be a seed
_MAX_TURN = 30.0  # degrees that a match may turn more or less than its seed
_MAX_GROWTH = 1.5  # times that a match may grow more or less than its seed
_MIN_INLIERS = 6
_MIN_CONFIDENCE = 200.0  # inliers beside those that a random placement would give
_MAX_SCALE = 5.0  # of an affine map, along either axis
_FALLBACK_RATIO = 0.95  # where no neighbourhood is large enough, of squared distances

_PERFECT = 1e-8  # squared residual of what a map was fitted to: no evidence for it
_EXACT = 2.0**-24  # squared residual of an exact copy, which kornia counts as evidence all the same
_FITTED = 3  # of exact copies: the seed and the two that the map was fitted to
_EPSILON = np.finfo(np.float32).eps
# Residuals held at a time: 2 MB of them stay in a core's cache.
_CHUNK = 1 << 19

# The pairs that maps are fitted to: (1, 0), (2, 0), (2, 1), ... among the 16 surest of a neighbourhood.
_SECOND, _FIRST = np.tril_indices(16, -1)


def match_adalam(query: AffinePoints, candidates: Sequence[AffinePoints], min_score: float) -> list[Matches]:
    """Match one query with many candidates.

    Args:
        query: N points.
        candidates: any number of point sets with descriptors of the query's dimension.
        min_score: matches with a score above this are kept. A score is 1 - kornia's distance: 1 - 1 / confidence, at least 0.995;
            or, where no neighbourhood is large enough to vote, 1 - the ratio of the squared distances of the two nearest, at least
            0.05. Such pairs have many matches, as in kornia; a `min_score` of 0.99 leaves those that were voted on.

    Returns:
        One `Matches` per candidate, in their order, each by the query's rows. A query's point is in one match at most, a candidate's may
        be in several.
    """
    if len(query) < 2:
        return [no_matches() for _ in candidates]
    side = _Side.of(query)
    between = squared_distances(query.xy, query.xy)
    distances = DescriptorDistances(query.descriptors)
    pairs = [_Pair.of(query, side, between, candidate, distances) for candidate in candidates]
    problems = [problem for pair in pairs for problem in pair.neighbourhoods]
    verified = _verify(problems)
    return [pair.matches([next(verified) for _ in pair.neighbourhoods], min_score) for pair in pairs]


@dataclass(frozen=True)
class _Side:
    """What is known of one picture: orientations [N] in degrees, scales [N], and the radius of a seed's circle."""

    orientation: Floats
    scale: Floats
    radius: np.float32

    @staticmethod
    def of(points: AffinePoints) -> _Side:
        frames = points.frames
        determinant = frames[:, 0, 0] * frames[:, 1, 1] - frames[:, 1, 0] * frames[:, 0, 1]
        extent = np.ptp(points.xy, axis=0)
        return _Side(
            np.degrees(np.arctan2(frames[:, 0, 1], frames[:, 0, 0])),
            np.sqrt(np.abs(determinant + np.float32(1e-10))),
            np.sqrt(np.prod(extent) / np.float32(_SEED_SHARE) / np.float32(np.pi)),
        )


@dataclass(frozen=True)
class _Neighbourhood:
    """One seed with the putative matches around it, surest first: `rows` [n] of the query; `x`, `y` [n, 2] beside the seed."""

    rows: NDArray[np.int64]
    x: Floats
    y: Floats


@dataclass(frozen=True)
class _Pair:
    """The putative matches of a query and a candidate: nearest [N] rows of the candidate, ratio [N], and who votes."""

    nearest: NDArray[np.int64]
    ratio: Floats
    neighbourhoods: list[_Neighbourhood]

    @staticmethod
    def of(query: AffinePoints, side: _Side, between: Floats, candidate: AffinePoints, distances: DescriptorDistances) -> _Pair:
        if len(candidate) < 2:
            return _Pair(np.empty(0, np.int64), np.empty(0, np.float32), [])
        nearest, ratio, mutual = _putative(distances.to(candidate.descriptors))
        seeds = _seeds(between, side.radius, ratio, mutual)
        return _Pair(nearest, ratio, _neighbourhoods(query, side, between, candidate, nearest, ratio, seeds))

    def matches(self, votes: Sequence[tuple[Bools, float]], min_score: float) -> Matches:
        """The matches that a vote accepted, each with the confidence of the first; by their ratio where there was no vote."""
        if not votes:
            rows = np.flatnonzero(self.ratio <= _FALLBACK_RATIO)
            scores = 1 - self.ratio[rows]
        else:
            accepted = [hood.rows[chosen] for hood, (chosen, _) in zip(self.neighbourhoods, votes, strict=True)]
            each = np.repeat([1 - 1 / confidence for _, confidence in votes], [len(part) for part in accepted])
            rows, first = np.unique(np.concatenate(accepted), return_index=True)
            scores = each[first].astype(np.float32)
        kept = scores > min_score
        return Matches(rows[kept], self.nearest[rows[kept]], scores[kept])


def _putative(distances: Floats) -> tuple[NDArray[np.int64], Floats, Bools]:
    """Nearest neighbours [N], the ratio of the squared distances of the two nearest [N], and whether they are mutual [N].

    The table [N, M] of squared distances is written over.
    """
    rows = np.arange(len(distances))
    nearest = distances.argmin(axis=1)
    best = distances[rows, nearest]
    # Of several with the smallest distance of a column the first is its nearest.
    first = np.full(distances.shape[1], len(distances))
    at_minimum = best == distances.min(axis=0)[nearest]
    np.minimum.at(first, nearest[at_minimum], rows[at_minimum])
    mutual = at_minimum & (first[nearest] == rows)
    distances[rows, nearest] = np.inf
    ratio = best / np.maximum(distances.min(axis=1), np.float32(1e-3))
    return nearest, ratio, mutual


def _seeds(between: Floats, radius: np.float32, ratio: Floats, mutual: Bools) -> NDArray[np.int64]:
    """Rows of the query: sure mutual neighbours without a surer one in their circle."""
    able, rivals = np.flatnonzero(mutual & (ratio < _SEED_RATIO)), np.flatnonzero(mutual)
    beaten = (between[np.ix_(able, rivals)] < radius**2) & (ratio[able][:, None] > ratio[rivals])
    return np.asarray(able[~beaten.any(axis=1)], np.int64)


def _neighbourhoods(
    query: AffinePoints,
    side: _Side,
    between: Floats,
    candidate: AffinePoints,
    nearest: NDArray[np.int64],
    ratio: Floats,
    seeds: NDArray[np.int64],
) -> list[_Neighbourhood]:
    """Of each seed that has enough of them, the putative matches that are near it in both pictures and turn and grow like it."""
    other = _Side.of(candidate)
    radius, other_radius = side.radius * _EXPANSION, other.radius * _EXPANSION
    moved = candidate.xy[nearest]
    member = (between[seeds] < radius**2) & (squared_distances(moved[seeds], moved) < other_radius**2)
    turn = _wrapped(other.orientation[nearest] - side.orientation)
    member &= np.abs(_wrapped(turn[seeds][:, None] - turn)) < _MAX_TURN
    growth = other.scale[nearest] / side.scale
    rate = growth[seeds][:, None] / growth
    member &= (rate < _MAX_GROWTH) & (rate > 1 / _MAX_GROWTH)
    enough = member.sum(axis=1) >= _MIN_INLIERS
    seeds, member = seeds[enough], member[enough]
    hood, rows = np.nonzero(member)
    # Kornia sorts all neighbourhoods in one go, by number and ratio in one float32; whose ratios differ by less is in order of row.
    rows = rows[np.argsort(ratio[rows] + hood.astype(np.float32), kind="stable")]
    x = (query.xy[rows] - query.xy[seeds[hood]]) / radius
    y = (moved[rows] - moved[seeds[hood]]) / other_radius
    ends = np.cumsum(member.sum(axis=1))
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64) if len(ends) else ends
    return [_Neighbourhood(rows[a:b], x[a:b], y[a:b]) for a, b in zip(starts, ends, strict=True)]


def _wrapped(degrees: Floats) -> Floats:
    """Differences of angles in -180 to 180."""
    degrees = np.where(degrees < -180, degrees + 360, degrees)
    return np.where(degrees >= 180, degrees - 360, degrees)


def _verify(problems: Sequence[_Neighbourhood]) -> Iterator[tuple[Bools, float]]:
    """Of each neighbourhood in turn: its inliers [n] and their confidence; none and 1 where it is not accepted."""
    found: list[tuple[Bools, float]] = [(np.empty(0, np.bool_), 1.0)] * len(problems)
    sizes = np.array([len(problem.rows) for problem in problems], np.int64)
    # Neighbourhoods of like size go together, as each is filled up to the largest.
    order = np.argsort(sizes, kind="stable")
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and (end + 1 - start) * len(_FIRST) * sizes[order[end]] <= _CHUNK:
            end += 1
        chunk = order[start:end]
        chosen, confidence = _verify_chunk([problems[place] for place in chunk], sizes[chunk])
        for place, mask, value in zip(chunk, chosen, confidence, strict=True):
            found[place] = (mask[: sizes[place]], float(value))
        start = end
    return iter(found)


def _verify_chunk(problems: Sequence[_Neighbourhood], sizes: NDArray[np.int64]) -> tuple[Bools, Floats]:
    """Inliers [S, n] and confidence [S] of neighbourhoods that are filled up to the size of the last."""
    shape = (len(problems), int(sizes[-1]), 2)
    x, y = np.zeros(shape, np.float32), np.full(shape, np.nan, np.float32)  # what is filled up has no residual
    for place, problem in enumerate(problems):
        x[place, : sizes[place]], y[place, : sizes[place]] = problem.x, problem.y
    maps, usable = _maps_through_pairs(x, y, sizes)
    support = _support(_squared_residuals(maps, x, y), maps, usable, x, y, sizes)
    maps, usable = _maps_through_inliers(x, y, support.chosen)
    tried = np.where(_near_isometry(maps)[..., None, None], maps, np.eye(2, dtype=np.float32))
    support = _support(_squared_residuals(tried, x, y), maps, usable, x, y, sizes)
    accepted = support.accepted
    return support.chosen & accepted[:, None], np.where(accepted, support.confidence, 1)


def _maps_through_pairs(x: Floats, y: Floats, sizes: NDArray[np.int64]) -> tuple[Floats, Bools]:
    """Linear maps [S, H, 2, 2] that take pairs of x exactly to those of y, and whether a pair tells one [S, H]."""
    hood = np.arange(len(x))[:, None]
    first, second = _FIRST % sizes[:, None], _SECOND % sizes[:, None]
    (a, b), (c, d) = np.moveaxis(x[hood, second], -1, 0), np.moveaxis(x[hood, first], -1, 0)
    (p, q), (r, s) = np.moveaxis(y[hood, second], -1, 0), np.moveaxis(y[hood, first], -1, 0)
    determinant = a * d - b * c
    usable = np.abs(determinant) > np.sqrt(_EPSILON) * (a * a + b * b + c * c + d * d)
    inverse = 1 / np.where(usable, determinant, np.float32(1))
    maps = np.stack([d * p - b * r, a * r - c * p, d * q - b * s, a * s - c * q], axis=-1) * inverse[..., None]
    return maps.reshape(*usable.shape, 2, 2), usable


def _maps_through_inliers(x: Floats, y: Floats, chosen: Bools) -> tuple[Floats, Bools]:
    """Linear maps [S, 1, 2, 2] that take the chosen of x to those of y by least squares, and whether they tell one [S, 1]."""
    x, y = np.where(chosen[..., None], x, np.float32(0)), np.where(chosen[..., None], y, np.float32(0))
    normal = x.transpose(0, 2, 1) @ x
    a, b, c, d = normal[:, 0, 0], normal[:, 0, 1], normal[:, 1, 0], normal[:, 1, 1]
    determinant = a * d - b * c
    usable = determinant > _EPSILON * (a + d) ** 2
    inverse = np.stack([d, -b, -c, a], axis=-1).reshape(-1, 2, 2) / np.where(usable, determinant, np.float32(1))[:, None, None]
    return (y.transpose(0, 2, 1) @ x @ inverse)[:, None], usable[:, None]


def _near_isometry(maps: Floats) -> Bools:
    """Whether maps [..., 2, 2] stretch by no more than they may along any axis."""
    a, b, c, d = np.moveaxis(maps.reshape(*maps.shape[:-2], 4), -1, 0)
    one, two, both = a * a + b * b, c * c + d * d, a * c + b * d
    middle, spread = (one + two) / 2, np.hypot((one - two) / 2, both)
    return np.asarray((middle - spread >= 1 / _MAX_SCALE**2) & (middle + spread <= _MAX_SCALE**2), np.bool_)


def _squared_residuals(maps: Floats, x: Floats, y: Floats) -> Floats:
    """How far maps [S, H, 2, 2] take x [S, n, 2] from y: squares [S, H, n]; NaN where y is."""
    mapped = maps.transpose(0, 2, 1, 3).reshape(len(maps), -1, 2) @ x.transpose(0, 2, 1)
    right, down = mapped[:, : maps.shape[1]], mapped[:, maps.shape[1] :]
    right -= y[:, None, :, 0]
    down -= y[:, None, :, 1]
    right *= right
    down *= down
    right += down
    return np.asarray(right, np.float32)


@dataclass(frozen=True)
class _Support:
    """Who agrees with the best map of each neighbourhood: chosen [S, n], how many [S], with what confidence [S]."""

    chosen: Bools
    count: NDArray[np.int64]
    confidence: Floats

    @property
    def accepted(self) -> Bools:
        sure = np.maximum(self.confidence, _MIN_CONFIDENCE)
        return (self.confidence >= _MIN_CONFIDENCE) & (self.count * (1 - 1 / sure) >= _MIN_INLIERS)


def _support(squared: Floats, maps: Floats, usable: Bools, x: Floats, y: Floats, sizes: NDArray[np.int64]) -> _Support:
    """The best of each neighbourhood's maps, the first of equal ones, by the inliers that it has beyond what chance would give.

    Args:
        squared: [S, H, n], squared residuals; NaN where nothing is.
        maps: [S, H, 2, 2], as they were fitted.
        usable: [S, H], which of them were.
        x, y: [S, n, 2].
        sizes: [S], how many of n there are.
    """
    hoods, maps_each, _ = squared.shape
    # No inlier is farther off than this, so only maps with enough points within it can be best; only their residuals are sorted.
    bound = np.where(usable, np.count_nonzero(squared <= 1 / _MIN_CONFIDENCE, axis=2), 0)
    likely = bound.argmax(axis=1)
    least, _ = _inliers(squared[np.arange(hoods), likely], sizes, maps_each == 1)
    hood, which = np.nonzero(bound >= np.maximum(least, 1)[:, None])
    counts = np.zeros((hoods, maps_each), np.int64)
    counts[hood, which], _ = _inliers(squared[hood, which], sizes[hood], maps_each == 1)
    rows, best = np.arange(hoods), counts.argmax(axis=1)
    of_best = squared[rows, best]
    count, confidence = _inliers(of_best, sizes, maps_each == 1)
    count, confidence = np.where(usable[rows, best], count, 0), np.where(usable[rows, best], confidence, 0)
    ranks = np.argsort(np.argsort(of_best, axis=1, kind="stable"), axis=1)
    support = _Support(ranks < count[:, None], count, confidence)
    return _with_copies(support, squared, maps, usable, x, y, sizes)


def _inliers(squared: Floats, sizes: NDArray[np.int64], once: bool) -> tuple[NDArray[np.int64], Floats]:
    """How many inliers each map has, and their confidence.

    The k nearest are inliers while they lie so near that, of all points, k / confidence at most would lie there by chance.

    Args:
        squared: [R, n], squared residuals, of which `sizes` [R] are there.
        once: points of the same residual, in half precision, count as one together.

    Returns:
        Counts [R] and confidences [R].
    """
    nearest = np.sort(squared, axis=1)
    present = np.arange(squared.shape[1]) < sizes[:, None]
    weights = (present & (nearest > _PERFECT)).astype(np.float32)
    if once:
        weights /= _repeats(nearest.astype(np.float16))
    total = weights.sum(axis=1, dtype=np.float64)
    rate = np.cumsum(weights, axis=1, dtype=np.float64) / np.maximum(total, _EPSILON)[:, None]
    weights[~(nearest * np.float32(_MIN_CONFIDENCE) <= rate)] = 0
    count = weights.sum(axis=1, dtype=np.float64).astype(np.int64)
    last = nearest[np.arange(len(nearest)), np.maximum(count, 1) - 1]
    return count, count / np.maximum(total * last, 1e-30)


def _repeats(rows: NDArray[np.float16]) -> NDArray[np.int64]:
    """Of each number of sorted rows, how many neighbours in its row equal it, with itself."""
    begins = np.ones(rows.shape, np.bool_)
    begins[:, 1:] = rows[:, 1:] != rows[:, :-1]
    runs = np.cumsum(begins.ravel()) - 1
    return np.asarray(np.bincount(runs)[runs].reshape(rows.shape), np.int64)


def _with_copies(
    support: _Support, squared: Floats, maps: Floats, usable: Bools, x: Floats, y: Floats, sizes: NDArray[np.int64]
) -> _Support:
    """Add what a map takes exactly to where it is, as between copies of a photo: a residual of nothing is no evidence otherwise."""
    exact = (squared <= _EXACT) & usable[..., None]
    copies = np.count_nonzero(exact, axis=2)
    able = copies >= _MIN_INLIERS + _FITTED
    if not able.any():
        return support
    able &= _near_isometry(maps)
    different = np.zeros(x.shape[:2], np.bool_)
    for hood in np.flatnonzero(able.any(axis=1)):
        first_x, first_y = (np.unique(points[hood, : sizes[hood]], axis=0, return_index=True)[1] for points in (x, y))
        different[hood, np.intersect1d(first_x, first_y)] = True
    evidence = np.where(able, np.maximum(np.count_nonzero(exact & different[:, None], axis=2) - _FITTED, 0), 0)
    rows, best = np.arange(len(x)), evidence.argmax(axis=1)
    evidence, copies = evidence[rows, best], copies[rows, best]
    confidence = evidence / (sizes * _EXACT)
    better = (evidence >= _MIN_INLIERS) & (confidence >= _MIN_CONFIDENCE) & (~support.accepted | (copies > support.count))
    return _Support(
        np.where(better[:, None], exact[rows, best], support.chosen),
        np.where(better, copies, support.count),
        np.where(better, confidence, support.confidence),
    )
