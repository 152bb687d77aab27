"""A text file that is only appended to and holds each message exactly once, also after a kill, a power cut or a full disk.

Lines are appended in batches, and a batch counts once it is synced. So only the last batch can be incomplete: opening the file cuts it
behind its last complete message, and messages that are delivered again are skipped. Missing messages (the file was deleted or changed)
are written again from the ledger.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_edge.storage.durable import replacing, sync_file, sync_folder
from reid_edge.storage.errors import file_errors
from reid_edge.watch.ledger.ledger import Ledger, Message
from reid_edge.watch.outputs.sinks import SinkError

BATCH_BYTES = 1 << 20
TAIL_BYTES = 4 * BATCH_BYTES  # more than a batch that grew over the limit by its last message
_PAGE = 500


@dataclass(frozen=True)
class Line:
    """The id and the key of a line's message, and whether it is the last line of that message."""

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
        """Open the file, repair its end, and append the messages that the ledger counts as delivered and the file lacks.

        Args:
            name: of the sink.
            path: of the file; created where it does not exist.
            ledger: the source of missing messages.
            header: the file's first line with its line feed, or empty.
            write: the lines of a message without line feeds; none for a message that the file does not hold.
            read: parses a line without its line feed; None where it is incomplete or of another kind.

        Raises:
            SinkError: the file is of another kind, or was written from another ledger.
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
                self._end = self._repair()
            self._catch_up(ledger)
        except BaseException:
            os.close(self._file)
            raise

    @property
    def last_id(self) -> int:
        """See the class."""
        return self._last.message

    def deliver(self, messages: Sequence[Message]) -> int:
        """Append the messages that the file lacks, and sync it; returns how many of the messages it holds now.

        Raises:
            StorageError: the disk is full or fails. The file is unchanged, and the same messages can be delivered again.
            SinkError: the file was written from another ledger.
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

    def rewrite(self, change: Callable[[Iterator[bytes]], Iterator[bytes]]) -> None:
        """Replace the lines behind the header in one step.

        Args:
            change: the new lines from the old ones, without line feeds.

        Raises:
            StorageError: the disk is full or fails. The file is unchanged.
        """
        with file_errors(self._path):
            with replacing(self._path) as new, os.fdopen(os.dup(self._file), "rb") as old:
                new.write(self._header)
                old.seek(len(self._header))
                for line in change(line.removesuffix(b"\n") for line in old):
                    new.write(line + b"\n")
                end = new.tell()
            file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        os.close(self._file)
        self._file, self._end = file, end

    def close(self) -> None:
        """Close the file; everything that was delivered is synced."""
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
                with contextlib.suppress(OSError):  # where even that fails, the next opening repairs the file
                    os.ftruncate(self._file, self._end)
                raise
        self._end = at

    def _repair(self) -> int:
        """Cut an incomplete end; returns the offset of the next line, and sets `_last` to the last complete message."""
        size = os.fstat(self._file).st_size
        head = os.pread(self._file, len(self._header), 0)
        if head != self._header and not self._header.startswith(head.rstrip(b"\0")):
            raise self._of_another_kind()
        end = len(self._header)
        if size < end or head != self._header:  # cut off within the header
            os.ftruncate(self._file, 0)
            self._end = 0
            self._append(self._header)
            sync_folder(self._path.parent)
            return end
        for start in dict.fromkeys((max(end, size - TAIL_BYTES), end)):
            complete = self._end_of_last_message(start, size, start > end)
            if complete is not None:
                break
        else:
            self._check_first_line(end)
            complete = end
        if complete < size:
            os.ftruncate(self._file, complete)
            sync_file(self._file)
        return complete

    def _check_first_line(self, start: int) -> None:
        """For a file without a complete message: raise unless it can be an incomplete first batch, which has no readable line."""
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(start)
            line = file.readline(TAIL_BYTES)
        if line.endswith(b"\n") and b"\0" not in line:
            raise self._of_another_kind()

    def _of_another_kind(self) -> SinkError:
        return SinkError(
            f"{self._path} is not a file that reid-edge wrote.", "Move it away; it is written again from the ledger."
        )

    def _end_of_last_message(self, start: int, size: int, within: bool) -> int | None:
        """The end of the last complete message between two offsets, or None. `within`: `start` may be inside a line."""
        at = start
        found = None
        newest = self._last.message
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(start)
            if within:
                at += len(file.readline())
            while at < size:
                line = file.readline()
                parsed = self._read(line[:-1]) if line.endswith(b"\n") and b"\0" not in line else None
                if parsed is None or parsed.message < newest:
                    break
                at += len(line)
                newest = parsed.message
                if parsed.last:
                    found, self._last = at, parsed
        return found

    def _catch_up(self, ledger: Ledger) -> None:
        delivered = ledger.delivered(self.name)
        if self.last_id:
            there = ledger.messages_after(self.last_id - 1, 1)
            if not there or (there[0].id == self.last_id and there[0].key != self._last.key):  # larger: that one was pruned
                raise self._of_another_ledger()
        last = self.last_id
        while last < delivered:
            messages = [message for message in ledger.messages_after(last, _PAGE) if message.id <= delivered]
            if not messages:
                break
            last = messages[self.deliver(messages) - 1].id

    def _of_another_ledger(self) -> SinkError:
        return SinkError(
            f"{self._path} was written from another ledger than the one beside it.",
            "Move it away; it is written again from the ledger.",
        )
