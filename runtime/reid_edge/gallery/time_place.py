"""What time and place say of a pair of photos before the coats are looked at: prior log odds that both show one animal.

Three rules: one camera within a minute (a burst), one camera within minutes, and two cameras farther apart than the species travels in the
time between. Clocks jump, so that it is evidence of limited weight, never a proof. A missing time or place says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import PackError
from reid_edge.gallery.records import Observation

MAX_SPEED = 30.0
"""km/h, on the straight line, over minutes to hours."""

BURST_HOURS, NEAR_HOURS = 1 / 60, 1 / 6
MOST = 4.0
"""Log odds that a rule adds or takes at most: clocks jump, and cameras are moved."""

_CLOCKS_DIFFER = 0.1  # hours
_PLACES_DIFFER = 0.5  # km
_ONE_CAMERA = 0.05  # km
_EARTH = 6371.0


@dataclass(frozen=True)
class TimePlaceModel:
    """The rules with their weights.

    Attributes:
        max_speed: km/h that an animal does not exceed between two cameras; 0 switches the rule off. From there to twice the speed the log
            odds fall by `MOST`.
        burst: log odds of two photos of one camera within a minute, 0 to `MOST`.
        near: the same within ten minutes.
    """

    max_speed: float = 0.0
    burst: float = 0.0
    near: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.max_speed < math.inf or not 0 <= self.near <= MOST or not 0 <= self.burst <= MOST:
            raise PackError(
                f"time and place need a speed of 0 or more and weights of 0 to {MOST:g}.", "Calibrate the pack again."
            )

    def __bool__(self) -> bool:
        return bool(self.max_speed or self.burst or self.near)

    def log_odds(self, sightings: Sequence[Observation]) -> NDArray[np.float32]:
        """float32 [N, N], symmetric, 0 on the diagonal: what is added to the log odds of each pair."""
        seen, table = TimesAndPlaces(sightings), np.zeros((len(sightings), len(sightings)), np.float32)
        for place in range(len(sightings)) if self else ():
            table[place] = self.between(seen, seen, place)
        np.fill_diagonal(table, 0)
        return table

    def between(self, seen: TimesAndPlaces, query: TimesAndPlaces, place: int = 0) -> NDArray[np.float64]:
        """float64 [N], of one of `query` and each of `seen`."""
        hours, km = np.abs(seen.hours - query.hours[place]), seen.distance(query, place)
        speed = np.maximum(0.0, km - _PLACES_DIFFER) / (hours + _CLOCKS_DIFFER)
        found = np.zeros(len(hours))
        if self.max_speed:
            found = -MOST * np.clip(np.nan_to_num(speed) / self.max_speed - 1, 0, 1)
        at_one = seen.same_camera(query, place, km) & (found == 0)
        with np.errstate(invalid="ignore"):
            found[at_one & (hours <= NEAR_HOURS)] = self.near
            found[at_one & (hours <= BURST_HOURS)] = self.burst
        return found

    def remark(self, first: Observation, second: Observation) -> str:
        """What the model says of a pair, in words; '' where it says nothing."""
        value = float(self.log_odds([first, second])[0, 1])
        if not value:
            return ""
        seen = TimesAndPlaces([first, second])
        apart = _span(abs(float(seen.hours[0] - seen.hours[1])))
        if value > 0:
            return f"seen by one camera {apart} apart: more likely one animal"
        return f"seen {float(seen.distance(seen, 0)[1]):.0f} km away {apart} apart: less likely one animal"


OFF = TimePlaceModel()


class TimesAndPlaces:
    """When and where N photos were taken, as arrays.

    Attributes:
        sightings: of the photos.
        hours: float64 [N], by the camera's clock; NaN where the time is not known to the minute.
    """

    def __init__(self, sightings: Sequence[Observation]) -> None:
        self.sightings = tuple(sightings)
        self.hours = np.array([_hours(each.taken_at) for each in sightings], np.float64)
        self._cameras = np.array([each.place.strip().casefold() for each in sightings], np.str_)

    @cached_property
    def _points(self) -> NDArray[np.float64]:
        """float64 [N, 3] on the unit sphere, NaN where the position is not known."""
        places = [(each.latitude, each.longitude) for each in self.sightings]
        degrees = [(math.nan, math.nan) if None in place else place for place in places]
        latitude, longitude = np.radians(np.array(degrees, np.float64).reshape(-1, 2)).T
        return np.stack([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=-1)

    def distance(self, other: TimesAndPlaces, place: int) -> NDArray[np.float64]:
        """float64 [N], km to one of the others; NaN where one position is not known."""
        chord = np.linalg.norm(self._points - other._points[place], axis=-1)
        return np.asarray(2 * _EARTH * np.arcsin(np.minimum(1.0, chord / 2)))

    def same_camera(self, other: TimesAndPlaces, place: int, km: NDArray[np.float64]) -> NDArray[np.bool_]:
        """bool [N], whether it is the camera (or place) of one of the others, by name or else by position."""
        name = other._cameras[place]
        named = (self._cameras != "") & (name != "")
        with np.errstate(invalid="ignore"):
            return np.where(named, self._cameras == name, km <= _ONE_CAMERA)


@dataclass(frozen=True)
class SeenBefore:
    """What time and place say of the individuals of a gallery for one photo.

    Attributes:
        log_odds: by individual, of those of whom they say something.
        remarks: the same in words.
        missing: what they could not go by, a sentence; '' where nothing is missing.
    """

    log_odds: dict[str, float]
    remarks: dict[str, str]
    missing: str = ""


def seen_before(model: TimePlaceModel, query: Observation, gallery: TimesAndPlaces) -> SeenBefore:
    """Hold a photo against all sightings of a gallery; sightings of the very photo do not count.

    Of an individual that was too far away once, that counts; else the sighting that speaks most for it.

    Args:
        model: the rules; where all are off nothing is said.
        query: the photo, its time and place.
        gallery: the sightings.
    """
    if not model:
        return SeenBefore({}, {})
    asked = TimesAndPlaces([query])
    if missing := _missing(query, asked):
        return SeenBefore({}, {}, missing)
    values = model.between(gallery, asked)
    strongest: dict[str, int] = {}
    for place in np.flatnonzero(values):
        sighting = gallery.sightings[place]
        if sighting.photo_sha256 == query.photo_sha256:
            continue
        present = strongest.get(sighting.identity)
        if present is None or _weight(values[place]) > _weight(values[present]):
            strongest[sighting.identity] = int(place)
    log_odds = {name: float(values[place]) for name, place in strongest.items()}
    remarks = {name: model.remark(gallery.sightings[place], query) for name, place in strongest.items()}
    return SeenBefore(log_odds, remarks)


def _weight(value: float) -> tuple[bool, float]:
    return bool(value < 0), abs(float(value))


def _missing(query: Observation, asked: TimesAndPlaces) -> str:
    has_place = bool(query.place) or (query.latitude is not None and query.longitude is not None)
    lacking = " and no ".join([*(["time"] if math.isnan(asked.hours[0]) else []), *([] if has_place else ["place"])])
    return f"The photo has no {lacking}, so that time and place say nothing." if lacking else ""


def _hours(taken_at: str) -> float:
    text = taken_at.strip()
    try:
        taken = datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=None)
    except ValueError:
        return math.nan
    return (taken - datetime(1970, 1, 1)).total_seconds() / 3600 if len(text) > 10 else math.nan


def _span(hours: float) -> str:
    if hours < 1 / 30:
        return f"{hours * 3600:.0f} seconds"
    return f"{hours * 60:.0f} minutes" if hours < 2 else f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"
