"""A card that is pulled in the middle of a read and put back, and a folder that is unmounted and mounted again."""

from __future__ import annotations

import random
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reid_edge.processes import find_program
from reid_edge_benchmarks.reliability.arriving import lay
from reid_edge_benchmarks.reliability.conservation import prove
from reid_edge_benchmarks.reliability.daemon import Daemon, running
from reid_edge_benchmarks.reliability.ledger_state import LedgerState, after_death
from reid_edge_benchmarks.reliability.outcome import Fault, Outcome, Place, Skipped, Tally
from reid_edge_benchmarks.reliability.photos import frames
from reid_edge_benchmarks.reliability.shim import preloaded

SMALL, FULL = (2, 24), (20, 200)  # times, photos
_OUT_SECONDS = 1.2
_PATIENCE = 120.0


def run(place: Place, full: bool) -> Outcome:
    """Pull and unmount; no verdict may differ from those of a run in which nothing happened."""
    times, photos = FULL if full else SMALL
    tally = Tally()
    undisturbed = _undisturbed(place, photos)
    for part in (_pulled, _unmounted):
        try:
            part(place, times, photos, undisturbed, tally)
        except Skipped as reason:
            tally.notes.append(f"Not made here: {reason}.")
    if not tally.figures:
        raise Skipped(" ".join(tally.notes))
    return tally.outcome()


def _undisturbed(place: Place, photos: int) -> dict[str, str | None]:
    folder, out = place.fresh("there-incoming"), place.fresh("there") / "out"
    lay(folder / "camera", frames(photos))
    place.daemon([folder], out).finish(_PATIENCE)
    return _verdicts(after_death(out))


def _pulled(place: Place, times: int, photos: int, undisturbed: dict[str, str | None], tally: Tally) -> None:
    """Everything on the card fails with EIO from some byte of some read on, until the card is back."""
    card, out = place.fresh("card"), place.fresh("pulled") / "out"
    put_in = lay(card / "camera", frames(photos))
    size = sum(map(len, put_in.values()))
    state = out.with_name("card")
    chance = random.Random(17)
    state.write_bytes(struct.pack("<qq", 0, -1))
    with running(place.daemon([card], out, environment=preloaded("card", CARD_ROOT=card, CARD_STATE=state))) as daemon:
        daemon.until(lambda found: any(found.decided), _PATIENCE)
        for _ in range(times):
            _write(state, 0, chance.randint(1, max(2, size // times)))  # reads so many bytes, and then the card is out
            end = time.monotonic() + _OUT_SECONDS
            while time.monotonic() < end and not _is_out(state):
                time.sleep(0.01)
            tally.add("pulled in the middle of a read", int(_is_out(state)))
            _write(state, 1, -1)
            _absent_then_back(daemon, lambda: _write(state, 0, -1), tally)
        daemon.until(lambda found: len(found.decided) == photos and not found.quarantined_files, _PATIENCE)
        daemon.stop()
    _compare(out, put_in, undisturbed, times, "card pulled", tally)


def _unmounted(place: Place, times: int, photos: int, undisturbed: dict[str, str | None], tally: Tally) -> None:
    """A real disk, unmounted while the daemon reads (lazily, as a pulled card), which leaves an empty folder; then mounted again."""
    disk, folder, out = place.fresh("disk"), place.fresh("mounted"), place.fresh("unmounted") / "out"
    with _mounted(disk, "-t", "tmpfs", "-o", "size=64m", "tmpfs"):
        lay(disk / "camera", frames(photos))
        chance = random.Random(19)
        _mount("--bind", disk, folder)
        try:
            put_in = {
                bytes(folder / path.relative_to(disk)): path.read_bytes() for path in sorted(disk.rglob("*")) if path.is_file()
            }
            with running(place.daemon([folder], out)) as daemon:
                daemon.until(lambda found: any(found.decided), _PATIENCE)
                for _ in range(times):
                    time.sleep(chance.uniform(0.0, 0.5))
                    subprocess.run([find_program("umount") or "umount", "-l", folder], check=True)
                    tally.add("unmounted")
                    _absent_then_back(daemon, lambda: _mount("--bind", disk, folder), tally)
                daemon.until(lambda found: len(found.decided) == photos, _PATIENCE)
                daemon.stop()
            _compare(out, put_in, undisturbed, times, "unmounted", tally)
        finally:
            subprocess.run([find_program("umount") or "umount", "-l", folder], check=False)


def _absent_then_back(daemon: Daemon, put_back: Callable[[], None], tally: Tally) -> None:
    """Wait until the absence is told, put it back, and wait until that is told as well."""
    daemon.until(lambda found: _last(found) is False, _PATIENCE)
    tally.add("absences reported")
    time.sleep(0.2)
    put_back()
    daemon.until(lambda found: _last(found) is True, _PATIENCE)


def _last(state: LedgerState) -> bool | None:
    told = state.told("folder")
    return bool(told[-1].body["present"]) if told else None


def _compare(
    out: Path, put_in: dict[bytes, bytes], undisturbed: dict[str, str | None], times: int, where: str, tally: Tally
) -> None:
    proof = prove(out, put_in)
    tally.conserved(proof, where)
    state = after_death(out)
    verdicts = _verdicts(state)
    told = [message.body["present"] for message in state.told("folder")] if state else []
    tally.expect(told == [False, True] * times, f"{where}: {times} absences were told as {told}.")
    wrong = {each: (verdict, undisturbed.get(each)) for each, verdict in verdicts.items() if verdict != undisturbed.get(each)}
    news = sum(found == "new" for found, _ in wrong.values())
    tally.add("false new individuals", news)
    tally.figures["lost"] = tally.figures.get("lost", 0) + proof.photos - proof.decided
    tally.expect(proof.photos == proof.decided, f"{where}: {proof.photos - proof.decided} photos are lost.")
    tally.expect(not wrong, f"{where}: {len(wrong)} answers are others than without the fault.")


def _verdicts(state: LedgerState | None) -> dict[str, str | None]:
    return {photo.sha256: photo.verdict for photo in state.decided.values()} if state else {}


def _write(state: Path, is_out: int, bytes_left: int) -> None:
    with state.open("r+b", buffering=0) as file:
        file.write(struct.pack("<qq", is_out, bytes_left))


def _is_out(state: Path) -> bool:
    return bool(struct.unpack("<q", state.read_bytes()[:8])[0])


@contextmanager
def _mounted(place: Path, *options: object) -> Iterator[None]:
    _mount(*options, place)
    try:
        yield
    finally:
        subprocess.run([find_program("umount") or "umount", "-l", place], check=False)


def _mount(*options: object) -> None:
    done = subprocess.run([find_program("mount") or "mount", *map(str, options)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Skipped("unmounting, because only root may mount")


FAULT = Fault(
    "unmounted",
    "Card pulled in the middle of a read, folder unmounted and mounted again",
    'lost 0, false "new individual" 0; the folder is reported as missing',
    run,
)
