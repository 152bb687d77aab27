"""What time and place say of a pair before the coats are looked at: an animal cannot be in two places that are too far apart.

One rule with one number, the speed that the species does not exceed between two cameras. Clocks jump, so that it is evidence of limited
weight, never a proof. Where a photo has no time or no place it says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from reid_edge.gallery import Sighting

MAX_SPEED = 30.0
"""km/h, on the straight line, over minutes to hours."""

_CLOCKS_DIFFER = 0.1  # hours
_PLACES_DIFFER = 0.5  # km
_LOG_ODDS_AT_MOST = -4.0
_EARTH = 6371.0


_Seen = tuple[datetime, float, float]


@dataclass(frozen=True)
class TravelPrior:
    """The prior of pairs.

    Attributes:
        max_speed: km/h; 0 switches it off.
    """

    max_speed: float = MAX_SPEED

    def log_odds(self, sightings: Sequence[Sighting]) -> NDArray[np.float32]:
        """float32 [N, N], 0 or less: what is added to the log odds of each pair."""
        table = np.zeros((len(sightings), len(sightings)), np.float32)
        if not self.max_speed:
            return table
        seen = [(place, known) for place, each in enumerate(sightings) if (known := _time_and_place(each)) is not None]
        for number, (one, first) in enumerate(seen):
            for other, second in seen[number + 1 :]:
                table[one, other] = table[other, one] = self._pair(first, second)
        return table

    def remark(self, first: Sighting, second: Sighting) -> str:
        """What the prior says of a pair, in words; '' where it says nothing."""
        one, other = _time_and_place(first), _time_and_place(second)
        if one is None or other is None or not self._pair(one, other):
            return ""
        hours = abs((one[0] - other[0]).total_seconds()) / 3600
        return f"seen {_distance(one, other):.0f} km away {_span(hours)} apart: less likely one animal"

    def _pair(self, first: _Seen, second: _Seen) -> float:
        if not self.max_speed:
            return 0.0
        hours = abs((first[0] - second[0]).total_seconds()) / 3600 + _CLOCKS_DIFFER
        speed = max(0.0, _distance(first, second) - _PLACES_DIFFER) / hours
        # Nothing below the speed; from there to twice the speed the log odds fall to their lowest.
        return _LOG_ODDS_AT_MOST * min(1.0, max(0.0, speed / self.max_speed - 1))


DEFAULT_PRIOR = TravelPrior()


def time_of(sighting: Sighting) -> datetime | None:
    """When it was taken, by the camera's clock; None where that is not known to the minute."""
    try:
        taken = datetime.fromisoformat(sighting.taken_at.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return taken.replace(tzinfo=None) if len(sighting.taken_at.strip()) > 10 else None


def _time_and_place(sighting: Sighting) -> _Seen | None:
    when = time_of(sighting)
    if when is None or sighting.latitude is None or sighting.longitude is None:
        return None
    return when, sighting.latitude, sighting.longitude


def _distance(first: _Seen, second: _Seen) -> float:
    """km on the sphere (haversine)."""
    latitude, longitude = math.radians(second[1] - first[1]), math.radians(second[2] - first[2])
    cosines = math.cos(math.radians(first[1])) * math.cos(math.radians(second[1]))
    return 2 * _EARTH * math.asin(min(1.0, math.sqrt(math.sin(latitude / 2) ** 2 + cosines * math.sin(longitude / 2) ** 2)))


def _span(hours: float) -> str:
    return f"{hours * 60:.0f} minutes" if hours < 2 else f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"
