"""The questions of a synchronisation on the page: shown with both sides, answered by a usual decision, by several people."""

from __future__ import annotations

import re

import pytest

from reid_edge.gallery import Gallery, NewPairAnswer, NewReview, NewSighting
from reid_edge.gallery.sync import open_questions, synchronise

PHOTO = f"{77:064x}"


@pytest.fixture
def apart(own_gallery, tmp_path):
    """apart(there, here): a station that has the catalogue does `there` while the catalogue does `here`; then both are synchronised."""

    def decide(there, here):
        with Gallery.create(tmp_path / "station.sqlite") as station, Gallery.open(own_gallery) as catalogue:
            catalogue.drop_features([])  # nothing is compared here
            synchronise(station, catalogue)
            there(station)
            here(catalogue)
            synchronise(station, catalogue)
            return open_questions(catalogue)

    return decide


def add(name, photo=PHOTO):
    return lambda gallery: gallery.add_sighting(NewSighting(photo_sha256=photo, identity=name), {}, "0" * 32, gallery.new_batch())


def pair(answer, of="individuals"):
    sides = {"first": ("Chipo",), "second": ("Asha",), "shown": ("Chipo", "Asha")}
    return lambda gallery: gallery.answer_pair(NewPairAnswer(of=of, answer=answer, person="Ana", **sides))


def review(kind, name=None):
    return lambda gallery: gallery.review(NewReview(photo_sha256=PHOTO, kind=kind, person="Ana", identity=name))


def split_first(name):
    return lambda gallery: gallery.split("Chipo", [gallery.sightings(individual="Chipo")[0].id], name)


def names_of_photo(gallery):
    return [each.identity for each in gallery.photo_sightings(PHOTO)]


