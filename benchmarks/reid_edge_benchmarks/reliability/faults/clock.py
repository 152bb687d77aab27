"""The device's clock jumps in the middle of a run: to 1970, an hour back, a year ahead (a preloaded library)."""

from __future__ import annotations

import os
import random
import struct
import time
from collections.abc import Mapping
from pathlib import Path

from reid_edge_benchmarks.reliability.arriving import lay
from reid_edge_benchmarks.reliability.conservation import prove
from reid_edge_benchmarks.reliability.daemon import running
from reid_edge_benchmarks.reliability.ledger_state import LedgerState, after_death
from reid_edge_benchmarks.reliability.outcome import Fault, Outcome, Place, Tally
from reid_edge_benchmarks.reliability.photos import frames
from reid_edge_benchmarks.reliability.shim import preloaded

SMALL, FULL = 24, 400  # photos
_SECOND = 10**9
JUMPS = {"1970": -int(time.time()) * _SECOND, "an hour back": -3600 * _SECOND, "a year ahead": 365 * 86400 * _SECOND}
_PATIENCE = 120.0


def run(place: Place, full: bool) -> Outcome:
    """One run with a clock that goes right, one for each jump, and one with all of them: the same ledger, each camera in the same order."""
    photos = FULL if full else SMALL
    tally = Tally()
    straight = _run(place, photos, (), tally)
    for jumps in (*((each,) for each in JUMPS), tuple(JUMPS)):
        jumped = _run(place, photos, jumps, tally)
        same = jumped == straight
        tally.add("runs with a jump")
        tally.add("ledgers that differ", int(not same))
        tally.expect(same, f"With the clock at {', '.join(jumps)} the ledger or its order is another.")
    return tally.outcome()


def _run(place: Place, photos: int, jumps: tuple[str, ...], tally: Tally) -> object:
    """Everything in the ledger that does not say what the device's clock was, in its order."""
    folder, out = place.fresh("clock-incoming"), place.fresh("clock") / "out"
    put_in: dict[bytes, bytes] = {}
    for camera in ("a", "b"):
        put_in |= lay(folder / camera, frames(photos // 2, first=1000 * (camera == "b")))
    clock = out.with_name("clock")
    clock.write_bytes(struct.pack("<q", 0))
    chance = random.Random(5)
    with running(place.daemon([folder], out, environment=preloaded("clock", CLOCK=clock)), "--once") as daemon:
        for number, jump in enumerate(jumps, 1):
            wanted = number * photos // (len(jumps) + 1)
            state = daemon.until(lambda state, wanted=wanted: len(state.decided) >= wanted, _PATIENCE)  # type: ignore[misc]
            _set(clock, JUMPS[jump])
            # Two answered files get the new time as their own: they are read again, known, and nothing is told.
            for path in chance.sample([file.path for file in state.files if file.state == "decided"], 2):
                os.utime(path, ns=(0, max(0, time.time_ns() + JUMPS[jump])))
        code = daemon.wait(_PATIENCE)
    tally.expect(code == 0, f"With the clock at {', '.join(jumps) or 'the right time'} it ended with {code}. {daemon.tail()}")
    tally.conserved(prove(out, put_in), f"clock at {', '.join(jumps) or 'the right time'}")
    left = after_death(out)
    return _timeless(left, folder) if left else None


def _set(clock: Path, nanoseconds: int) -> None:
    with clock.open("r+b", buffering=0) as file:
        file.write(struct.pack("<q", nanoseconds))


def _timeless(state: LedgerState, folder: Path) -> Mapping[str, object]:
    """Of each camera what was answered and told, in its order; which camera's turn it is depends on which file settled first, so events
    are numbered within their camera.
    """
    root = len(os.fsencode(folder))
    told: dict[str, list[object]] = {}
    events: dict[str, list[int]] = {}
    for message in state.messages:
        of_camera, number = events.setdefault(message.camera, []), message.body.get("event")
        if number is not None and number not in of_camera:
            of_camera.append(number)
        event = None if number is None else of_camera.index(number)
        photo = state.decided[message.body["photo"]["sha256"]] if message.kind == "photo" else None
        answer = photo and (photo.sha256, photo.verdict, photo.taken_at, photo.identities)
        told.setdefault(message.camera, []).append((message.kind, event, message.body.get("revision"), answer))
    return {"told": told, "files": sorted((file.path[root:], file.state, file.sha256) for file in state.files)}


FAULT = Fault(
    "clock",
    "Clock at 1970, an hour back, a year ahead, in the middle of a run",
    "ledger and order of each camera as without a jump",
    run,
)
