"""Who is who: every decision, its undo, and the law that undo restores exactly what was."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from reid_edge.errors import GalleryError, UsageError
from reid_edge.gallery import DuplicateSighting, Gallery, NewReview, NewSighting, SightingToEnrol
from reid_edge.gallery.check import check
from reid_edge.gallery.history import REVIEW_KINDS, describe

KEY = "0123456789abcdef"
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def identities(gallery):
    return {sighting.id: sighting.identity for sighting in gallery.sightings()}


def test_rename_keeps_the_sightings_and_frees_the_old_name(gallery, add):
    first = add(gallery, 1, "Zoe")
    gallery.rename("Zoe", "Anna")
    second = add(gallery, 2, "Zoe")
    assert identities(gallery) == {first: "Anna", second: "Zoe"}
    with pytest.raises(GalleryError, match="already has"):
        gallery.rename("Zoe", "Anna")


def test_merge_gives_all_sightings_to_one_individual(gallery, add):
    ids = [add(gallery, number, name) for number, name in enumerate(("Zoe", "Anna", "Bea"))]
    gallery.merge(["Anna", "Bea"], "Zoe")
    assert identities(gallery) == dict.fromkeys(ids, "Zoe")
    assert [one.name for one in gallery.individuals()] == ["Zoe"]
    with pytest.raises(GalleryError, match="into itself"):
        gallery.merge(["Zoe"], "Zoe")


def test_split_makes_a_new_individual_of_some_sightings(gallery, add):
    first, second, other = add(gallery, 1, "Zoe"), add(gallery, 2, "Zoe"), add(gallery, 3, "Anna")
    gallery.split("Zoe", [second], "Bea")
    assert identities(gallery) == {first: "Zoe", second: "Bea", other: "Anna"}
    for ids, new in (([first], "Cleo"), ([other], "Cleo"), ([], "Cleo"), ([999], "Cleo")):
        with pytest.raises(GalleryError):
            gallery.split("Zoe", ids, new)


def test_reassign_moves_sightings_of_anybody_to_a_known_individual(gallery, add):
    first, second, third = add(gallery, 1, "Zoe"), add(gallery, 2, "Anna"), add(gallery, 3, "Bea")
    gallery.reassign([first, second], "Bea")
    assert identities(gallery) == dict.fromkeys((first, second, third), "Bea")


def test_undo_takes_a_whole_command_back_and_brings_features_back(gallery, add):
    batch = gallery.new_batch()
    ids = [add(gallery, number, "Zoe", batch=batch) for number in range(3)]
    gallery.remove_individual("Zoe")
    assert gallery.sightings() == []
    (undone,) = gallery.undo()
    assert undone.summary == "remove Zoe (sightings " + ", ".join(str(one.id) for one in gallery.sightings()) + ")"
    assert gallery.features(ids, KEY * 2).keys() == set(ids)
    (undone,) = gallery.undo()
    assert undone.summary == "3 × add"
    assert gallery.individuals() == []
    with pytest.raises(GalleryError, match="nothing to undo"):
        gallery.undo()


def test_undo_of_several_commands_says_what_each_was(gallery, add):
    add(gallery, 1, "Zoe")
    gallery.rename("Zoe", "Anna")
    gallery.confirm("0" * 64, "Anna")
    assert [batch.summary for batch in gallery.undo(count=9)] == [
        f"somebody confirmed that animal 1 of {'0' * 12} is Anna",
        "rename Zoe to Anna",
        "add 1.jpg to Zoe",
    ]


def test_notes_of_an_individual_and_viewpoints_are_decisions(gallery, add):
    first = add(gallery, 1, "Zoe", viewpoint="left")
    before, revision = gallery.content_hash(), gallery.revision()
    gallery.annotate("zoe", sex="female", life_stage="adult", notes="torn ear")
    gallery.annotate("Zoe", notes="torn left ear")
    noted = gallery.individual("Zoe")
    assert (noted.sex, noted.life_stage, noted.notes) == ("female", "adult", "torn left ear")
    assert gallery.individuals() == [noted]
    with pytest.raises(UsageError, match="sex"):
        gallery.annotate("Zoe", sex="f")
    gallery.set_viewpoint([first], "Right")
    assert gallery.sighting(first).viewpoint == "right"
    assert gallery.revision() != revision
    assert [describe(event) for event in gallery.history(2)] == [
        f"set the viewpoint of sightings {first} to right",
        "note of Zoe: notes torn left ear",
    ]
    gallery.undo(3)
    assert gallery.content_hash() == before


def test_two_commands_that_ran_at_once_are_undone_together(gallery, add):
    first, second = gallery.new_batch(), gallery.new_batch()
    before = gallery.content_hash()
    add(gallery, 1, "Zoe", batch=first)
    add(gallery, 2, "Zoe", batch=second)
    add(gallery, 3, "Anna", batch=first)
    between = gallery.content_hash()
    with pytest.raises(GalleryError, match="cannot be undone alone") as refused:
        gallery.undo()
    assert "--count 2" in refused.value.hint
    assert gallery.content_hash() == between
    gallery.undo(count=2)
    assert gallery.content_hash() == before


def test_a_hostile_event_cannot_make_undo_run_sql(gallery, add):
    add(gallery, 1, "Zoe")
    gallery.database.execute("""UPDATE event SET changes = '[["individual", 1, "name = ''x'' --", 1]]'""")
    with pytest.raises(GalleryError, match="no decision can"):
        gallery.undo()
    assert gallery.individual("Zoe").sightings == 1


def test_every_kind_of_event_has_a_sentence(gallery, add):
    one, two = add(gallery, 1, "Zoe"), add(gallery, 2, "Zoe")
    gallery.split("Zoe", [two], "Anna")
    gallery.reassign([one], "Anna")
    gallery.merge(["Zoe"], "Anna")
    gallery.undo()
    assert [describe(event) for event in gallery.history()] == [
        "undo 1 events",
        "merge Zoe into Anna",
        f"reassign sightings {one} to Anna",
        f"split sightings {two} of Zoe off as Anna",
        "add 2.jpg to Zoe",
        "add 1.jpg to Zoe",
    ]


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(6)))
def test_the_order_of_addition_does_not_change_the_content_hash(order):
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        hashes = []
        for number, numbers in enumerate((range(6), order)):
            with Gallery.create(Path(folder) / f"{number}.sqlite") as gallery:
                for photo in numbers:
                    _add(gallery, photo, f"name {photo % 3}")
                hashes.append(gallery.content_hash())
    assert hashes[0] == hashes[1]


NAMES = st.sampled_from(["Zoe", "Anna", "Bea", "🦓", "../x"])
PHOTOS = st.integers(0, 7)
CHOICES = st.sets(st.integers(0, 9), min_size=1, max_size=4)


class AnySequenceOfDecisions(RuleBasedStateMachine):
    """Runs random decisions and keeps the hash before each; each undo must restore the hash that is on top."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY))
        self.gallery = Gallery.create(self.folder / "gallery.sqlite")
        self.before = []

    def decide(self, decision):
        before = self.gallery.content_hash()
        batch = self.gallery.new_batch()
        try:
            decision(batch)
        except GalleryError:
            assert self.gallery.content_hash() == before  # a refused decision changes nothing
        if not any(event.batch == batch for event in self.gallery.history()):
            return
        self.before.append(before)

    def chosen(self, choices):
        sightings = self.gallery.sightings()
        return [sightings[choice].id for choice in choices if choice < len(sightings)]

    @initialize()
    def begin_with_two_individuals(self):
        self.add_photos([0, 1, 2], "Zoe")
        self.add_photos([3, 4, 5], "Anna")

    @rule(photos=st.lists(PHOTOS, min_size=1, max_size=4), name=NAMES)
    def add_photos(self, photos, name):
        def decision(batch):
            for photo in photos:
                try:
                    _add(self.gallery, photo, name, batch)
                except DuplicateSighting:
                    assert self.gallery.has_photo(_seen(photo, name).photo_sha256)

        before = len(self.gallery.history())
        expected = self.gallery.content_hash()
        decision(self.gallery.new_batch())
        if len(self.gallery.history()) > before:
            self.before.append(expected)

    @rule(old=NAMES, new=NAMES)
    def rename(self, old, new):
        self.decide(lambda batch: self.gallery.rename(old, new, batch))

    @rule(sources=st.lists(NAMES, min_size=1, max_size=3), into=NAMES)
    def merge(self, sources, into):
        self.decide(lambda batch: self.gallery.merge(sources, into, batch))

    @rule(name=NAMES, choices=CHOICES, new=NAMES)
    def split(self, name, choices, new):
        self.decide(lambda batch: self.gallery.split(name, self.chosen(choices), new, batch))

    @rule(choices=CHOICES, name=NAMES)
    def reassign(self, choices, name):
        self.decide(lambda batch: self.gallery.reassign(self.chosen(choices), name, batch))

    @rule(name=NAMES)
    def remove_individual(self, name):
        self.decide(lambda batch: self.gallery.remove_individual(name, batch))

    @rule(choices=CHOICES)
    def remove_sightings(self, choices):
        self.decide(lambda batch: self.gallery.remove_sightings(self.chosen(choices), batch))

    @rule(photo=PHOTOS, animal=st.integers(0, 1), name=NAMES, kind=st.sampled_from(REVIEW_KINDS), enrols=st.booleans())
    def review(self, photo, animal, name, kind, enrols):
        seen = _seen(photo, name)
        identity = None if kind in ("skipped", "not_an_animal") else name
        new = NewReview(photo_sha256=seen.photo_sha256, kind=kind, person="Ana", identity=identity, animal_index=animal)
        enrol = SightingToEnrol(seen, {"embedding/test": np.full(4, photo / 2, np.float32)}, KEY) if enrols else None
        self.decide(lambda batch: self.gallery.review(new, enrol=enrol, batch=batch))

    @invariant()
    def each_animal_has_one_final_review_at_most_and_its_sighting_agrees_with_it(self):
        finals = [each for each in self.gallery.reviews() if each.is_final]
        assert len({(each.photo_sha256, each.animal_index) for each in finals}) == len(finals)
        for each in finals:
            sighting = self.gallery.has_photo(each.photo_sha256, each.animal_index)
            if each.sighting is not None:
                assert (sighting.id, sighting.identity) == (each.sighting, each.identity)

    @rule(name=NAMES, sex=st.sampled_from(["", "female", "male"]), notes=st.sampled_from(["", "torn ear"]))
    def annotate(self, name, sex, notes):
        self.decide(lambda batch: self.gallery.annotate(name, sex=sex, notes=notes, batch=batch))

    @rule(count=st.integers(1, 3))
    def undo(self, count):
        if not self.before:
            with pytest.raises(GalleryError, match="nothing to undo"):
                self.gallery.undo(count)
            return
        undone = self.gallery.undo(count)
        assert len(undone) == min(count, len(self.before))
        for _ in undone:
            expected = self.before.pop()
        assert self.gallery.content_hash() == expected

    @invariant()
    def the_gallery_is_whole(self):
        assert [finding for finding in check(self.gallery) if finding.severity == "damage"] == []

    def teardown(self):
        while self.before:
            self.gallery.undo()
            assert self.gallery.content_hash() == self.before.pop()
        assert self.gallery.individuals() == []
        self.gallery.close()
        shutil.rmtree(self.folder)


def _seen(photo, name):
    return NewSighting(photo_sha256=f"{photo:064x}", identity=name, photo_name=f"{photo}.jpg", species="zebra")


def _add(gallery, photo, name, batch="batch"):
    features = {"embedding/test": np.full(4, photo / 2, np.float32)}
    return gallery.add_sighting(_seen(photo, name), features, KEY, batch)


TestAnySequenceOfDecisionsIsUndoneExactly = AnySequenceOfDecisions.TestCase
TestAnySequenceOfDecisionsIsUndoneExactly.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
