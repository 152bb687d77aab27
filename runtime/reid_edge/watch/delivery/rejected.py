"""Messages that a receiver does not take while it takes others: put aside with the reason, so that they neither block nor get lost."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reid_edge.errors import StorageError
from reid_edge.storage.durable import replacing
from reid_edge.watch.ledger.ledger import Message

FOLDER = "rejected"


@dataclass(frozen=True)
class Rejected:
    """A message that was put aside.

    Attributes:
        sink: whose receiver did not take it.
        message: as it stands in the ledger.
        reason: the receiver's last answer.
        tries: how often it was refused.
        path: of its file, `OUT/rejected/SINK/ID.json`.
    """

    sink: str
    message: Message
    reason: str
    tries: int
    path: Path


class RejectedMessages:
    """The messages that one sink has put aside, one file each.

    Args:
        out: the daemon's folder.
        sink: the sink's name.
    """

    def __init__(self, out: Path, sink: str) -> None:
        self._folder = out / FOLDER / sink
        self._sink = sink

    def put(self, message: Message, reason: str, tries: int) -> None:
        """Put a message aside; it is on the disk when this returns.

        Raises:
            StorageError: it could not be written.
        """
        path = self._path(message.id)
        text = json.dumps({"reason": reason, "tries": tries, "message": asdict(message)}, indent=1)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                file.write(text.encode("ascii"))
        except OSError as error:
            raise StorageError(
                f"A rejected message cannot be put aside in {path.parent}: {error.strerror or error}.", "Check that disk."
            ) from error

    def remove(self, message: Message) -> None:
        """Forget a message that was taken after all."""
        with contextlib.suppress(OSError):  # it is tried once more at the next start, and the receiver knows its key
            self._path(message.id).unlink()

    def __iter__(self) -> Iterator[Rejected]:
        """All of them in the ledger's order."""
        for path in sorted(self._folder.glob("*.json"), key=lambda each: each.name):
            rejected = _read(self._sink, path)
            if rejected is not None:
                yield rejected

    def __len__(self) -> int:
        return sum(1 for _ in self._folder.glob("*.json"))

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:012d}.json"


def all_rejected(out: Path) -> list[Rejected]:
    """What every sink has put aside, by sink and in order."""
    return [each for folder in sorted((out / FOLDER).glob("*")) for each in RejectedMessages(out, folder.name)]


def _read(sink: str, path: Path) -> Rejected | None:
    """One of the files; None where it is not one of ours."""
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
        return Rejected(sink, Message(**raw["message"]), str(raw["reason"]), int(raw["tries"]), path)
    except (OSError, ValueError, KeyError, TypeError):
        return None
