"""Photos of folders are answered one after another, whatever happens to one of them."""

from __future__ import annotations

import os
import signal
import threading

from reid_edge.describe.query import Query
from reid_edge.review.answers.folder import FolderAnswers
from reid_edge.review.identification import Identification, PackChoice
from reid_edge.review.reading import PhotoReader
from reid_edge.review.services import Services, Sources
from reid_edge.review.web.security import Access


class Failing(Identification):
    def identify(self, photo, query):
        raise ValueError(f"a fault of the program at {photo.name}")


def test_a_photo_that_ends_in_a_fault_of_the_program_is_noted_and_the_next_one_is_answered(own_gallery, samples):
    photos = [samples / "photos" / f"trail_{number}.jpg" for number in (1, 2)]
    reader = PhotoReader(decoders=1)
    source = FolderAnswers(photos, Failing(own_gallery, PackChoice("field", "cpu", 1)), reader, Query())
    source._thread.join()
    assert source.waiting == 0
    assert source.failed == [(path, f"ValueError('a fault of the program at {path.name}')") for path in photos]
    reader.close()


def test_a_page_closes_while_a_photo_hangs_its_decoder(own_gallery, samples):
    photo = samples / "photos" / "trail_1.jpg"
    services = Services(own_gallery, PackChoice("field", "cpu", 1), Sources(photos=[photo]), Access())
    services._folder._thread.join()
    services.reader.close()
    services.reader = PhotoReader(decoders=1)
    services.reader.read(photo)
    os.kill(services.reader._decoders[0]._worker.pid, signal.SIGSTOP)
    read, begun = services.reader.read, threading.Event()
    services.reader.read = lambda path: begun.set() or read(path)
    services._folder = services.source._source = FolderAnswers([photo], services.identification, services.reader, Query())
    begun.wait()
    services.close()  # without waiting until the decoder's time is over
    ((_, reason),) = services._folder.failed
    assert "closing" in reason or "died" in reason
