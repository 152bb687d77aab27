"""A watch daemon as a process of its own: started, waited for, killed, and looked at from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from reid_edge.processes import python_command
from reid_edge_benchmarks.reliability.ledger_state import LedgerState, look

SETTLE_SECONDS = 0.2
RESCAN_SECONDS = 0.3
_POLL_SECONDS = 0.05


class TooSlow(AssertionError):
    """What a daemon should do within a generous time did not happen; its log is in the text."""


class Ended(AssertionError):
    """A daemon ended as it should not have."""


class Daemon:
    """One `reid-edge watch` over folders.

    Args:
        folders: to watch.
        out: the folder of the ledger.
        gallery, pack: as on the command line.
        options: further options, after the folders.
        environment: variables beside those of this process, shims for instance.
        settle: seconds that a file must have been still.
        log: where stderr goes, appended to; beside `out` where None.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        out: Path,
        gallery: Path,
        pack: str,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        settle: float = SETTLE_SECONDS,
        log: Path | None = None,
    ) -> None:
        self.out, self.folders = out, tuple(folders)
        self.log = log or out.with_name(out.name + ".log")
        self._command = [
            *python_command("reid_edge", "watch", "run", *map(os.fspath, folders)),
            *("--gallery", os.fspath(gallery), "--out", os.fspath(out), "--pack", pack, "--device", "cpu", "--threads", "1"),
            *("--settle", f"{settle:g}s", "--rescan", f"{RESCAN_SECONDS:g}s", *options),
        ]
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("REID_EDGE_", "SHIM_"))},
            **(environment or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> Daemon:
        """Start it; with further options, `--once` for instance."""
        self.out.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._command, *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        return self

    @property
    def running(self) -> bool:
        """Whether it still is a process that works."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """`kill -9`."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM and wait; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.wait(seconds)

    def wait(self, seconds: float) -> int:
        """Wait for its end; returns the exit code, negative for a signal.

        Raises:
            TooSlow: it is still at work; it is killed.
        """
        assert self.process is not None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TooSlow(f"The daemon did not end within {seconds:g} s. {self.tail()}") from None
        except BaseException:  # Ctrl-C leaves no daemon behind
            self.kill()
            raise

    def once(self, seconds: float) -> int:
        """Run until everything that is there has been answered; returns the exit code."""
        return self.start("--once").wait(seconds)

    def finish(self, seconds: float) -> None:
        """As `once`, where it must end well: everything is answered, or in quarantine."""
        code = self.once(seconds)
        if code not in (0, 1):
            raise Ended(f"The daemon ended with {code}. {self.tail()}")

    def until(self, condition: Callable[[LedgerState], bool], seconds: float) -> LedgerState:
        """Look at the ledger from outside until it is as wanted.

        Raises:
            TooSlow: it is not within the time, or the daemon ended.
        """
        end = time.monotonic() + seconds
        state = None
        while time.monotonic() < end:
            ended = not self.running
            state = look(self.out)
            if state is not None and condition(state):
                return state
            if ended:
                break
            time.sleep(_POLL_SECONDS)
        ended_as = "" if self.running else f" The daemon ended with {self.process.returncode if self.process else None}."
        counts = "no ledger" if state is None else f"files {state.file_counts()}, photos {state.photo_counts()}"
        raise TooSlow(f"Not reached within {seconds:g} s: {counts}.{ended_as} {self.tail()}")

    def processes(self) -> list[psutil.Process]:
        """The daemon and the processes it started, those that are there."""
        if self.process is None:
            return []
        with contextlib.suppress(psutil.Error):
            daemon = psutil.Process(self.process.pid)
            return [daemon, *daemon.children(recursive=True)]
        return []

    def memory(self) -> int:
        """Resident memory of the daemon and its workers, bytes; shared pages count once for each."""
        total = 0
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        return total

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return "It has no log."
        return "Its log ends:\n" + "\n".join(text.splitlines()[-lines:])


@contextlib.contextmanager
def running(daemon: Daemon, *options: str) -> Iterator[Daemon]:
    """The daemon, started here and surely ended after; one that is still at work is killed."""
    daemon.start(*options)
    try:
        yield daemon
    finally:
        if daemon.running:
            daemon.kill()


def gone(processes: Sequence[psutil.Process], seconds: float = 10.0) -> list[psutil.Process]:
    """Those of some processes that are still alive after a while."""
    _, alive = psutil.wait_procs(list(processes), timeout=seconds)
    return [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
