"""A replica has what the server has, whatever was decided and wherever it was stopped, in no more room than it is given."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.errors import GalleryError, UsageError
from reid_edge.gallery import DuplicateSighting, Gallery, LeftOut, NewReview, NewSighting, SightingToEnrol
from reid_edge.gallery.replica import Replica, open_replica, read_replica, staging, undescribed_sightings
from reid_edge.gallery.replica.keeping import DescribedPhoto, kept_photos
from reid_edge.gallery.replica.replica_file import REPLICA
from reid_edge.storage.sqlite import SqliteDatabase
from reid_edge.storage.sqlite_opening import open_database

KEY = "0123456789abcdef0123456789abcdef"
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
PLENTY = 10**9


@pytest.fixture
def place(new_place):
    """Where the gallery is: a server, and, since the interface is the same, a file."""
    Gallery.create(new_place("hub")).close()
    return new_place("hub")


@pytest.fixture
def replica_of(folder):
    """replica_of(place, key=..., most_bytes=...): the replica of a gallery, closed at the end."""
    with contextlib.ExitStack() as stack:

        def make(place, key=KEY, most_bytes=PLENTY):
            made = Replica(place, folder / "replica.sqlite", key, most_bytes)
            stack.callback(made.close)
            return made

        yield make


def same(place, path):
    """Whether a reader of the replica sees what a reader of the gallery sees."""
    with Gallery.open(place, writable=False) as gallery, open_replica(path) as replica:
        assert replica.content_hash() == gallery.content_hash()
        assert replica.position() == gallery.position()
        assert replica.history() == gallery.history()
        assert replica.reviews() == gallery.reviews()
        assert replica.current_names() == gallery.current_names()


def test_a_replica_has_the_ids_the_features_and_the_thumbnails_of_the_gallery(place, replica_of, add):
    with Gallery.open(place) as gallery:
        number = add(gallery, 1, "Zoe", thumbnail=b"jpeg", viewpoint="left")
        add(gallery, 2, "Anna")
    replica = replica_of(place)
    state = replica.refresh()
    assert (state.photos, state.photos_left_out, state.individuals_left_out) == (2, 0, 0)
    same(place, replica.path)
    with open_replica(replica.path) as copy:
        assert copy.sighting(number).identity == "Zoe"
        assert copy.thumbnail(number) == b"jpeg"
        ids, _ = copy.vector_index(KEY, "embedding/test").search(np.eye(16, dtype=np.float32)[0], 2)
        assert len(ids) == 2
        with pytest.raises(GalleryError, match="reading only"):
            copy.add_individual("Bea", "batch")


def test_every_kind_of_change_reaches_it(place, replica_of, add, seen, arrays):
    replica = replica_of(place)
    with Gallery.open(place) as gallery:
        for number in range(4):
            add(gallery, number, "Zoe" if number < 2 else "Anna")
        replica.refresh()
        gallery.rename("Zoe", "Zora")
        replica.refresh()
        same(place, replica.path)
        review = gallery.review(NewReview(photo_sha256="a" * 64, kind="new", person="Ana", identity="Bea"))
        replica.refresh()
        same(place, replica.path)
        gallery.enrol_review(review.sequence, SightingToEnrol(seen(7, "Bea"), arrays(7), KEY))
        gallery.remove_sightings([gallery.sightings(individual="Anna")[0].id])
        replica.refresh()
        same(place, replica.path)
        gallery.undo(1)
        gallery.put_features(gallery.sightings(individual="Zora")[0].id, KEY, arrays(99))
        replica.refresh()
        same(place, replica.path)


def test_what_did_not_change_is_not_read_again(place, replica_of, add):
    with Gallery.open(place) as gallery:
        add(gallery, 1, "Zoe")
    replica = replica_of(place)
    first = replica.refresh()
    with mock.patch.object(Replica, "_fitting_file", side_effect=AssertionError):
        second = replica.refresh(note=False)
    assert second == dataclasses.replace(first, refreshed_at=second.refreshed_at)


def test_photos_without_features_are_listed_as_not_described(place, replica_of, add, seen):
    with Gallery.open(place) as gallery:
        add(gallery, 1, "Zoe")
        lacking = gallery.add_sighting(seen(2, "Zoe"), {}, KEY, "batch")
    replica = replica_of(place, most_bytes=0)
    replica.refresh()
    with open_replica(replica.path) as copy:
        assert [sighting.id for sighting in undescribed_sightings(copy)] == [lacking]
        assert copy.left_out([each.id for each in copy.sightings_without(KEY)]) == LeftOut(undescribed=1, without_room=1)


def test_a_small_replica_has_the_newest_photo_of_each_individual_and_says_what_it_leaves_out(place, replica_of, add):
    with Gallery.open(place) as gallery:
        for number in range(6):
            add(gallery, number, "Zoe" if number < 4 else f"animal {number}")
    replica = replica_of(place)
    size = replica.refresh().bytes // 6
    small = replica_of(place, most_bytes=3 * size)
    state = small.refresh()
    assert (state.photos, state.photos_left_out, state.individuals_left_out, state.bytes) == (3, 3, 0, 3 * size)
    with open_replica(small.path) as copy:
        described = {each.id for each in copy.sightings()} - {each.id for each in copy.sightings_without(KEY)}
        names = {each.photo_name for each in copy.sightings() if each.id in described}
        assert names == {"3.jpg", "4.jpg", "5.jpg"}
        assert undescribed_sightings(copy) == []
        assert copy.left_out([each.id for each in copy.sightings_without(KEY)]) == LeftOut(without_room=3)
    assert replica_of(place, most_bytes=2 * size).refresh().individuals_left_out == 1
    assert read_replica(small.path).photos == 2
    with open_replica(small.path) as copy:
        assert len(copy.vector_index(KEY, "embedding/test").ids) == 2
    assert replica_of(place).refresh().photos == 6
    same(place, small.path)
    with open_replica(small.path) as copy:  # the copies of its vectors follow, although nothing changed on the server
        assert len(copy.vector_index(KEY, "embedding/test").ids) == 6


def test_a_gallery_with_another_past_takes_the_place_of_the_replica_as_a_whole(place, replica_of, add, new_place):
    with Gallery.open(place) as gallery:
        add(gallery, 1, "Zoe")
    replica = replica_of(place)
    replica.refresh()
    with open_replica(replica.path) as reader:
        with Gallery.open(place) as gallery:
            gallery.database.execute("UPDATE event SET batch = 'restored'")
            add(gallery, 2, "Anna")
        assert not reader.replaced()
        replica.refresh()
        assert reader.replaced()
        assert reader.names() == ["Zoe"]
    same(place, replica.path)
    assert sorted(path.name for path in replica.path.parent.glob("replica.sqlite*")) == ["replica.sqlite"]


def test_another_pack_has_another_replica(place, replica_of, add):
    with Gallery.open(place) as gallery:
        add(gallery, 1, "Zoe")
    replica = replica_of(place)
    replica.refresh()
    other = "f" * 32
    assert read_replica(replica.path, place, other) is None
    assert replica_of(place, key=other).refresh().photos == 0
    assert read_replica(replica.path, place, other)
    assert read_replica(replica.path, Path("/elsewhere.sqlite")) is None


def test_no_command_takes_a_replica_for_a_gallery(place, replica_of):
    replica = replica_of(place)
    replica.refresh()
    with pytest.raises(GalleryError, match="not a gallery"):
        Gallery.open(replica.path)


def test_without_the_server_the_replica_stays_as_it_was(place, replica_of, add, tmp_path):
    with Gallery.open(place) as gallery:
        add(gallery, 1, "Zoe")
    replica = replica_of(place)
    state = replica.refresh()
    away = tmp_path / "away.sqlite" if isinstance(place, Path) else dataclasses.replace(place, host="/nowhere")
    with pytest.raises(GalleryError):
        replica_of(away).refresh()
    assert read_replica(replica.path) == state
    with open_replica(replica.path) as copy:
        assert copy.names() == ["Zoe"]


class _Stopped(Exception):
    """Instead of a kill."""


@contextlib.contextmanager
def stopped_after(statements, path=None):
    """What is done inside stops before its next statement on a file, or on that of `path`; yields what says whether it did."""
    left, stopped, execute = [statements], [], SqliteDatabase._execute

    def stopping(self, *arguments):
        left[0] -= path is None or self.path == path
        if left[0] < 0:
            stopped.append(True)
            raise _Stopped
        return execute(self, *arguments)

    with mock.patch.object(SqliteDatabase, "_execute", stopping), contextlib.suppress(_Stopped):
        yield stopped


@pytest.mark.file_only
def test_a_copy_that_is_stopped_at_any_statement_goes_on_where_it_stopped(place, folder, add):
    with Gallery.open(place) as gallery:
        for number in range(5):
            add(gallery, number, f"animal {number % 2}")
    path, stops = folder / "replica.sqlite", 0
    for statements in range(0, 240, 7):
        replica = Replica(place, path, KEY, PLENTY)
        with stopped_after(statements) as stopped:
            replica.refresh()
        replica.close()
        stops += bool(stopped)
        if path.exists():
            open_replica(path).close()
            with Gallery.open(place) as gallery:
                gallery.annotate("animal 1", notes=f"{statements}")
    assert stops > 3
    Replica(place, path, KEY, PLENTY).refresh()
    same(place, path)


def refreshed(place, path):
    """The replica at `path`, made or brought up to date; returns what it holds."""
    with contextlib.closing(Replica(place, path, KEY, PLENTY)) as replica:
        return replica.refresh()


def people(gallery):
    """Who is who in a gallery, and what people said."""
    facts = [(each.id, each.identity, each.photo_sha256, each.viewpoint, each.photo_path) for each in gallery.sightings()]
    return sorted(facts), gallery.names(), gallery.reviews(), gallery.current_names()


@contextlib.contextmanager
def pages_of(size):
    """Pages of so many events, and of so many rows."""
    with mock.patch.object(staging, "PAGE_EVENTS", size), mock.patch.object(staging, "PAGE_ROWS", size):
        yield


def test_a_replica_that_is_stopped_while_it_catches_up_has_no_half_of_a_merge(place, folder, add):
    path = folder / "replica.sqlite"
    with Gallery.open(place) as gallery:
        for number in range(6):
            add(gallery, number, "Zoe" if number < 3 else "Anna")
        refreshed(place, path)
        earlier, state = people(gallery), read_replica(path)
        gallery.merge(["Zoe"], "Anna")
        gallery.rename("Anna", "Bea")
        later, stops, statements = people(gallery), 0, 0
        with pages_of(1):
            while True:
                with stopped_after(statements, path) as stopped:
                    assert refreshed(place, path).event == gallery.position().event
                with open_replica(path) as copy:
                    reached = people(copy)
                if reached == later:
                    break
                assert stopped
                assert reached == earlier
                assert read_replica(path) == state
                stops, statements = stops + 1, statements + 1
    assert stops > 10


def test_pages_of_a_server_that_was_restored_from_a_backup_are_forgotten(place, folder, add):
    path = folder / "replica.sqlite"
    with Gallery.open(place) as gallery:
        add(gallery, 1, "Zoe")
        refreshed(place, path)
        add(gallery, 2, "Anna")
        add(gallery, 3, "Bea")
        with contextlib.closing(open_database(REPLICA, path)) as file:
            assert staging.Staging(gallery.database, file).read()
        gallery.database.execute("DELETE FROM event WHERE id > 2")  # as it was, and then something else under the same number
        gallery.database.execute("UPDATE event SET batch = 'restored' WHERE id = 2")
        gallery.database.execute("DELETE FROM feature WHERE sighting_id = 3")
        gallery.database.execute("DELETE FROM sighting WHERE id = 3")
        gallery.database.execute("DELETE FROM individual WHERE name = 'Bea'")
        refreshed(place, path)
    same(place, path)


def test_the_tables_of_pages_have_the_columns_of_the_replica(place, folder):
    path = folder / "replica.sqlite"
    refreshed(place, path)
    with contextlib.closing(open_database(REPLICA, path)) as file:
        for table, columns in staging.COPIED.items():
            assert [row[1] for row in file.rows(f"PRAGMA table_info(staged_{table})")] == ["id", *columns]


def test_photos_whose_features_are_still_copied_are_said_to_be_so(place, folder, add):
    path = folder / "replica.sqlite"
    with Gallery.open(place) as gallery:
        add(gallery, 1, "Zoe")
        refreshed(place, path)
        add(gallery, 2, "Anna")
        with mock.patch.object(Replica, "_fetch_features", side_effect=_Stopped), contextlib.suppress(_Stopped):
            refreshed(place, path)
    with open_replica(path) as copy:
        without = [each.id for each in copy.sightings_without(KEY)]
        assert copy.left_out(without) == LeftOut(on_their_way=1)
        assert undescribed_sightings(copy) == []


NAMES = st.sampled_from(["Zoe", "Anna", "Bea"])
PHOTOS = st.integers(0, 5)
STEPS = st.one_of(
    st.tuples(st.just("add"), PHOTOS, NAMES),
    st.tuples(st.just("add"), PHOTOS, NAMES),
    st.tuples(st.just("rename"), NAMES, NAMES),
    st.tuples(st.just("merge"), NAMES, NAMES),
    st.tuples(st.just("remove"), NAMES),
    st.tuples(st.sampled_from(["confirmed", "new", "rejected"]), PHOTOS, NAMES),
    st.tuples(st.just("describe"), PHOTOS, st.integers(1, 9)),
    st.tuples(st.just("undo")),
    st.tuples(st.just("refresh"), st.sampled_from([0, 20, 60, PLENTY])),  # and is stopped after so many statements
)


def take(gallery, step):
    kind, *values = step
    photo = f"{values[0]:064x}" if values and isinstance(values[0], int) else ""
    with contextlib.suppress(GalleryError, DuplicateSighting, UsageError):
        if kind == "add":
            new = NewSighting(photo_sha256=photo, identity=values[1], photo_name=f"{values[0]}.jpg", thumbnail=b"jpeg")
            gallery.add_sighting(new, {"embedding/test": np.full(2, values[0], np.float32)}, KEY, gallery.new_batch())
        elif kind in ("confirmed", "new", "rejected"):
            gallery.review(NewReview(photo_sha256=photo, kind=kind, person="Ana", identity=values[1]))
        elif kind == "rename":
            gallery.rename(*values)
        elif kind == "merge":
            gallery.merge([values[0]], values[1])
        elif kind == "remove":
            gallery.remove_individual(values[0])
        elif kind == "describe" and (present := gallery.has_photo(photo)):
            gallery.put_features(present.id, KEY, {"embedding/test": np.full(values[1], 1, np.float32)})
        elif kind == "undo":
            gallery.undo()


def follows(place, steps):
    """Play the steps; then the replica is the gallery."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder, Gallery.open(place) as gallery:
        path = Path(folder) / "replica.sqlite"
        for step in steps:
            if step[0] != "refresh":
                take(gallery, step)
                continue
            replica = Replica(place, path, KEY, PLENTY)
            if isinstance(place, Path):
                with stopped_after(step[1]):
                    replica.refresh()
            else:
                replica.refresh()
            replica.close()
        replica = Replica(place, path, KEY, PLENTY)
        replica.refresh()
        replica.close()
        same(place, path)


