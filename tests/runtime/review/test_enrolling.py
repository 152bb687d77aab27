"""What a person named is described in the background, also after what went wrong with it."""

from __future__ import annotations

import pytest

from reid_edge.errors import UsageError
from reid_edge.review import enrolling


def test_an_animal_is_described_as_soon_as_its_answer_is_there(open_page, answers_file):
    page = open_page()
    page.decide(page.id_of("trail_3.jpg"), "new", new_name="Kito")
    content = answers_file.read_bytes()
    answers_file.write_bytes(b"")  # as after a restart that answers the photos anew
    page = open_page()
    page.services.enroller._enrol_all()
    assert [each.identity for each in page.services.enroller.waiting()] == ["Kito"]
    answers_file.write_bytes(content)
    page.services.enroller._enrol_all()
    assert page.services.enroller.waiting() == []
    assert len(page.services.gallery.sightings(individual="Kito")) == 1


def test_an_animal_whose_photo_comes_back_is_described_without_a_restart(open_page, bring_back, monkeypatch):
    page = open_page()
    enroller, answer = page.services.enroller, page.services.source.answers()[0]
    page.decide(page.id_of(answer.photo), "new", new_name="Kito")
    enroller._enrol_all()
    assert [each.reason for each in enroller.left_out.values()] == ["The photo is not where it was."]
    assert enroller.waiting() == []
    monkeypatch.setattr(enrolling, "_AGAIN_SECONDS", 0.0)
    enroller.left_out.clear()
    enroller._enrol_all()
    bring_back()
    enroller._enrol_all()
    assert (enroller.waiting(), enroller.left_out) == ([], {})
    assert len(page.services.gallery.sightings(individual="Kito")) == 1


@pytest.mark.parametrize("error", [ValueError("a fault of the program"), UsageError("Not with this recipe.", "")])
def test_an_animal_that_cannot_be_described_does_not_hold_up_those_behind_it(open_page, answers_file, error, monkeypatch):
    page = open_page()
    page.decide(page.id_of("trail_3.jpg"), "new", new_name="Kito")
    page.decide(page.id_of("trail_5.jpg"), "new", new_name="Lulu")
    describe, enroller = page.services.identification.to_enrol, page.services.enroller

    def fail_for_kito(gallery, review, photo):
        if review.identity == "Kito":
            raise error
        return describe(gallery, review, photo)

    monkeypatch.setattr(page.services.identification, "to_enrol", fail_for_kito)
    enroller._enrol_all()
    assert [review.identity for review in page.services.gallery.reviews() if review.sighting is None] == ["Kito"]
    assert len(enroller.left_out) == 1
