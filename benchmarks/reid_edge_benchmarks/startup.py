"""How soon the first answer is there: every run is a process of its own, as a person starts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import reid_edge
from reid_edge.markdown import markdown_table
from reid_edge_benchmarks.commands import run_command
from reid_edge_calibration.progress import Progress

TARGET_HELP_SECONDS = 0.3
TARGET_ANSWER_SECONDS = 3.0
TARGET_BYTES = 25_000_000

_PACKAGE = Path(reid_edge.__file__).parent
_SAMPLES = _PACKAGE / "samples"
_PHOTO = _SAMPLES / "photos" / "trail_1.jpg"


@dataclass(frozen=True)
class Startup:
    """Seconds of each run, and bytes on the disk.

    Attributes:
        help_seconds: ``reid-edge --help``.
        answer_seconds: ``reid-edge identify PHOTO`` on the bundled samples, from process start to exit, answer printed. The files are
            in the system's cache, as they are on any machine that has run it before.
        package_bytes: files of the package `reid_edge` with its pack and samples, without compiled ``__pycache__``.
    """

    help_seconds: tuple[float, ...]
    answer_seconds: tuple[float, ...]
    package_bytes: int

    def as_json(self) -> dict[str, Any]:
        """Plain data, with the targets."""
        targets = {"help_seconds": TARGET_HELP_SECONDS, "answer_seconds": TARGET_ANSWER_SECONDS, "package_bytes": TARGET_BYTES}
        return {**asdict(self), "targets": targets}

    def as_text(self) -> str:
        """A table with the targets and whether they are met."""
        return markdown_table(
            ("what", "median", "worst", "target", ""),
            [
                _seconds("reid-edge --help, s", self.help_seconds, TARGET_HELP_SECONDS),
                _seconds("process start to first answer, s", self.answer_seconds, TARGET_ANSWER_SECONDS),
                [
                    "installed reid_edge, MB",
                    f"{self.package_bytes / 1e6:.1f}",
                    "",
                    f"{TARGET_BYTES / 1e6:.0f}",
                    _met(self.package_bytes <= TARGET_BYTES),
                ],
            ],
        )


def make_sample_gallery(folder: Path, pack: str) -> Path:
    """Enrol the bundled sample gallery, not counted.

    Raises:
        UsageError: the command failed.
    """
    gallery = folder / "samples.sqlite"
    run_command(["gallery", "add", str(_SAMPLES / "gallery"), "--gallery", str(gallery), "--pack", pack])
    return gallery


def measure_startup(gallery: Path, runs: int, pack: str, progress: Progress) -> Startup:
    """Start the command line again and again.

    Args:
        gallery: described by the pack.
        runs: of each command; one more run of each goes before them uncounted, so that the system's cache is warm for all.
        pack: its name, folder or zip.

    Raises:
        UsageError: a command failed.
    """
    identify = ["identify", str(_PHOTO), "--gallery", str(gallery), "--pack", pack]
    seconds = [(run_command(["--help"]), run_command(identify)) for _ in progress(range(runs + 1), "Starting")][1:]
    help_seconds, answer_seconds = zip(*seconds, strict=True)
    return Startup(help_seconds, answer_seconds, package_bytes())


def package_bytes() -> int:
    """Bytes of the files of the package `reid_edge`, without compiled ``__pycache__``."""
    return sum(file.stat().st_size for file in _PACKAGE.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def _seconds(what: str, seconds: Sequence[float], target: float) -> list[str]:
    median = float(np.median(seconds))
    return [what, f"{median:.2f}", f"{max(seconds):.2f}", f"{target:g}", _met(median <= target)]


def _met(met: bool) -> str:
    return "met" if met else "missed"
