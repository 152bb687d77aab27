"""Photos that are broken in every way: a thousand mutated ones, real ones of many formats, decoders that are killed and that hang."""

from __future__ import annotations

import random
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from reid_edge_benchmarks.reliability.arriving import lay
from reid_edge_benchmarks.reliability.conservation import prove
from reid_edge_benchmarks.reliability.daemon import Daemon, running
from reid_edge_benchmarks.reliability.ledger_state import LedgerState, after_death
from reid_edge_benchmarks.reliability.outcome import Fault, Outcome, Place, Tally
from reid_edge_benchmarks.reliability.photos import frames, photo

SMALL, FULL = (60, 2), (1000, 20)  # mutated photos, decoders killed
FORMATS = Path(__file__).resolve().parents[4].parent / "shared" / "data" / "camera_trap" / "formats"
_PATIENCE = 120.0
_DECODE_SECONDS = 60.0  # what the daemon gives a decoder
# Bytes over the warm daemon: a header may promise 100 million pixels, 300 MB, of which the decoder's process takes some copies (its limit
# is 2 GB), and the daemon holds the one that is answered, what the answer needs of it, and the next one.
_MOST_GROWTH = 2_000_000_000 + 3 * 300_000_000
_DEATHS = 3  # of a decoder with the same photo, before that goes to quarantine
_MOST_KEPT = 400_000_000  # once all is answered


def run(place: Place, full: bool) -> Outcome:
    """Mutated ones, then real ones, then killed decoders."""
    mutated, kills = FULL if full else SMALL
    tally = Tally()
    _mutated(place, mutated, tally)
    if FORMATS.is_dir():
        _formats(place, tally)
    else:
        tally.notes.append("Not made here: real photos of many formats, because ../shared/data is not beside this checkout.")
    _killed_decoders(place, kills, tally)
    if full:
        _hanging_decoder(place, tally)
    return tally.outcome()


