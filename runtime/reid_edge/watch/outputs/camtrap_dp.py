"""A Camtrap DP 1.0 package: who was seen where and when, as biodiversity platforms and ecologists' tools read it.

https://camtrap-dp.tdwg.org. `media.csv` has every answered photo, `observations.csv` every animal twice: in each photo (level `media`,
with its box) and in each event (level `event`, whose counts can be added up). Times compare as text within one zone.

A person may put two files beside it, which are used where they say something:

- `deployments.csv`: the cameras' places and periods, see `reid_edge.watch.outputs.deployments`;
- `datapackage.json`: the package's title, contributors, licenses, project and so on.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import logging
import mimetypes
import os
import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

from reid_edge import __version__
from reid_edge.errors import ReidEdgeError, UsageError
from reid_edge.storage.clock import now
from reid_edge.storage.durable import TEMPORARY, replacing
from reid_edge.storage.errors import file_errors
from reid_edge.watch.ledger.ledger import Ledger, LedgerPhoto, Message, shown
from reid_edge.watch.outputs import deployments
from reid_edge.watch.outputs.deployments import NO_PLACE, Deployment, Deployments, read_deployments, timestamp

VERSION = "1.0"
_BASE = f"https://raw.githubusercontent.com/tdwg/camtrap-dp/{VERSION}"
_AT_MOST_EVERY = 5.0  # seconds; and a package that takes long to write takes at most a twentieth of the time
_SHARE = 20
_STEP_SECONDS = 0.25
_CLOSING_SECONDS = 2.0
_PAGE = 1000

PACKAGE = "datapackage.json"
MEDIA = (
    *("mediaID", "deploymentID", "captureMethod", "timestamp", "filePath", "filePublic", "fileName", "fileMediatype"),
    *("exifData", "favorite", "mediaComments"),
)
OBSERVATIONS = (
    *("observationID", "deploymentID", "mediaID", "eventID", "eventStart", "eventEnd", "observationLevel", "observationType"),
    *("cameraSetupType", "scientificName", "count", "lifeStage", "sex", "behavior", "individualID", "individualPositionRadius"),
    *("individualPositionAngle", "individualSpeed", "bboxX", "bboxY", "bboxWidth", "bboxHeight", "classificationMethod"),
    *("classifiedBy", "classificationTimestamp", "classificationProbability", "observationTags", "observationComments"),
)
_TABLES = {"deployments": deployments.COLUMNS, "media": MEDIA, "observations": OBSERVATIONS}
# What a person's datapackage.json may say; the rest follows from the photos.
_GIVEN = (
    *("name", "id", "title", "contributors", "description", "version", "keywords", "image", "homepage", "sources", "licenses"),
    *("bibliographicCitation", "project", "coordinatePrecision", "taxonomic", "relatedIdentifiers", "references"),
)
_IMAGE = "image/jpeg"

log = logging.getLogger(__name__)


class CamtrapDp:
    """The sink ``camtrap-dp``: the whole package is written anew from the ledger, a little at every delivery, so that answering goes on."""

    name = "camtrap-dp"

    def __init__(self, folder: Path, ledger: Ledger, given_deployments: Path, given_package: Path, species: str = "") -> None:
        """Check what the person gives; nothing is written yet.

        Args:
            folder: of the package; made where there is none.
            ledger: what the package is written from.
            given_deployments, given_package: the person's files, where they exist; read again for every package.
            species: the scientific name of all animals, where it is known.

        Raises:
            UsageError: one of the person's files cannot be used. StorageError: the folder cannot be written.
        """
        read_deployments(given_deployments)
        read_package(given_package)
        self._folder = folder
        self._ledger = ledger
        self._given = given_deployments, given_package
        self._species = species
        self._steps: Iterator[None] | None = None
        self._newest = 0  # message when the package under work was begun
        self._included = 0  # newest message of the package that is there
        self._behind = False
        self._due = 0.0
        self._worked = 0.0
        self._unplaced: list[str] = []
        self._warned: list[str] = []
        with file_errors(folder):
            folder.mkdir(exist_ok=True)
            for left in folder.glob(f"*{TEMPORARY}"):  # of a kill
                left.unlink()
        if ledger.delivered(self.name) and not (folder / PACKAGE).exists():  # somebody took it away
            write_package(folder, ledger, given_deployments, given_package, species)

    def deliver(self, messages: Sequence[Message]) -> int:
        """Go on with the package where it is time to; 0 as long as it is not there.

        Raises:
            StorageError: the disk is full or fails; the files are as they were. UsageError: a person's file cannot be used any more.
        """
        if messages[-1].id > self._included:
            self._behind = True
            if not self._go_on(_STEP_SECONDS):
                return 0
        return len(messages) if messages[-1].id <= self._included else 0

    def close(self) -> None:
        """Finish the package where that is quick; otherwise the next run writes it."""
        with contextlib.suppress(ReidEdgeError):
            if self._behind:
                self._due = 0.0
                self._go_on(_CLOSING_SECONDS)
        self._give_up()

    def _go_on(self, seconds: float) -> bool:
        """Work on the package for about so long; returns whether it is finished."""
        began = time.monotonic()
        if self._steps is None:
            if began < self._due:
                return False
            self._newest, self._worked, self._unplaced = self._ledger.last_message(), 0.0, []
            self._steps = _steps(self._folder, self._ledger, *self._given, self._species, self._unplaced)
        try:
            for _ in self._steps:
                if time.monotonic() - began > seconds:
                    return False
        except BaseException:
            self._give_up()
            raise
        finally:
            self._worked += time.monotonic() - began
            self._due = time.monotonic() + max(_AT_MOST_EVERY, _SHARE * self._worked)
        self._steps = None
        self._included, self._behind = self._newest, False
        if self._unplaced and self._unplaced != self._warned:
            log.warning(
                "The Camtrap DP package is not valid yet: nobody tells where %s stood. Write %s.",
                ", ".join(self._unplaced),
                self._given[0],
            )
        self._warned = self._unplaced
        return True

    def _give_up(self) -> None:
        if isinstance(self._steps, Generator):
            self._steps.close()  # takes the unfinished file away
        self._steps = None


def write_package(folder: Path, ledger: Ledger, given_deployments: Path, given_package: Path, species: str = "") -> list[str]:
    """Write the package of everything that the ledger has answered. Each file is replaced in one step, in an order that keeps every
    reference good at any moment.

    Args: as `CamtrapDp`.

    Returns:
        The deployments whose place nobody tells; Camtrap DP demands one, so with any of these the package is not valid.

    Raises:
        UsageError: a person's file cannot be used. StorageError: the disk is full or fails.
    """
    unplaced: list[str] = []
    for _ in _steps(folder, ledger, given_deployments, given_package, species, unplaced):
        pass
    return unplaced


def _steps(
    folder: Path, ledger: Ledger, given_deployments: Path, given_package: Path, species: str, unplaced: list[str]
) -> Iterator[None]:
    """`write_package` in small steps; what it returns is put into `unplaced`."""
    package = read_package(given_package)
    gathered = _Gathered(Deployments(read_deployments(given_deployments)))
    yield from _gather(ledger, gathered)
    rows = [deployment.row() for deployment in gathered.deployments.found.values()]
    unplaced += [row["deploymentID"] for row in rows if NO_PLACE in row["deploymentComments"]]
    with _table(folder, "deployments") as write:
        write(rows)
    with _table(folder, "observations") as write_observations:  # closed last: it refers to the media
        with _table(folder, "media") as write_media:
            for photo in _photos(ledger, gathered):
                write_media([_media(photo, gathered)])
                write_observations(_photo_observations(photo, gathered, species))
                yield
        for page in _event_observations(ledger, gathered, species):
            write_observations(page)
            yield
    text = json.dumps(_package(folder, package, rows, species), ensure_ascii=False, indent=2)
    with file_errors(folder), replacing(folder / PACKAGE) as file:
        file.write(text.encode("utf-8", "replace"))


def read_package(path: Path) -> dict[str, Any]:
    """The person's `datapackage.json`; empty where there is none.

    Raises:
        UsageError: it is no JSON object, or has a key that is not the person's to say. StorageError: it cannot be read.
    """
    if not path.exists():
        return {}
    try:
        with file_errors(path):
            given = json.loads(path.read_bytes())
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}.", "Correct it, or take it away.") from error
    if not isinstance(given, dict):
        raise UsageError(f"{path} is JSON, but not an object.", "Write the package's properties: title, contributors, project.")
    for key in given:
        if key not in _GIVEN:
            raise UsageError(f"{path} gives {key!r}, which follows from the photos or is unknown.", f"Give {', '.join(_GIVEN)}.")
    return given


@dataclass
class _Event:
    """An event as its photos tell it: its deployment, and the times of its first and last photo."""

    deployment: str
    start: str
    end: str


@dataclass
class _Gathered:
    """What is known of all photos before the first row is written: their deployments and events, and the last photo that counts."""

    deployments: Deployments
    events: dict[int, _Event] = field(default_factory=dict)
    last_photo: int = 0

    def place(self, camera: str, taken_at: str | None, answered_at: str) -> tuple[Deployment, str]:
        """The deployment of a photo, and when it was taken, as Camtrap DP writes it."""
        deployment = self.deployments.of(camera, taken_at)
        return deployment, timestamp(taken_at, answered_at, deployment.given.zone if deployment.given else None)


def _gather(ledger: Ledger, gathered: _Gathered) -> Iterator[None]:
    while rows := ledger.database.rows(
        "SELECT id, camera, taken_at, answered_at, latitude, longitude, event_id FROM photo "
        "WHERE id > ? AND state = 'decided' ORDER BY id LIMIT ?",
        (gathered.last_photo, _PAGE),
    ):
        for number, camera, taken_at, answered_at, latitude, longitude, event_id in rows:
            deployment, when = gathered.place(camera, taken_at, answered_at)
            deployment.note(when, latitude, longitude)
            if event_id is not None:
                event = gathered.events.setdefault(event_id, _Event(deployment.id, when, when))
                event.start, event.end = min(event.start, when), max(event.end, when)
            gathered.last_photo = number
        yield


def _photos(ledger: Ledger, gathered: _Gathered) -> Iterable[LedgerPhoto]:
    """The photos that were gathered: another process may be answering more meanwhile."""
    for photo in ledger.photos():
        if photo.id > gathered.last_photo:
            return
        yield photo


def _media(photo: LedgerPhoto, gathered: _Gathered) -> dict[str, object]:
    deployment, when = gathered.place(photo.camera, photo.taken_at, photo.answered_at)
    path = photo.paths[0] if photo.paths else b"/"
    name = os.fsencode(Path(os.fsdecode(path)).name)
    kind = mimetypes.guess_type(name.decode("latin-1"))[0] or _IMAGE
    return {
        "mediaID": photo.sha256,
        "deploymentID": deployment.id,
        "timestamp": when,
        # Camtrap DP takes a URL or a relative path, and two dots in neither.
        "filePath": "file://" + quote_from_bytes(path).replace("..", "%2E%2E"),
        "filePublic": "false",
        "fileName": shown(name),
        "fileMediatype": kind if kind.startswith(("image/", "video/")) else _IMAGE,
        "mediaComments": "" if photo.taken_at else "The camera noted no time; this is when the photo was answered.",
    }


def _photo_observations(photo: LedgerPhoto, gathered: _Gathered, species: str) -> list[dict[str, object]]:
    deployment, when = gathered.place(photo.camera, photo.taken_at, photo.answered_at)
    event = gathered.events.get(photo.event_id or 0, _Event(deployment.id, when, when))
    common = {
        "deploymentID": deployment.id,
        "mediaID": photo.sha256,
        "eventID": photo.event_id,
        "eventStart": event.start,
        "eventEnd": event.end,
        "observationLevel": "media",
        **_classified(photo.pack, photo.answered_at),
    }
    if not photo.animals:
        return [{**common, "observationID": f"{photo.sha256}-blank", "observationType": "blank"}]
    return [
        {
            **common,
            "observationID": f"{photo.sha256}-{animal['animal']['index']}",
            **_animal(animal, species, animal["animal"]["found"]),
            **_box(animal["animal"]["box"], photo),
        }
        for animal in photo.animals
    ]


def _event_observations(ledger: Ledger, gathered: _Gathered, species: str) -> Iterator[list[dict[str, object]]]:
    """Those of the gathered events, some events at a time."""
    numbers = sorted(gathered.events)
    for start in range(0, len(numbers), _PAGE):
        page = numbers[start : start + _PAGE]
        animals: dict[int, list[dict[str, Any]]] = {number: [] for number in page}
        for number, index, verdict, identity, probability in ledger.database.rows(
            "SELECT event_id, animal_index, verdict, identity, probability FROM event_animal "
            "WHERE event_id BETWEEN ? AND ? ORDER BY event_id, animal_index",
            (page[0], page[-1]),
        ):
            told = {"index": index, "verdict": verdict, "identity": identity, "probability": probability}
            animals.setdefault(number, []).append(told)
        yield [row for number in page for row in _event_rows(number, gathered.events[number], animals[number], species)]


def _event_rows(number: int, seen: _Event, animals: Sequence[Mapping[str, Any]], species: str) -> list[dict[str, object]]:
    common = {
        "deploymentID": seen.deployment,
        "eventID": number,
        "eventStart": seen.start,
        "eventEnd": seen.end,
        "observationLevel": "event",
        **_classified("", ""),
    }
    if not animals:
        return [{**common, "observationID": f"event-{number}-blank", "observationType": "blank"}]
    return [
        {**common, "observationID": f"event-{number}-{animal['index']}", **_animal(animal, species, True)} for animal in animals
    ]


def _classified(pack: str, answered_at: str) -> dict[str, str]:
    return {
        "classificationMethod": "machine",
        "classifiedBy": f"reid-edge {__version__}" + (f", pack {pack}" if pack else ""),
        "classificationTimestamp": timestamp(None, answered_at, None) if answered_at else "",
    }


def _animal(answer: Mapping[str, Any], species: str, found: bool) -> dict[str, object]:
    """An individual is named only where the verdict is `known`; a guess stands in the comments, for a person."""
    verdict, identity, probability = answer["verdict"], answer["identity"], answer["probability"]
    told: dict[str, object] = {
        "observationType": "animal" if found else "unknown",
        "scientificName": species if found else "",
        "count": 1 if found else "",
        "observationTags": f"verdict:{verdict}",
    }
    if verdict == "ask":
        guess = f"Perhaps {identity} ({probability:.2f}). " if identity else ""
        return {**told, "observationComments": f"{guess}A person should look."}
    return {
        **told,
        "individualID": identity if verdict == "known" else "",
        "classificationProbability": f"{min(max(probability, 0.0), 1.0):.6f}",
        "observationComments": "" if verdict == "known" else "None of the known individuals.",
    }


def _box(box: Sequence[float], photo: LedgerPhoto) -> dict[str, str]:
    """Shares of the photo's width and height; rounded down where they end, so that no box sticks out of its photo."""
    x0, x1 = (min(max(side / photo.width, 0.0), 1.0) for side in (box[0], box[2]))
    y0, y1 = (min(max(side / photo.height, 0.0), 1.0) for side in (box[1], box[3]))
    values = {"bboxX": round(x0, 6), "bboxY": round(y0, 6)}
    values |= {
        "bboxWidth": min(round(x1 - x0, 6), 1 - values["bboxX"]),
        "bboxHeight": min(round(y1 - y0, 6), 1 - values["bboxY"]),
    }
    return {name: f"{value:.6f}" for name, value in values.items()} if x1 > x0 and y1 > y0 else {}


