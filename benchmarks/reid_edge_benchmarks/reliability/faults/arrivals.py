"""Files as they arrive: slowly, in parts with long pauses, renamed in or over, linked, by the thousand, under any name."""

# File names are bytes here, which pathlib does not take.
# ruff: noqa: PTH103, PTH118, PTH123

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from reid_edge_benchmarks.reliability.arriving import lay, slowly
from reid_edge_benchmarks.reliability.conservation import Conservation, prove
from reid_edge_benchmarks.reliability.daemon import running
from reid_edge_benchmarks.reliability.ledger_state import after_death
from reid_edge_benchmarks.reliability.outcome import Fault, Outcome, Place, Tally
from reid_edge_benchmarks.reliability.photos import frames, sha256

SMALL, FULL = (4, 300, 40), (20, 10_000, 400)  # slow files, files at once, contents of these
_KILOBYTE_A_SECOND = 1024.0
_SETTLE = 0.6
_PATIENCE = 120.0
_NAMES = (
    b"with\nnewline.jpg",
    b"not utf-8 \xff\xfe.JPG",
    b"  spaces and 'quotes\" .jpeg",
    b"back\\slash\ttab.jpg",
    "schöne_Hyäne_ñandú_斑马.jpg".encode(),
    b"-rf.jpg",
    b"%s{0}$HOME.jpg",
    b"x" * 251 + b".jpg",
)


def run(place: Place, full: bool) -> Outcome:
    """Each way of arriving with a daemon of its own."""
    slow, many, contents = FULL if full else SMALL
    tally = Tally()
    _slow_writers(place, slow, tally)
    _names_and_links(place, tally)
    _renamed(place, tally)
    _at_once(place, many, contents, tally)
    tally.figures["early reads"] = tally.figures.get("early reads", 0)
    tally.figures["skipped"] = tally.figures.get("skipped", 0)
    return tally.outcome()


def _slow_writers(place: Place, count: int, tally: Tally) -> None:
    """Photos that grow by a kilobyte a second; of every second one the writer also sleeps for longer than a file must be still."""
    folder, out = place.fresh("slow-incoming"), place.fresh("slow") / "out"
    put_in: dict[bytes, bytes] = {}
    writers = []
    for number, content in enumerate(frames(count, first=2000)):
        path = folder / f"camera-{number}" / "IMG_0001.JPG"
        path.parent.mkdir()
        put_in[os.fsencode(path)] = content
        parts, pause = (8, len(content) / _KILOBYTE_A_SECOND / 8) if number % 2 else (2, 3 * _SETTLE)
        writers.append(threading.Thread(target=slowly, args=(path, content, parts, pause)))
    with running(place.daemon([folder], out, settle=_SETTLE)) as daemon:
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        daemon.until(lambda state: len(state.decided) == len(put_in), _PATIENCE)
        daemon.stop()
    tally.add("slow writers", count)
    _all_answered(prove(out, put_in), "slow writer", tally)


def _names_and_links(place: Place, tally: Tally) -> None:
    """Names that are no text, hard links, links to files and folders, links in a circle, and things that are no photos."""
    folder, out = place.fresh("names-incoming"), place.fresh("names") / "out"
    contents = frames(len(_NAMES) + 3, first=3000)
    put_in: dict[bytes, bytes] = {}
    for name, content in zip(_NAMES, contents, strict=False):
        put_in |= _put(os.path.join(os.fsencode(folder), name), content)
    odd = os.path.join(os.fsencode(folder), b"folder \xf0\n", b"deeper")
    os.makedirs(odd)
    put_in |= _put(os.path.join(odd, b"1.jpg"), contents[-1])
    elsewhere = place.fresh("names-elsewhere")
    outside = _put(os.fsencode(elsewhere / "2.jpg"), contents[-2])
    first = os.path.join(os.fsencode(folder), _NAMES[0])
    os.link(first, folder / "hard link.jpg")
    put_in[os.fsencode(folder / "hard link.jpg")] = put_in[first]
    (folder / "link to a file.jpg").symlink_to(elsewhere / "2.jpg")
    put_in[os.fsencode(folder / "link to a file.jpg")] = next(iter(outside.values()))
    (folder / "circle").symlink_to(folder, target_is_directory=True)
    (folder / "deep circle").mkdir()
    (folder / "deep circle" / "up.jpg").symlink_to(folder, target_is_directory=True)
    (folder / "itself.jpg").symlink_to(folder / "itself.jpg")
    (folder / "nowhere.jpg").symlink_to(folder / "missing.jpg")
    (folder / "a folder.jpg").mkdir()
    put_in |= _put(os.fsencode(folder / "a folder.jpg" / "3.jpg"), contents[-3])
    os.mkfifo(folder / "a pipe.jpg")
    daemon = place.daemon([folder], out)
    tally.expect(daemon.once(_PATIENCE) == 0, f"It did not end well. {daemon.tail()}")
    tally.add("odd names, links and folders", len(put_in))
    _all_answered(prove(out, put_in), "names and links", tally)
    state = after_death(out)
    known = {file.path for file in state.files} if state else set()
    tally.expect(known == set(put_in), f"Files were noted that are no photos, or twice: {known ^ set(put_in)!r}.")


