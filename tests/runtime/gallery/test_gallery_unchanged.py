"""A decision on a state that somebody changed since is refused, in a file and on a server, also where two processes try at once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.errors import GalleryError
from reid_edge.gallery import Gallery, StateConflict
from reid_edge.gallery.changes import Position
from reid_edge.gallery.history import acting_as
from reid_edge.gallery.unchanged import About


@pytest.fixture
def three(gallery, add):
    """Zoe with photos 1 and 2, Anna with 3; how far the gallery is."""
    for number, name in ((1, "Zoe"), (2, "Zoe"), (3, "Anna")):
        add(gallery, number, name)
    return gallery.position()


def refused(gallery, seen, about):
    with pytest.raises(StateConflict) as error, gallery.transaction():
        gallery.check_unchanged(seen, about)
    return error.value


def test_what_nobody_changed_passes(gallery, three, add):
    add(gallery, 4, "Bea")
    gallery.rename("Bea", "Bella")
    gallery.check_unchanged(three, About(("Zoe", "Anna"), (1, 2), with_photos=True))


def test_a_rename_is_told_with_who_did_it_and_what_the_individual_is_called_now(gallery, three):
    with acting_as("Ana"):
        gallery.rename("Zoe", "Zora")
    error = refused(gallery, three, About(("Zoe",)))
    assert "Meanwhile Ana decided: rename Zoe to Zora" in error.message
    assert error.name == "Zora"


def test_a_merge_leads_to_the_individual_that_is_left_and_a_removal_to_none(gallery, three):
    gallery.merge(["Zoe"], "Anna")
    assert refused(gallery, three, About(("Zoe",))).name == "Anna"
    gallery.remove_individual("Anna")
    assert refused(gallery, three, About(("Zoe",))).name == ""


def test_another_individual_that_took_the_name_is_a_conflict(gallery, three, add):
    add(gallery, 4, "Bea")
    assert refused(gallery, three, About(("Bea",))).name == "Bea"


def test_photos_that_came_or_went_count_where_they_matter(gallery, three, add):
    add(gallery, 4, "Zoe")
    gallery.check_unchanged(three, About(("Zoe",)))
    refused(gallery, three, About(("Zoe",), with_photos=True))
    now = gallery.position()
    gallery.reassign([gallery.sightings(individual="Anna")[0].id], "Zoe")
    refused(gallery, now, About(("Anna",), with_photos=True))
    refused(gallery, now, About(sightings=(3,)))
    gallery.check_unchanged(now, About(("Anna",), (1, 2)))


def test_an_undo_counts_as_a_change_of_what_it_reverted(gallery, three):
    gallery.rename("Zoe", "Zora")
    seen = gallery.position()
    gallery.undo()
    assert refused(gallery, seen, About(("Zora",))).name == "Zoe"
    gallery.check_unchanged(seen, About(("Anna",)))
    gallery.reassign([gallery.sightings(individual="Anna")[0].id], "Zoe")
    seen = gallery.position()
    gallery.undo()
    for name in ("Anna", "Zoe"):
        refused(gallery, seen, About((name,), with_photos=True))


def test_another_gallery_in_its_place_is_a_conflict(gallery, three):
    assert refused(gallery, Position(three.event, "another"), About()).events == []


def test_what_the_person_knows_of_is_no_conflict(gallery, three):
    gallery.rename("Zoe", "Zora", "mine")
    gallery.check_unchanged(three, About(("Zora",), ignored=frozenset(("mine",))))


@pytest.mark.parametrize("text", ["", "3", "x:y", "-1:a", "٣:a", f"{10**30}:a"])
def test_a_state_is_read_as_it_was_written_and_nothing_else(text):
    assert Position.parse(text) is None
    for position in (Position(), Position(7, "a:b")):
        assert Position.parse(str(position)) == position


_CURATOR = """
import sys
from reid_edge.gallery import Gallery, NewReview, ReviewConflict, StateConflict
from reid_edge.gallery.unchanged import About
from reid_edge.storage.address import read_place
with Gallery.open(read_place(sys.argv[1])) as gallery:
    seen = gallery.position()
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(20):
        try:
            review = NewReview(photo_sha256=f"{number:064x}", kind="skipped", person=sys.argv[2])
            gallery.review(review, expected=0)
            print("review", number)
        except ReviewConflict:
            pass
        try:
            with gallery.transaction():
                gallery.check_unchanged(seen, About((f"animal {number}",)))
                gallery.rename(f"animal {number}", f"{sys.argv[2]} {number}")
            print("rename", number)
        except StateConflict:
            pass
"""


def test_of_two_processes_that_decide_at_once_each_time_exactly_one_does(new_place):
    place = new_place("gallery")
    with Gallery.create(place) as gallery:
        for number in range(20):
            gallery.add_individual(f"animal {number}", "batch")
    curators = [
        subprocess.Popen(
            [sys.executable, "-c", _CURATOR, str(place), person],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ,
        )
        for person in ("Ana", "Ben")
    ]  # fmt: skip
    for curator in curators:
        assert curator.stdout.readline() == "ready\n"
    for curator in curators:
        curator.stdin.write("\n")
        curator.stdin.flush()
    lines = [curator.communicate(timeout=300)[0].splitlines() for curator in curators]
    assert [curator.returncode for curator in curators] == [0, 0]
    assert sorted(lines[0] + lines[1]) == sorted(f"{kind} {number}" for kind in ("review", "rename") for number in range(20))
    with Gallery.open(place) as gallery:
        assert len(gallery.reviews()) == 20
        assert {name.split()[0] for name in gallery.names()} <= {"Ana", "Ben"}


NAMES = st.sampled_from(["Zoe", "Anna", "Bea", "zoe"])
STEPS = st.one_of(
    st.tuples(st.just("rename"), NAMES, NAMES),
    st.tuples(st.just("merge"), NAMES, NAMES),
    st.tuples(st.just("remove"), NAMES),
    st.tuples(st.just("annotate"), NAMES, st.sampled_from(["female", "male"])),
    st.tuples(st.just("undo")),
)


def take(gallery, step):
    kind, *values = step
    try:
        if kind == "merge":
            gallery.merge([values[0]], values[1])
        elif kind == "rename":
            gallery.rename(*values)
        elif kind == "remove":
            gallery.remove_individual(values[0])
        elif kind == "annotate":
            gallery.annotate(values[0], sex=values[1])
        else:
            gallery.undo()
    except GalleryError:
        return


@settings(max_examples=25)
@given(before=st.lists(STEPS, max_size=5), after=st.lists(STEPS, max_size=5), name=NAMES)
def test_what_passes_is_the_individual_that_the_person_saw(tmp_path_factory, before, after, name):
    with Gallery.create(tmp_path_factory.mktemp("unchanged") / "gallery.sqlite") as gallery:
        for each in ("Zoe", "Anna", "Bea"):
            gallery.add_individual(each, "batch")
        for step in before:
            take(gallery, step)
        seen, stored = gallery.position(), gallery.stored_name(name)
        shown = (gallery.individual_id(stored), gallery.individual(stored)) if stored else None
        for step in after:
            take(gallery, step)
        try:
            gallery.check_unchanged(seen, About((name,)))
        except StateConflict:
            return
        stored = gallery.stored_name(name)
        assert shown == ((gallery.individual_id(stored), gallery.individual(stored)) if stored else None)
