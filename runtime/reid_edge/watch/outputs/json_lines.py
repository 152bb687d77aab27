"""Every message as one line of JSON, the very bytes that a webhook gets: photos, events, quarantined files, folders that go and come."""

from __future__ import annotations

import json
from pathlib import Path

from reid_edge.watch.delivery.payload import payload
from reid_edge.watch.ledger.ledger import Ledger
from reid_edge.watch.outputs.appended_file import AppendedFile, Line


class JsonLines(AppendedFile):
    """The sink ``json-lines``. Raises as `AppendedFile`."""

    def __init__(self, path: Path, ledger: Ledger) -> None:
        super().__init__("json-lines", path, ledger, b"", lambda message: [payload(message)], _read)


def _read(line: bytes) -> Line | None:
    try:
        said = json.loads(line)
        return Line(said["id"], said["key"]) if isinstance(said["id"], int) and isinstance(said["key"], str) else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
