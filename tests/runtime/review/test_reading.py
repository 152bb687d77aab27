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

from reid_edge.review.reading import PhotoReader

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
