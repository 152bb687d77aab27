"""A side of a measurement as the measuring process sees it: started, asked and stopped."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from reid_edge.errors import EngineError, UsageError
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.processes import python_command
from reid_edge_benchmarks.commands import import_folders


@dataclass(frozen=True)
class Ask:
    """Which side, over which gallery.

    Attributes:
        side: runtime, torch or wildfusion.
        gallery: described by the pack.
        pack, device, threads: as on the command line.
        runtime: the folder `runtime` of another checkout to measure; None for this one.
        early_exit: False lets the last matcher see all candidates that the recipe gives it.
    """

    side: str
    gallery: Path
    pack: str
    device: str = "auto"
    threads: int | None = None
    runtime: Path | None = None
    early_exit: bool = True


@dataclass(frozen=True)
class Reply:
    """What one call took.

    Attributes:
        seconds: of wall time, from the files to the answers.
        cpu_seconds: of all threads together.
        stages: milliseconds by stage.
        answers: one per animal, plain data of the worker.
        peak_bytes: highest resident memory of the process until now.
        memory: resident memory now, bytes, by kind.
        joules: what the meter counted meanwhile; None where there is none.
    """

    seconds: float
    cpu_seconds: float
    stages: dict[str, float]
    answers: list[dict[str, Any]]
    peak_bytes: int
    memory: dict[str, int]
    joules: float | None = None


class Contestant:
    """A worker process; a context manager that ends it.

    Attributes:
        facts: provider and threads, as the worker reports them.
    """

    def __init__(self, ask: Ask) -> None:
        """Start it and wait until it is ready for photos.

        Raises:
            UsageError: it says why it cannot run.
            EngineError: it ended without a word.
        """
        wanted = {
            "side": ask.side,
            "gallery": str(ask.gallery),
            "pack": ask.pack,
            "device": ask.device,
            "threads": ask.threads,
            "early_exit": ask.early_exit,
        }
        self._name, self._started = ask.side, time.perf_counter()
        command = python_command("reid_edge_benchmarks.latency.worker", json.dumps(wanted), path=import_folders(ask.runtime))
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        try:
            self.facts: dict[str, Any] = self._read()["ready"]
        except BaseException:
            self.close()
            raise

    def ask(self, photos: Sequence[Enrolment]) -> Reply:
        """Have it answer some photos in one call.

        Raises:
            UsageError, EngineError: as at the start.
        """
        asked = [{"path": str(each.path), "species": each.species, "viewpoint": each.viewpoint} for each in photos]
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._read()
        return Reply(**self._read())

    def seconds_since_start(self) -> float:
        """Since the process was started."""
        return time.perf_counter() - self._started

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.close()
            self._process.wait(10)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Contestant:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise EngineError(
                f"The process of {self._name} ended without an answer.", "Its messages are above; it may lack memory."
            )
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise UsageError(f"{self._name}: {reply['error']}", reply["hint"])
        return reply


def cold_seconds(ask: Ask, photo: Enrolment) -> float:
    """From the start of a process to its first answer.

    Raises:
        UsageError, EngineError: see `Contestant`.
    """
    with Contestant(ask) as contestant:
        contestant.ask([photo])
        return contestant.seconds_since_start()
