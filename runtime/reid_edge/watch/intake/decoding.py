"""Decoding in a process of its own: a file that crashes, hangs or exhausts a decoder cannot take the daemon down.

The worker (`reid_edge.watch.intake.decoding_worker`) reads a file once and sends its hash; only what is not answered yet is
decoded, and the pixels come back through a pipe, so that a kill leaves nothing behind. It ends when the daemon does.
"""

# File names are bytes here, which pathlib does not take.
# ruff: noqa: PTH100

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.photo import Photo
from reid_edge.processes import ROOT, python_command
from reid_edge.watch.ledger.records import FileStamp
from reid_edge.watch.ledger.states import Reason

DECODE_SECONDS = 60.0
_VIDEO_TIMES = 10  # as much time: a video is read as a whole before its first frame
MEMORY_BYTES = 2_000_000_000  # beyond what the started worker has: the largest photo that is decoded needs 1.6 GB


@dataclass(frozen=True)
class AlreadyAnswered:
    """The file holds a photo that is answered already; `frame`: the video's next frame does, and the video continues."""

    sha256: str
    frame: bool = False


@dataclass(frozen=True)
class Frame:
    """The next frame of a video, which continues."""

    photo: Photo


@dataclass(frozen=True)
class End:
    """A video has no further frame."""


@dataclass(frozen=True)
class Changed:
    """The file is no longer what it was when it settled, or it vanished."""


@dataclass(frozen=True)
class Refused:
    """No photo could be read from the file: a code, and its sentence for people."""

    code: Reason
    reason: str


Reading = Photo | Frame | End | AlreadyAnswered | Changed | Refused


class Decoder:
    """One worker process, started when it is needed and again after it died. For one thread.

    Args:
        seconds: for reading a file, and again for decoding it.
        memory_bytes: how much memory the worker may take beside what it has when it starts.
    """

    def __init__(self, seconds: float = DECODE_SECONDS, memory_bytes: int = MEMORY_BYTES) -> None:
        self._seconds = seconds
        self._memory = memory_bytes
        self._worker: subprocess.Popen[bytes] | None = None

    def read(
        self,
        path: bytes,
        stamp: FileStamp,
        is_answered: Callable[[str], bool],
        video_seconds: float | None = None,
        first: bool = True,
    ) -> Reading:
        """Read one settled file; `is_answered` tells of a hash whether that photo needs no decoding.

        With `video_seconds` the file is a video: a call gives its first frame, one without `first` the next one, so many seconds later,
        and after the last one its end. A worker that was started anew begins with the first frame again.
        """
        try:
            worker = self._started()
            asked = {"path": os.path.abspath(path).hex(), "stamp": astuple(stamp)}
            self._send(worker, {**asked, "video": video_seconds, "first": first})
            answer = self._line(worker, 1 if video_seconds is None else _VIDEO_TIMES)
            if "sha256" in answer:
                if is_answered(answer["sha256"]):
                    self._send(worker, {"decode": False})
                    return AlreadyAnswered(answer["sha256"], video_seconds is not None)
                self._send(worker, {"decode": True})
                sha256, answer = answer["sha256"], self._line(worker)
                if "shape" in answer:
                    photo = self._photo(path, sha256, answer, self._pixels(worker, answer["shape"]))
                    return photo if video_seconds is None else Frame(photo)
            return _refusal(answer)
        except TimeoutError:
            self._end()
            return Refused(Reason.DECODER_CRASHED, f"The file could not be read and decoded within {self._seconds:g} s.")
        except (OSError, EOFError, ValueError):
            return Refused(Reason.DECODER_CRASHED, f"The decoder died of this file ({self._end()}).")
        except BaseException:  # no memory for the pixels: the worker still waits to send them, and would refuse the next file
            self._end()
            raise

    def kill(self) -> None:
        """End the worker at once, from any thread; the file that is being read is refused."""
        worker = self._worker
        if worker is not None:
            worker.kill()

    def close(self) -> None:
        """End the worker."""
        self._end()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._worker is not None and self._worker.poll() is None:
            return self._worker
        self._end()
        self._worker = subprocess.Popen(
            python_command("reid_edge.watch.intake.decoding_worker", str(self._memory), str(os.getpid())),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            bufsize=0,
        )
        return self._worker

    def _end(self) -> str:
        """Kill the worker; returns how it had ended, in words."""
        worker, self._worker = self._worker, None
        if worker is None:
            return "it did not start"
        for _ in range(20):  # a dying process closes its pipes a moment before it can be waited for
            if worker.poll() is not None:
                break
            time.sleep(0.005)
        code = worker.poll()
        worker.kill()
        worker.wait()
        for pipe in (worker.stdin, worker.stdout):
            if pipe is not None:
                pipe.close()
        return "it was ended" if code is None else f"signal {-code}" if code < 0 else f"exit code {code}"

    def _send(self, worker: subprocess.Popen[bytes], message: Mapping[str, Any]) -> None:
        assert worker.stdin is not None
        worker.stdin.write(json.dumps(message).encode() + b"\n")

    def _line(self, worker: subprocess.Popen[bytes], times: int = 1) -> dict[str, Any]:
        line, until = bytearray(), time.monotonic() + times * self._seconds
        while not line.endswith(b"\n"):
            # Byte by byte would be slow for pixels, but a line is short, and nothing of what follows it may be taken.
            line += self._some(worker, 1, until)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _pixels(self, worker: subprocess.Popen[bytes], shape: list[int]) -> NDArray[np.uint8]:
        pixels = np.empty(shape, np.uint8)
        view, at, until = pixels.data.cast("B"), 0, time.monotonic() + self._seconds
        assert worker.stdout is not None
        while at < len(view):
            self._wait(worker, until)
            count = worker.stdout.readinto(view[at:])  # type: ignore[attr-defined]
            if not count:
                raise EOFError
            at += count
        return pixels

    def _some(self, worker: subprocess.Popen[bytes], count: int, until: float) -> bytes:
        self._wait(worker, until)
        assert worker.stdout is not None
        data = worker.stdout.read(count)
        if not data:
            raise EOFError
        return data

    def _wait(self, worker: subprocess.Popen[bytes], until: float) -> None:
        assert worker.stdout is not None
        poll = select.poll()  # select itself ends at 1,024 open files
        poll.register(worker.stdout, select.POLLIN | select.POLLHUP)
        if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
            raise TimeoutError

    def _photo(self, path: bytes, sha256: str, answer: Mapping[str, Any], rgb: NDArray[np.uint8]) -> Photo:
        place = Path(os.fsdecode(path))
        return Photo(
            rgb,
            sha256,
            answer["name"],
            place,
            answer["taken_at"],
            answer["latitude"],
            answer["longitude"],
            tuple(answer["warnings"]),
        )


def _refusal(answer: Mapping[str, Any]) -> Reading:
    if "end" in answer:
        return End()
    if "changed" in answer:
        return Changed()
    return Refused(Reason(answer["code"]), answer["refused"])
