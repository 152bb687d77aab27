"""Metres from degrees: UTM on WGS 84, all places in the zone of their mean longitude.

Krüger's series to the third order of the third flattening (Karney, Transverse Mercator with an accuracy of a few nanometers, Journal of
Geodesy 85, 2011, eqs. 7 to 11 and 35): exact to a millimetre within some thousand kilometres.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

_A, _F, _K0 = 6_378_137.0, 1 / 298.257223563, 0.9996
_N = _F / (2 - _F)
_RADIUS = _A / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64)
_ALPHA = (
    _N / 2 - 2 * _N**2 / 3 + 5 * _N**3 / 16,
    13 * _N**2 / 48 - 3 * _N**3 / 5,
    61 * _N**3 / 240,
)
_FALSE_EASTING, _FALSE_NORTHING = 500_000.0, 10_000_000.0


def utm_zone(places: Sequence[tuple[float, float]]) -> tuple[int, bool]:
    """The zone of places (latitude, longitude in degrees), 1 to 60, and whether they lie in the southern half."""
    latitude, longitude = (sum(values) / len(places) for values in zip(*places, strict=True))
    return min(60, max(1, math.floor((longitude + 180) / 6) + 1)), latitude < 0


def utm(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Easting and northing in metres of places (latitude, longitude in degrees), all in the zone of their mean."""
    if not places:
        return []
    zone, is_south = utm_zone(places)
    return [_project(latitude, longitude - (6 * zone - 183), is_south) for latitude, longitude in places]


def _project(latitude: float, from_meridian: float, is_south: bool) -> tuple[float, float]:
    phi, lam = math.radians(latitude), math.radians(from_meridian)
    root = 2 * math.sqrt(_N) / (1 + _N)
    t = math.sinh(math.atanh(math.sin(phi)) - root * math.atanh(root * math.sin(phi)))
    xi, eta = math.atan2(t, math.cos(lam)), math.atanh(math.sin(lam) / math.hypot(1, t))
    north, east = xi, eta
    for order, alpha in enumerate(_ALPHA, start=1):
        north += alpha * math.sin(2 * order * xi) * math.cosh(2 * order * eta)
        east += alpha * math.cos(2 * order * xi) * math.sinh(2 * order * eta)
    return _FALSE_EASTING + _K0 * _RADIUS * east, (_FALSE_NORTHING if is_south else 0.0) + _K0 * _RADIUS * north