@settings(max_examples=30)
@given(st.lists(STEPS, min_size=4, max_size=25))
def test_after_any_history_a_replica_of_a_file_is_the_gallery(steps):
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        place = Path(folder) / "hub.sqlite"
        Gallery.create(place).close()
        follows(place, steps)


@settings(max_examples=4)
@given(steps=st.lists(STEPS, min_size=8, max_size=25))
def test_after_any_history_a_replica_of_a_server_is_the_gallery(new_schema, steps):
    place = new_schema()
    Gallery.create(place).close()
    follows(place, steps)


@settings(max_examples=30)
@given(
    st.lists(STEPS.filter(lambda step: step[0] != "refresh"), max_size=8),
    st.lists(STEPS.filter(lambda step: step[0] != "refresh"), min_size=2, max_size=16),
    st.integers(1, 5),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_whatever_happened_and_wherever_its_pages_end_a_replica_is_that_of_one_moment(earlier, later, page, stops):
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder, pages_of(page):
        place, path = Path(folder) / "hub.sqlite", Path(folder) / "replica.sqlite"
        with Gallery.create(place) as gallery:
            for step in earlier:
                take(gallery, step)
            refreshed(place, path)
            moments = {gallery.position(): people(gallery)}
            steps = iter(later)
            for number, statements in enumerate(stops):
                for step in steps if number == len(stops) - 1 else itertools.islice(steps, 4):
                    take(gallery, step)
                    moments[gallery.position()] = people(gallery)
                with stopped_after(statements, path):
                    refreshed(place, path)
                with open_replica(path) as copy:
                    assert people(copy) == moments[copy.position()]
                    assert read_replica(path).event == copy.position().event
            for step in steps:
                take(gallery, step)
        whole = Path(folder) / "whole.sqlite"
        for each in (path, whole):
            refreshed(place, each)
        same(place, path)
        with open_replica(path) as one, open_replica(whole) as other:
            for table in (*staging.COPIED, "described"):
                columns = "*" if table in staging.COPIED else "sighting_id, bytes, kept"
                query = f"SELECT {columns} FROM {table} ORDER BY 1"
                assert one.database.rows(query) == other.database.rows(query)
            assert one.database.rows(
                "SELECT event, batch, feature, photos, bytes, staged_event FROM replica"
            ) == other.database.rows("SELECT event, batch, feature, photos, bytes, staged_event FROM replica")


PHOTOS_OF_MANY = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["", "left", "right"]), st.integers(1, 100)), max_size=30
).map(lambda rows: [DescribedPhoto(number, (who, side), size) for number, (who, side, size) in enumerate(rows)])


@given(PHOTOS_OF_MANY, st.integers(0, 1500), st.integers(0, 500))
def test_kept_photos_have_room_are_the_newest_of_their_group_and_more_room_keeps_more(photos, room, more):
    kept = kept_photos(photos, room)
    size = {photo.sighting: photo.bytes for photo in photos}
    assert sum(size[sighting] for sighting in kept) <= room
    assert kept_photos(photos, room + more)[: len(kept)] == kept
    assert sorted(kept_photos(photos, sum(size.values()))) == sorted(size)
    for photo in photos:
        if photo.sighting in kept:
            newer = {each.sighting for each in photos if each.group == photo.group and each.sighting > photo.sighting}
            assert newer <= set(kept)


def test_a_copy_that_was_begun_and_is_not_needed_any_more_is_removed(place, replica_of, add):
    with Gallery.open(place) as gallery:
        add(gallery, 1, "Zoe")
    replica = replica_of(place)
    replica.refresh()
    begun = Path(shutil.copy(replica.path, f"{replica.path}.new"))
    replica.refresh()
    assert not begun.exists()
