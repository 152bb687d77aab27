"""A CSV file with one row per animal, and one per empty photo, for spreadsheets and statistics.

Every record is one line: control characters, which names of files and individuals can hold, are written as escapes.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_edge.watch.ledger.ledger import Ledger, Message
from reid_edge.watch.outputs.appended_file import AppendedFile, Line

COLUMNS = (
    *("message", "photo", "camera", "taken_at", "event", "animals", "animal_number", "verdict", "identity", "probability"),
    *("unknown_probability", "runner_up", "runner_up_probability", "x0", "y0", "x1", "y1", "width", "height"),
    *("latitude", "longitude", "sha256", "reason", "notes"),
)
"""`message`: number of the answer in the ledger; `animals`: rows of this photo; `animal_number`: from 1, largest first, empty for an
empty photo; `probability`: that the verdict is right; `x0` to `y1`: box in pixels of the upright photo; `width`, `height`: of the photo in
pixels; `taken_at`: by the camera's clock."""


class CsvFile(AppendedFile):
    """The sink ``csv``. Raises as `AppendedFile`."""

    def __init__(self, path: Path, ledger: Ledger) -> None:
        super().__init__("csv", path, ledger, _line(COLUMNS) + b"\n", _rows, _read)


def _rows(message: Message) -> Sequence[bytes]:
    if message.kind != "photo":
        return []
    body = message.body
    photo, animals = body["photo"], body["animals"]
    if not animals:
        return [_row(message.id, photo, body["event"], 0, None, {"verdict": body["verdict"]})]
    return [
        _row(message.id, photo, body["event"], len(animals), number, animal) for number, animal in enumerate(animals, start=1)
    ]


def _row(
    message: int, photo: Mapping[str, Any], event: object, animals: int, number: int | None, answer: Mapping[str, Any]
) -> bytes:
    other: Mapping[str, Any] = next((each for each in answer.get("ranking", ()) if each["identity"] != answer["identity"]), {})
    cells = {
        **{column: photo[column] for column in ("camera", "taken_at", "width", "height", "latitude", "longitude", "sha256")},
        **{column: answer.get(column) for column in ("verdict", "identity", "probability", "reason")},
        **dict(zip(("x0", "y0", "x1", "y1"), answer.get("animal", {}).get("box", ()), strict=False)),
        "message": message,
        "photo": photo["path"],
        "event": event,
        "animals": animals,
        "animal_number": number,
        "unknown_probability": answer.get("unknown"),
        "runner_up": other.get("identity"),
        "runner_up_probability": other.get("probability"),
        "notes": " ".join(answer.get("warnings", ())),
    }
    return _line([cells.get(column) for column in COLUMNS])


def _line(values: Sequence[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([_cell(value) for value in values])
    return text.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in ("Cc", "Zl", "Zp") else character
        for character in str(value)
    )


def _read(line: bytes) -> Line | None:
    try:
        (cells,) = csv.reader([line.decode("utf-8")], strict=True)
        message, animals, animal = (cells[COLUMNS.index(column)] for column in ("message", "animals", "animal_number"))
        last = int(animals) == 0 or int(animal) == int(animals)
        return Line(int(message), f"photo:{cells[COLUMNS.index('sha256')]}", last) if len(cells) == len(COLUMNS) else None
    except (ValueError, IndexError, csv.Error):
        return None
