"""A text file that only grows, each message exactly once: whatever moment a kill, a power cut or a full disk picks.

Lines are appended in batches, each of them synced before it counts. So only the last batch can be torn; at opening, the tail is read
and cut behind the last message that is there whole, and what the file has is skipped when it is delivered again. What is missing (the
file was deleted, or a person changed it) is made again from the ledger.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_edge.storage.durable import sync_file, sync_folder
from reid_edge.storage.errors import file_errors
from reid_edge.watch.ledger.ledger import Ledger, Message
from reid_edge.watch.outputs.sinks import SinkError

BATCH_BYTES = 1 << 20
TAIL_BYTES = 4 * BATCH_BYTES  # more than a batch that grew over the limit by its last message
_PAGE = 500


@dataclass(frozen=True)
class Line:
    """What a line says of itself: the id and the key of its message, and whether it is the last of that message's lines."""

    message: int
    key: str
    last: bool = True


class AppendedFile:
    """A sink that appends the lines of each message to one file.

    Attributes:
        last_id: the newest message that the file holds; 0 for none.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        ledger: Ledger,
        header: bytes,
        write: Callable[[Message], Sequence[bytes]],
        read: Callable[[bytes], Line | None],
    ) -> None:
        """Open the file, mend its end, and bring it up to what the ledger notes as delivered.

        Args:
            name: of the sink.
            path: of the file; made where there is none.
            ledger: what a missing part is made from.
            header: the file's first line with its line feed, or empty.
            write: the lines of a message without line feeds; none for a message that the file does not tell.
            read: what a line (without its line feed) says of itself; None where it is torn or not one of these.

        Raises:
            SinkError: the file is something else, or was made from another ledger.
            StorageError: it cannot be opened or written.
        """
        self.name = name
        self._path = path
        self._header = header
        self._write = write
        self._read = read
        self._last = Line(0, "")
        with file_errors(path):
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            with file_errors(path):
                self._end = self._mended()
            self._catch_up(ledger)
        except BaseException:
            os.close(self._file)
            raise

    @property
    def last_id(self) -> int:
        """See the class."""
        return self._last.message

    def deliver(self, messages: Sequence[Message]) -> int:
        """Append what the file does not have yet, synced; returns how many of the messages are in it now.

        Raises:
            StorageError: the disk is full or fails; the file is as it was before, and the same messages may come again.
            SinkError: the file was made from another ledger.
        """
        batch = bytearray()
        newest = self._last
        taken = 0
        for message in messages:
            if len(batch) >= BATCH_BYTES:
                break
            taken += 1
            if message.id > newest.message:
                lines = self._write(message)
                if lines:
                    batch += b"".join(line + b"\n" for line in lines)
                    newest = Line(message.id, message.key)
            elif message.id == newest.message and message.key != newest.key:
                raise self._of_another_ledger()
        if batch:
            self._append(batch)
            self._last = newest
        return taken

    def close(self) -> None:
        """Close the file; all that was delivered is synced already."""
        os.close(self._file)

    def _append(self, data: bytes | bytearray) -> None:
        with file_errors(self._path):
            try:
                view, at = memoryview(data), self._end
                while view:
                    written = os.pwrite(self._file, view, at)
                    view, at = view[written:], at + written
                sync_file(self._file)
            except BaseException:
                with contextlib.suppress(OSError):  # where even that fails, the next opening mends it
                    os.ftruncate(self._file, self._end)
                raise
        self._end = at

    def _mended(self) -> int:
        """Cut a torn tail; returns where the next line goes, and sets what the last whole message is."""
        size = os.fstat(self._file).st_size
        head = os.pread(self._file, len(self._header), 0)
        if head != self._header and not self._header.startswith(head.rstrip(b"\0")):
            raise self._not_own()
        end = len(self._header)
        if size < end or head != self._header:  # cut off within its first line
            os.ftruncate(self._file, 0)
            self._end = 0
            self._append(self._header)
            sync_folder(self._path.parent)
            return end
        for start in dict.fromkeys((max(end, size - TAIL_BYTES), end)):
            whole = self._last_whole(start, size, start > end)
            if whole is not None:
                break
        else:
            self._check_own(end)
            whole = end
        if whole < size:
            os.ftruncate(self._file, whole)
            sync_file(self._file)
        return whole

    def _check_own(self, start: int) -> None:
        """Nothing in the file is whole: only a torn first batch looks like that, and its first line is no other text."""
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(start)
            line = file.readline(TAIL_BYTES)
        if line.endswith(b"\n") and b"\0" not in line:
            raise self._not_own()

    def _not_own(self) -> SinkError:
        return SinkError(f"{self._path} is not the file that is written here.", "Move it away; it is made again from the ledger.")

    def _last_whole(self, start: int, size: int, within: bool) -> int | None:
        """Where the last whole message between two offsets ends; None where there is none. `within`: a line may begin before."""
        at = start
        found = None
        newest = self._last.message
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(start)
            if within:
                at += len(file.readline())
            while at < size:
                line = file.readline()
                said = self._read(line[:-1]) if line.endswith(b"\n") and b"\0" not in line else None
                if said is None or said.message < newest:
                    break
                at += len(line)
                newest = said.message
                if said.last:
                    found, self._last = at, said
        return found

    def _catch_up(self, ledger: Ledger) -> None:
        delivered = ledger.delivered(self.name)
        if self.last_id:
            there = ledger.messages_after(self.last_id - 1, 1)
            if not there or (there[0].id, there[0].key) != (self._last.message, self._last.key):
                raise self._of_another_ledger()
        last = self.last_id
        while last < delivered:
            messages = [message for message in ledger.messages_after(last, _PAGE) if message.id <= delivered]
            if not messages:
                break
            last = messages[self.deliver(messages) - 1].id

    def _of_another_ledger(self) -> SinkError:
        return SinkError(
            f"{self._path} was made from another ledger than the one beside it.",
            "Move it away; it is made again from the ledger.",
        )
