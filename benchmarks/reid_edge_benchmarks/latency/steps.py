"""What each step towards a faster runtime is worth: checkouts, packs and thread counts beside each other, on the same photos in turns."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reid_edge.errors import UsageError
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.markdown import markdown_table
from reid_edge_benchmarks.commands import run_command
from reid_edge_benchmarks.latency.agreement import compare_answers
from reid_edge_benchmarks.latency.contestant import Ask, Contestant, Reply
from reid_edge_benchmarks.latency.statistics import Spread, ratio_of_medians
from reid_edge_benchmarks.latency.tables import ratio_cell
from reid_edge_calibration.progress import Progress

_KEYS = ("runtime", "pack", "threads", "early_exit")


@dataclass(frozen=True)
class Step:
    """A state of the runtime.

    Attributes:
        name: for the table.
        runtime: the folder ``runtime`` of a checkout; None for the one that measures.
        pack: a name, or a folder or zip.
        threads: None for the runtime's own choice.
        early_exit: False lets the last matcher see all candidates that the recipe gives it.
    """

    name: str
    runtime: Path | None
    pack: str
    threads: int | None
    early_exit: bool = True


def parse_step(text: str, pack: str) -> Step:
    """``NAME`` or ``NAME:KEY=VALUE,...`` with the keys runtime, pack, threads and early_exit (off).

    Raises:
        UsageError: another key, a number that is none, or a runtime that is not there.
    """
    name, _, rest = text.partition(":")
    given = dict(part.partition("=")[::2] for part in rest.split(",") if part)
    if unknown := sorted(set(given) - set(_KEYS)):
        raise UsageError(f"The step {name} has no {unknown[0]}.", f"It may have {', '.join(_KEYS)}.")
    runtime = Path(given["runtime"]).resolve() if "runtime" in given else None
    if runtime and not (runtime / "reid_edge").is_dir():
        raise UsageError(
            f"{runtime} holds no package reid_edge.", "Name the folder runtime of a checkout, such as a git worktree."
        )
    if not given.get("threads", "1").isdigit():
        raise UsageError(f"The step {name} has {given['threads']!r} threads.", "Give a number.")
    threads, early_exit = int(given["threads"]) if "threads" in given else None, given.get("early_exit", "on")
    if early_exit not in ("on", "off"):
        raise UsageError(f"The step {name} has early_exit={early_exit}.", "It is on or off.")
    return Step(name, runtime, given.get("pack", pack), threads, early_exit == "on")


def enrol_steps(
    steps: Sequence[Step], metadata: Path, fold: str | None, device: str, folder: Path, progress: Progress
) -> list[Path]:
    """A gallery of the database photos for each step, enrolled by its own code; one that a run before left is continued.

    Raises:
        UsageError: enrolling failed.
    """
    return [_enrolled(step, metadata, fold, device, folder) for step in progress(list(steps), "Enrolling")]


def measure_steps(
    steps: Sequence[Step], galleries: Sequence[Path], queries: Sequence[Enrolment], rounds: int, device: str, progress: Progress
) -> list[dict[str, Any]]:
    """Answer the photos with every step in turns, each over its own gallery.

    Returns:
        In the steps' order: ``name``, ``whole`` and ``stages`` (each a `Spread`, milliseconds), ``cpu_seconds`` (median a photo),
        ``peak_bytes``, the ``ratio`` of the step before to it and ``same_identity``, the share of photos that both give the same individual
        first.

    Raises:
        UsageError, EngineError: one of them cannot run.
    """
    replies: list[list[Reply]] = [[] for _ in steps]
    with ExitStack() as stack:
        contestants = [
            stack.enter_context(
                Contestant(Ask("runtime", gallery, step.pack, device, step.threads, step.runtime, step.early_exit))
            )
            for step, gallery in zip(steps, galleries, strict=True)
        ]
        for contestant in contestants:
            contestant.ask(list(queries[:2]))
        for turn, query in enumerate(progress([*queries] * rounds, "Measuring")):
            for place in range(len(steps)):
                which = (turn + place) % len(steps)
                replies[which].append(contestants[which].ask([query]))
    return [_row(step, replies, place, len(queries)) for place, step in enumerate(steps)]


def steps_text(rows: Sequence[dict[str, Any]]) -> str:
    """The table, a row a step."""
    cells = []
    for row in rows:
        ratio = row["ratio"]
        gain = ratio_cell(ratio) if ratio else ""
        cells.append(
            [
                row["name"],
                *(f"{row['whole'][each]:.0f}" for each in ("p50", "p95")),
                f"{row['cpu_seconds']:.2f}",
                f"{row['peak_bytes'] / 1e6:.0f}",
                gain,
                "" if row["same_identity"] is None else f"{row['same_identity']:.1%}",
            ]
        )
    header = (
        "step",
        "p50, ms",
        "p95",
        "CPU s a photo",
        "peak memory, MB",
        "times faster than the row above",
        "same individual first",
    )
    return markdown_table(header, cells)


def _row(step: Step, replies: Sequence[Sequence[Reply]], place: int, photos: int) -> dict[str, Any]:
    own, before = replies[place], replies[place - 1] if place else None
    stages = list(dict.fromkeys(stage for reply in own for stage in reply.stages))
    ratio = agreement = None
    if before is not None:
        ratio = ratio_of_medians(_by_photo(before, photos), _by_photo(own, photos)).as_json()
        agreement = compare_answers([reply.answers for reply in own], [reply.answers for reply in before], {})
    return {
        "name": step.name,
        "threads": step.threads,
        "whole": asdict(Spread.of([reply.seconds * 1e3 for reply in own])),
        "stages": {stage: asdict(Spread.of([reply.stages.get(stage, 0.0) for reply in own])) for stage in stages},
        "cpu_seconds": float(np.median([reply.cpu_seconds for reply in own])),
        "peak_bytes": own[-1].peak_bytes,
        "ratio": ratio,
        "same_identity": agreement.same_identity if agreement else None,
    }


def _by_photo(replies: Sequence[Reply], photos: int) -> list[float]:
    return [float(np.median([reply.seconds for reply in replies[photo::photos]])) for photo in range(photos)]


def _enrolled(step: Step, metadata: Path, fold: str | None, device: str, folder: Path) -> Path:
    pack = Path(step.pack)
    identity = repr((metadata.resolve(), fold, step.runtime, pack.resolve() if pack.exists() else step.pack))
    gallery = folder / f"step-{hashlib.sha256(identity.encode()).hexdigest()[:12]}.sqlite"
    arguments = ["gallery", "add", str(metadata), "--split", "database", "--gallery", str(gallery), "--pack", step.pack]
    arguments += ["--fold", fold] if fold else []
    arguments += ["--device", device]
    try:
        run_command(arguments, step.runtime)
    except UsageError as error:
        raise UsageError(f"{step.name}: its photos cannot be enrolled: {error.message}", error.hint) from error
    return gallery
