"""A small map of sightings: points over the outline of the land, which is a file of the page (Natural Earth, 1:110m)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reid_edge.gallery import Sighting

_SHAPE = 1.6  # width by height
_LEAST_DEGREES = 0.02  # of height
_ROOM = 1.35


@dataclass(frozen=True)
class MapPoint:
    """One place in degrees east and south, as SVG counts, how many sightings were made there, and where, for people."""

    x: float
    y: float
    sightings: int
    title: str


@dataclass(frozen=True)
class Map:
    """The part of the world to show, (left, top, width, height) in degrees east and south, and its points; `dot` is their radius."""

    view: tuple[float, float, float, float]
    points: tuple[MapPoint, ...]
    dot: float
    scale: str


def map_of(sightings: Sequence[Sighting]) -> Map | None:
    """The map of the sightings whose place is known in degrees; None where there is none."""
    places: dict[tuple[float, float], list[Sighting]] = {}
    for each in sightings:
        if each.latitude is not None and each.longitude is not None:
            places.setdefault((round(each.longitude, 5), round(-each.latitude, 5)), []).append(each)
    if not places:
        return None
    xs, ys = zip(*places, strict=True)
    height = max((max(ys) - min(ys)) * _ROOM, (max(xs) - min(xs)) * _ROOM / _SHAPE, _LEAST_DEGREES)
    width = height * _SHAPE
    left, top = (max(xs) + min(xs) - width) / 2, (max(ys) + min(ys) - height) / 2
    points = tuple(
        MapPoint(x, y, len(found), f"{-y:.4f}, {x:.4f}" + (f", {found[0].place}" if found[0].place else ""))
        for (x, y), found in sorted(places.items())
    )
    kilometres = width * 111.2 * math.cos(math.radians(top + height / 2))
    return Map((left, top, width, height), points, height / 45, f"{_rounded(kilometres)} km across")


def _rounded(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{round(value):,}"
