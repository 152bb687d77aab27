"""What people say of animals: stored with all that follows, undone, and never overwritten unseen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest

from reid_edge.errors import GalleryError, UsageError
from reid_edge.gallery import Gallery, NewReview, ReviewConflict, SightingToEnrol
from reid_edge.gallery.changes import Changes
from reid_edge.gallery.check import check
from reid_edge.gallery.history import acting_as, describe
from reid_edge.gallery.review_records import final_reviews

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def say(seen, arrays):
    """say(gallery, photo, kind, identity, person=..., expected=..., animal=..., box=..., enrol=True): a review of photo `number`."""

    def do(gallery, number, kind, identity=None, *, person="Ana", expected=None, animal=0, box=None, enrol=True, batch=None):
        sighting = seen(number, identity or "nobody", box=box, species="zebra")
        new = NewReview(
            photo_sha256=sighting.photo_sha256,
            kind=kind,
            person=person,
            identity=identity,
            animal_index=animal,
            box=box,
            photo_name=sighting.photo_name,
        )
        return gallery.review(new, expected, SightingToEnrol(sighting, arrays(number), KEY) if enrol else None, batch)

    return do


def test_a_confirmation_enrols_the_animal_with_its_features(gallery, add, say):
    add(gallery, 1, "Zoe")
    review = say(gallery, 2, "confirmed", "zoe")
    sighting = gallery.sighting(review.sighting)
    assert (review.identity, sighting.identity, sighting.species) == ("Zoe", "Zoe", "zebra")
    assert gallery.features([sighting.id], KEY)[sighting.id].keys() == {
        "embedding/test",
        "keypoints/test/xy",
        "keypoints/test/descriptors",
    }
    assert gallery.reviews_of(review.photo_sha256) == [review]


def test_a_review_that_was_stored_alone_is_completed_once_and_undone_as_one(gallery, add, say, seen, arrays):
    add(gallery, 1, "Zoe")
    content = gallery.content_hash()
    review = say(gallery, 2, "new", "Bea", enrol=False)
    assert review.sighting is None
    enrol = SightingToEnrol(seen(2, "Bea", species="zebra"), arrays(2), KEY)
    number = gallery.enrol_review(review.sequence, enrol)
    (stored,) = gallery.reviews()
    assert (stored.sequence, stored.sighting, gallery.sighting(number).identity) == (review.sequence, number, "Bea")
    assert gallery.enrol_review(review.sequence, enrol) is None
    gallery.undo_batch(review.batch)
    assert gallery.content_hash() == content
    assert gallery.enrol_review(review.sequence, enrol) is None


def test_what_is_changed_for_a_person_is_noted_with_the_name(gallery, add):
    add(gallery, 1, "Zoe")
    with acting_as("Ana"):
        gallery.rename("Zoe", "Bea")
    gallery.rename("Bea", "Cleo")
    assert [event.payload.get("person") for event in gallery.history(limit=2)] == [None, "Ana"]


def test_a_new_individual_needs_a_free_name_and_a_confirmed_one_must_exist(gallery, add, say):
    add(gallery, 1, "Zoe")
    with pytest.raises(GalleryError, match="already has an individual 'Zoe'"):
        say(gallery, 2, "new", "zoe")
    with pytest.raises(GalleryError, match="no individual 'Bea'"):
        say(gallery, 2, "confirmed", "Bea")
    say(gallery, 2, "new", "Bea")
    assert gallery.individual("Bea").sightings == 1


def test_a_rejection_takes_the_sighting_away_and_is_remembered(gallery, add, say, seen):
    number = add(gallery, 1, "Zoe")
    add(gallery, 2, "Anna")
    sha256 = seen(1, "").photo_sha256
    say(gallery, 1, "rejected", "Anna")
    assert gallery.sighting(number).identity == "Zoe"
    say(gallery, 1, "rejected", "Zoe")
    assert gallery.photo_sightings(sha256) == []
    assert gallery.rejected_identities([sha256]) == {(sha256, 0): {"Anna", "Zoe"}}
    say(gallery, 1, "confirmed", "Anna")
    assert gallery.rejected_identities([sha256]) == {(sha256, 0): {"Zoe"}}


def test_a_later_final_review_replaces_the_earlier_one_and_moves_the_sighting(gallery, add, say):
    add(gallery, 1, "Zoe"), add(gallery, 2, "Anna")
    first = say(gallery, 3, "confirmed", "Zoe")
    second = say(gallery, 3, "confirmed", "Anna", person="Ben")
    assert second.sighting == first.sighting
    assert gallery.sighting(first.sighting).identity == "Anna"
    assert final_reviews(gallery.reviews_of(first.photo_sha256)) == {0: second}
    gallery.undo()
    assert gallery.reviews_of(first.photo_sha256) == [first]
    assert gallery.sighting(first.sighting).identity == "Zoe"


def test_what_is_not_an_animal_is_in_the_gallery_no_more(gallery, add, say):
    number = add(gallery, 1, "Zoe")
    say(gallery, 1, "not_an_animal")
    assert gallery.present_sightings([number]) == {}
    gallery.undo()
    assert gallery.sighting(number).identity == "Zoe"


def test_a_skipped_animal_keeps_what_was_said_of_it(gallery, add, say):
    add(gallery, 1, "Zoe")
    said = say(gallery, 2, "confirmed", "Zoe")
    skipped = say(gallery, 2, "skipped")
    assert gallery.reviews_of(said.photo_sha256) == [said, skipped]
    assert skipped.sighting == said.sighting
    again = say(gallery, 2, "confirmed", "Zoe")
    assert gallery.reviews_of(said.photo_sha256) == [again]


def test_rename_merge_and_split_are_followed(gallery, add, say):
    add(gallery, 1, "Zoe"), add(gallery, 2, "Anna")
    confirmed, rejected = say(gallery, 3, "confirmed", "Zoe"), say(gallery, 4, "rejected", "Zoe")
    gallery.rename("Zoe", "Zoé")
    assert {each.identity for each in gallery.reviews()} == {"Zoé"}
    gallery.split("Zoé", [confirmed.sighting], "Bea")
    assert [each.identity for each in gallery.reviews()] == ["Bea", "Zoé"]
    gallery.merge(["Zoé"], "Anna")
    assert [each.identity for each in gallery.reviews()] == ["Bea", "Anna"]
    gallery.undo(3)
    assert gallery.reviews() == [confirmed, rejected]


def test_two_people_cannot_overwrite_each_other_unseen(gallery, add, say):
    add(gallery, 1, "Zoe"), add(gallery, 2, "Anna")
    ben = say(gallery, 3, "confirmed", "Zoe", person="Ben", expected=0)
    before = gallery.content_hash()
    with pytest.raises(ReviewConflict, match=r"Ben confirmed that animal 1 of 3.jpg is Zoe \(20") as refused:
        say(gallery, 3, "confirmed", "Anna", expected=0)
    assert refused.value.review == ben
    assert gallery.content_hash() == before
    gallery.undo_batch(ben.batch, "Ben")
    with pytest.raises(ReviewConflict, match="undone"):
        say(gallery, 3, "confirmed", "Anna", expected=ben.sequence)
    assert say(gallery, 3, "confirmed", "Anna", expected=0).sequence > ben.sequence


def test_an_animal_is_recognised_by_its_box_where_another_program_counts_otherwise(gallery, add, say):
    add(gallery, 1, "Zoe"), add(gallery, 2, "Anna")
    first = say(gallery, 3, "confirmed", "Zoe", animal=0, box=(0, 0, 100, 100))
    other = say(gallery, 3, "confirmed", "Anna", animal=0, box=(300, 0, 400, 100))
    same = say(gallery, 3, "confirmed", "Anna", animal=1, box=(5, 0, 100, 100))
    assert (first.animal_index, other.animal_index, same.animal_index) == (0, 1, 0)
    assert gallery.free_animal_index(first.photo_sha256) == 2


def test_a_moved_box_enrols_the_animal_anew(gallery, add, say):
    add(gallery, 1, "Zoe")
    first = say(gallery, 3, "confirmed", "Zoe", box=(0, 0, 100, 100))
    moved = say(gallery, 3, "confirmed", "Zoe", box=(50, 50, 150, 150), expected=first.sequence)
    assert moved.sighting != first.sighting
    assert [each.box for each in gallery.photo_sightings(first.photo_sha256)] == [(50.0, 50.0, 150.0, 150.0)]
    gallery.undo()
    assert gallery.photo_sightings(first.photo_sha256)[0].id == first.sighting


def test_one_of_several_reviews_is_undone_unless_a_later_decision_stands_on_it(gallery, add, say):
    add(gallery, 1, "Zoe"), add(gallery, 2, "Anna")
    first, second = say(gallery, 3, "confirmed", "Zoe"), say(gallery, 4, "new", "Bea")
    gallery.undo_batch(first.batch, "Ana")
    assert gallery.reviews() == [second]
    assert dict(gallery.history(1)[0].payload)["person"] == "Ana"
    with pytest.raises(GalleryError, match="undone already"):
        gallery.undo_batch(first.batch)
    gallery.rename("Bea", "Cleo")
    with pytest.raises(GalleryError, match="rename Bea to Cleo"):
        gallery.undo_batch(second.batch)
    say(gallery, 5, "confirmed", "Anna", enrol=False)
    gallery.undo()
    gallery.undo()
    gallery.undo_batch(second.batch)
    assert gallery.reviews() == []
    assert check(gallery) == [] or all(finding.severity != "damage" for finding in check(gallery))


def test_a_new_individual_is_not_undone_under_a_review_that_names_it(gallery, say):
    first = say(gallery, 1, "new", "Zoe")
    say(gallery, 2, "confirmed", "Zoe", enrol=False)
    with pytest.raises(GalleryError, match="cannot be undone alone: 1 reviews of Zoe"):
        gallery.undo_batch(first.batch)


def test_reviews_of_one_batch_are_undone_together(gallery, add, say):
    add(gallery, 1, "Zoe")
    before, batch = gallery.content_hash(), gallery.new_batch()
    for photo in (2, 3):
        say(gallery, photo, "confirmed", "Zoe", batch=batch)
    gallery.undo_batch(batch)
    assert gallery.content_hash() == before


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"kind": "perhaps"}, "does not exist"),
        ({"identity": None}, "needs the name"),
        ({"kind": "skipped"}, "names no individual"),
        ({"photo_sha256": "x"}, "64 hex digits"),
        ({"animal_index": -1}, "animal_index"),
        ({"box": (9, 0, 1, 1)}, "box"),
        ({"person": "a\nb"}, "control character"),
    ],
)
def test_a_review_with_an_invalid_value_is_refused(gallery, add, change, match):
    add(gallery, 1, "Zoe")
    values = {"photo_sha256": "0" * 64, "kind": "confirmed", "person": "Ana", "identity": "Zoe", **change}
    with pytest.raises(UsageError, match=match):
        gallery.review(NewReview(**values))
    assert gallery.reviews() == []


def test_every_kind_of_review_has_a_sentence(gallery, add, say):
    add(gallery, 1, "Zoe")
    say(gallery, 2, "skipped"), say(gallery, 2, "rejected", "Zoe"), say(gallery, 2, "new", "Bea", person="")
    say(gallery, 3, "confirmed", "Zoe"), say(gallery, 4, "not_an_animal")
    assert [describe(event) for event in gallery.history(5)] == [
        "Ana said that animal 1 of 4.jpg is not an animal",
        "Ana confirmed that animal 1 of 3.jpg is Zoe",
        "somebody named animal 1 of 2.jpg, a new individual, Bea",
        "Ana rejected that animal 1 of 2.jpg is Zoe",
        "Ana skipped animal 1 of 2.jpg",
    ]


def test_a_follower_learns_which_photos_changed_and_whether_any_answer_may_have(gallery, add, say, new_place):
    add(gallery, 1, "Zoe")
    start = gallery.position()
    review = say(gallery, 2, "rejected", "Zoe")
    changes = gallery.changes_since(start)
    assert (changes.photos, changes.everything) == ({review.photo_sha256}, False)
    gallery.rename("Zoe", "Zoé")
    renamed = gallery.changes_since(changes.position)
    assert (renamed.photos, renamed.everything) == (frozenset(), True)
    gallery.undo(2)
    undone = gallery.changes_since(renamed.position)
    assert (undone.photos, undone.everything) == ({review.photo_sha256}, True)
    assert gallery.changes_since(undone.position) == Changes(undone.position, frozenset(), everything=False)
    with Gallery.create(new_place("other")) as other:
        add(other, 1, "Zoe")
        assert other.changes_since(undone.position).everything  # another gallery in the place of the first


_REVIEWER = """
import sys
from reid_edge.gallery import Gallery, NewReview
with Gallery.open(sys.argv[1]) as gallery:
    for number in range(10_000):
        gallery.review(NewReview(photo_sha256=f"{number:064x}", kind="new", person="Ana", identity=f"name {number}"), expected=0)
        print(number, flush=True)
"""


@pytest.mark.file_only
def test_a_kill_loses_no_review_that_was_acknowledged_and_doubles_none(gallery):
    path = gallery.path
    for _ in range(3):
        reviewer = subprocess.Popen(
            [sys.executable, "-c", _REVIEWER.replace("range(10_000)", f"range({len(gallery.reviews())}, 10_000)"), path],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        with closing(reviewer.stdout):
            acknowledged = [int(reviewer.stdout.readline()) for _ in range(5)]
            time.sleep(0.003 * len(gallery.reviews()) % 0.02)
            reviewer.send_signal(signal.SIGKILL)
            acknowledged += [int(line) for line in reviewer.stdout.read().split()]
            reviewer.wait()
        with Gallery.open(path) as opened:
            stored = [int(each.photo_sha256, 16) for each in opened.reviews()]
            assert stored == list(range(len(stored)))
            assert len(stored) - acknowledged[-1] in (1, 2)
            assert len(opened.history()) == len(stored) == len(opened.individuals())
