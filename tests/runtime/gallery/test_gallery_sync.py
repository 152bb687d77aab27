"""Stations that were apart: any order of offline decisions and synchronisations ends in one catalogue, and no decision is lost."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.errors import GalleryError
from reid_edge.gallery import DuplicateSighting, Gallery, NewPairAnswer, NewReview, NewSighting, SightingToEnrol
from reid_edge.gallery.check import check
from reid_edge.gallery.history import describe
from reid_edge.gallery.sync import close_question, open_questions, synchronise
from reid_edge.storage.postgres import PostgresDatabase
from reid_edge.storage.sqlite import SqliteDatabase

KEY = "0123456789abcdef"
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@pytest.fixture
def hub(new_place):
    with Gallery.create(new_place("hub")) as made:
        yield made


@pytest.fixture
def stations(folder):
    """Two galleries that are files."""
    with Gallery.create(folder / "a.sqlite") as one, Gallery.create(folder / "b.sqlite") as other:
        yield one, other


def names(gallery):
    return {sighting.photo_name: sighting.identity for sighting in gallery.sightings()}


def reasons(gallery):
    return [question.reason for question in open_questions(gallery)]


def test_what_two_stations_enrolled_apart_both_have_in_the_end(stations, hub, add):
    one, other = stations
    add(one, 1, "Zoe", thumbnail=b"jpeg")
    add(other, 2, "Anna")
    assert synchronise(one, hub).sent == 1
    report = synchronise(other, hub)
    assert (report.sent, report.received, report.questions) == (1, 1, 0)
    assert (report.features_sent, report.features_received) == (1, 1)
    synchronise(one, hub)
    assert names(one) == names(other) == names(hub) == {"1.jpg": "Zoe", "2.jpg": "Anna"}
    assert one.content_hash() == other.content_hash() == hub.content_hash()
    assert other.thumbnail(other.has_photo(one.sightings(individual="Zoe")[0].photo_sha256).id) == b"jpeg"


def test_a_second_synchronisation_transfers_nothing(stations, hub, add):
    one, _ = stations
    add(one, 1, "Zoe")
    synchronise(one, hub)
    before = hub.content_hash(), len(hub.history()), len(one.history())
    report = synchronise(one, hub)
    assert (report.sent, report.received, report.features_sent, report.features_received) == (0, 0, 0, 0)
    assert (hub.content_hash(), len(hub.history()), len(one.history())) == before


def shared(stations, hub, add):
    """Both stations have Zoe (photos 1 and 2) and Anna (photo 3)."""
    one, other = stations
    for number, name in ((1, "Zoe"), (2, "Zoe"), (3, "Anna")):
        add(one, number, name)
    synchronise(one, hub)
    synchronise(other, hub)
    return one, other


def settle(stations, hub):
    for _ in range(2):
        for station in stations:
            synchronise(station, hub)
    assert len({gallery.content_hash() for gallery in (*stations, hub)}) == 1


def test_a_merge_takes_along_the_photos_that_another_station_added_meanwhile(stations, hub, add):
    one, other = shared(stations, hub, add)
    one.merge(["Zoe"], "Anna")
    add(other, 4, "Zoe")
    settle((one, other), hub)
    assert names(hub) == dict.fromkeys(("1.jpg", "2.jpg", "3.jpg", "4.jpg"), "Anna")
    assert reasons(hub) == []


def test_a_photo_of_an_animal_that_was_merged_meanwhile_goes_to_the_other_name(stations, hub, add):
    one, other = shared(stations, hub, add)
    add(other, 4, "Zoe")
    one.merge(["Zoe"], "Anna")
    synchronise(one, hub)
    settle((other, one), hub)
    assert names(one)["4.jpg"] == "Anna"


def test_one_station_merges_what_the_other_renamed_and_a_question_remains(stations, hub, add):
    one, other = shared(stations, hub, add)
    one.rename("Zoe", "Zora")
    other.merge(["Zoe"], "Anna")
    synchronise(one, hub)
    assert synchronise(other, hub).questions == 1
    settle((one, other), hub)
    assert names(other) == {"1.jpg": "Zora", "2.jpg": "Zora", "3.jpg": "Anna"}
    (question,) = open_questions(one)
    assert (question.reason, question.decision) == ("changed", "merge Zoe into Anna")
    assert "was not carried out" in question.sentence
    assert describe(hub.history(1)[0]) == "merge Zoe into Anna (a question)"
    close_question(one, question.number)
    settle((one, other), hub)
    assert reasons(hub) == reasons(other) == []
    hub.undo()
    settle((one, other), hub)
    assert reasons(one) == ["changed"]
    with pytest.raises(GalleryError, match="no open question"):
        close_question(one, 99)


def test_two_names_for_one_animal_are_a_question(stations, hub, add):
    one, other = shared(stations, hub, add)
    one.rename("Zoe", "Zora")
    other.rename("Zoe", "Zita")
    settle((one, other), hub)
    assert "Zora" in names(other).values()
    assert reasons(one) == ["changed"]


def test_the_same_decision_of_two_people_is_no_question(stations, hub, add):
    one, other = shared(stations, hub, add)
    for station in (one, other):
        station.rename("Zoe", "Zora")
        station.merge(["Anna"], "Zora")
    settle((one, other), hub)
    assert reasons(hub) == []
    assert set(names(hub).values()) == {"Zora"}


def test_two_new_animals_of_one_name_stay_two_until_somebody_says_otherwise(stations, hub, add):
    one, other = stations
    add(one, 1, "Zoe")
    add(other, 2, "Zoe")
    settle((one, other), hub)
    assert sorted(names(hub).values()) == ["Zoe", "Zoe (2)"]
    (question,) = open_questions(other)
    assert (question.reason, question.added_as) == ("name", "Zoe (2)")
    one.merge(["Zoe (2)"], "Zoe")
    settle((one, other), hub)
    assert set(names(other).values()) == {"Zoe"}


def test_the_same_photo_under_one_name_is_one_sighting_and_under_two_a_question(stations, hub, add):
    one, other = stations
    for station in (one, other):
        add(station, 1, "Zoe")
    add(one, 2, "Anna")
    add(other, 2, "Bea")
    settle((one, other), hub)
    assert names(hub) == {"1.jpg": "Zoe", "2.jpg": "Anna"}
    assert reasons(hub) == ["photo"]
    other.rename("Zoe", "Zora")  # the row that both have
    settle((one, other), hub)
    assert names(one)["1.jpg"] == "Zora"


def test_an_animal_that_was_removed_while_another_station_added_a_photo_of_it_is_a_question(stations, hub, add):
    one, other = shared(stations, hub, add)
    add(one, 4, "Zoe")
    other.remove_individual("Zoe")
    settle((one, other), hub)
    assert reasons(other) == ["kept"]
    assert names(other)["4.jpg"] == "Zoe"


def test_an_undo_is_carried_out_everywhere_unless_a_later_decision_stands_on_it(stations, hub, add):
    one, other = shared(stations, hub, add)
    one.rename("Zoe", "Zora")
    settle((one, other), hub)
    other.undo()
    settle((one, other), hub)
    assert "Zoe" in names(one).values()
    one.rename("Zoe", "Zita")
    settle((one, other), hub)
    other.undo()
    one.rename("Zita", "Zora")
    settle((one, other), hub)
    assert reasons(other) == ["undo"]
    assert "Zora" in names(other).values()


def test_reviews_go_along_and_two_answers_about_one_animal_are_a_question(stations, hub, add):
    one, other = shared(stations, hub, add)
    for number, station, name in ((1, one, "Zoe"), (1, other, "Anna"), (2, one, "Zoe"), (2, other, "Zoe")):
        photo = f"{number:064x}"
        station.review(NewReview(photo_sha256=photo, kind="confirmed", person="Ana", identity=name))
    settle((one, other), hub)
    assert reasons(hub) == ["review"]
    assert [review.identity for review in other.reviews()] == ["Zoe", "Zoe"]


def test_a_copy_that_went_on_by_itself_and_another_hub_are_refused(stations, hub, add, folder):
    one, other = stations
    add(one, 1, "Zoe")
    synchronise(one, hub)
    copy = folder / "copy.sqlite"
    copy.write_bytes((folder / "a.sqlite").read_bytes())
    with pytest.raises(GalleryError, match="another gallery"):
        synchronise(one, other)
    with Gallery.open(copy) as third:
        with pytest.raises(GalleryError, match="copies of one gallery"):
            synchronise(one, third)
        add(third, 2, "Anna")
        synchronise(third, hub)
    add(one, 3, "Bea")
    with pytest.raises(GalleryError, match="a copy of one that went on"):
        synchronise(one, hub)


def test_the_photo_that_is_enrolled_under_a_review_later_goes_along_with_the_review(stations, hub, add, seen, arrays):
    one, other = shared(stations, hub, add)
    review = one.review(NewReview(photo_sha256=f"{9:064x}", kind="confirmed", person="Ana", identity="Zoe"))
    settle((one, other), hub)
    one.enrol_review(review.sequence, SightingToEnrol(seen(9, "Zoe"), arrays(9), KEY))
    settle((one, other), hub)
    for gallery in (one, other, hub):
        (stored,) = gallery.reviews()
        assert gallery.sighting(stored.sighting).identity == "Zoe"


def say(gallery, answer, first="Zoe", second="Anna", of="individuals"):
    gallery.answer_pair(NewPairAnswer(of=of, first=(first,), second=(second,), answer=answer, person="Ana"))


def pair_answers(gallery):
    return [(set(each.first + each.second), each.answer) for each in gallery.pair_answers()]


def test_opposite_answers_about_a_pair_are_a_question_and_the_first_one_counts(stations, hub, add):
    one, other = shared(stations, hub, add)
    say(one, "same", "a-0", "b-0", "animals")
    say(other, "different", "b-0", "a-0", "animals")
    settle((one, other), hub)
    assert reasons(hub) == ["pair"]
    for gallery in (one, other, hub):
        assert pair_answers(gallery) == [({"a-0", "b-0"}, "same")]


def test_whoever_knows_an_answer_may_correct_it(stations, hub, add):
    one, other = shared(stations, hub, add)
    say(one, "same", of="animals")
    settle((one, other), hub)
    say(other, "different", of="animals")
    settle((one, other), hub)
    assert reasons(hub) == []
    assert pair_answers(one)[-1][1] == "different"


def test_an_answer_takes_the_place_of_one_that_could_not_tell_but_not_the_other_way_round(stations, hub, add):
    one, other = shared(stations, hub, add)
    say(one, "unsure", of="animals")
    say(other, "same", of="animals")
    settle((one, other), hub)
    assert reasons(hub) == []
    say(one, "different", of="animals")
    say(other, "unsure", of="animals")
    settle((one, other), hub)
    assert reasons(hub) == ["pair"]
    assert pair_answers(other)[-1][1] == "different"


@pytest.mark.parametrize("first", [0, 1])
def test_a_merge_here_and_different_there_are_a_question_whichever_arrives_first(stations, hub, add, first):
    one, other = shared(stations, hub, add)
    one.merge(["Zoe"], "Anna")
    say(other, "different")
    synchronise((one, other)[first], hub)
    settle((one, other), hub)
    assert reasons(one) == ["pair"]
    assert ("Zoe" in hub.names()) == bool(first)
    assert pair_answers(hub) == ([({"Zoe", "Anna"}, "different")] if first else [])


PAIRS = st.sampled_from([("a", "b"), ("b", "a"), ("b", "c")])
ANSWERS = st.one_of(
    st.tuples(st.integers(0, 2), st.just("sync"), st.none()),
    st.tuples(st.integers(0, 2), st.sampled_from(["same", "different", "unsure"]), PAIRS),
)


@settings(max_examples=40)
@given(st.lists(ANSWERS, min_size=4, max_size=20))
def test_no_answer_overrules_one_that_its_author_did_not_see_unless_that_could_not_tell(steps):
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY)))
        *stations, hub = (stack.enter_context(Gallery.create(folder / f"{number}.sqlite")) for number in range(4))
        seen = {}  # by batch of an answer, the batches that its author saw
        for number, answer, pair in steps:
            gallery = stations[number]
            if answer == "sync":
                synchronise(gallery, hub)
                continue
            batches = {event.batch for event in gallery.history()}
            say(gallery, answer, *pair, of="animals")
            seen[gallery.history(1)[0].batch] = batches
        for gallery in (*stations, *stations):
            synchronise(gallery, hub)
        effective = {}
        for each in hub.pair_answers():
            before = effective.get(each.pair)
            assert before is None or before.answer in ("unsure", each.answer) or before.batch in seen[each.batch]
            effective[each.pair] = each
        counted = {each.batch for each in hub.pair_answers()} | {each.batch for each in open_questions(hub)}
        assert counted == set(seen)
        assert all(pair_answers(gallery) == pair_answers(hub) for gallery in stations)


class _Stopped(Exception):
    """Instead of a kill."""


@contextlib.contextmanager
def stopped_after(statements):
    """What is done inside stops before the next statement of any database; yields what says whether it did."""
    left, stopped = [statements], []
    with contextlib.ExitStack() as stack:
        for kind in (SqliteDatabase, PostgresDatabase):

            def stopping(self, *arguments, execute=kind._execute):
                left[0] -= 1
                if left[0] < 0:
                    stopped.append(True)
                    raise _Stopped
                return execute(self, *arguments)

            stack.enter_context(mock.patch.object(kind, "_execute", stopping))
        with contextlib.suppress(_Stopped):
            yield stopped


def test_a_synchronisation_that_is_stopped_at_any_statement_goes_on_where_it_stopped(stations, hub, add):
    one, other = shared(stations, hub, add)
    one.rename("Zoe", "Zora")
    add(one, 4, "Anna")
    add(other, 5, "Zoe")
    synchronise(other, hub)
    stopped = 0
    for statements in range(0, 300, 11):
        with stopped_after(statements) as stops:
            synchronise(one, hub)
        stopped += bool(stops)
    assert stopped > 3
    settle((one, other), hub)
    assert names(other)["4.jpg"] == "Anna"
    assert len(hub.history()) == len(one.history()) == 6


NAMES = st.sampled_from(["Zoe", "Anna", "Bea", "zoe"])
PHOTOS = st.integers(0, 5)
EDITS = st.one_of(
    st.tuples(st.just("add"), PHOTOS, NAMES),
    st.tuples(st.just("add"), PHOTOS, NAMES),
    st.tuples(st.just("rename"), NAMES, NAMES),
    st.tuples(st.just("merge"), NAMES, NAMES),
    st.tuples(st.just("split"), PHOTOS, NAMES),
    st.tuples(st.just("reassign"), PHOTOS, NAMES),
    st.tuples(st.just("remove"), NAMES),
    st.tuples(st.just("drop"), PHOTOS),
    st.tuples(st.just("annotate"), NAMES, st.sampled_from(["female", "male"])),
    st.tuples(st.just("viewpoint"), PHOTOS, st.sampled_from(["left", "right"])),
    st.tuples(st.sampled_from(["confirmed", "new", "rejected"]), PHOTOS, NAMES),
    st.tuples(st.just("undo")),
    st.tuples(st.just("sync"), st.just(1 << 40)),
    st.tuples(st.just("sync"), st.integers(0, 200)),  # and is stopped after so many statements
)


def edit(gallery, step):
    """A decision, where the gallery allows it."""
    kind, *values = step
    photo = f"{values[0]:064x}" if values and isinstance(values[0], int) else ""
    present = gallery.has_photo(photo) if photo else None
    with contextlib.suppress(GalleryError, DuplicateSighting):
        if kind == "add":
            new = NewSighting(photo_sha256=photo, identity=values[1], photo_name=f"{values[0]}.jpg")
            gallery.add_sighting(new, {"embedding/test": np.full(2, values[0] + 1, np.float32)}, KEY, gallery.new_batch())
        elif kind in ("confirmed", "new", "rejected"):
            gallery.review(NewReview(photo_sha256=photo, kind=kind, person="Ana", identity=values[1]))
        elif kind == "rename":
            gallery.rename(*values)
        elif kind == "merge":
            gallery.merge([values[0]], values[1])
        elif kind == "split" and present:
            gallery.split(present.identity, [present.id], values[1])
        elif kind == "reassign" and present:
            gallery.reassign([present.id], values[1])
        elif kind == "remove":
            gallery.remove_individual(values[0])
        elif kind == "drop" and present:
            gallery.remove_sightings([present.id])
        elif kind == "annotate":
            gallery.annotate(values[0], sex=values[1])
        elif kind == "viewpoint" and present:
            gallery.set_viewpoint([present.id], values[1])
        elif kind == "undo":
            gallery.undo()


def made_decisions(gallery):
    return {(row[0], row[1]): row[2] for row in gallery.database.rows("SELECT station, sequence, kind FROM event")}


def converges(hub, steps):
    """Play the steps on three stations; then all are the hub, and it has every decision of every station."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY))
        stations = [stack.enter_context(Gallery.create(Path(folder) / f"{number}.sqlite")) for number in range(3)]
        made = {}
        for number, step in steps:
            gallery = (*stations, hub)[number]
            if step[0] != "sync":
                edit(gallery, step)
            elif gallery is not hub:
                with stopped_after(step[1]):
                    synchronise(gallery, hub)
            made |= made_decisions(gallery)
        for gallery in (*stations, *stations):
            synchronise(gallery, hub)
        everybody = (*stations, hub)
        assert len({gallery.content_hash() for gallery in everybody}) == 1
        assert all(made_decisions(gallery) == made for gallery in everybody)
        assert len({tuple(question.sentence for question in open_questions(gallery)) for gallery in everybody}) == 1
        for gallery in everybody:
            assert [finding for finding in check(gallery) if finding.severity == "damage"] == []


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), EDITS), min_size=4, max_size=30))
def test_any_offline_decisions_of_three_stations_converge_and_none_is_lost(steps):
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder, Gallery.create(Path(folder) / "hub.sqlite") as hub:
        converges(hub, steps)


@settings(max_examples=4)
@given(steps=st.lists(st.tuples(st.integers(0, 3), EDITS), min_size=10, max_size=20))
def test_they_converge_on_a_server_too(new_schema, steps):
    with Gallery.create(new_schema()) as hub:
        converges(hub, steps)