@contextlib.contextmanager
def _table(folder: Path, name: str) -> Iterator[Callable[[Iterable[Mapping[str, object]]], None]]:
    """A function that writes rows to a table, which takes its place at the end."""
    path = folder / f"{name}.csv"
    with file_errors(path), replacing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
        try:
            table = csv.DictWriter(text, _TABLES[name], restval="", lineterminator="\n")
            table.writeheader()
            yield table.writerows
            text.flush()
        finally:
            with contextlib.suppress(OSError):
                text.detach()


def _package(folder: Path, given: Mapping[str, Any], rows: Sequence[Mapping[str, str]], species: str) -> dict[str, Any]:
    place = folder.resolve().parent.name
    resources = [
        {
            "name": name,
            "path": f"{name}.csv",
            "profile": "tabular-data-resource",
            "format": "csv",
            "mediatype": "text/csv",
            "encoding": "utf-8",
            "schema": f"{_BASE}/{name}-table-schema.json",
        }
        for name in _TABLES
    ]
    days = [row[column][:10] for row in rows for column in ("deploymentStart", "deploymentEnd")] or [now()[:10]]
    project = {
        "title": place,
        "samplingDesign": "opportunistic",
        "captureMethod": ["activityDetection"],
        "individualAnimals": True,
        "observationLevel": ["media", "event"],
    }
    defaults = {
        "name": re.sub(r"[^a-z0-9._-]+", "-", place.lower()).strip("-") or "camera-traps",
        "title": place,
        "contributors": [{"title": "not given"}],
        "description": ""
        if given
        else "Written by reid-edge watch. Nobody gave contributors, licenses or the project: they are assumed.",
        "taxonomic": [{"scientificName": species}] if species else [],
        "sources": [{"title": "reid-edge", "version": __version__}],
    }
    return {
        "resources": resources,
        "profile": f"{_BASE}/camtrap-dp-profile.json",
        "created": now(),
        **{key: value for key, value in {**defaults, **given}.items() if value != ""},
        "project": {**project, **given.get("project", {})},
        "spatial": _spatial(rows),
        "temporal": {"start": min(days), "end": max(days)},
    }


def _spatial(rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The cameras' places as GeoJSON (RFC 7946), longitude first."""
    places = [[float(row["longitude"]), float(row["latitude"])] for row in rows if row.get("longitude") and row.get("latitude")]
    return {"type": "MultiPoint", "coordinates": places}
