"""What a person said of a photo comes first in its next answer, and what she rejected is not offered again."""

from __future__ import annotations

import json

import jsonschema
import pytest

from reid_edge.decide.decision import Decision
from reid_edge.decide.reviewed import reviewed, with_names
from reid_edge.gallery import Gallery, NewReview
from reid_edge.gallery.review_records import answer_facts
from reid_edge.identify.reviewing import ReviewedPhoto, sighting_to_enrol
from reid_edge.identify.session import Session
from reid_edge.photo import read_photo


@pytest.fixture
def session(own_gallery, identifier):
    with Gallery.open(own_gallery, writable=False) as gallery:
        yield Session(gallery, identifier)


@pytest.fixture
def say(own_gallery):
    """say(decision, kind, identity): Ana's review of the animal of a decision, without a sighting."""

    def do(decision, kind, identity=None, enrol=None):
        new = NewReview(
            photo_sha256=decision.photo.sha256,
            kind=kind,
            person="Ana",
            identity=identity,
            animal_index=decision.animal.index,
            box=decision.animal.box,
            photo_name=decision.photo.name,
            answer=answer_facts(decision.as_json()),
        )
        with Gallery.open(own_gallery) as gallery:
            return gallery.review(new, enrol=enrol and enrol(gallery, new))

    return do


@pytest.fixture
def photo(samples):
    return sorted((samples / "photos").glob("*.jpg"))[0]


def test_a_confirmed_photo_is_enrolled_with_the_features_of_its_animal(session, say, photo, identifier):
    (decision,) = session.identify(photo)
    read = read_photo(photo)
    review = say(
        decision,
        "new",
        "Nobody Known",
        lambda gallery, new: sighting_to_enrol(gallery, identifier, new, ReviewedPhoto(read, photo, place="cam1")),
    )
    sighting = session.gallery.sighting(review.sighting)
    assert (sighting.identity, sighting.place, sighting.photo_path) == ("Nobody Known", "cam1", str(photo.resolve()))
    assert sighting.box == decision.animal.box
    assert session.gallery.features([sighting.id], identifier.feature_key)
    session.candidates = identifier.candidates(session.gallery)
    (again,) = session.identify(photo)
    assert (again.verdict, again.identity, again.headline) == ("known", "Nobody Known", "Nobody Known, named by Ana")


def test_a_drawn_box_is_enrolled_as_it_was_drawn(session, photo, identifier):
    read = read_photo(photo)
    box = (read.width * 0.1, read.height * 0.1, read.width * 0.4, read.height * 0.5)
    new = NewReview(photo_sha256=read.sha256, kind="new", person="Ana", identity="Zoe", animal_index=5, box=box)
    enrol = sighting_to_enrol(session.gallery, identifier, new, ReviewedPhoto(read, photo))
    assert enrol is not None
    assert enrol.sighting.box == pytest.approx(box, abs=2)
    assert enrol.sighting.animal_index == 5


def test_a_persons_word_comes_first_and_the_answer_itself_stays_beside_it(session, say, photo):
    (decision,) = session.identify(photo)
    other = next(one.name for one in session.gallery.individuals() if one.name != decision.identity)
    say(decision, "confirmed", other)
    (again,) = session.identify(photo)
    assert (again.verdict, again.identity, again.probability) == ("known", other, 1.0)
    assert again.review is not None
    assert (again.review.person, again.review.verdict, again.review.answered_identity) == (
        "Ana",
        decision.verdict,
        decision.identity,
    )
    assert Decision.from_json(json.loads(json.dumps(again.as_json()))).as_json() == again.as_json()


def test_a_rejected_individual_is_not_compared_with_that_animal_again(session, say, photo):
    (decision,) = session.identify(photo)
    best = decision.ranking[0].identity
    say(decision, "rejected", best)
    (again,) = session.identify(photo)
    assert best not in {ranked.identity for ranked in again.ranking}
    assert any(best in warning for warning in again.warnings)
    assert again.review is not None
    assert again.review.kind == "rejected"
    with Gallery.open(session.gallery.path) as gallery:
        gallery.undo()
    (undone,) = session.identify(photo)
    assert undone.ranking[0].identity == best


def test_an_animal_that_is_nobody_of_the_gallery_is_new(session, say, photo):
    (decision,) = session.identify(photo)
    for individual in session.gallery.individuals():
        say(decision, "rejected", individual.name)
    (again,) = session.identify(photo)
    assert (again.verdict, again.ranking) == ("new", ())


def test_what_is_not_an_animal_counts_as_nobody(session, say, photo):
    (decision,) = session.identify(photo)
    say(decision, "not_an_animal")
    (again,) = session.identify(photo)
    assert (again.verdict, again.identity, again.headline) == ("ask", None, "not an animal, according to Ana")


def test_a_stored_answer_without_the_rejected_individuals_adds_up_to_one(session, say, photo):
    (decision,) = session.identify(photo)
    review = say(decision, "rejected", decision.ranking[0].identity)
    without = reviewed(decision, [review])
    assert without.verdict == "ask" or decision.verdict == "new"
    total = sum(ranked.probability for ranked in decision.ranking) + decision.unknown
    assert sum(ranked.probability for ranked in without.ranking) + without.unknown == pytest.approx(
        (total - decision.ranking[0].probability) / (1 - decision.ranking[0].probability), abs=1e-6
    )


def test_a_stored_answer_has_the_names_of_now(session, photo, own_gallery):
    (decision,) = session.identify(photo)
    first, second = (ranked.identity for ranked in decision.ranking[:2])
    with Gallery.open(own_gallery) as gallery:
        gallery.rename(first, "Zoe")
        renamed = with_names(decision, gallery.current_names())
        assert renamed.ranking[0].identity == "Zoe"
        assert renamed.identity == (decision.identity and "Zoe")
        gallery.merge([second], "Zoe")
        merged = with_names(decision, gallery.current_names())
        assert [ranked.identity for ranked in merged.ranking].count("Zoe") == 1
        assert merged.ranking[0].probability == pytest.approx(
            decision.ranking[0].probability + decision.ranking[1].probability, abs=1e-9
        )
        gallery.undo(2)
        assert with_names(decision, gallery.current_names()) is decision


def test_names_of_another_gallery_are_not_taken(session, photo):
    (decision,) = session.identify(photo)
    others = dict.fromkeys(session.gallery.current_names(), ("another.jpg", "Zoe"))
    assert with_names(decision, others) is decision


def test_an_answer_with_a_review_follows_the_schema(session, say, photo, request):
    (decision,) = session.identify(photo)
    say(decision, "rejected", decision.ranking[0].identity)
    (again,) = session.identify(photo)
    schema = json.loads((request.config.rootpath / "docs/decision.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(again.as_json(), schema)
