"""What time and place say of a pair, fitted on labelled photos: how fast a species travels, and what one camera within minutes is worth.

Each weight is the logarithm of how much more often a pair of one animal falls under its rule than a pair of two, less its sampling error.
A rule with too few animals behind it stays off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reid_edge.decide.calibration import CalibrationModel
from reid_edge.gallery.records import Observation
from reid_edge.gallery.time_place import BURST_HOURS, MOST, NEAR_HOURS, TimePlaceModel, TimesAndPlaces
from reid_edge_calibration.labels.labelled_set import LabelledSet

_LEAST_ANIMALS = 10
"""A rule counts where so many individuals vouch for it."""

_MOST_PHOTOS = 2000
_MARGIN = 1.5  # a species is faster than the fastest of few animals
_SLOWEST = 1.0  # km/h
_ONE_SIDED = 1.64  # standard errors, 95 %


@dataclass(frozen=True)
class _Pairs:
    """Pairs of photos of one species: hours and km between them (NaN where not known), one camera or not, one animal or not."""

    hours: NDArray[np.float64]
    km: NDArray[np.float64]
    one_camera: NDArray[np.bool_]
    same: NDArray[np.bool_]
    individual: NDArray[np.str_]


def with_time_place(model: CalibrationModel, sets: Sequence[LabelledSet]) -> CalibrationModel:
    """The model with what was fitted for each of its species; the entry for any other species says nothing of time and place."""
    by_name = {labelled.species: labelled for labelled in sets}
    species = {
        name: replace(entry, time_place=fit_time_place(_photos(by_name[name])) if name in by_name else None)
        for name, entry in model.species.items()
    }
    return replace(model, species=species)


def fit_time_place(photos: Sequence[Observation]) -> TimePlaceModel | None:
    """The model of one species; None where nothing can be said.

    Args:
        photos: with their individual, time and place, in any order.
    """
    pairs = _pairs_of(sorted(photos, key=lambda each: each.photo_sha256))
    at_one = pairs.one_camera & ~np.isnan(pairs.hours)
    in_burst = at_one & (pairs.hours <= BURST_HOURS)
    in_minutes = at_one & (pairs.hours <= NEAR_HOURS) & ~in_burst
    dated = ~np.isnan(pairs.hours)
    model = TimePlaceModel(_speed(pairs), _weight(pairs, in_burst, dated), _weight(pairs, in_minutes, dated))
    return model if model else None


def _photos(labelled: LabelledSet) -> list[Observation]:
    rows = {str(row.path): row for row in (*labelled.database, *labelled.queries)}
    return [
        Observation(
            photo_sha256=path,
            identity=row.identity,
            taken_at=row.taken_at,
            latitude=row.latitude,
            longitude=row.longitude,
            place=row.place,
        )
        for path, row in rows.items()
        if row.identity
    ]


def _pairs_of(photos: Sequence[Observation]) -> _Pairs:
    """All pairs; of more photos than `_MOST_PHOTOS` those of an even selection."""
    chosen = photos[:: max(1, math.ceil(len(photos) / _MOST_PHOTOS))]
    seen, names = TimesAndPlaces(chosen), np.array([each.identity for each in chosen], np.str_)
    hours, km, one_camera, same, whom = ([], [], [], [], [])  # type: tuple[list[NDArray[np.float64]], ...]
    for place in range(len(chosen) - 1):
        later = slice(place + 1, None)
        distance = seen.distance(seen, place)
        hours.append(np.abs(seen.hours - seen.hours[place])[later])
        km.append(distance[later])
        one_camera.append(seen.same_camera(seen, place, distance)[later])
        same.append((names == names[place])[later])
        whom.append(names[later])
    joined = [np.concatenate(each) if each else np.empty(0) for each in (hours, km, one_camera, same, whom)]
    return _Pairs(joined[0], joined[1], joined[2].astype(bool), joined[3].astype(bool), joined[4].astype(np.str_))


def _speed(pairs: _Pairs) -> float:
    """Faster than nearly all animals that were seen by two cameras; 0 where too few were."""
    moved = pairs.same & (pairs.km > 1.0) & ~np.isnan(pairs.hours)
    if len(set(pairs.individual[moved])) < _LEAST_ANIMALS:
        return 0.0
    speeds = pairs.km[moved] / (pairs.hours[moved] + 0.1)
    return round(max(_SLOWEST, _MARGIN * float(np.quantile(speeds, 0.99))), 1)


def _weight(pairs: _Pairs, under_rule: NDArray[np.bool_], dated: NDArray[np.bool_]) -> float:
    """The log likelihood ratio of a rule, its lower bound, within 0 and `MOST`."""
    of_one, of_two = under_rule & pairs.same, under_rule & ~pairs.same
    if len(set(pairs.individual[of_one])) < _LEAST_ANIMALS:
        return 0.0
    one, two = of_one.sum() + 0.5, of_two.sum() + 0.5
    ratio = math.log(one / ((dated & pairs.same).sum() + 1)) - math.log(two / ((dated & ~pairs.same).sum() + 1))
    return round(float(np.clip(ratio - _ONE_SIDED * math.sqrt(1 / one + 1 / two), 0, MOST)), 2)
