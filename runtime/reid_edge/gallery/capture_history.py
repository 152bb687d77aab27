"""Capture histories: which individual was seen on which occasion, in the files that secr, RMark and SPACECAP read.

secr (and DENSITY) reads one detection a line and a file of detectors, separated by blanks, in metres (secr-datainput, "Text formats").
RMark's import.chdata reads a table with tabs whose first field is `ch`. SPACECAP reads tables of integers whose columns are LOC_ID,
ANIMAL_ID and SO, numbered without a gap. An occasion on which nobody was seen is one all the same.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

from reid_edge.errors import UsageError
from reid_edge.gallery.projection import utm
from reid_edge.gallery.records import Individual, Sighting
from reid_edge.gallery.store import Gallery
from reid_edge.storage.durable import make_folder, replacing
from reid_edge.storage.errors import file_errors

OccasionLength = Literal["day", "week", "month", "survey"]

_MOST_OCCASIONS = 10_000
_DATE = re.compile(r"(\d{4})[-:/.](\d{1,2})[-:/.](\d{1,2})")


@dataclass(frozen=True)
class Occasion:
    """A sampling occasion: its name, its first and its last day."""

    name: str
    first: date
    last: date


@dataclass(frozen=True)
class Camera:
    """A place where photos are taken; first and last day that it was at work, None where not known."""

    name: str
    latitude: float
    longitude: float
    first: date | None = None
    last: date | None = None

    def works(self, occasion: Occasion) -> bool:
        """Whether it was at work on a day of an occasion, as far as is known."""
        return (self.first is None or self.first <= occasion.last) and (self.last is None or occasion.first <= self.last)


@dataclass(frozen=True)
class CaptureHistory:
    """Who was seen when and where.

    Attributes:
        individuals: with one detection or more, by name.
        occasions: in their order.
        cameras: with a known place, by name.
        detections: numbers of individual, occasion and camera, each from 0; the camera is None where its place is not known.
        undated: sightings that were left out, because their time is not known or in no survey.
    """

    individuals: tuple[Individual, ...]
    occasions: tuple[Occasion, ...]
    cameras: tuple[Camera, ...]
    detections: tuple[tuple[int, int, int | None], ...]
    undated: int = 0

    def history(self, individual: int) -> str:
        """The occasions of an individual as 0 and 1."""
        seen = {occasion for each, occasion, _ in self.detections if each == individual}
        return "".join("1" if occasion in seen else "0" for occasion in range(len(self.occasions)))


def capture_history(
    gallery: Gallery,
    length: OccasionLength,
    species: str | None = None,
    surveys: Sequence[Occasion] = (),
    cameras: Sequence[Camera] = (),
) -> CaptureHistory:
    """The capture history of a gallery's sightings.

    Args:
        length: of an occasion. Weeks begin on Mondays; `survey` takes `surveys`.
        species: only of this one.
        surveys: with their days.
        cameras: places and periods that are known beside those of the sightings.

    Raises:
        UsageError: no sighting has a time, or there are more than 10,000 occasions.
    """
    with gallery.snapshot():
        sightings, individuals = gallery.sightings(species), gallery.individuals(species)
    dated = [(when, each) for each in sightings if (when := day_of(each.taken_at)) is not None]
    if not dated:
        raise UsageError(
            "No sighting of the gallery has a time, so that there are no occasions.", "Enrol photos with their times."
        )
    days = [when for when, _ in dated]
    occasions = tuple(surveys) if length == "survey" else _occasions(length, min(days), max(days))
    known = _cameras(sightings, cameras)
    found = set()
    for when, seen in dated:
        number = next((index for index, each in enumerate(occasions) if each.first <= when <= each.last), None)
        if number is not None:
            found.add((seen.identity, number, _camera_name(seen)))
    names = sorted({name for name, _, _ in found})
    place = {camera.name: number for number, camera in enumerate(known)}
    detections = {(names.index(name), occasion, place.get(camera)) for name, occasion, camera in found}
    by_name = {one.name: one for one in individuals}
    left_out = len(sightings) - sum(any(each.first <= when <= each.last for each in occasions) for when in days)
    ordered = sorted(detections, key=lambda each: (each[0], each[1], -1 if each[2] is None else each[2]))
    return CaptureHistory(tuple(by_name[name] for name in names), occasions, known, tuple(ordered), left_out)


def write_capture_history(history: CaptureHistory, folder: Path) -> list[str]:
    """Write all files into a folder, each in one step; returns their names. Those of secr and SPACECAP only where places are known.

    Raises:
        StorageError: the disk is full or read-only.
    """
    files = {
        "matrix.csv": _matrix(history),
        "rmark.txt": _rmark(history),
        "individuals.csv": _table(
            ("ANIMAL_ID", "individual", "secr_id", "sex", "life_stage", "species"),
            (
                (number, one.name, animal, one.sex, one.life_stage, one.species)
                for number, (one, animal) in enumerate(zip(history.individuals, _animal_ids(history), strict=True), 1)
            ),
        ),
        "occasions.csv": _table(
            ("SO", "occasion", "first_day", "last_day"),
            ((number, each.name, each.first, each.last) for number, each in enumerate(history.occasions, 1)),
        ),
    }
    if history.cameras:
        files |= _with_places(history)
    with file_errors(folder):
        make_folder(folder)
        for name, text in files.items():
            with replacing(folder / name) as file:
                file.write(text.encode())
    return list(files)


def read_surveys(path: Path) -> list[Occasion]:
    """Surveys from a CSV table with the columns survey, start and end (days).

    Raises:
        UsageError: another table, or a row without two days. StorageError: it cannot be read.
    """
    with file_errors(path), path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    surveys: list[Occasion] = []
    for number, row in enumerate(rows, start=2):
        first, last = day_of(row.get("start") or ""), day_of(row.get("end") or "")
        if first is None or last is None or last < first:
            hint = "Give the columns survey, start and end: spring,2024-03-01,2024-05-31."
            raise UsageError(f"Row {number} of {path} is not a survey.", hint)
        surveys.append(Occasion(row.get("survey") or str(len(surveys) + 1), first, last))
    if not surveys:
        raise UsageError(f"{path} has no survey.", "Give the columns survey, start and end.")
    return surveys


def day_of(text: str) -> date | None:
    """The day at the beginning of a time as sources write it; None where there is none."""
    match = _DATE.match(text.strip())
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:
        return None


def _occasions(length: OccasionLength, first: date, last: date) -> tuple[Occasion, ...]:
    found: list[Occasion] = []
    start = first - timedelta(first.weekday()) if length == "week" else first.replace(day=1) if length == "month" else first
    while start <= last:
        if length == "month":
            following = (start.replace(day=28) + timedelta(4)).replace(day=1)
        else:
            following = start + timedelta(7 if length == "week" else 1)
        name = f"{start:%Y-%m}" if length == "month" else start.isoformat()
        found.append(Occasion(name, start, following - timedelta(1)))
        start = following
        if len(found) > _MOST_OCCASIONS:
            raise UsageError(
                f"From {first} to {last} there are too many occasions.", "Take longer ones, or correct the wrong years."
            )
    return tuple(found)


def _camera_name(seen: Sighting) -> str:
    if seen.place or seen.latitude is None or seen.longitude is None:
        return seen.place
    return f"{seen.latitude:.4f} {seen.longitude:.4f}"


def _cameras(sightings: Iterable[Sighting], given: Sequence[Camera]) -> tuple[Camera, ...]:
    """The given cameras, and those that sightings place: at the mean of their positions."""
    places: dict[str, list[tuple[float, float]]] = {}
    for seen in sightings:
        if seen.latitude is not None and seen.longitude is not None and (seen.latitude or seen.longitude):
            places.setdefault(_camera_name(seen), []).append((seen.latitude, seen.longitude))
    found = {camera.name: camera for camera in given}
    for name, positions in places.items():
        mean = [sum(values) / len(positions) for values in zip(*positions, strict=True)]
        found.setdefault(name, Camera(name, mean[0], mean[1]))
    return tuple(found[name] for name in sorted(found))


def _matrix(history: CaptureHistory) -> str:
    rows = ((one.name, *history.history(number)) for number, one in enumerate(history.individuals))
    return _table(("individual", *(each.name for each in history.occasions)), rows)


def _rmark(history: CaptureHistory) -> str:
    """For `import.chdata("rmark.txt", field.types = c("s", "f"))`: the individual is skipped, sex is a group."""
    rows = ["ch\tindividual\tsex"]
    for number, (one, animal) in enumerate(zip(history.individuals, _animal_ids(history), strict=True)):
        rows.append(f"{history.history(number)}\t{animal}\t{one.sex or 'unknown'}")
    return "\n".join(rows) + "\n"


def _with_places(history: CaptureHistory) -> Mapping[str, str]:
    east_north = utm([(camera.latitude, camera.longitude) for camera in history.cameras])
    placed = [each for each in history.detections if each[2] is not None]
    works = [[int(camera.works(each)) for each in history.occasions] for camera in history.cameras]
    animals = _animal_ids(history)
    detectors = _plain_ids([camera.name for camera in history.cameras], "-")
    captures = [f"1 {animals[animal]} {occasion + 1} {detectors[camera or 0]}" for animal, occasion, camera in placed]
    traps = [
        f"{detector} {x:.1f} {y:.1f} {''.join(map(str, usage))}"
        for detector, (x, y), usage in zip(detectors, east_north, works, strict=True)
    ]
    numbers = sorted({animal for animal, _, _ in placed})
    seen = sorted({(numbers.index(animal) + 1, occasion + 1, (camera or 0) + 1) for animal, occasion, camera in placed})
    occasions = range(1, len(history.occasions) + 1)
    return {
        "secr-captures.txt": "\n".join(["# Session ID Occasion Detector", *captures]) + "\n",
        "secr-traps.txt": "\n".join(["# Detector X Y Usage", *traps]) + "\n",
        "spacecap-captures.csv": _table(
            ("LOC_ID", "ANIMAL_ID", "SO"), ((camera, animal, occasion) for animal, occasion, camera in seen)
        ),
        "spacecap-traps.csv": _table(
            ("LOC_ID", "X_Coord", "Y_Coord", *occasions),
            (
                (number, f"{x:.1f}", f"{y:.1f}", *usage)
                for number, ((x, y), usage) in enumerate(zip(east_north, works, strict=True), 1)
            ),
        ),
        "spacecap-individuals.csv": _table(
            ("ANIMAL_ID", "individual"), ((number, history.individuals[animal].name) for number, animal in enumerate(numbers, 1))
        ),
        "cameras.csv": _table(
            ("LOC_ID", "camera", "secr_detector", "latitude", "longitude"),
            (
                (number, camera.name, detector, camera.latitude, camera.longitude)
                for number, (camera, detector) in enumerate(zip(history.cameras, detectors, strict=True), 1)
            ),
        ),
    }


def _animal_ids(history: CaptureHistory) -> list[str]:
    return _plain_ids([one.name for one in history.individuals], "_")


def _plain_ids(names: Sequence[str], mark: str) -> list[str]:
    """Names without blanks, commas and quotes, which the programs take for separators; a number keeps two apart that became one."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"[^\w.-]+" if mark == "_" else r"[^\w.-]+|_+", mark, name).strip(mark) or "x"
        numbered = (f"{plain}{mark}{number}" for number in range(2, len(names) + 2))
        found.append(next(each for each in (plain, *numbered) if each not in found))
    return found


def _table(columns: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue()
