"""Thousands of photos in one run, as many as a camera takes in a day: memory, open files and threads stay as they were when warm."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from reid_edge_benchmarks.reliability.arriving import lay
from reid_edge_benchmarks.reliability.conservation import JSON_LINES, prove
from reid_edge_benchmarks.reliability.daemon import Daemon, running
from reid_edge_benchmarks.reliability.outcome import Fault, Outcome, Place, Tally
from reid_edge_benchmarks.reliability.photos import frames

SMALL, FULL = (200, 50), (5000, 250)  # photos, photos that arrive at a time
_WARM = 0.2  # this share of the photos is warm-up
_MOST_GROWTH = 0.03  # of the warm memory, from the first to the last tenth after it; measured: see docs/reliability.md
_NOISE_BYTES = 6_000_000
_PATIENCE = 300.0


@dataclass(frozen=True)
class _Reading:
    photos: int
    memory: int
    files: int
    threads: int


def run(place: Place, full: bool) -> Outcome:
    """Let photos arrive in batches, and read the daemon's size after each some."""
    photos, at_a_time = FULL if full else SMALL
    tally = Tally()
    folder, out = place.fresh("memory-incoming"), place.fresh("memory") / "out"
    put_in: dict[bytes, bytes] = {}
    readings: list[_Reading] = []
    began, lines = time.monotonic(), _PhotoLines(out / JSON_LINES)
    with running(place.daemon([folder], out)) as daemon:
        for first in range(0, photos, at_a_time):
            put_in |= lay(folder / f"camera-{first // at_a_time % 4}", frames(at_a_time, first=10_000 + first), f"R{first}")
            _until_answered(daemon, lines, len(put_in), at_a_time, readings)
        seconds = time.monotonic() - began
        code = daemon.stop()
    tally.expect(code == 0, f"It did not end well. {daemon.tail()}")
    tally.conserved(prove(out, put_in))
    tally.expect(tally.figures["decided"] == photos, "Not all photos were answered.")
    warm = [reading for reading in readings if reading.photos >= _WARM * photos]
    tenth = max(1, len(warm) // 10)
    before, after = (float(np.median([each.memory for each in part])) for part in (warm[:tenth], warm[-tenth:]))
    slope = float(np.polyfit([each.photos for each in warm], [each.memory for each in warm], 1)[0])
    tally.figures.update(
        {
            "seconds": round(seconds),
            "photos a second": round(photos / seconds, 1),
            "memory when warm, MB": round(before / 1e6, 1),
            "memory at the end, MB": round(after / 1e6, 1),
            "growth after warm-up, MB": round((after - before) / 1e6, 2),
            "slope after warm-up, bytes a photo": round(slope),
            "open files when warm / at the end": f"{warm[0].files} / {warm[-1].files}",
            "threads when warm / at the end": f"{warm[0].threads} / {warm[-1].threads}",
            "readings": len(readings),
        }
    )
    most = max(_MOST_GROWTH * before, _NOISE_BYTES)
    tally.expect(
        after - before < most, f"Memory grew by {(after - before) / 1e6:.1f} MB after warm-up, {slope:.0f} bytes a photo."
    )
    tally.expect(warm[-1].files <= warm[0].files + 3, f"Open files grew from {warm[0].files} to {warm[-1].files}.")
    tally.expect(warm[-1].threads <= warm[0].threads + 1, f"Threads grew from {warm[0].threads} to {warm[-1].threads}.")
    return tally.outcome()


def _until_answered(daemon: Daemon, lines: _PhotoLines, photos: int, at_a_time: int, readings: list[_Reading]) -> None:
    """Wait by the lines of the daemon's own file, which costs it nothing, and read its size whenever some more are there."""
    end = time.monotonic() + _PATIENCE
    step = max(1, at_a_time // 10)
    while time.monotonic() < end and daemon.running:
        answered = lines.count()
        if not readings or answered >= readings[-1].photos + step or answered >= photos:
            readings.append(_read(daemon, answered))
        if answered >= photos:
            return
        time.sleep(0.05)
    raise AssertionError(f"{photos} photos are not answered within {_PATIENCE:g} s. {daemon.tail()}")


class _PhotoLines:
    """How many photos the daemon's file tells, counted on from where the last count ended."""

    def __init__(self, path: Path) -> None:
        self._path, self._at, self._count = path, 0, 0

    def count(self) -> int:
        """Photos so far."""
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as file:
            file.seek(self._at)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._at += len(line)
                self._count += b'"kind": "photo"' in line
        return self._count


def _read(daemon: Daemon, answered: int) -> _Reading:
    files = threads = 0
    for process in daemon.processes():
        with contextlib.suppress(psutil.Error):
            files += process.num_fds()
            threads += process.num_threads()
    return _Reading(answered, daemon.memory(), files, threads)


FAULT = Fault(
    "steady-memory",
    "As many photos in one run as cameras take in a day, as fast as they are answered",
    "growth 0 after warm-up: memory, open files, threads",
    run,
)