def _renamed(place: Place, tally: Tally) -> None:
    """Renamed in while the daemon looks, renamed over an answered photo, rewritten in place, exchanged, and taken away."""
    folder, out = place.fresh("renamed-incoming"), place.fresh("renamed") / "out"
    contents = frames(6, first=4000)
    put_in = lay(folder, contents[:3])
    paths = [Path(os.fsdecode(path)) for path in put_in]
    with running(place.daemon([folder], out)) as daemon:
        daemon.until(lambda state: len(state.decided) == 3, _PATIENCE)
        for number, path in enumerate(paths[:2]):  # over an answered one: with rename, and in place with the old time
            if number:
                status = path.stat()
                path.write_bytes(contents[3 + number])
                os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
            else:
                fresh = path.with_name("fresh.part")
                fresh.write_bytes(contents[3])
                fresh.rename(path)
            put_in[os.fsencode(path)] = contents[3 + number]
        renamed = folder / "deeper" / "renamed in.jpg"
        renamed.parent.mkdir()
        (folder / "in.tmp").write_bytes(contents[5])
        (folder / "in.tmp").rename(renamed)
        put_in[os.fsencode(renamed)] = contents[5]
        daemon.until(lambda state: len(state.decided) == 6, _PATIENCE)
        # The third is renamed within the folder: the same photo under another name, which is not answered again.
        other = paths[2].with_name("other name.jpg")
        paths[2].rename(other)
        put_in[os.fsencode(other)] = put_in.pop(os.fsencode(paths[2]))
        daemon.until(
            lambda state: any(file.path == os.fsencode(other) and file.state == "decided" for file in state.files), _PATIENCE
        )
        daemon.stop()
    tally.add("renamed in, over and within", 4)
    _all_answered(prove(out, put_in, allowed=frozenset(map(sha256, contents))), "renamed", tally)
    state = after_death(out)
    tally.expect(
        state is not None and len(state.decided) == 6, "A photo that was answered and then replaced must stay in the ledger."
    )


def _at_once(place: Place, count: int, contents: int, tally: Tally) -> None:
    """Very many files in one folder at once, of fewer contents: each content is answered once, each file has its row."""
    folder, out = place.fresh("many-incoming"), place.fresh("many") / "out"
    different = frames(contents, first=5000)
    put_in = lay(folder / "camera", (different[number % contents] for number in range(count)))
    daemon = place.daemon([folder], out)
    began = time.monotonic()
    tally.expect(daemon.once(_PATIENCE + 0.05 * count) == 0, f"It did not end well. {daemon.tail()}")
    tally.figures["files at once"] = count
    tally.figures["seconds for them"] = round(time.monotonic() - began, 1)
    _all_answered(prove(out, put_in), f"{count} files at once", tally)
    state = after_death(out)
    tally.expect(state is not None and len(state.decided) == contents, "The contents were not answered once each.")


def _put(path: bytes, content: bytes) -> dict[bytes, bytes]:
    with open(path, "wb") as file:
        file.write(content)
    return {path: content}


def _all_answered(proof: Conservation, where: str, tally: Tally) -> None:
    tally.conserved(proof, where)
    tally.add("early reads", sum("too early" in fault or "no file had" in fault for fault in proof.faults))
    tally.add("skipped", sum("skipped" in fault for fault in proof.faults))
    tally.expect(proof.decided == proof.photos, f"{where}: {proof.photos - proof.decided} files were not answered.")


FAULT = Fault(
    "arrivals",
    "Slow writer (1 KB/s), rename-in, rename-over, hard link, symlink loop, very many files at once, names with newlines and invalid UTF-8",
    "early reads 0, skipped 0",
    run,
)
