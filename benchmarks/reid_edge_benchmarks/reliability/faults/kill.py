"""`kill -9` at random moments while photos arrive: by the clock, and at a random one of the daemon's own changes to its disk."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
import time
from pathlib import Path

from reid_edge.gallery import Gallery
from reid_edge.gallery.check import check
from reid_edge_benchmarks.reliability.arriving import Arrivals, lay
from reid_edge_benchmarks.reliability.conservation import prove
from reid_edge_benchmarks.reliability.daemon import Daemon, gone, running
from reid_edge_benchmarks.reliability.ledger_state import after_death
from reid_edge_benchmarks.reliability.outcome import Fault, Outcome, Place, Skipped, Tally
from reid_edge_benchmarks.reliability.photos import frames, photo
from reid_edge_benchmarks.reliability.shim import preloaded

SMALL, FULL = (8, 60, 2), (500, 2000, 40)  # kills, photos, kills while new individuals are enrolled
_STRANGERS, _PHOTOS_EACH = 4, 3
_CAMERAS = 4
_SECONDS = 1.6  # by the clock, within so long after its start
_OPERATIONS = 400  # by its changes, within so many of them
_PATIENCE = 120.0


def run(place: Place, full: bool) -> Outcome:
    """Kill, look at what is left, start again; in the end let it finish, and prove."""
    kills, photos, enrolling = FULL if full else SMALL
    folder, out = place.fresh("kill-incoming"), place.fresh("kill") / "out"
    chance, tally = random.Random(7), Tally()
    each = photos // _CAMERAS
    contents = {f"camera-{index}": frames(each, first=index * each) for index in range(_CAMERAS)}
    arrivals = Arrivals(folder, contents, seconds=kills * 1.2, seed=11)
    arrivals.start()
    tally.figures.update({"kills": 0, "kills after an answer of that run": 0, "integrity_check not ok": 0, "processes left": 0})
    for number in range(kills):
        by_change = number % 2 == 0 and _can_preload(tally)
        _one_kill(place.daemon([folder], out, environment=_cut(out, chance) if by_change else None), by_change, chance, tally)
    put_in = arrivals.finish()
    place.daemon([folder], out).finish(_PATIENCE + 0.2 * photos)
    tally.conserved(prove(out, put_in))
    tally.figures["missing"] = tally.figures["waiting"] + tally.figures["quarantined"] + abs(tally.figures["difference"])
    tally.expect(tally.figures["missing"] == 0, f"{tally.figures['missing']} photos were not answered.")
    shutil.rmtree(folder)
    try:
        _enrolling(place, enrolling, tally)
    except Skipped as reason:
        tally.notes.append(f"Kills while new individuals are enrolled were not made: {reason}.")
    return tally.outcome()


def _enrolling(place: Place, kills: int, tally: Tally) -> None:
    """With `--enrol-new auto` two databases change; killed at random changes of either, each new individual is enrolled once."""
    chance = random.Random(41)
    enrolled = [_enrolled(place, count, chance, tally) for count in (0, kills)]
    tally.figures["kills while new individuals are enrolled"] = kills
    tally.figures["individuals and photos enrolled, without and with kills"] = f"{enrolled[0]} and {enrolled[1]}"
    tally.expect(enrolled[0] == enrolled[1], f"Enrolled are {enrolled[1]} in place of {enrolled[0]} individuals and photos.")
    tally.expect(enrolled[0][0] > 0, "No individual was enrolled, so nothing was tried.")


def _enrolled(place: Place, kills: int, chance: random.Random, tally: Tally) -> tuple[int, int]:
    """How many individuals and photos the daemon added to a gallery of its own."""
    folder, root = place.fresh("enrol-incoming"), place.fresh("enrol")
    gallery, out = Path(shutil.copy(place.gallery, root / "gallery.sqlite")), root / "out"
    before = _size(gallery)
    seen = [(number, index) for number in range(_STRANGERS) for index in range(_PHOTOS_EACH)]
    put_in = lay(folder / "camera", [photo(100 * who + index, f"Stranger {who}", 4000 * who + index) for who, index in seen])
    for _ in range(kills):
        cut = preloaded("storage", STORAGE_ROOT=root, STORAGE_KILL_AT=chance.randint(50, 700))
        with running(place.daemon([folder], out, "--enrol-new", "auto", environment=cut, gallery=gallery)) as daemon:
            end = time.monotonic() + _SECONDS * 2
            while daemon.running and time.monotonic() < end:
                time.sleep(0.02)
    place.daemon([folder], out, "--enrol-new", "auto", gallery=gallery).finish(_PATIENCE)
    tally.conserved(prove(out, put_in), "enrolling")
    with Gallery.open(gallery, writable=False) as opened:
        problems = check(opened)
    tally.expect(not problems, f"The gallery is not as it should be: {problems}.")
    after = _size(gallery)
    return after[0] - before[0], after[1] - before[1]


def _size(gallery: Path) -> tuple[int, int]:
    with contextlib.closing(sqlite3.connect(gallery)) as connection:
        individuals, photos = (
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("individual", "sighting")
        )
        return int(individuals), int(photos)


def _one_kill(daemon: Daemon, by_change: bool, chance: random.Random, tally: Tally) -> None:
    """Start it, and cut it off; half of those by the clock when it has begun to work, so that they do not all meet its start."""
    before = _answered(daemon)
    with running(daemon):
        if by_change:
            end = time.monotonic() + _SECONDS * 4
            while daemon.running and time.monotonic() < end:
                time.sleep(0.02)
        elif chance.random() < 0.5:
            end = time.monotonic() + _SECONDS * 4
            while daemon.running and time.monotonic() < end and _answered(daemon) == before:
                time.sleep(0.02)
            time.sleep(chance.uniform(0.0, 0.3))
        else:
            time.sleep(chance.uniform(0.0, _SECONDS))
        ended = None if daemon.running else daemon.process.returncode if daemon.process else None
        tally.expect(ended in (None, -9), f"It ended by itself with {ended}. {daemon.tail(5)}")
        family = daemon.processes()
        daemon.kill()
    tally.add("kills")
    left = gone(family)
    tally.add("processes left", len(left))
    tally.expect(
        not left, f"After a kill {len(left)} of its processes lived on: {[' '.join(each.cmdline()[:4]) for each in left]}."
    )
    state = after_death(daemon.out)
    if state is not None:
        tally.add("kills after an answer of that run", int(_answered(daemon) > before))
        tally.add("integrity_check not ok", int(bool(state.integrity)))
        tally.faults += state.integrity


def _answered(daemon: Daemon) -> int:
    path = daemon.out / "answers.jsonl"
    return path.stat().st_size if path.exists() else 0


def _cut(out: object, chance: random.Random) -> dict[str, str]:
    return preloaded("storage", STORAGE_ROOT=out, STORAGE_KILL_AT=chance.randint(1, _OPERATIONS))


def _can_preload(tally: Tally) -> bool:
    try:
        preloaded("storage")
    except Skipped as reason:
        note = f"Kills by the clock only: {reason}."
        if note not in tally.notes:
            tally.notes.append(note)
        return False
    return True


FAULT = Fault(
    "kill",
    "`kill -9` at random moments while photos arrive",
    "missing 0, answered twice 0, integrity_check ok each time, no process left",
    run,
)