CASES = {
    "rename": (lambda g: g.rename("Chipo", "Zita"), lambda g: g.rename("Chipo", "Zora"), "Rename Zora to Zita",
               lambda g: "Zita" in g.names()),
    "merge": (lambda g: g.merge(["Chipo"], "Asha"), lambda g: g.rename("Chipo", "Zora"), "Merge Zora into Asha",
              lambda g: g.individual("Asha").sightings == 6),
    "notes": (lambda g: g.annotate("Chipo", sex="female"), lambda g: g.annotate("Chipo", sex="male"), "Note of Chipo: sex female",
              lambda g: g.individual("Chipo").sex == "female"),
    "photo": (add("Zita"), add("Chipo"), "Split the photo off as Zita", lambda g: names_of_photo(g) == ["Zita"]),
    "photo of a known one": (add("Asha"), add("Chipo"), "Move the photo to Asha", lambda g: names_of_photo(g) == ["Asha"]),
    "name": (add("Zita"), add("Zita", f"{78:064x}"), "They are one: merge Zita (2) into Zita", lambda g: "Zita (2)" not in g.names()),
    "removed": (lambda g: g.remove_individual("Chipo"), add("Chipo"), "Remove Chipo with all its photos",
                lambda g: "Chipo" not in g.names()),
    "review": (review("confirmed", "Chipo"), review("confirmed", "Asha"), "It is Chipo",
               lambda g: [each.identity for each in g.reviews_of(PHOTO)] == ["Chipo"]),
    "not an animal": (review("not_an_animal"), review("confirmed", "Asha"), "It is not an animal",
                      lambda g: [each.kind for each in g.reviews_of(PHOTO)] == ["not_an_animal"]),
    "pair": (pair("same", "animals"), pair("different", "animals"), "They are one animal",
             lambda g: g.pair_answers()[-1].answer == "same"),
    "two that were merged": (lambda g: g.merge(["Chipo"], "Asha"), pair("different"), "Merge Chipo into Asha",
                             lambda g: "Chipo" not in g.names()),
    "split": (split_first("Zita"), lambda g: g.reassign([g.sightings(individual="Chipo")[0].id], "Asha"), "Split the photo off as Zita",
              lambda g: "Zita" in g.names()),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_answer_makes_the_decision_and_closes_the_question_and_one_undo_takes_both_back(open_page, apart, case):
    there, here, label, is_done = CASES[case]
    (question,) = apart(there, here)
    page = open_page()
    gallery = page.services.gallery
    before = gallery.content_hash()
    text = page.get("/questions")
    assert label in text
    assert "Questions (1)" in text
    assert not is_done(gallery)
    assert "The question is closed" in page.post(f"/questions/{question.number}/carry-out")
    assert is_done(gallery)
    assert open_questions(gallery) == []
    assert "Taken back" in page.post("/questions/undo")
    assert [each.number for each in open_questions(gallery)] == [question.number]
    assert gallery.content_hash() == before
    page.post(f"/questions/{question.number}/keep")
    assert open_questions(gallery) == []
    assert gallery.content_hash() == before
    assert "No question is open" in page.get("/questions")


def test_both_sides_are_shown_with_their_photos_and_what_was_decided_about_them(open_page, apart):
    apart(lambda g: g.merge(["Chipo"], "Asha"), lambda g: g.rename("Chipo", "Zora"))
    text = open_page().get("/questions")
    assert "A station decided: merge Chipo into Asha" in text
    assert "somebody else changed the same thing since" in text
    for name in ("Zora", "Asha"):
        assert re.search(rf'href="/individual\?name={name}">.*?<small>3 photos', text, re.DOTALL)
        assert f'alt="{name}: ' in text
    assert "rename Chipo to Zora" in text


def test_what_cannot_be_carried_out_any_more_can_only_be_closed(open_page, apart):
    (question,) = apart(lambda g: g.rename("Chipo", "Zita"), lambda g: g.remove_individual("Chipo"))
    page = open_page()
    text = page.get("/questions")
    assert "no longer in the catalogue" in text
    assert "carry-out" not in text
    assert "has no answer" in page.post(f"/questions/{question.number}/carry-out", 422)
    page.post(f"/questions/{question.number}/keep")
    assert open_questions(page.services.gallery) == []


def test_two_people_who_answer_one_question_see_the_conflict_and_nothing_is_decided_twice(open_page, apart):
    (question,) = apart(lambda g: g.rename("Chipo", "Zita"), lambda g: g.rename("Chipo", "Zora"))
    ana, ben = open_page("Ana"), open_page("Ben")
    seen = re.search(r'name="seen" value="([^"]+)"', ben.get("/questions")).group(1)
    ana.post(f"/questions/{question.number}/keep")
    shown = ben.post(f"/questions/{question.number}/carry-out", 409, seen=seen)
    assert "Meanwhile somebody answered this question" in shown
    assert "Zora" in ben.services.gallery.names()


def test_an_answer_on_a_state_that_somebody_changed_is_shown_the_new_one(open_page, apart):
    (question,) = apart(lambda g: g.rename("Chipo", "Zita"), lambda g: g.rename("Chipo", "Zora"))
    ana, ben = open_page("Ana"), open_page("Ben")
    seen = re.search(r'name="seen" value="([^"]+)"', ben.get("/questions")).group(1)
    ana.post("/individual/rename", 303, name="Zora", new="Zoe")
    shown = ben.post(f"/questions/{question.number}/carry-out", 409, seen=seen)
    assert "Meanwhile Ana decided: rename Zora to Zoe" in shown
    assert "Rename Zoe to Zita" in shown
    assert "Zoe" in ben.services.gallery.names()


def test_questions_come_one_after_the_other_and_may_be_left_for_later(open_page, apart):
    def there(gallery):
        gallery.rename("Chipo", "Zita")
        gallery.annotate("Asha", sex="female")

    def here(gallery):
        gallery.rename("Chipo", "Zora")
        gallery.annotate("Asha", sex="male")

    first, second = apart(there, here)
    page = open_page()
    assert "Rename Zora to Zita" in page.get("/questions")
    assert "Note of Asha" in page.post(f"/questions/{first.number}/later")
    assert "Rename Zora to Zita" in page.post(f"/questions/{second.number}/later")
    assert "Note of Asha" in page.post(f"/questions/{first.number}/keep")


def test_a_question_of_an_earlier_version_is_listed_and_can_be_closed(open_page, own_gallery):
    with Gallery.open(own_gallery) as gallery:
        facts = '{"station": "x", "sequence": 1, "batch": "b", "decided_at": "2026-01-01T00:00:00", "decision": "rename A to B"}'
        number = gallery.database.insert("conflict", raised_at="2026-01-01T00:00:00", reason="gone", facts=facts)
    page = open_page()
    assert "rename A to B" in page.get("/questions")
    page.post(f"/questions/{number}/keep")
    assert open_questions(page.services.gallery) == []


def test_without_questions_the_page_is_not_in_the_way(page):
    assert "Questions" not in page.get("/individuals")
