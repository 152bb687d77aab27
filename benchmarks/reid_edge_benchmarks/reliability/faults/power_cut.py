"""Power cuts: one run is recorded, change by change, and at its moments the disk is laid out as a cut would have left it."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from pathlib import Path

from reid_edge_benchmarks.reliability.arriving import lay
from reid_edge_benchmarks.reliability.conservation import JSON_LINES, prove
from reid_edge_benchmarks.reliability.ledger_state import LEDGER, FileRow, LedgerState, checked
from reid_edge_benchmarks.reliability.outcome import Fault, Outcome, Place, Tally
from reid_edge_benchmarks.reliability.photos import frames, sha256
from reid_edge_benchmarks.reliability.power_cut_disk import Operation, PowerCutDisk, read_journal
from reid_edge_benchmarks.reliability.shim import preloaded

SMALL, FULL = (6, 80, 1), (24, 1500, 12)  # photos, moments, restarts
_PATIENCE = 120.0


def run(place: Place, full: bool) -> Outcome:
    """Record a run with photos that stay, and one with photos that are moved away; cut both."""
    tally = Tally({"changes recorded": 0, "cuts": 0, "restarts": 0, "integrity_check not ok": 0})
    for moved in (False, True):
        _record_and_cut(place, moved, *(FULL if full else SMALL), tally)
    return tally.outcome()


def _record_and_cut(place: Place, moved: bool, photos: int, moments: int, restarts: int, tally: Tally) -> None:
    root = place.fresh("power") / "disk"
    put_in = lay(root / "incoming" / "camera", frames(photos))
    (root / "out").mkdir()
    vault, journal = root.with_name("vault"), root.with_name("journal")
    vault.mkdir()
    disk = PowerCutDisk(root, vault)
    options = ["--move"] if moved else []
    recording = preloaded("storage", STORAGE_ROOT=root, STORAGE_JOURNAL=journal)
    place.daemon([root / "incoming"], root / "out", *options, environment=recording).finish(_PATIENCE)
    operations = list(read_journal(journal))
    tally.expect(bool(operations), "The recording is empty: the library was not preloaded.")
    tally.add("changes recorded", len(operations))
    chance = random.Random(13)
    cut_at = set(chance.sample(range(len(operations)), min(moments, len(operations))))
    # What the outside was told is where a lost commit shows at once.
    cut_at |= set([index for index, each in enumerate(operations) if _tells(each, root)][: moments // 2])
    restart_at = set(chance.sample(sorted(cut_at), min(restarts, len(cut_at))))
    for index, operation in enumerate(operations):
        disk.apply(operation)
        if index in cut_at:
            for seed in (None, index):
                _cut(
                    place, disk, root, put_in, seed, options if index in restart_at else None, f"moved={moved} at {index}", tally
                )
    # At the end all writes together must be what really lies there, or the recording has gaps.
    with_all = place.fresh("power-all")
    disk.write_live(with_all)
    tally.expect(_contents(with_all) == _contents(root), "The recorded changes do not add up to what lies on the disk.")
    shutil.rmtree(root.parent)


def _tells(operation: Operation, root: Path) -> bool:
    """Whether an operation says something to the outside that a lost commit would make untrue."""
    path, done = os.fsencode(root / "out" / JSON_LINES), os.fsencode(root / "out" / "done")
    return operation.path == path or operation.other.startswith(done)


def _cut(
    place: Place,
    disk: PowerCutDisk,
    root: Path,
    put_in: dict[bytes, bytes],
    seed: int | None,
    restart: list[str] | None,
    where: str,
    tally: Tally,
) -> None:
    """Lay out what a cut leaves, and compare it with what had been committed and told."""
    where = f"{where}, {'nothing' if seed is None else 'some'} unsynced kept"
    before, after = place.fresh("power-before"), place.fresh("power-after")
    disk.write_live(before)
    disk.write_safe(after, _chance(seed))
    committed, left = _ledger(before), _ledger(after)
    tally.add("cuts")
    if left is not None and left.integrity:
        tally.add("integrity_check not ok")
        tally.faults += [f"{where}: {each}" for each in left.integrity]
    surely = _surely_decided(committed, before)
    lost = surely - set(left.decided if left else ())
    tally.figures["committed decisions lost"] = tally.figures.get("committed decisions lost", 0) + len(lost)
    tally.expect(not lost, f"{where}: {len(lost)} committed decisions are lost.")
    there = {sha256(content) for content in _contents(after).values()}
    sources = sum(sha256(content) not in there for content in put_in.values())
    tally.figures["photos lost"] = tally.figures.get("photos lost", 0) + sources
    tally.expect(sources == 0, f"{where}: {sources} photos are lost.")
    if restart is not None and not tally.faults:
        _restart(place, disk, root, put_in, _chance(seed), restart, where, tally)
    shutil.rmtree(before)
    shutil.rmtree(after)


def _chance(seed: int | None) -> random.Random | None:
    return None if seed is None else random.Random(seed)


def _ledger(disk: Path) -> LedgerState | None:
    try:
        return checked(disk / "out" / LEDGER)
    except sqlite3.Error as error:
        return LedgerState((), (), (), {}, (f"the ledger cannot be opened: {error}",))


def _surely_decided(state: LedgerState | None, disk: Path) -> set[str]:
    """What was decided before the cut: all but the newest, whose commit may not have returned, unless it was told or moved away."""
    if state is None:
        return set()
    told = state.told()
    surely = {message.key.removeprefix("photo:") for message in told[:-1]}
    lines = disk / "out" / JSON_LINES
    text = lines.read_text(encoding="utf-8", errors="replace") if lines.exists() else ""
    done = disk / "out" / "done"
    moved = {sha256(path.read_bytes()) for path in done.rglob("*") if path.is_file()} if done.exists() else set()
    return surely | {each for each in state.decided if f"photo:{each}" in text or each in moved}


def _restart(
    place: Place,
    disk: PowerCutDisk,
    root: Path,
    put_in: dict[bytes, bytes],
    keep: random.Random | None,
    options: list[str],
    where: str,
    tally: Tally,
) -> None:
    """Put what the cut left where the disk was, and let a daemon go on."""
    aside = root.with_name("aside")
    root.rename(aside)
    root.mkdir()
    try:
        disk.write_safe(root, keep)
        daemon = place.daemon([root / "incoming"], root / "out", *options)
        daemon.finish(_PATIENCE)
        tally.add("restarts")
        tally.conserved(prove(root / "out", put_in), where)
        decided = sum(row.state == "decided" for row in _files(root))
        tally.expect(decided == len(put_in), f"{where}: {len(put_in)} photos have {decided} decided files after the restart.")
    finally:
        shutil.rmtree(root)
        aside.rename(root)


def _files(root: Path) -> tuple[FileRow, ...]:
    state = checked(root / "out" / LEDGER)
    return state.files if state else ()


def _contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder, less SQLite's index of its write-ahead log, which is mapped into memory and made anew."""
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("-shm"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


FAULT = Fault(
    "power-cut",
    "Power cut: writes that were not synced are dropped, or some of them kept, at moments of a recorded run",
    "committed decisions lost 0, photos lost 0, integrity_check ok each time",
    run,
)
