"""Place and period of each camera: from the user's own Camtrap DP table, and from the photos where the table has no value.

Camtrap DP requires a place, a start and an end of every deployment, and a time zone in every time. A camera's clock has no zone: the zone
of `deploymentStart` in the user's table is used. Without one, times are written as UTC and `timestampIssues` is set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone, tzinfo
from pathlib import Path

from reid_edge.errors import UsageError
from reid_edge.storage.errors import file_errors
from reid_edge.storage.table import read_table
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
OUTSIDE = "The photos lie outside every period that deployments.csv has for this camera: its clock or the table is wrong."
NO_TIME = "Some photos have no time: theirs is when they were answered."
PLACE_FROM_PHOTOS = "The place is the mean of the photos' positions."


@dataclass(frozen=True)
class Given:
    """One row of the user's table: its cells by column, and its start and end where it has them.

    `zone` is that of the camera's clock; None where the table has none.
    """

    cells: Mapping[str, str]
    start: datetime | None
    end: datetime | None
    zone: tzinfo | None = None

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
        is_outside: its photos lie outside the periods of the user's table.
        places: sum of latitudes, sum of longitudes, and the number of photos that have both.
    """

    id: str
    given: Given | None
    first: str = ""
    last: str = ""
    is_outside: bool = False
    has_untimed: bool = False
    places: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    _is_timed: bool = False

    def note(self, timestamp: str, is_timed: bool, latitude: float | None, longitude: float | None) -> None:
        """Add the facts of one photo; the time of one that has none (`is_timed`) counts only where no photo has one."""
        if is_timed and not self._is_timed:
            self.first = self.last = ""
        if is_timed or not self._is_timed:
            self.first = min(self.first or timestamp, timestamp)
            self.last = max(self.last, timestamp)
        self._is_timed |= is_timed
        self.has_untimed |= not is_timed
        if latitude is not None and longitude is not None and (latitude or longitude):  # 0, 0: a receiver without a fix
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
        for is_wrong, comment in ((self.is_outside, OUTSIDE), (self.has_untimed, NO_TIME)):
            if is_wrong:
                cells["timestampIssues"] = "true"
                comments.append(comment)
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
        one whose period covers the photo. A new deployment where the table has no such row, or the photo lies outside all of them; a
        photo without a time is of the only row, else of a new deployment as well."""
        rows = [
            row for row in self._given if camera in (row.cells.get(name) for name in ("deploymentID", "cameraID", "locationName"))
        ]
        when = datetime.fromisoformat(taken_at) if taken_at else None
        row = next((row for row in rows if (len(rows) == 1 if when is None else row.covers(when))), None)
        if row is None and rows:
            return self._outside(camera, rows, when is not None)
        name = row.cells["deploymentID"] if row else camera
        return self.found.setdefault(name, Deployment(name, row))

    def _outside(self, camera: str, rows: Sequence[Given], is_timed: bool) -> Deployment:
        """The deployment of a camera's photos that are in no row; it has the cells in which all rows of the camera agree."""
        taken = {row.cells["deploymentID"] for row in self._given}
        name = next(
            each for each in (camera, *(f"{camera}-outside{number}" for number in ("", *range(2, 1000)))) if each not in taken
        )
        cells = {
            column: text
            for column, text in rows[0].cells.items()
            if column not in ("deploymentID", "deploymentStart", "deploymentEnd", "deploymentComments")
            and all(row.cells.get(column) == text for row in rows)
        }
        zones = {row.zone for row in rows}
        given = Given(cells, None, None, zones.pop() if len(zones) == 1 else None)
        deployment = self.found.setdefault(name, Deployment(name, given))
        deployment.is_outside |= is_timed
        return deployment


def read_deployments(path: Path) -> list[Given]:
    """The user's table; empty where there is none.

    Raises:
        UsageError: it is not CSV, has an unknown column, an empty `deploymentID` or a wrong value. StorageError: it cannot be read.
    """
    if not path.exists():
        return []
    with file_errors(path):
        table = read_table(path)
    for name in table.columns:
        if name not in COLUMNS:
            raise UsageError(
                f"{path} has the unknown column {name!r}; {nearest(name, COLUMNS)}.", "Use the columns of Camtrap DP 1.0."
            )
    return [_given(path, number, dict(row)) for number, row in table.rows]


def template_rows(found: Iterable[Deployment]) -> list[dict[str, str]]:
    """Rows of a `deployments.csv` for a user to complete: each camera, its place where the photos tell it, and the period of its photos
    as a comment. Start and end are left empty, because a camera's clock has no time zone."""
    rows = []
    for deployment in found:
        given = dict(deployment.given.cells) if deployment.given else {"cameraID": deployment.id}
        cells = {**dict.fromkeys(COLUMNS, ""), **given, "deploymentID": deployment.id}
        if deployment.places[2] and not (cells["latitude"] and cells["longitude"]):
            cells["latitude"], cells["longitude"] = (f"{value / deployment.places[2]:.5f}" for value in deployment.places[:2])
        if not deployment.given:
            clock = [text.removesuffix("Z")[:19] for text in (deployment.first, deployment.last)]
            cells["deploymentComments"] = f"Photos from {clock[0]} to {clock[1]} by the camera's clock."
        rows.append(cells)
    return rows


def _given(path: Path, number: int, cells: dict[str, str]) -> Given:
    if not cells.get("deploymentID"):
        raise UsageError(
            f"Row {number} of {path} has no deploymentID.",
            "Write the camera's name there, or another name and the camera's name as cameraID.",
        )
    for column, most in (("latitude", 90.0), ("longitude", 180.0)):
        _check_degrees(path, number, column, cells.get(column, ""), most)
    start, end = (_time(path, number, column, cells.get(column, "")) for column in ("deploymentStart", "deploymentEnd"))
    return Given(cells, start, end, start.tzinfo if start else None)


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
