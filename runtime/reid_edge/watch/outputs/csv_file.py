"""A CSV file with one row per animal, and one per empty photo, for spreadsheets and statistics.

Every record is one line: control characters, which names of files and individuals can hold, are written as escapes.
"""

from __future__ import annotations

import contextlib
import csv
import io
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_edge.storage.errors import file_errors
from reid_edge.watch.ledger.answers import is_no_animal
from reid_edge.watch.ledger.ledger import Ledger, Message
from reid_edge.watch.outputs.appended_file import AppendedFile, Line

COLUMNS = (
    *("message", "photo", "camera", "taken_at", "event", "animals", "animal_number", "verdict", "identity", "probability"),
    *("unknown_probability", "runner_up", "runner_up_probability", "x0", "y0", "x1", "y1", "width", "height"),
    *("latitude", "longitude", "sha256", "reason", "notes", "review", "reviewed_by", "reviewed_at", "answer_verdict"),
    *("answer_identity", "answer_probability"),
)
"""`message`: number of the answer in the ledger; `animals`: rows of this photo; `animal_number`: from 1, largest first, empty for an
empty photo; `probability`: that the verdict is right; `x0` to `y1`: box in pixels of the upright photo; `width`, `height`: of the photo in
pixels; `taken_at`: by the camera's clock; `review`: what a person said of the animal (`verdict`, `identity` and `probability` are then
hers), by whom and when; `answer_verdict` to `answer_probability`: of the answer itself, where a person said something."""

_FORMER_COLUMNS = COLUMNS[: COLUMNS.index("review")]  # of files that earlier versions began
_LEAST_PAUSE = 1.0  # seconds between two times that the file is written again; and writing takes at most a twentieth of the time
_SHARE = 20
_LONGEST_HEADER = 10_000


class CsvFile(AppendedFile):
    """The sink ``csv``. Raises as `AppendedFile`.

    Where people decide something of a photo, its rows are replaced, so that each animal stays one row: the file is written again in one
    step, with other rows that waited for it.
    """

    def __init__(self, path: Path, ledger: Ledger, at_once: bool = False) -> None:
        """As `AppendedFile`. A file of an earlier version is written again from the ledger.

        Args:
            at_once: rows are replaced at each delivery, for an export.
        """
        self._at_once = at_once
        self._due = 0.0
        with file_errors(path), contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            if file.readline(_LONGEST_HEADER) == _line(_FORMER_COLUMNS) + b"\n":
                path.unlink()
        super().__init__("csv", path, ledger, _line(COLUMNS) + b"\n", _rows, _read)
        self._due = 0.0  # what was written to catch up does not delay the next rows

    def deliver(self, messages: Sequence[Message]) -> int:
        """As `AppendedFile.deliver`; a photo about which people decided waits until the file may be written again."""
        if time.monotonic() < self._due:
            waits = next((number for number, message in enumerate(messages) if _is_revised(message)), len(messages))
            messages = messages[:waits]
        taken = super().deliver(messages) if messages else 0
        revised = {message.body["photo"]["sha256"]: message for message in messages[:taken] if _is_revised(message)}
        if revised:
            began = time.monotonic()
            self.rewrite(lambda lines: _replaced(lines, revised))
            ended = time.monotonic()
            self._due = 0.0 if self._at_once else ended + max(_LEAST_PAUSE, _SHARE * (ended - began))
        return taken


def _is_revised(message: Message) -> bool:
    return message.kind == "photo" and "revision" in message.body


def _replaced(lines: Iterator[bytes], revised: Mapping[str, Message]) -> Iterator[bytes]:
    """The lines with the rows of some photos made anew; each keeps the number of its first answer."""
    done: set[str] = set()
    for line in lines:
        (cells,) = csv.reader([line.decode("utf-8")])
        message = revised.get(cells[COLUMNS.index("sha256")])
        if message is None:
            yield line
        elif cells[COLUMNS.index("sha256")] not in done:
            done.add(cells[COLUMNS.index("sha256")])
            yield from _photo_rows(int(cells[COLUMNS.index("message")]), message.body)


def _rows(message: Message) -> Sequence[bytes]:
    return _photo_rows(message.id, message.body) if message.kind == "photo" and not _is_revised(message) else []


def _photo_rows(number: int, body: Mapping[str, Any]) -> list[bytes]:
    photo, animals = body["photo"], body["animals"]
    if not animals:
        return [_row(number, photo, body["event"], 0, None, {"verdict": body["verdict"]})]
    return [_row(number, photo, body["event"], len(animals), place, animal) for place, animal in enumerate(animals, start=1)]


def _row(
    message: int, photo: Mapping[str, Any], event: object, animals: int, number: int | None, answer: Mapping[str, Any]
) -> bytes:
    other: Mapping[str, Any] = next((each for each in answer.get("ranking", ()) if each["identity"] != answer["identity"]), {})
    review = answer.get("review") or {}
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
        "review": review.get("kind"),
        "reviewed_by": review.get("person"),
        "reviewed_at": review.get("decided_at"),
        "answer_verdict": review.get("verdict"),
        "answer_identity": review.get("answered_identity"),
        "answer_probability": review.get("probability"),
    }
    if is_no_animal(answer):
        cells["verdict"] = "not_an_animal"
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
