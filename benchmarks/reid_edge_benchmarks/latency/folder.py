"""A folder of photos in one command beside the same photos one at a time: throughput, and how busy the cores are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.markdown import markdown_table
from reid_edge_benchmarks.commands import run_command
from reid_edge_benchmarks.latency.contestant import Ask, Contestant
from reid_edge_calibration.progress import Progress

TARGET_BUSY, TARGET_RATIO = 0.85, 1.3


def measure_folder(ask: Ask, photos: Sequence[Enrolment], folder: Path, progress: Progress) -> dict[str, Any]:
    """Half of the photos one at a time, then ``reid-edge identify FOLDER`` with all, then the other half one at a time.

    Args:
        ask: the runtime, over a gallery.
        photos: at least two.
        folder: where a folder with copies of them is made.

    Returns:
        ``one_at_a_time`` and ``folder``, each with ``seconds``, ``photos_per_second`` and ``cpu_share`` of the machine's cores (0..1);
        ``ratio`` of their throughputs with ``low`` and ``high``: beside each half alone. The folder's seconds
        hold the start of its process.

    Raises:
        UsageError, EngineError: one of them failed.
    """
    copies = _copied(photos, folder)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    middle = len(photos) // 2
    with Contestant(ask) as contestant:
        for photo in photos[:2]:
            contestant.ask([photo])
        first = [contestant.ask([photo]) for photo in progress(list(photos[:middle]), "One at a time")]
        seconds, cpu = _identify_folder(ask, copies)
        second = [contestant.ask([photo]) for photo in progress(list(photos[middle:]), "One at a time")]
    halves = [sum(reply.seconds for reply in half) / len(half) for half in (first, second)]
    one_by_one = sum(reply.seconds for reply in (*first, *second))
    low, high = sorted(half / (seconds / len(photos)) for half in halves)
    ratio = one_by_one / seconds
    return {
        "photos": len(photos),
        "one_at_a_time": {
            "seconds": one_by_one,
            "photos_per_second": len(photos) / one_by_one,
            "cpu_share": sum(reply.cpu_seconds for reply in (*first, *second)) / one_by_one / cores,
        },
        "folder": {"seconds": seconds, "photos_per_second": len(photos) / seconds, "cpu_share": cpu / seconds / cores},
        "ratio": {"value": None if low <= 1 <= high else ratio, "low": low, "high": high},
        "targets": {"cpu_share": TARGET_BUSY, "ratio": TARGET_RATIO},
    }


def folder_text(figures: dict[str, Any]) -> str:
    """The table and a sentence."""
    ratio = figures["ratio"]
    rows = [
        [name, f"{figures[key]['seconds']:.1f}", f"{figures[key]['photos_per_second']:.2f}", f"{figures[key]['cpu_share']:.0%}"]
        for name, key in (("one at a time", "one_at_a_time"), ("reid-edge identify FOLDER", "folder"))
    ]
    table = markdown_table((f"{figures['photos']} photos", "seconds", "photos a second", "cores busy"), rows)
    between = f"{ratio['low']:.2f} beside one half of the photos, {ratio['high']:.2f} beside the other"
    if ratio["value"] is None:
        return f"{table}\n\nThe difference in throughput is within the noise ({between})."
    return f"{table}\n\nThe folder has {ratio['value']:.2f} times the throughput ({between})."


def _copied(photos: Sequence[Enrolment], folder: Path) -> Path:
    copies = folder / "asked"
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir(parents=True)
    for number, photo in enumerate(photos):
        shutil.copyfile(photo.path, copies / f"{number:05d}{photo.path.suffix}")
    return copies


def _identify_folder(ask: Ask, photos: Path) -> tuple[float, float]:
    """Seconds of wall time, and of all cores together."""
    arguments = ["identify", str(photos), "--json", "--gallery", str(ask.gallery), "--pack", ask.pack, "--device", ask.device]
    arguments += ["--threads", str(ask.threads)] if ask.threads else []
    before = _children_seconds()
    seconds = run_command(arguments, ask.runtime)
    return seconds, _children_seconds() - before


def _children_seconds() -> float:
    """Processor time of processes that have ended; the worker that answers one at a time has not."""
    times = os.times()
    return times.children_user + times.children_system
