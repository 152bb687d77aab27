"""A full disk: each of the daemon's writes meets it once (a preloaded library), and a real small disk that somebody fills and frees."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from reid_edge.errors import StorageError
from reid_edge.processes import find_program
from reid_edge_benchmarks.reliability.arriving import lay
from reid_edge_benchmarks.reliability.conservation import Conservation, prove
from reid_edge_benchmarks.reliability.daemon import running
from reid_edge_benchmarks.reliability.ledger_state import LedgerState, look
from reid_edge_benchmarks.reliability.outcome import Fault, Outcome, Place, Skipped, Tally
from reid_edge_benchmarks.reliability.photos import frames
from reid_edge_benchmarks.reliability.power_cut_disk import CREATE, LINK, MAKE_FOLDER, RENAME, WRITE, read_journal
from reid_edge_benchmarks.reliability.shim import preloaded

SMALL, FULL = 5, 120  # writes that meet a full disk
_PHOTOS = 3
_FULL_MS = 300
_PATIENCE = 90.0
_NEEDS_ROOM = (WRITE, CREATE, MAKE_FOLDER, RENAME, LINK)


def run(place: Place, full: bool) -> Outcome:
    """Both."""
    tally = Tally()
    for part in (_every_write, _small_disk):
        try:
            part(place, FULL if full else SMALL, tally)
        except Skipped as reason:
            tally.notes.append(f"Not made here: {reason}.")
    if not tally.figures:
        raise Skipped(" ".join(tally.notes))
    return tally.outcome()


def _every_write(place: Place, most: int, tally: Tally) -> None:
    """Count the writes of a run, then repeat it with the disk full at one of them, for up to `most` of them spread evenly."""
    writes = _writes(place)
    chosen = range(1, writes + 1) if writes <= most else sorted(random.Random(3).sample(range(1, writes + 1), most))
    tally.figures["write sites"] = writes
    for number in chosen:
        root = place.fresh("full") / "disk"
        put_in = lay(root / "incoming" / "camera", frames(_PHOTOS))
        out = root / "out"
        out.mkdir()
        meets = preloaded("storage", STORAGE_ROOT=root, STORAGE_FULL_AT=number, STORAGE_FULL_MS=_FULL_MS)
        code = place.daemon([root / "incoming"], out, "--move", environment=meets).once(_PATIENCE)
        tally.add("writes that met a full disk")
        tally.add("of them at the start: ended with exit code 5, as a service started again", int(code == StorageError.exit_code))
        if code == StorageError.exit_code:
            code = place.daemon([root / "incoming"], out, "--move").once(_PATIENCE)
        tally.expect(code == 0, f"Disk full at write {number}: it ended with {code}.")
        _all_answered(prove(out, put_in), f"disk full at write {number}", tally)
        shutil.rmtree(root.parent)


def _writes(place: Place) -> int:
    root = place.fresh("full") / "disk"
    lay(root / "incoming" / "camera", frames(_PHOTOS))
    (root / "out").mkdir()
    recording = preloaded("storage", STORAGE_ROOT=root, STORAGE_JOURNAL=root.with_name("journal"))
    place.daemon([root / "incoming"], root / "out", "--move", environment=recording).finish(_PATIENCE)
    return sum(operation.kind in _NEEDS_ROOM for operation in read_journal(root.with_name("journal")))


def _small_disk(place: Place, most: int, tally: Tally) -> None:
    """A real disk of a few megabytes: filled to the last byte while the daemon works, and freed after a while; the daemon stays up."""
    disk = place.fresh("small-disk")
    mounted = subprocess.run(
        [find_program("mount") or "mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        raise Skipped("a small disk, because only root may mount one")
    try:
        folder = place.fresh("full-incoming")
        put_in = lay(folder / "first", frames(8))
        daemon = place.daemon([folder], disk / "out")
        with running(daemon):
            for times in range(2):
                daemon.until(_decided(len(put_in)), _PATIENCE)
                ballast = _fill(disk)
                put_in |= lay(folder / f"then-{times}", frames(8, first=100 * (times + 1)))
                time.sleep(1.5)
                before = look(disk / "out")
                tally.expect(daemon.running, f"The daemon ended on a full disk. {daemon.tail()}")
                tally.expect(before is not None and len(before.decided) < len(put_in), "The disk was not full enough to matter.")
                ballast.unlink()
                tally.add("times a small disk was filled and freed")
            daemon.until(_decided(len(put_in)), _PATIENCE)
            tally.expect(daemon.stop() == 0, "The daemon did not end well.")
        _all_answered(prove(disk / "out", put_in), "small disk", tally)
    finally:
        subprocess.run([find_program("umount") or "umount", "-l", disk], check=False)


def _decided(photos: int) -> Callable[[LedgerState], bool]:
    return lambda state: len(state.decided) == photos


def _fill(disk: Path) -> Path:
    """A file that takes all room there is."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(os.urandom(1) * size)
            except OSError:
                continue
    return ballast


def _all_answered(proof: Conservation, where: str, tally: Tally) -> None:
    tally.conserved(proof, where)
    tally.expect(proof.decided == proof.photos, f"{where}: {proof.photos - proof.decided} photos were not answered.")


FAULT = Fault(
    "disk-full",
    "Disk full at every write site, and a small disk that is filled and freed",
    "source bytes changed 0; the daemon goes on without help when there is space",
    run,
)
