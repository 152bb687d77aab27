"""Every message as one line of JSON, the same bytes that a webhook gets: photos, events, quarantined files, missing folders."""

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
        number, key = (json.loads(line)[name] for name in ("id", "key"))
        return Line(number, key) if isinstance(number, int) and isinstance(key, str) else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
