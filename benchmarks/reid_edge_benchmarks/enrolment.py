"""How long enrolment takes and how much memory: in a process of its own, whose peak is read as the gallery grows."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from reid_edge.cli.progress import progress
from reid_edge.errors import PhotoError, UsageError
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.enrolment import enrol
from reid_edge.identify.identifier import Identifier
from reid_edge.markdown import markdown_table
from reid_edge.pack import find_pack, open_pack
from reid_edge.photo import list_photos
from reid_edge.processes import in_root_folder
from reid_edge_benchmarks.memory import peak_memory


@dataclass(frozen=True)
class Mark:
    """Where enrolment was after some photos: seconds since the first began, and the peak of resident memory until then, bytes."""

    photos: int
    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class EnrolmentFigures:
    """What enrolling photos took.

    Attributes:
        photos: enrolled; copies of a photo are enrolled once.
        failed: photos that could not be read.
        seconds: from the first to the last photo, networks loaded on the way.
        gallery_bytes: of the gallery's file.
        marks: the first after one photo, when all networks are loaded; then at regular counts.
    """

    photos: int
    failed: int
    seconds: float
    gallery_bytes: int
    marks: tuple[Mark, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "photos_per_second": self.photos / self.seconds}

    def as_text(self) -> str:
        """One sentence, and memory by photos enrolled."""
        rows = [[str(mark.photos), f"{mark.seconds:.0f}", f"{mark.peak_bytes / 1e6:.0f}"] for mark in self.marks]
        return (
            markdown_table(("photos", "seconds", "peak memory, MB"), rows)
            + f"\n\nEnrolled {self.photos} photos in {self.seconds:.0f} s, {self.photos / self.seconds:.2f} photos a second; "
            f"the gallery has {self.gallery_bytes / 1e6:.0f} MB"
            + (f"; photos that could not be read: {self.failed}." if self.failed else ".")
        )


def measure_enrolment(
    photos: Sequence[Path], gallery: Path, every: int, pack: str, device: str = "auto", threads: int | None = None
) -> EnrolmentFigures:
    """Enrol the photos into a new gallery, in a process of its own.

    Args:
        photos: each is taken to show the individual that its folder is named after; who it is changes no cost.
        gallery: a file that does not exist.
        every: photos between two marks.
        pack, device, threads: as on the command line.

    Raises:
        ReidEdgeError: enrolment cannot go on.
    """
    # Spawned, not forked: it shares no memory with this process, so the peak is its own.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=os.chdir, initargs=(Path.cwd(),)) as processes:
        with in_root_folder():
            enrolling = processes.submit(_enrol_and_watch, list(photos), gallery, every, pack, device, threads)
        return enrolling.result()


def _enrol_and_watch(photos: list[Path], path: Path, every: int, pack: str, device: str, threads: int | None) -> EnrolmentFigures:
    marks: list[Mark] = []
    enrolments = [Enrolment(photo, photo.parent.name or "unknown") for photo in photos]
    with Gallery.create(path) as gallery:
        identifier = Identifier(open_pack(find_pack(pack)), device, threads)
        start = time.perf_counter()
        done = partial(_mark, marks, count(1), len(photos), every, start)
        result = enrol(gallery, identifier, progress(enrolments, "Enrolling"), done)
        seconds = time.perf_counter() - start
    return EnrolmentFigures(result.added, len(result.failed), seconds, path.stat().st_size, tuple(marks))


def _mark(marks: list[Mark], counter: Iterator[int], total: int, every: int, start: float) -> None:
    """A photo is done: a mark, where it closes a stretch."""
    done = next(counter)
    if done == 1 or done % every == 0 or done == total:
        marks.append(Mark(done, time.perf_counter() - start, peak_memory()))


def photos_of(source: Path, count: int) -> list[Path]:
    """The first photos of a folder, or of the folder of a metadata.csv, sub-folders included.

    Raises:
        UsageError: it holds none, or cannot be read.
    """
    folder = source.parent if source.suffix.lower() == ".csv" else source
    try:
        photos = list_photos(folder)[:count]
    except PhotoError as error:
        raise UsageError(error.message, error.hint) from error
    if not photos:
        raise UsageError(f"{folder} holds no photos.", "Name a folder with photos, or leave --source out to render some.")
    return photos
