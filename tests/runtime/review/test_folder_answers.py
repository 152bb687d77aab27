"""Photos of folders are answered one after another, whatever happens to one of them."""

from __future__ import annotations

from reid_edge.describe.query import Query
from reid_edge.review.answers.folder import FolderAnswers
from reid_edge.review.identification import Identification, PackChoice
from reid_edge.review.reading import PhotoReader


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
