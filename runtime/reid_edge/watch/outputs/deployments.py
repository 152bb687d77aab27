"""Place and period of each camera: from the user's own Camtrap DP table, and from the photos where the table has no value.

Camtrap DP requires a place, a start and an end of every deployment, and a time zone in every time. A camera's clock has no zone: the zone
of `deploymentStart` in the user's table is used. Without one, times are written as UTC and `timestampIssues` is set.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone, tzinfo
from pathlib import Path

from reid_edge.errors import UsageError
from reid_edge.storage.errors import file_errors
from reid_edge.suggestions import nearest

COLUMNS = (
    *("deploymentID", "locationID", "locationName", "latitude", "longitude", "coordinateUncertainty", "deploymentStart"),
    *("deploymentEnd", "setupBy", "cameraID", "cameraModel", "cameraDelay", "cameraHeight", "cameraDepth", "cameraTilt"),
    *("cameraHeading", "detectionDistance", "timestampIssues", "baitUse", "featureType", "habitat", "deploymentGroups"),
    *("deploymentTags", "deploymentComments"),
)
"""Of `deployments.csv`, Camtrap DP 1.0."""

NO_PLACE = "The place is not known: neither deployments.csv nor the photos tell it."
NO_ZONE = "The time zone is not known; times are the camera's own, written as UTC."
FROM_PHOTOS = "The beginning and the end are those of the photos."
PLACE_FROM_PHOTOS = "The place is the mean of the photos' positions."


@dataclass(frozen=True)
class Given:
    """One row of the user's table: its cells by column, and its start and end where it has them."""

    cells: Mapping[str, str]
    start: datetime | None
    end: datetime | None

    @property
    def zone(self) -> tzinfo | None:
        """The zone of the camera's clock; None where the table has none."""
        return self.start.tzinfo if self.start else None

    def covers(self, taken_at: datetime) -> bool:
        """Whether a time of the camera's clock is in the period; a missing start or end is no limit."""
        when = taken_at.replace(tzinfo=self.zone)
        return (self.start is None or self.start <= when) and (self.end is None or when <= self.end)


@dataclass
class Deployment:
    """A deployment with the facts of its photos.

    Attributes:
        id: its `deploymentID`.
        given: the row of the user's table; None where there is none.
        first, last: times of its photos, ISO 8601 with a zone.
        places: sum of latitudes, sum of longitudes, and the number of photos that have both.
    """

    id: str
    given: Given | None
    first: str = ""
    last: str = ""
    places: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])

    def note(self, timestamp: str, latitude: float | None, longitude: float | None) -> None:
        """Add the facts of one photo."""
        self.first = min(self.first or timestamp, timestamp)
        self.last = max(self.last, timestamp)
        if latitude is not None and longitude is not None:
            for index, value in enumerate((latitude, longitude, 1.0)):
                self.places[index] += value

    @property
    def has_place(self) -> bool:
        """Whether the table or the photos have a place; Camtrap DP requires one."""
        cells = self.given.cells if self.given else {}
        return bool(self.places[2] or (cells.get("latitude") and cells.get("longitude")))

    def row(self) -> dict[str, str]:
        """The row of `deployments.csv`; `deploymentComments` lists what is taken from the photos or missing."""
        cells = dict(self.given.cells) if self.given else {"cameraID": self.id}
        comments = [cells["deploymentComments"]] if cells.get("deploymentComments") else []
        cells["deploymentID"] = self.id
        if not (cells.get("latitude") and cells.get("longitude")):
            if self.places[2]:
                cells["latitude"], cells["longitude"] = (f"{value / self.places[2]:.5f}" for value in self.places[:2])
            comments.append(PLACE_FROM_PHOTOS if self.places[2] else NO_PLACE)
        if not (cells.get("deploymentStart") and cells.get("deploymentEnd")):
            cells["deploymentStart"] = cells.get("deploymentStart") or self.first
            cells["deploymentEnd"] = cells.get("deploymentEnd") or self.last
            comments.append(FROM_PHOTOS)
        if self.given is None or self.given.zone is None:
            cells["timestampIssues"] = "true"
            comments.append(NO_ZONE)
        cells["deploymentComments"] = " ".join(comments)
        return cells


class Deployments:
    """The deployments of a package.

    Attributes:
        found: those with photos, by id, in the order of their first photo.
    """

    def __init__(self, given: Sequence[Given]) -> None:
        self._given = given
        self.found: dict[str, Deployment] = {}

    def of(self, camera: str, taken_at: str | None) -> Deployment:
        """The deployment of a photo: the row with the camera's name as `deploymentID`, `cameraID` or `locationName`, of several rows the
        one whose period covers the photo; a new deployment where the table has no such row."""
        rows = [
            row for row in self._given if camera in (row.cells.get(name) for name in ("deploymentID", "cameraID", "locationName"))
        ]
        when = datetime.fromisoformat(taken_at) if taken_at else None
        row = next((row for row in rows if when is not None and row.covers(when)), rows[0] if rows else None)
        name = row.cells["deploymentID"] if row else camera
        return self.found.setdefault(name, Deployment(name, row))


def read_deployments(path: Path) -> list[Given]:
    """The user's table; empty where there is none.

    Raises:
        UsageError: it is not CSV, has an unknown column, an empty `deploymentID` or a wrong value. StorageError: it cannot be read.
    """
    if not path.exists():
        return []
    try:
        with file_errors(path), path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as CSV: {error}.", "Save it as CSV in UTF-8.") from error
    return [_given(path, number, row) for number, row in enumerate(rows, 2)]


def _given(path: Path, number: int, row: Mapping[str | None, str | None]) -> Given:
    cells = {}
    for column, value in row.items():
        if column not in COLUMNS:
            name = str(column or "")
            raise UsageError(
                f"{path} has the unknown column {name!r}; {nearest(name, COLUMNS)}.", "Use the columns of Camtrap DP 1.0."
            )
        cells[column] = (value or "").strip()
    if not cells.get("deploymentID"):
        raise UsageError(
            f"Row {number} of {path} has no deploymentID.",
            "Write the camera's name there, or another name and the camera's name as cameraID.",
        )
    for column, most in (("latitude", 90.0), ("longitude", 180.0)):
        _check_degrees(path, number, column, cells.get(column, ""), most)
    return Given(cells, *(_time(path, number, column, cells.get(column, "")) for column in ("deploymentStart", "deploymentEnd")))


def _check_degrees(path: Path, number: int, column: str, text: str, most: float) -> None:
    try:
        fit = not text or abs(float(text)) <= most
    except ValueError:
        fit = False
    if not fit:
        raise UsageError(
            f"Row {number} of {path} has the {column} {text!r}.", f"Write degrees from -{most:g} to {most:g}, such as 51.5."
        )


def _time(path: Path, number: int, column: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        when = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        raise UsageError(
            f"Row {number} of {path} has the {column} {text!r}.", "Write it with its time zone: 2024-05-01T08:00:00+02:00."
        ) from None
    return when


def timestamp(taken_at: str | None, answered_at: str, zone: tzinfo | None) -> str:
    """The time of a photo in the format of Camtrap DP, in the zone of the camera's clock (UTC where it is not known); the time of the
    answer where the photo has none."""
    zone = zone or timezone.utc
    if taken_at is None:
        when = datetime.fromisoformat(answered_at).astimezone(zone)
    else:
        when = datetime.fromisoformat(taken_at).replace(tzinfo=zone)
    text = when.isoformat(timespec="seconds")
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
