"""What a photo costs the storage of a field device: bytes written, waits for the disk and looks at files, counted from outside by strace.

The daemon runs over rendered photos with a pack that answers in milliseconds; what it writes does not depend on the networks. A run over
no new photo is subtracted, so that starting costs nothing. What is counted is what the program asks the system for: a file system and a
memory card write more (a journal, whole erase blocks), which no program sees.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from reid_edge.errors import UsageError
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.enrolment import enrol
from reid_edge.identify.identifier import Identifier
from reid_edge.markdown import markdown_table
from reid_edge.pack import open_pack
from reid_edge.processes import find_program, python_command
from reid_edge_benchmarks.reliability.light_pack import make_light_pack
from reid_edge_benchmarks.reliability.photos import INDIVIDUALS, frames, photo
from reid_edge_benchmarks.results import ResultFile, kept_folder

_SYNC, _WRITE = ("fsync", "fdatasync", "sync_file_range"), ("write", "pwrite64", "writev", "pwritev")
_LOOK = ("stat", "lstat", "newfstatat", "statx")
_CALL = re.compile(
    r"^\d+\s+(?P<name>\w+)"
    r"(?:\(\d+<(?P<path>[^>]*)>|\((?:AT_FDCWD(?:<[^>]*>)?, )?\"(?P<looked>[^\"]*)\")"
    r".* = (?P<result>-?\d+)"
)
_DAYS = 365
SCENARIOS = {"20 photos a day": 20, "5,000 photos a day": 5000}


@dataclass
class Counts:
    """What one run asked of the system, by the part of the output folder.

    Attributes:
        bytes, syncs: written, and waited for.
        looks: stat calls on photos.
    """

    bytes: Counter[str] = field(default_factory=Counter)
    syncs: Counter[str] = field(default_factory=Counter)
    looks: int = 0

    def per_photo(self, idle: Counts, photos: int) -> dict[str, Any]:
        """The figures of one photo, less those of an idle run."""
        parts = sorted(self.bytes.keys() | self.syncs.keys())
        return {
            "bytes": {part: (self.bytes[part] - idle.bytes[part]) / photos for part in parts},
            "syncs": {part: (self.syncs[part] - idle.syncs[part]) / photos for part in parts},
        }


def count_calls(lines: Iterable[str], out: Path, photos: Path) -> Counts:
    """Read what strace wrote with ``-f -y``."""
    counts = Counts()
    for line in lines:
        call = _CALL.match(line)
        if call is None or int(call["result"]) < 0:
            continue
        name = call["name"]
        if name in _LOOK and (call["looked"] or call["path"] or "").startswith(f"{photos}/"):
            counts.looks += 1
        path = call["path"] or ""
        if not path.startswith(f"{out}/") and path != str(out):
            continue
        part = _part(path.removeprefix(str(out)).lstrip("/"))
        if name in _WRITE:
            counts.bytes[part] += int(call["result"])
        elif name in _SYNC:
            counts.syncs[part] += 1
    return counts


def measure_season(folder: Path, photos: int, options: Sequence[str]) -> dict[str, Any]:
    """Answer photos one event after the other, then look at the folder again without a new one.

    Args:
        folder: empty; gets photos, gallery, output.
        photos: how many.
        options: further ones of ``watch run``, such as ``--camtrap-dp``.

    Raises:
        UsageError: strace is not installed, or the daemon failed.
    """
    pack = make_light_pack(folder / "pack")
    gallery = _gallery(folder, pack)
    arriving, out = folder / "photos", folder / "out"
    arriving.mkdir()
    command = python_command("reid_edge", "watch", "run", str(arriving))
    command += ["--gallery", str(gallery), "--out", str(out), "--pack", str(pack), "--device", "cpu", "--threads", "1"]
    command += ["--settle", "0s", "--once", *options]
    _traced(command, folder, out, arriving)  # makes the ledger
    idle = _traced(command, folder, out, arriving)
    for number, content in enumerate(frames(photos, seconds_apart=3600)):
        (arriving / f"{number:06d}.jpg").write_bytes(content)
    busy = _traced(command, folder, out, arriving)
    again = _traced(command, folder, out, arriving)
    size = {part: sum(file.stat().st_size for file in files) for part, files in _files(out).items()}
    return {
        "photos": photos,
        "options": list(options),
        "per photo": busy.per_photo(idle, photos),
        "looks a scan of a file": again.looks / photos,
        "size": size,
    }


def season_text(figures: dict[str, Any]) -> str:
    """The figures as Markdown, and two years from them."""
    each = figures["per photo"]
    rows = [
        [
            part,
            f"{each['bytes'][part]:,.0f}",
            f"{each['syncs'][part]:.2f}",
            f"{figures['size'].get(part, 0) / figures['photos']:,.0f}",
        ]
        for part in sorted(each["bytes"], key=lambda part: -each["bytes"][part])
    ]
    total = sum(each["bytes"].values()), sum(each["syncs"].values())
    rows.append(["together", f"{total[0]:,.0f}", f"{total[1]:.2f}", f"{sum(figures['size'].values()) / figures['photos']:,.0f}"])
    growth = sum(figures["size"].values()) / figures["photos"]
    years = [
        [name, f"{total[0] * a_day / 1e6:,.1f}", f"{total[1] * a_day:,.0f}", f"{growth * a_day * _DAYS / 1e9:,.2f}"]
        for name, a_day in SCENARIOS.items()
    ]
    return "\n\n".join(
        (
            markdown_table(("a photo", "bytes written", "syncs", "bytes that stay"), rows),
            markdown_table(("on paper", "MB written a day", "syncs a day", "GB that stay after a year"), years),
            f"A scan looks {figures['looks a scan of a file']:.2g} times at each file that lies in the folder.",
        )
    )


def _traced(command: Sequence[str], folder: Path, out: Path, photos: Path) -> Counts:
    strace = find_program("strace")
    if strace is None:
        raise UsageError("bench season counts with strace, which is not installed.", "Install it: sudo apt install strace")
    log = folder / "calls.txt"
    calls = ",".join((*_SYNC, *_WRITE, *(f"?{name}" for name in _LOOK)))
    done = subprocess.run(
        [strace, "-f", "-y", "-qq", "-s", "300", "-e", f"trace={calls}", "-o", str(log), *command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UsageError(f"The daemon failed: {last}", "Run it by hand to see the whole message.")
    with log.open(encoding="utf-8", errors="replace") as lines:
        counts = count_calls(lines, out, photos)
    log.unlink()
    return counts


def _gallery(folder: Path, pack: Path) -> Path:
    path = folder / "gallery.sqlite"
    rows = []
    for number, name in enumerate(INDIVIDUALS):
        image = folder / f"{name}.jpg"
        image.write_bytes(photo(1_000_000 + number, name))
        rows.append(Enrolment(image, name))
    with Gallery.create(path) as gallery:
        enrol(gallery, Identifier(open_pack(pack), "cpu", 1), rows)
    return path


def _part(path: str) -> str:
    """A file or sub-folder of the output folder; SQLite's journals count as the ledger."""
    first = path.split("/", 1)[0]
    return "ledger" if first.startswith("ledger.sqlite") else re.sub(r"\.[0-9a-f]{32}\.tmp$", "", first) or "(the folder)"


def _files(out: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in out.rglob("*"):
        if file.is_file():
            found.setdefault(_part(str(file.relative_to(out))), []).append(file)
    return found


@click.command(short_help="Count what a photo costs the storage of a field device.")
@click.option("--photos", type=click.IntRange(4), default=200, show_default=True, help="Photos that the daemon answers.")
@click.option(
    "--watch-option", "options", multiple=True, help="A further option of watch run, such as --camtrap-dp. May be repeated."
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write all figures to this file.")
def season(photos: int, options: tuple[str, ...], json_path: Path | None) -> None:
    """Count bytes written, syncs and stat calls of the daemon for each photo, and compute a year from them.

    Photos are rendered, and a pack answers that takes milliseconds: what is written does not depend on the networks. Needs strace.
    """
    results = ResultFile(json_path)
    with kept_folder(None) as folder:
        figures = measure_season(folder, photos, options)
    click.echo(season_text(figures))
    results.save({"kind": "season", **figures})
