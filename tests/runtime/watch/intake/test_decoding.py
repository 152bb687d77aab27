from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from reid_edge.photo import Photo, read_photo
from reid_edge.watch.intake.decoding import AlreadyAnswered, Changed, Decoder, Refused
from reid_edge.watch.intake.settling import stamp_of
from reid_edge.watch.ledger.records import FileStamp
from reid_edge.watch.ledger.states import Reason


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    made = Decoder()
    yield made
    made.close()


def _read(decoder: Decoder, path: Path, known: bool = False) -> object:
    name = os.fsencode(path)
    return decoder.read(name, stamp_of(name) or FileStamp(1, 1, 1), lambda sha256: known)


def test_a_photo_comes_back_as_it_is_read_in_the_process_itself(decoder: Decoder, samples: Path) -> None:
    for path in sorted((samples / "photos").glob("*.jpg"))[:2]:
        found, expected = _read(decoder, path), read_photo(path)
        assert isinstance(found, Photo)
        assert np.array_equal(found.rgb, expected.rgb)
        for name in ("sha256", "name", "taken_at", "warnings"):
            assert getattr(found, name) == getattr(expected, name)


def test_a_photo_that_is_answered_is_not_decoded(decoder: Decoder, samples: Path) -> None:
    path = samples / "photos" / "trail_1.jpg"
    assert _read(decoder, path, known=True) == AlreadyAnswered(read_photo(path).sha256)
    assert isinstance(_read(decoder, path), Photo)  # and the worker is ready for the next one


def test_a_broken_file_has_a_reason(decoder: Decoder, samples: Path, tmp_path: Path) -> None:
    whole = (samples / "photos" / "trail_1.jpg").read_bytes()
    for content, reason in ((b"", "is empty"), (whole[:-2000], "cut off"), (b"photo", "text file"), (b"\xff\xd8\xff" * 99, "")):
        path = tmp_path / "broken.jpg"
        path.write_bytes(content)
        found = _read(decoder, path)
        assert isinstance(found, Refused)
        assert found.code is Reason.BROKEN
        assert reason in found.reason


def test_a_file_that_changed_or_vanished_since_it_settled_is_not_read(decoder: Decoder, samples: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes((samples / "photos" / "trail_1.jpg").read_bytes())
    before = stamp_of(os.fsencode(path))
    assert before is not None
    with path.open("ab") as file:
        file.write(b"more")
    assert decoder.read(os.fsencode(path), before, lambda _: False) == Changed()
    path.unlink()
    assert decoder.read(os.fsencode(path), before, lambda _: False) == Changed()
    os.mkfifo(path)
    assert decoder.read(os.fsencode(path), before, lambda _: False) == Changed()


def test_a_disk_that_refuses_is_not_the_photos_fault(decoder: Decoder) -> None:
    memory = Path(f"/proc/{os.getpid()}/mem")  # reading it from its beginning is an input/output error, as of a failing card
    if not os.access(memory, os.R_OK):
        pytest.skip("no such file here")
    found = _read(decoder, memory)
    assert isinstance(found, Refused)
    assert found.code is Reason.UNREADABLE
    assert "Not readable now" in found.reason
    assert "Input/output error" in found.reason


def test_a_format_whose_reader_is_not_installed_is_not_the_photos_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pillow_heif.py").write_text("raise ImportError('libheif is missing')")
    monkeypatch.syspath_prepend(tmp_path)  # the worker gets the path of this process
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    decoder = Decoder()
    found = _read(decoder, path)
    decoder.close()
    assert isinstance(found, Refused)
    assert found.code is Reason.NO_READER
    assert "libheif is missing" in found.reason


def test_a_worker_that_dies_is_noticed_and_another_one_goes_on(decoder: Decoder, samples: Path) -> None:
    path = samples / "photos" / "trail_1.jpg"

    def kill(_: str) -> bool:
        assert decoder._worker is not None
        os.kill(decoder._worker.pid, signal.SIGSEGV)
        return False

    name = os.fsencode(path)
    found = decoder.read(name, stamp_of(name), kill)  # type: ignore[arg-type]
    assert isinstance(found, Refused)
    assert found.code is Reason.DECODER_CRASHED
    assert "signal 11" in found.reason
    assert isinstance(_read(decoder, path), Photo)


def test_an_error_in_the_middle_of_a_photo_does_not_cost_the_next_one(decoder: Decoder, samples: Path) -> None:
    name = os.fsencode(samples / "photos" / "trail_1.jpg")

    def fail(_: str) -> bool:
        raise MemoryError

    with pytest.raises(MemoryError):
        decoder.read(name, stamp_of(name), fail)  # type: ignore[arg-type]
    assert isinstance(_read(decoder, samples / "photos" / "trail_2.jpg"), Photo)


def test_a_worker_that_hangs_is_ended_in_time(samples: Path) -> None:
    decoder = Decoder()
    path = samples / "photos" / "trail_1.jpg"
    assert isinstance(_read(decoder, path), Photo)

    def stop(_: str) -> bool:
        assert decoder._worker is not None
        os.kill(decoder._worker.pid, signal.SIGSTOP)
        return False

    name = os.fsencode(path)
    decoder._seconds = 2.0
    found = decoder.read(name, stamp_of(name), stop)  # type: ignore[arg-type]
    assert isinstance(found, Refused)
    assert found.code is Reason.DECODER_CRASHED
    assert "within 2 s" in found.reason
    decoder._seconds = 60.0
    assert isinstance(_read(decoder, path), Photo)
    decoder.close()


def test_a_photo_that_needs_more_memory_than_the_limit_is_broken_and_the_worker_stays(
    jpeg: Callable[..., bytes], tmp_path: Path
) -> None:
    decoder = Decoder(memory_bytes=150_000_000)  # a photo of 64 million pixels needs 190 MB for its samples alone
    large, small = tmp_path / "large.jpg", tmp_path / "small.jpg"
    large.write_bytes(jpeg(np.zeros((8000, 8000, 3), np.uint8)))
    small.write_bytes(jpeg(np.zeros((80, 80, 3), np.uint8)))
    found = _read(decoder, large)
    assert isinstance(found, Refused)
    assert found.code is Reason.BROKEN
    assert isinstance(_read(decoder, small), Photo)
    decoder.close()


def test_the_worker_ends_when_the_daemon_is_killed(tmp_path: Path, samples: Path) -> None:
    program = (
        "import os, sys, time\n"
        "from reid_edge.watch.intake.decoding import Decoder\n"
        "from reid_edge.watch.intake.settling import stamp_of\n"
        "decoder = Decoder()\n"
        f"path = os.fsencode({str(samples / 'photos' / 'trail_1.jpg')!r})\n"
        "decoder.read(path, stamp_of(path), lambda _: False)\n"
        "print(decoder._worker.pid, flush=True)\n"
        "time.sleep(3600)\n"
    )
    daemon = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert daemon.stdout is not None
    worker = int(daemon.stdout.readline())
    daemon.kill()
    daemon.wait()
    until = time.monotonic() + 300  # only so that a failure ends
    while _is_running(worker):
        assert time.monotonic() < until, "the worker outlives its daemon"
        time.sleep(0.05)


def _is_running(process: int) -> bool:
    try:
        return not Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return False