def mutate(content: bytes, chance: random.Random) -> bytes:
    """A JPEG with one or two mutations, of those that decoders stumble over."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 2)):
        at = chance.randrange(2, max(3, len(data) - 2))
        _MUTATIONS[chance.randrange(len(_MUTATIONS))](data, min(at, max(2, len(data) - 1)), chance)
    return bytes(data)


def _flip_bits(data: bytearray, at: int, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 40)):
        place = chance.randrange(len(data)) if data else 0
        if data:
            data[place] ^= 1 << chance.randrange(8)


def _cut(data: bytearray, at: int, chance: random.Random) -> None:
    del data[at:]


def _blank(data: bytearray, at: int, chance: random.Random) -> None:
    size = chance.randint(1, 512)
    data[at : at + size] = bytes([chance.choice([0, 255])]) * min(size, max(0, len(data) - at))


def _repeat(data: bytearray, at: int, chance: random.Random) -> None:
    data[at:at] = data[at : at + chance.randint(1, 1024)] * chance.randint(1, 4)


def _leave_out(data: bytearray, at: int, chance: random.Random) -> None:
    del data[at : at + chance.randint(1, 256)]


def _insert(data: bytearray, at: int, chance: random.Random) -> None:
    data[at:at] = chance.randbytes(chance.randint(1, 512))


def _resize(data: bytearray, at: int, chance: random.Random) -> None:
    """Another height and width in the frame header, huge ones among them (ITU T.81, B.2.2)."""
    for marker in (b"\xff\xc0", b"\xff\xc1", b"\xff\xc2"):
        found = data.find(marker)
        if 0 <= found < len(data) - 9:
            for place in (found + 5, found + 7):
                data[place : place + 2] = chance.choice([0, 1, 7, 3000, 9999, 65535]).to_bytes(2, "big")


def _lie_about_length(data: bytearray, at: int, chance: random.Random) -> None:
    """A segment that says it is shorter or longer than it is."""
    markers = [place for place in range(2, len(data) - 4) if data[place] == 0xFF and 0xC0 <= data[place + 1] <= 0xFE]
    if markers:
        place = chance.choice(markers[:20])
        data[place + 2 : place + 4] = chance.randrange(65536).to_bytes(2, "big")


_MUTATIONS: tuple[Callable[[bytearray, int, random.Random], None], ...] = (
    *(_flip_bits, _flip_bits, _cut, _blank, _repeat, _leave_out, _insert, _resize, _lie_about_length),
)


def _mutated(place: Place, count: int, tally: Tally) -> None:
    folder, out = place.fresh("mutated-incoming"), place.fresh("mutated") / "out"
    chance = random.Random(29)
    originals = frames(20, first=6000)
    put_in = lay(folder / "camera", (mutate(originals[number % 20], chance) for number in range(count)))
    good = lay(folder / "camera", frames(10, first=6500), "GOOD")
    with _WatchedMemory(place.daemon([folder], out)) as peak:
        peak.daemon.until(_all_done(count + 10), _PATIENCE + 0.5 * count)
        tally.expect(peak.daemon.stop() == 0, f"It did not end well. {peak.daemon.tail()}")
    proof = prove(out, put_in | good)
    tally.conserved(proof, "mutated")
    state = after_death(out)
    decided = {file.path for file in state.files if file.state == "decided"} if state else set()
    tally.expect(set(good) <= decided, "A good photo among broken ones was not answered.")
    tally.figures["mutated photos"] = count
    tally.figures["of them in quarantine"] = proof.quarantined
    tally.expect(0 < proof.quarantined < count, "The mutations are all harmless, or all fatal: they prove nothing.")
    _memory(peak, "mutated", tally)
    _without_reason(out, tally)


def _formats(place: Place, tally: Tally) -> None:
    folder, out = place.fresh("formats-incoming"), place.fresh("formats") / "out"
    put_in = lay(folder / "camera", (path.read_bytes() for path in sorted(FORMATS.iterdir())))
    with _WatchedMemory(place.daemon([folder], out)) as peak:
        peak.daemon.until(_all_done(len(put_in)), _PATIENCE)
        tally.expect(peak.daemon.stop() == 0, f"It did not end well. {peak.daemon.tail()}")
    proof = prove(out, put_in)
    tally.conserved(proof, "formats")
    tally.figures["real photos of many formats"] = proof.photos
    tally.figures["of these in quarantine"] = proof.quarantined
    names = sorted(path.name for path in FORMATS.iterdir())
    state = after_death(out)
    refused = {names[list(put_in).index(file.path)] for file in state.quarantined_files} if state else set()
    tally.expect(
        refused == {"african_elephants_truncated_file.jpg", "zero_bytes.jpg"}, f"In quarantine are {', '.join(sorted(refused))}."
    )
    _memory(peak, "formats", tally)
    _without_reason(out, tally)


def _killed_decoders(place: Place, kills: int, tally: Tally) -> None:
    """The worker process that decodes is killed at random, as a crash would end it, and stopped once, as a hang; the daemon goes on."""
    folder, out = place.fresh("decoder-incoming"), place.fresh("decoder") / "out"
    photos = 30 + 6 * kills
    put_in = lay(folder / "camera", [photo(7000 + number) for number in range(photos)])
    chance = random.Random(31)
    with running(place.daemon([folder], out)) as daemon:
        daemon.until(lambda state: len(state.decided) >= 3, _PATIENCE)
        killed = 0
        while killed < kills and daemon.running:
            time.sleep(chance.uniform(0.05, 0.4))
            for worker in daemon.processes()[1:]:
                try:
                    worker.send_signal(signal.SIGKILL)
                    killed += 1
                except psutil.Error:
                    continue
            if daemon.until(lambda state: True, _PATIENCE).file_counts().get("decided", 0) == photos:
                break
        tally.figures["decoders killed"] = killed
        daemon.until(_all_done(photos), _PATIENCE)
        tally.expect(daemon.stop() == 0, f"It did not end well. {daemon.tail()}")
    proof = prove(out, put_in)
    tally.conserved(proof, "decoders killed")
    # Three deaths on the same photo put it aside: what kills its decoder every time must not be read for ever.
    tally.add("photos whose decoder was killed three times, in quarantine", proof.quarantined)
    tally.expect(
        proof.quarantined * _DEATHS <= killed, f"{proof.quarantined} good photos are in quarantine after {killed} kills."
    )
    shutil.rmtree(folder)


def _all_done(files: int) -> Callable[[LedgerState], bool]:
    return lambda state: len(state.files) == files and all(file.state in ("decided", "quarantined") for file in state.files)


def _hanging_decoder(place: Place, tally: Tally) -> None:
    """The worker is stopped in the middle, as by a decoder that never ends; the daemon ends it after its time, and goes on."""
    folder, out = place.fresh("hanging-incoming"), place.fresh("hanging") / "out"
    put_in = lay(folder / "camera", [photo(8000 + number) for number in range(60)])
    with running(place.daemon([folder], out)) as daemon:
        daemon.until(lambda state: len(state.decided) >= 3, _PATIENCE)
        for worker in daemon.processes()[1:]:
            worker.send_signal(signal.SIGSTOP)
            tally.add("decoders that hang")
        daemon.until(_all_done(len(put_in)), _PATIENCE + _DECODE_SECONDS)
        tally.expect(daemon.stop() == 0, f"It did not end well. {daemon.tail()}")
    proof = prove(out, put_in)
    tally.conserved(proof, "decoder hangs")
    tally.expect(proof.quarantined == 0, f"{proof.quarantined} good photos are in quarantine because a decoder hung once.")


class _WatchedMemory:
    """A running daemon, whose memory is looked at all the time."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.warm = self.peak = self.last = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _WatchedMemory:
        self.daemon.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        if self.daemon.running:
            self.daemon.kill()

    def _watch(self) -> None:
        while not self._end.wait(0.05):
            now = self.daemon.memory()
            answers = self.daemon.out / "answers.jsonl"
            if not self.warm and answers.exists() and answers.stat().st_size:
                self.warm = now
            self.peak = max(self.peak, now)
            self.last = now or self.last


def _memory(peak: _WatchedMemory, what: str, tally: Tally) -> None:
    growth = peak.peak - peak.warm
    for when, size in (("when warm", peak.warm), ("at its peak", peak.peak), ("at the end", peak.last)):
        tally.figures[f"{what}: memory {when}, MB"] = round(size / 1e6)
    tally.expect(growth < _MOST_GROWTH, f"{what}: memory grew by {growth / 1e6:.0f} MB over the warm daemon.")
    tally.expect(
        peak.last - peak.warm < _MOST_KEPT, f"{what}: {(peak.last - peak.warm) / 1e6:.0f} MB are kept when all is answered."
    )


def _without_reason(out: Path, tally: Tally) -> None:
    state = after_death(out)
    silent = [file for file in state.quarantined_files if not file.reason.strip()] if state else []
    tally.expect(not silent, f"{len(silent)} files are in quarantine without a reason.")
    crashes = sum(file.reason_code == "decoder_crashed" for file in state.quarantined_files) if state else 0
    tally.add("decoder crashes and hangs", crashes)
    tally.expect(crashes == 0, f"{crashes} photos let the decoder crash or hang.")


FAULT = Fault(
    "broken-photos",
    "Mutated JPEGs, real photos of many formats, decoders that are killed and that hang",
    "crashes 0, hangs 0, memory bounded",
    run,
)
