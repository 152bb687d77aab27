"""Where and when each camera stood: a person's own Camtrap DP table, and what the photos tell where it says nothing.

Camtrap DP wants a place, a beginning and an end of every deployment, and a time zone in every time. A camera's clock has none: the zone
is the one in which the person's table writes `deploymentStart`; without it times are written as if they were UTC, with
`timestampIssues` set.
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
    """One row of the person's table: its cells by column, and the period where it names one."""

    cells: Mapping[str, str]
    start: datetime | None
    end: datetime | None

    @property
    def zone(self) -> tzinfo | None:
        """The zone of the camera's clock; None where the table does not tell."""
        return self.start.tzinfo if self.start else None

    def covers(self, taken_at: datetime) -> bool:
        """Whether a time by the camera's clock lies in the period; an open end covers everything."""
        when = taken_at.replace(tzinfo=self.zone)
        return (self.start is None or self.start <= when) and (self.end is None or when <= self.end)


@dataclass
class Deployment:
    """A deployment as it is gathered from its photos.

    Attributes:
        id: its `deploymentID`.
        given: the person's row; None where there is none.
        first, last: times of its photos, ISO 8601 with a zone.
        places: sum of latitudes, sum of longitudes, and how many photos noted both.
    """

    id: str
    given: Given | None
    first: str = ""
    last: str = ""
    places: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])

    def note(self, timestamp: str, latitude: float | None, longitude: float | None) -> None:
        """Count in one photo."""
        self.first = min(self.first or timestamp, timestamp)
        self.last = max(self.last, timestamp)
        if latitude is not None and longitude is not None:
            for index, value in enumerate((latitude, longitude, 1.0)):
                self.places[index] += value

    def row(self) -> dict[str, str]:
        """The row of `deployments.csv`; what the photos had to tell is said in `deploymentComments`."""
        cells = dict(self.given.cells) if self.given else {"cameraID": self.id}
        said = [cells["deploymentComments"]] if cells.get("deploymentComments") else []
        cells["deploymentID"] = self.id
        if not (cells.get("latitude") and cells.get("longitude")):
            if self.places[2]:
                cells["latitude"], cells["longitude"] = (f"{value / self.places[2]:.5f}" for value in self.places[:2])
            said.append(PLACE_FROM_PHOTOS if self.places[2] else NO_PLACE)
        if not (cells.get("deploymentStart") and cells.get("deploymentEnd")):
            cells["deploymentStart"] = cells.get("deploymentStart") or self.first
            cells["deploymentEnd"] = cells.get("deploymentEnd") or self.last
            said.append(FROM_PHOTOS)
        if self.given is None or self.given.zone is None:
            cells["timestampIssues"] = "true"
            said.append(NO_ZONE)
        cells["deploymentComments"] = " ".join(said)
        return cells


class Deployments:
    """The deployments of a package, found by camera and time.

    Attributes:
        found: those with photos, by id, in the order in which they were met.
    """

    def __init__(self, given: Sequence[Given]) -> None:
        self._given = given
        self.found: dict[str, Deployment] = {}

    def of(self, camera: str, taken_at: str | None) -> Deployment:
        """The deployment of a photo: the row whose `deploymentID`, `cameraID` or `locationName` is the camera's name, and whose period
        covers the photo where there are several; one of its own where the table has none."""
        rows = [
            row for row in self._given if camera in (row.cells.get(name) for name in ("deploymentID", "cameraID", "locationName"))
        ]
        when = datetime.fromisoformat(taken_at) if taken_at else None
        row = next((row for row in rows if when is not None and row.covers(when)), rows[0] if rows else None)
        name = row.cells["deploymentID"] if row else camera
        return self.found.setdefault(name, Deployment(name, row))


def read_deployments(path: Path) -> list[Given]:
    """The person's table; empty where there is none.

    Raises:
        UsageError: it is no CSV, has an unknown column, lacks an id, or holds a value that cannot be. StorageError: it cannot be read.
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
            f"Row {number} of {path} has no deploymentID.", "Give the camera's name, or a name of your own and cameraID."
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
            f"Row {number} of {path} has the {column} {text!r}.", f"Give degrees from -{most:g} to {most:g}, as 51.5."
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
    """When a photo was taken, as Camtrap DP writes it, in the zone of its camera's clock, UTC where that is not known; the time of the
    answer where the camera noted none."""
    zone = zone or timezone.utc
    if taken_at is None:
        when = datetime.fromisoformat(answered_at).astimezone(zone)
    else:
        when = datetime.fromisoformat(taken_at).replace(tzinfo=zone)
    text = when.isoformat(timespec="seconds")
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
