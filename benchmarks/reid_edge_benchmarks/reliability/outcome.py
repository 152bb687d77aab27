"""What a fault led to, and where it is made."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.enrolment import enrol
from reid_edge.identify.identifier import Identifier
from reid_edge.pack import open_pack
from reid_edge_benchmarks.reliability.conservation import Conservation
from reid_edge_benchmarks.reliability.daemon import SETTLE_SECONDS, Daemon
from reid_edge_benchmarks.reliability.light_pack import make_light_pack
from reid_edge_benchmarks.reliability.photos import INDIVIDUALS, photo

_FIRST_ENROLLED = 900_000
_PHOTOS_EACH = 3


class Skipped(Exception):
    """This fault cannot be made here; the text says what is missing."""


@dataclass(frozen=True)
class Outcome:
    """What a fault led to.

    Attributes:
        figures: what was counted and measured, by a name for people.
        faults: what is wrong with it, one sentence each; empty where all is well.
        notes: what a reader should know, parts that were skipped among them.
    """

    figures: Mapping[str, Any]
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"figures": dict(self.figures), "faults": list(self.faults), "notes": list(self.notes)}


@dataclass
class Tally:
    """Figures and faults as they come in."""

    figures: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, count: float = 1) -> None:
        """Count on."""
        self.figures[name] = self.figures.get(name, 0) + count

    def expect(self, true: bool, sentence: str) -> None:
        """What must be true; the sentence says what is wrong where it is not."""
        if not true:
            self.faults.append(sentence)

    def conserved(self, found: Conservation, where: str = "") -> None:
        """Add a proof: its sums to the figures, its faults to the faults."""
        for name in ("photos", "decided", "waiting", "quarantined", "difference"):
            self.add(name, getattr(found, name))
        self.add("answered twice", found.answered_twice)
        self.add("source bytes changed", found.source_bytes_changed)
        before = f"{where}: " if where else ""
        self.faults += [before + fault for fault in found.faults]
        self.expect(found.difference == 0, f"{before}photos in less decided, waiting and quarantined is {found.difference}.")
        self.expect(found.answered_twice == 0, f"{before}{found.answered_twice} photos were answered or told twice.")

    def outcome(self) -> Outcome:
        """All of it."""
        return Outcome(self.figures, tuple(self.faults), tuple(self.notes))


class Place:
    """Where faults are made: the pack and a gallery made once, and folders as needed.

    Args:
        folder: on a real disk, without links in its path.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._count = 0
        self.pack = self.folder / "light"
        self.gallery = self.folder / "gallery.sqlite"

    def set_up(self) -> Place:
        """Make the pack, and enrol three of the four individuals, so that the fourth is a new one."""
        make_light_pack(self.pack)
        sources = []
        for number, who in enumerate(INDIVIDUALS[:3]):
            for index in range(_PHOTOS_EACH):
                path = self.folder / "enrolled" / who / f"{index}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(photo(_FIRST_ENROLLED + _PHOTOS_EACH * number + index, who))
                sources.append(Enrolment(path, who))
        with Gallery.create(self.gallery) as gallery:
            enrol(gallery, Identifier(open_pack(self.pack), "cpu", 1), sources)
        return self

    def fresh(self, name: str) -> Path:
        """An empty folder."""
        self._count += 1
        path = self.folder / f"{self._count:04d}-{name}"
        path.mkdir()
        return path

    def daemon(
        self,
        folders: Sequence[Path],
        out: Path,
        *options: str,
        environment: Mapping[str, str] | None = None,
        settle: float = SETTLE_SECONDS,
        gallery: Path | None = None,
    ) -> Daemon:
        """A daemon with the light pack; its log lies where no fault is made. `gallery` is another one than that of this place."""
        self._count += 1
        log = self.folder / f"{self._count:04d}-daemon.log"
        return Daemon(folders, out, gallery or self.gallery, str(self.pack), options, environment, settle, log)


@contextmanager
def temporary_place(keep: Path | None = None) -> Iterator[Place]:
    """A place that is cleaned up; with `keep`, that folder, which stays."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield Place(Path(tempfile.mkdtemp(dir=keep))).set_up()
        return
    folder = Path(tempfile.mkdtemp(prefix="reid-edge-reliability-"))
    try:
        yield Place(folder).set_up()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Attributes:
        name: on the command line.
        title: what is done to the daemon, for people.
        claim: what must come out.
        run: makes it, small or full.
    """

    name: str
    title: str
    claim: str
    run: Callable[[Place, bool], Outcome]
