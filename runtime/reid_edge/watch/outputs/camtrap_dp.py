"""A Camtrap DP 1.0 package of all answers, for biodiversity platforms and ecologists' tools: https://camtrap-dp.tdwg.org.

`media.csv` has every answered photo, `observations.csv` every animal twice: in each photo (level `media`, with its box) and in each
event (level `event`, whose counts can be added up). Times compare as text within one zone.

A user may put two files beside it, whose values take precedence:

- `deployments.csv`: the cameras' places and periods, see `reid_edge.watch.outputs.deployments`;
- `datapackage.json`: the package's title, contributors, licenses, project and so on.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import logging
import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reid_edge.errors import ReidEdgeError
from reid_edge.storage.durable import TEMPORARY, replacing
from reid_edge.storage.errors import file_errors
from reid_edge.watch.ledger.ledger import Ledger, LedgerPhoto, Message
from reid_edge.watch.outputs.camtrap_package import TABLES, package_facts, read_package
from reid_edge.watch.outputs.camtrap_rows import Event as _Event
from reid_edge.watch.outputs.camtrap_rows import event_rows, media_row, photo_rows
from reid_edge.watch.outputs.deployments import COLUMNS, Deployment, Deployments, read_deployments, template_rows, timestamp

_AT_MOST_EVERY = 5.0  # seconds; and writing takes at most a twentieth of the time (_SHARE)
_SHARE = 20
# The package is written as a whole. Those of one day have about a gigabyte together, however large the season is: memory cards wear.
_BYTES_A_SECOND = 12_000
_STEP_SECONDS = 0.25
_CLOSING_SECONDS = 2.0
_PAGE = 1000

PACKAGE = "datapackage.json"
log = logging.getLogger(__name__)


class CamtrapDp:
    """The sink `camtrap-dp`: writes the whole package again from the ledger, a part at each delivery, so that answering goes on."""

    name = "camtrap-dp"

    def __init__(
        self, folder: Path, ledger: Ledger, given_deployments: Path, given_package: Path, species: str = "", whole: bool = False
    ) -> None:
        """Check the user's files; nothing is written yet.

        Args:
            folder: of the package; created where it does not exist.
            ledger: the source of the package.
            given_deployments, given_package: the user's files, which need not exist; read again for every package.
            species: the scientific name of all animals; empty where it is not known.
            whole: write the package now, and at each delivery a whole one, for an export.

        Raises:
            UsageError: one of the user's files cannot be used. StorageError: the folder cannot be written.
        """
        read_deployments(given_deployments)
        read_package(given_package)
        self._folder = folder
        self._ledger = ledger
        self._given = given_deployments, given_package
        self._species = species
        self._steps: Generator[None, None, list[str]] | None = None  # of the current package
        self._newest = 0  # message when the current package was begun
        self._included = 0  # newest message of the finished package
        self._behind = False
        self._due = 0.0
        self._worked = 0.0
        self._warned: list[str] = []
        with file_errors(folder):
            folder.mkdir(exist_ok=True)
            for left in folder.glob(f"*{TEMPORARY}"):  # by a killed process
                left.unlink()
        self._step_seconds = math.inf if whole else _STEP_SECONDS
        was_deleted = ledger.delivered(self.name) and not (folder / PACKAGE).exists()
        if whole or was_deleted:
            self._go_on(math.inf)

    def deliver(self, messages: Sequence[Message]) -> int:
        """Continue with the package when it is due; 0 until it is finished.

        Raises:
            StorageError: the disk is full or fails; the files are unchanged. UsageError: a user's file cannot be used any more.
        """
        if messages[-1].id > self._included:
            self._behind = True
            if not self._go_on(self._step_seconds):
                return 0
        return len(messages) if messages[-1].id <= self._included else 0

    def close(self) -> None:
        """Finish the package if that takes little time; otherwise the next run writes it."""
        with contextlib.suppress(ReidEdgeError):
            if self._behind:
                self._due = 0.0
                self._go_on(_CLOSING_SECONDS)
        self._give_up()

    def _go_on(self, seconds: float) -> bool:
        """Work on the package for about this time; returns whether it is finished."""
        began = time.monotonic()
        if self._steps is None:
            if began < self._due and seconds < math.inf:
                return False
            self._newest, self._worked = self._ledger.last_message(), 0.0
            self._steps = _steps(self._folder, self._ledger, *self._given, self._species)
        try:
            while time.monotonic() - began <= seconds:
                next(self._steps)
            return False
        except StopIteration as end:
            unplaced: list[str] = end.value
        except BaseException:
            self._give_up()
            raise
        finally:
            self._worked += time.monotonic() - began
            self._due = time.monotonic() + max(_AT_MOST_EVERY, _SHARE * self._worked, self._size() / _BYTES_A_SECOND)
        self._steps = None
        self._included, self._behind = self._newest, False
        if unplaced and unplaced != self._warned:
            text = "The Camtrap DP package is not valid yet: the place of %s is missing. Write it into %s."
            log.warning(text, ", ".join(unplaced), self._given[0])
        self._warned = unplaced
        return True

    def _size(self) -> int:
        """Bytes of the package."""
        files = [self._folder / name for name in (PACKAGE, *(f"{table}.csv" for table in TABLES))]
        return sum(file.stat().st_size for file in files if file.exists())

    def _give_up(self) -> None:
        if self._steps is not None:
            self._steps.close()  # deletes the unfinished file
        self._steps = None


def write_package(folder: Path, ledger: Ledger, given_deployments: Path, given_package: Path, species: str = "") -> list[str]:
    """Write the package of all answers in the ledger. Each file is replaced in one step, in an order that keeps all references valid.

    Args: as `CamtrapDp`.

    Returns:
        The deployments whose place is missing; with any of these the package is not valid, because Camtrap DP requires a place.

    Raises:
        UsageError: a user's file cannot be used. StorageError: the disk is full or fails.
    """
    steps = _steps(folder, ledger, given_deployments, given_package, species)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            unplaced: list[str] = end.value
            return unplaced


def write_deployments_template(path: Path, ledger: Ledger, given_deployments: Path) -> int:
    """Write a `deployments.csv` with the cameras of all photos, for a user to complete; returns how many there are.

    Raises:
        UsageError: the user's table cannot be used. StorageError: the disk is full or fails.
    """
    gathered = _Gathered(Deployments(read_deployments(given_deployments)))
    for _ in _gather(ledger, gathered):
        pass
    rows = template_rows(gathered.deployments.found.values())
    with file_errors(path), replacing(path) as file:
        text = io.StringIO()
        table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        file.write(text.getvalue().encode("utf-8", "replace"))
    return len(rows)


def _steps(
    folder: Path, ledger: Ledger, given_deployments: Path, given_package: Path, species: str
) -> Generator[None, None, list[str]]:
    """`write_package` in small steps."""
    given = read_package(given_package)
    gathered = _Gathered(Deployments(read_deployments(given_deployments)))
    yield from _gather(ledger, gathered)
    found = gathered.deployments.found.values()
    rows = [deployment.row() for deployment in found]
    with _table(folder, "deployments") as write:
        write(rows)
    with _table(folder, "observations") as write_observations:  # closed last: it refers to the media
        with _table(folder, "media") as write_media:
            for photo in _photos(ledger, gathered):
                deployment, when = gathered.place(photo.camera, photo.taken_at, photo.answered_at)
                event = gathered.events.get(photo.event_id or 0, _Event(deployment.id, when, when))
                write_media([media_row(photo, deployment.id, when)])
                write_observations(photo_rows(photo, event, species))
                yield
        for page in _event_observations(ledger, gathered, species):
            write_observations(page)
            yield
    text = json.dumps(package_facts(folder, given, rows, species), ensure_ascii=False, indent=2)
    with file_errors(folder), replacing(folder / PACKAGE) as file:
        file.write(text.encode("utf-8", "replace"))
    return [deployment.id for deployment in found if not deployment.has_place]


@dataclass
class _Gathered:
    """The facts of all photos before the first row is written: their deployments and events, and the last photo of the package."""

    deployments: Deployments
    events: dict[int, _Event] = field(default_factory=dict)
    last_photo: int = 0

    def place(self, camera: str, taken_at: str | None, answered_at: str) -> tuple[Deployment, str]:
        """The deployment of a photo, and its time in the format of Camtrap DP."""
        deployment = self.deployments.of(camera, taken_at)
        return deployment, timestamp(taken_at, answered_at, deployment.given.zone if deployment.given else None)


def _gather(ledger: Ledger, gathered: _Gathered) -> Iterator[None]:
    while photos := ledger.photo_summaries(gathered.last_photo, _PAGE):
        for photo in photos:
            deployment, when = gathered.place(photo.camera, photo.taken_at, photo.answered_at)
            deployment.note(when, photo.taken_at is not None, photo.latitude, photo.longitude)
            if photo.event_id is not None:
                event = gathered.events.setdefault(photo.event_id, _Event(deployment.id, when, when))
                event.start, event.end = min(event.start, when), max(event.end, when)
            gathered.last_photo = photo.id
        yield


def _photos(ledger: Ledger, gathered: _Gathered) -> Iterable[LedgerPhoto]:
    """The gathered photos; meanwhile another process may have answered more."""
    for photo in ledger.photos():
        if photo.id > gathered.last_photo:
            return
        yield photo


def _event_observations(ledger: Ledger, gathered: _Gathered, species: str) -> Iterator[list[dict[str, object]]]:
    """The rows of the gathered events, a page of events at a time."""
    numbers = sorted(gathered.events)
    for start in range(0, len(numbers), _PAGE):
        page = numbers[start : start + _PAGE]
        animals: dict[int, list[dict[str, Any]]] = {number: [] for number in page}
        for number, index, animal in ledger.event_animals(page[0], page[-1]):
            animals.setdefault(number, []).append({"index": index, **animal.as_json()})
        yield [row for number in page for row in event_rows(number, gathered.events[number], animals[number], species)]


@contextlib.contextmanager
def _table(folder: Path, name: str) -> Iterator[Callable[[Iterable[Mapping[str, object]]], None]]:
    """A function that writes rows to a table, which replaces the existing table at the end."""
    path = folder / f"{name}.csv"
    with file_errors(path), replacing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
        try:
            table = csv.DictWriter(text, TABLES[name], restval="", lineterminator="\n")
            table.writeheader()
            yield table.writerows
            text.flush()
        finally:
            with contextlib.suppress(OSError):
                text.detach()
