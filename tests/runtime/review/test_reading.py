"""Photos for the page: decoders outlive the threads that ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import reid_edge
from reid_edge.errors import PhotoError

pytest.importorskip("fastapi", reason="the page is the extra `review`")

from reid_edge.review import reading
from reid_edge.review.reading import PhotoReader
from reid_edge.watch.intake.decoding import Decoder

PHOTO = Path(reid_edge.__file__).parent / "samples" / "photos" / "trail_3.jpg"


@pytest.fixture
def reader() -> Iterator[PhotoReader]:
    made = PhotoReader(decoders=1)
    yield made
    made.close()


def test_a_decoder_outlives_the_thread_that_asked_for_it(reader):
    asking = threading.Thread(target=reader.read, args=[PHOTO])
    asking.start()
    asking.join()
    process = reader._decoders[0]._worker
    assert process is not None
    time.sleep(0.2)  # a process that was to end with the thread would have ended
    assert process.poll() is None
    assert reader.read(PHOTO).width > 0
    assert reader._decoders[0]._worker is process


def test_a_reader_that_is_closed_refuses(reader):
    reader.close()
    with pytest.raises(PhotoError, match="closing"):
        reader.read(PHOTO)


def test_a_photo_is_found_by_its_content_and_a_file_with_another_one_is_not_decoded(reader, tmp_path, monkeypatch):
    photo, decode, decoded = reader.read(PHOTO), Decoder._pixels, []
    edited = tmp_path / PHOTO.name
    edited.write_bytes(PHOTO.with_name("trail_1.jpg").read_bytes())

    def count(*given):
        decoded.append(given)
        return decode(*given)

    monkeypatch.setattr(Decoder, "_pixels", count)
    assert reader.find([edited], photo.sha256) is None
    assert decoded == []
    found = reader.find([edited, PHOTO], photo.sha256)
    assert (found.sha256, len(decoded)) == (photo.sha256, 1)


def test_a_disk_that_does_not_answer_keeps_no_reader_from_closing(monkeypatch):
    class OnADeadDisk(type(PHOTO)):
        def stat(self, **_):
            threading.Event().wait()

    monkeypatch.setattr(reading, "_SECONDS", 0.1)
    reader = PhotoReader(decoders=1)
    with pytest.raises(PhotoError, match="its disk does not answer"):
        reader.read(OnADeadDisk(PHOTO))
    reader.close()
