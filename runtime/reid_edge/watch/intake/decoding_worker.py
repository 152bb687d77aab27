"""The worker of `reid_edge.watch.intake.decoding`: reads and decodes the files it is given, one by one, within a limit of memory."""

# File names are bytes here, which pathlib does not take.
# ruff: noqa: PTH116, PTH119

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import resource
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from reid_edge.errors import PhotoError
from reid_edge.photo.decode import DEFAULT_LIMITS, Photo, decode_photo, refuse_too_many_bytes
from reid_edge.photo.optional import MissingReaderError
from reid_edge.photo.video import VideoFrame, frames
from reid_edge.watch.ledger.records import FileStamp, shown
from reid_edge.watch.ledger.states import Reason

_PARENT_DEATH_SIGNAL = 1  # prctl(2), PR_SET_PDEATHSIG


def main(memory_bytes: int, parent: int) -> None:
    """Answer requests on stdin until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon, which closes stdin when it is done
    _end_with(parent)
    # stdout itself carries pixels, so that nothing a decoder prints may get there.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    import cv2

    cv2.setNumThreads(1)
    _limit_memory(memory_bytes)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            _serve(request, replies)
        except MemoryError:
            _refuse(replies, Reason.BROKEN, "The photo needs more memory to be decoded than one photo may take.")
    os._exit(0)


def _serve(request: dict[str, Any], replies: BinaryIO) -> None:
    path = bytes.fromhex(request["path"])
    name = shown(os.path.basename(path))
    expected = FileStamp(*request["stamp"])
    try:
        if request["video"] is not None:
            _serve_frame(path, expected, request["video"], request["first"], replies)
        else:
            _serve_photo(path, name, expected, replies)
    except (FileNotFoundError, NotADirectoryError):
        _reply(replies, {"changed": True})
    except PhotoError as error:
        code = Reason.NO_READER if isinstance(error, MissingReaderError) else Reason.BROKEN
        _refuse(replies, code, f"{error.message} {error.hint}".strip())
    except OSError as error:
        _refuse(replies, Reason.UNREADABLE, f"Not readable now: {name} cannot be read: {error.strerror or error}.")


def _serve_photo(path: bytes, name: str, expected: FileStamp, replies: BinaryIO) -> None:
    data = _read(path, name, expected)
    if data is None:
        _reply(replies, {"changed": True})
    elif _is_wanted(hashlib.sha256(data).hexdigest(), replies):
        photo = decode_photo(data, name)
        del data
        _send(photo, replies)


_video: tuple[bytes, FileStamp, Iterator[VideoFrame]] | None = None


def _serve_frame(path: bytes, expected: FileStamp, seconds: float, first: bool, replies: BinaryIO) -> None:
    """The first or the next frame of a video, which stays open for the frame after that."""
    global _video
    if first or _video is None or _video[:2] != (path, expected):
        _video = (path, expected, frames(Path(os.fsdecode(path)), seconds))
    try:
        frame = next(_video[2], None) if FileStamp.of(os.stat(path)) == expected else None
    except BaseException:
        _video = None
        raise
    if frame is None:
        _video = None
        _reply(replies, {"end" if FileStamp.of(os.stat(path)) == expected else "changed": True})
    elif _is_wanted(frame.photo.sha256, replies):
        _send(frame.photo, replies)


def _is_wanted(sha256: str, replies: BinaryIO) -> bool:
    _reply(replies, {"sha256": sha256})
    return bool(json.loads(sys.stdin.buffer.readline())["decode"])


def _send(photo: Photo, replies: BinaryIO) -> None:
    facts = {"name": photo.name, "taken_at": photo.taken_at, "latitude": photo.latitude, "longitude": photo.longitude}
    _reply(replies, {"shape": photo.rgb.shape, "warnings": photo.warnings, **facts})
    replies.write(photo.rgb.data)
    replies.flush()


def _read(path: bytes, name: str, expected: FileStamp) -> bytes | None:
    """The bytes of a file; None where it is not, before and after reading, as it was when it settled."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or FileStamp.of(status) != expected:
            return None
        refuse_too_many_bytes(status.st_size, name, DEFAULT_LIMITS)
        data = file.read(status.st_size + 1)
        return data if FileStamp.of(os.fstat(descriptor)) == expected and len(data) == status.st_size else None


def _refuse(replies: BinaryIO, code: Reason, sentence: str) -> None:
    _reply(replies, {"refused": sentence, "code": code.value})


def _reply(replies: BinaryIO, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message).encode() + b"\n")
    replies.flush()


def _end_with(parent: int) -> None:
    """Ask the kernel to kill this process when the daemon is killed: one that hangs in a decoder would not see stdin close."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)


def _limit_memory(beside: int) -> None:
    """Address space, because that is what a limit can be set on: what there is now and `beside` bytes."""
    try:
        with open("/proc/self/statm", encoding="ascii") as table:  # noqa: PTH123 (a table of the kernel)
            used = int(table.read().split()[0]) * resource.getpagesize()
    except OSError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (used + beside, used + beside))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
