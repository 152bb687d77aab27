"""The proof that nothing was lost: photos in = decided + waiting + quarantined, each answered once, told once, and its bytes untouched."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reid_edge_benchmarks.reliability.ledger_state import FileRow, LedgerState, after_death
from reid_edge_benchmarks.reliability.photos import sha256

JSON_LINES, CSV = "answers.jsonl", "answers.csv"
_WAITING = ("seen", "settled")
_SHOWN = 5


@dataclass(frozen=True)
class Conservation:
    """What became of the photos that were put in.

    Attributes:
        photos: files that were put in.
        decided, waiting, quarantined: of these.
        difference: photos less the sum of the three, and more where one was answered that nobody put in.
        answered_twice: contents that the outbox or a file tells more than once.
        source_bytes_changed: files whose content is not what was put in, wherever they lie now.
        faults: everything that is wrong, one sentence each; empty where all is well.
    """

    photos: int
    decided: int
    waiting: int
    quarantined: int
    difference: int
    answered_twice: int
    source_bytes_changed: int
    faults: tuple[str, ...] = field(default=())


def prove(out: Path, put_in: Mapping[bytes, bytes], all_told: bool = True, allowed: frozenset[str] = frozenset()) -> Conservation:
    """Compare everything a daemon left behind with the photos that were put in.

    Args:
        out: the daemon's folder; nobody writes there now.
        put_in: per path the content that it has in the end.
        all_told: the daemon ended by itself, so that its files must tell every message of the ledger.
        allowed: hashes of contents that were there as a whole before another took their place, and so may be answered.
    """
    state = after_death(out)
    if state is None:
        return Conservation(len(put_in), 0, 0, 0, len(put_in), 0, 0, ("There is no ledger.",))
    hashes = {path: sha256(content) for path, content in put_in.items()}
    faults = list(state.integrity)
    rows = {row.path: row for row in state.files}
    by_state: Counter[str] = Counter()
    for path, wanted in hashes.items():
        by_state[_state_of(path, wanted, rows.get(path), state, faults)] += 1
    strangers = [
        photo for photo in state.photos if photo.sha256 not in set(hashes.values()) | allowed and photo.state == "decided"
    ]
    faults += [f"A content was answered that no file had as a whole: {photo.sha256}." for photo in strangers]
    twice = _told_twice(out, state, all_told, faults)
    changed = _changed_sources(put_in, rows, faults)
    decided, quarantined = by_state["decided"], by_state["quarantined"]
    waiting = sum(by_state[each] for each in _WAITING)
    difference = len(put_in) - decided - waiting - quarantined + len(strangers)
    return Conservation(len(put_in), decided, waiting, quarantined, difference, twice, changed, tuple(faults))


def _state_of(path: bytes, wanted: str, row: FileRow | None, state: LedgerState, faults: list[str]) -> str:
    if row is None:
        faults.append(f"{path!r} was skipped: the ledger does not know it.")
        return "missing"
    if row.state == "decided" and row.sha256 != wanted:
        faults.append(f"{path!r} was read too early: it was answered with another content than it has.")
        return "early"
    if row.state == "decided" and wanted not in state.decided:
        faults.append(f"{path!r} counts as decided, and its photo is not.")
        return "undecided"
    if row.state == "gone":
        faults.append(f"{path!r} counts as gone, and is there.")
    return row.state


def _told_twice(out: Path, state: LedgerState, all_told: bool, faults: list[str]) -> int:
    """Contents told more than once; what is told that was not decided, or decided and not told, goes to the faults."""
    decided = list(state.decided)
    outbox = [message.key for message in state.told()]
    if Counter(outbox) != Counter(f"photo:{each}" for each in decided):
        faults.append(
            f"The outbox has {len(outbox)} photo messages ({len(set(outbox))} different) for {len(decided)} decided photos."
        )
    keys = {message.id: message.key for message in state.messages}
    lines = read_json_lines(out, faults)
    ids = [line["id"] for line in lines]
    pruned = [line for line in lines if line["id"] not in keys]
    if any(keys.get(line["id"], line["key"]) != line["key"] for line in lines) or not all(
        state.may_be_pruned(line["key"], line["id"]) for line in pruned
    ):
        faults.append(f"{JSON_LINES} has lines that the ledger does not have.")
    if ids != sorted(set(ids)):
        faults.append(f"{JSON_LINES} is not in the order of the ledger, each message once.")
    last = max(keys, default=0)
    if all_told and set(ids) != set(range(1, last + 1)):
        faults.append(f"{JSON_LINES} has {len(set(ids))} of {last} messages.")
    twice = sum(count > 1 for count in Counter(outbox).values()) + sum(count > 1 for count in Counter(ids).values())
    return twice + _csv_twice(out, state, all_told, faults)


def read_json_lines(out: Path, faults: list[str] | None = None) -> list[dict[str, Any]]:
    """The lines of the daemon's JSON Lines file; torn ones go to the faults."""
    path, lines = out / JSON_LINES, []
    for number, text in enumerate(path.read_bytes().splitlines(keepends=True) if path.exists() else [], 1):
        try:
            if not text.endswith(b"\n"):
                raise ValueError
            lines.append(json.loads(text))
        except ValueError:
            if faults is not None:
                faults.append(f"Line {number} of {JSON_LINES} is torn.")
    return lines


def _csv_twice(out: Path, state: LedgerState, all_told: bool, faults: list[str]) -> int:
    path = out / CSV
    if not path.exists():
        return 0
    with path.open(encoding="utf-8", newline="") as file:
        rows = [(row["sha256"], row["animal_number"]) for row in csv.DictReader(file)]
    wanted = {
        (photo, animal)
        for photo, row in state.decided.items()
        for animal in (map(str, range(1, len(row.identities) + 1)) if row.identities else [""])
    }
    if not set(rows) <= wanted or (all_told and set(rows) != wanted):
        faults.append(f"{CSV} has {len(set(rows))} different rows, the ledger {len(wanted)} answers.")
    return sum(count > 1 for count in Counter(rows).values())


def _changed_sources(put_in: Mapping[bytes, bytes], rows: Mapping[bytes, FileRow], faults: list[str]) -> int:
    changed = []
    for path, content in put_in.items():
        row = rows.get(path)
        places = [place for place in (path, row.moved_to if row else None) if place and os.path.lexists(place)]
        try:
            same = bool(places) and all(Path(os.fsdecode(place)).read_bytes() == content for place in places)
        except OSError:
            same = False
        if not same:
            changed.append(path)
    if changed:
        faults.append(f"{len(changed)} source files are gone or changed, {changed[:_SHOWN]!r} among them.")
    return len(changed)
