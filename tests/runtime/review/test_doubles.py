"""The audit's list on the page: a double that a person dismissed is not listed again until that is undone."""

from __future__ import annotations

import time

from reid_edge.gallery import Gallery
from reid_edge.review.audit_list import AuditList
from reid_edge.review.identification import Identification, PackChoice


def test_two_individuals_that_a_person_told_apart_are_not_listed_again(open_page, own_gallery) -> None:
    with Gallery.open(own_gallery) as gallery:
        photos = [each.id for each in gallery.sightings(individual="Chipo")]
        gallery.split("Chipo", photos[:1], "Chipo again")
        for name in ("Enzi", "Farida", "Imara", "Jabari"):
            gallery.remove_individual(name)
    page = open_page()
    page.post("/doubles/start", 303)
    until = time.monotonic() + 600  # only so that a failure ends
    while page.services.audit.state.running:
        assert time.monotonic() < until
        time.sleep(0.1)
    question = "They are two: do not ask again"
    assert page.get("/doubles").count(question) == 1
    page.post("/individual/different", 303, name="Chipo", into="Chipo again", back="doubles")
    assert question not in page.get("/doubles")
    (answer,) = page.services.gallery.pair_answers("individuals")
    assert (answer.answer, answer.person) == ("different", "Ana")
    page.post("/history/undo", batch=answer.batch)
    assert question in page.get("/doubles")


def test_an_audit_that_ends_in_a_fault_of_the_program_says_so_and_can_be_started_again(own_gallery) -> None:
    class Failing(Identification):
        def session(self):
            raise ValueError("a fault of the program")

    audit = AuditList(Failing(own_gallery, PackChoice("field", "cpu", 1)))
    for _ in range(2):
        audit.start()
        audit._thread.join()
        assert not audit.state.running
        assert "a fault of the program" in audit.state.error
