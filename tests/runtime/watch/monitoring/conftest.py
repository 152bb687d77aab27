"""A ledger as a daemon leaves it: photos answered, waiting and unreadable, a folder that is away, messages that wait."""

from __future__ import annotations

from pathlib import Path

import pytest

from reid_edge.watch.delivery.rejected import RejectedMessages
from reid_edge.watch.ledger.ledger import LEDGER_NAME, Ledger

_AT = "2026-05-01T06:00:00+00:00"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The daemon's folder: 3 photos answered (2 known, 1 empty), 2 files wait, 1 cannot be read; 4 messages, 1 put aside."""
    folder = tmp_path / "out"
    folder.mkdir()
    with Ledger.open(folder / LEDGER_NAME) as ledger:
        database = ledger.database
        card = database.insert("folder", path=b"/media/card", present=1, device_id="")
        database.insert("folder", path=b'/media/"away"\n\xff', present=0, device_id="")
        for number, verdict in enumerate(("known", "empty", "known")):
            photo = database.insert(
                "photo", sha256=f"{number:064x}", state="decided", camera="ridge", width=4, height=3, verdict=verdict,
                answered_at=f"2026-05-01T06:0{number}:00+00:00",
            )  # fmt: skip
            _file(ledger, card, f"{number}.jpg".encode(), "decided", photo=photo)
            ledger.post("photo", f"photo:{number:064x}", "ridge", {"verdict": verdict})
        _file(ledger, card, b"3.jpg", "seen")
        _file(ledger, card, b"4.jpg", "settled")
        _file(ledger, card, b"\xff\n.jpg", "quarantined", reason="It is cut off.", tries=3)
        ledger.post("quarantine", "quarantine:6:1:1", "ridge", {"reason": "It is cut off."})
        ledger.mark_delivered("webhook", 2)
        RejectedMessages(folder, "webhook").put(ledger.messages_after(1)[0], "400 Bad Request", 11)
        ledger.start_run("1.0", "field 1", "/data/gallery.sqlite")
    return folder


def _file(
    ledger: Ledger, folder: int, path: bytes, state: str, photo: int | None = None, reason: str = "", tries: int = 0
) -> None:
    ledger.database.insert(
        "file", folder_id=folder, path=b"/media/card/" + path, size=1, mtime_ns=1, inode=1, state=state, photo_id=photo,
        reason=reason, reason_code="broken" if reason else "", tries=tries, first_seen_at=_AT, changed_at=_AT,
    )  # fmt: skip
