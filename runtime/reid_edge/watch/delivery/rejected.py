"""Messages that a receiver refused (dead letters): kept in a file each, with the reason, so that they neither block others nor get lost."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reid_edge.errors import StorageError
from reid_edge.storage.durable import make_folder, replacing
from reid_edge.watch.ledger.ledger import Message

FOLDER = "rejected"


@dataclass(frozen=True)
class Rejected:
    """A message that a receiver refused.

    Attributes:
        sink: the name of the receiver's sink.
        message: as in the ledger.
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
    """The rejected messages of one sink.

    Attributes:
        folder: where their files are, `OUT/rejected/SINK`.
    """

    def __init__(self, out: Path, sink: str) -> None:
        """Args: the daemon's folder, and the sink's name."""
        self.folder = out / FOLDER / sink
        self._sink = sink

    def put(self, message: Message, reason: str, tries: int) -> None:
        """Keep a rejected message; it is on the disk when this returns.

        Raises:
            StorageError: the file cannot be written.
        """
        text = json.dumps({"reason": reason, "tries": tries, "message": asdict(message)}, indent=1)
        try:
            make_folder(self.folder)
            with replacing(self.folder / f"{message.id:012d}.json") as file:
                file.write(text.encode("ascii"))
        except OSError as error:
            raise StorageError(
                f"A rejected message cannot be written to {self.folder}: {error.strerror or error}.", "Check that disk."
            ) from error

    def remove(self, rejected: Rejected) -> None:
        """Forget a message that was delivered after all."""
        with contextlib.suppress(OSError):  # then the next start sends it again, and the receiver recognises its key
            rejected.path.unlink()

    def __iter__(self) -> Iterator[Rejected]:
        """All of them in the order of the ledger; files of other kinds are skipped."""
        for path in sorted(self.folder.glob("*.json")):
            try:
                raw: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
                rejected = Rejected(self._sink, Message(**raw["message"]), str(raw["reason"]), int(raw["tries"]), path)
            except (OSError, ValueError, KeyError, TypeError):
                continue
            yield rejected

    def __len__(self) -> int:
        return sum(1 for _ in self.folder.glob("*.json"))


def all_rejected(out: Path) -> list[Rejected]:
    """The rejected messages of all sinks, by sink and in the order of the ledger."""
    return [each for folder in sorted((out / FOLDER).glob("*")) for each in RejectedMessages(out, folder.name)]
