"""What a gallery takes in, and that it gives the same back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from reid_edge.errors import GalleryError, UsageError
from reid_edge.gallery import DuplicateSighting, Gallery
from reid_edge.gallery.arrays import DTYPES, damage, from_stored, to_stored
from reid_edge.gallery.records import identity_name

KEY = "0123456789abcdef0123456789abcdef"


def test_a_sighting_comes_back_as_it_was_given_from_a_gallery_that_was_closed(gallery, add, seen, arrays):
    facts = {
        "animal_index": 2,
        "photo_path": "/photos/1.jpg",
        "species": "plains zebra",
        "viewpoint": "Left",
        "taken_at": "2024-05-01T06:30:00",
        "latitude": -1.25,
        "longitude": 36.8,
        "place": "Ol Pejeta",
        "encounter": "e7",
        "box": (1.0, 2.5, 30.0, 40.0),
        "thumbnail": b"\xff\xd8jpeg",
    }
    sighting_id = add(gallery, 1, "Zoe", **facts)
    gallery.close()
    with Gallery.open(gallery.path, writable=False) as again:
        found = again.sighting(sighting_id)
        expected = {**facts, "viewpoint": "left", "identity": "Zoe", "photo_sha256": seen(1, "Zoe").photo_sha256}
        thumbnail = expected.pop("thumbnail")
        assert {name: getattr(found, name) for name in expected} == expected
        assert again.thumbnail(sighting_id) == thumbnail
        stored = again.features([sighting_id], KEY)[sighting_id]
    assert stored.keys() == arrays(1).keys()
    for name, array in arrays(1).items():
        assert stored[name].dtype == array.dtype
        np.testing.assert_array_equal(stored[name], array)


@given(
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays_of.arrays(
            dtype,
            arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
            elements={"allow_nan": False, "allow_infinity": False} if dtype.startswith("float") else None,
        )
    )
)
def test_every_array_survives_storage(array):
    back = from_stored(to_stored("a", array))
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)


@given(st.binary(min_size=8, max_size=8), st.integers(0, 63))
def test_every_flipped_bit_of_an_array_is_noticed(data, bit):
    stored = to_stored("a", np.frombuffer(data, np.uint8))
    flipped = bytes(byte ^ (1 << bit % 8 if position == bit // 8 else 0) for position, byte in enumerate(data))
    assert damage(stored) == ""
    assert "checksum" in damage(replace(stored, data=flipped))


def test_an_array_that_no_reader_could_trust_is_refused_and_leaves_no_sighting(gallery, seen):
    for array in (np.zeros(3), np.array([1.0, np.nan], np.float32), np.array(["x"])):
        with pytest.raises(GalleryError):
            gallery.add_sighting(seen(1, "Zoe"), {"a": array}, KEY, "batch")
    assert gallery.sightings() == []
    assert gallery.individuals() == []
    assert gallery.history() == []


def test_the_same_animal_of_the_same_photo_is_refused_and_says_who_it_is(gallery, add):
    first = add(gallery, 1, "Zoe")
    with pytest.raises(DuplicateSighting) as refused:
        add(gallery, 1, "Anna")
    assert refused.value.sighting.id == first
    assert "Zoe" in refused.value.message
    add(gallery, 1, "Anna", animal_index=1)  # another animal of the same photo is another sighting
    assert [one.name for one in gallery.individuals()] == ["Anna", "Zoe"]


def test_a_removed_photo_can_be_added_again(gallery, add, seen):
    gallery.remove_sightings([add(gallery, 1, "Zoe")])
    assert gallery.has_photo(seen(1, "Zoe").photo_sha256) is None
    again = add(gallery, 1, "Anna")
    assert gallery.has_photo(seen(1, "Anna").photo_sha256).id == again


@pytest.mark.parametrize(
    "name", ["🦓 Zoë", "../x", "/etc/passwd", "a\\b:c*?", "'; DROP TABLE individual; --", "[red]x", "👩‍🔬", "名前"]
)
def test_a_name_may_be_any_readable_text(gallery, add, name, folder):
    add(gallery, 1, name)
    assert gallery.individual(name).sightings == 1
    assert all(path.name.startswith("gallery.sqlite") for path in folder.iterdir())


def test_two_spellings_of_one_name_are_one_individual(gallery, add):
    add(gallery, 1, "Zoe\u0308")
    add(gallery, 2, "  Zo\u00eb ")
    assert [one.sightings for one in gallery.individuals()] == [2]


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x00b", "\x1b[31mred", "a\u2028b", "\ud800", "x" * 201])
def test_a_name_that_cannot_be_read_is_refused(name):
    with pytest.raises(UsageError):
        identity_name(name)


@pytest.mark.parametrize(
    "facts",
    [
        {"latitude": 91.0},
        {"longitude": float("nan")},
        {"latitude": "north"},
        {"box": (5, 0, 1, 1)},
        {"box": (0, 0, 1)},
        {"animal_index": -1},
        {"species": None},
        {"place": "x" * 10_001},
    ],
)
def test_a_fact_that_cannot_be_is_refused(gallery, add, facts):
    with pytest.raises(UsageError):
        add(gallery, 1, "Zoe", **facts)


def test_a_path_that_is_no_utf8_is_stored_readably(gallery, add):
    sighting = gallery.sighting(add(gallery, 1, "Zoe", photo_path="/photos/\udcff.jpg"))
    assert sighting.photo_path == "/photos/\N{REPLACEMENT CHARACTER}.jpg"


def test_an_unknown_name_is_answered_with_the_nearest(gallery, add):
    add(gallery, 1, "Zebediah")
    with pytest.raises(GalleryError, match="no individual 'zebedia'") as unknown:
        gallery.individual("zebedia")
    assert "Zebediah" in unknown.value.hint


def test_sightings_are_chosen_by_species_viewpoint_and_individual(gallery, add):
    left = add(gallery, 1, "Zoe", species="zebra", viewpoint="left")
    right = add(gallery, 2, "Zoe", species="zebra", viewpoint="right")
    tiger = add(gallery, 3, "Tara", species="tiger", viewpoint="left")
    assert {one.id for one in gallery.sightings(species="Zebra")} == {left, right}
    assert {one.id for one in gallery.sightings(viewpoint="left")} == {left, tiger}
    assert [one.id for one in gallery.sightings(individual="Zoe", viewpoint="left")] == [left]
    assert [one.name for one in gallery.individuals(species="tiger")] == ["Tara"]
    assert gallery.individual("Zoe").viewpoints == ("left", "right")


def test_features_of_a_new_pack_replace_only_their_own_key(gallery, add, arrays):
    other = "ffffffffffffffff"
    sighting_id = add(gallery, 1, "Zoe")
    assert [one.id for one in gallery.sightings_without(other)] == [sighting_id]
    gallery.put_features(sighting_id, other, {"embedding/new": np.ones(3, np.float32), "old": np.zeros(1, np.uint8)})
    gallery.put_features(sighting_id, other, {"embedding/new": np.zeros(3, np.float32)})
    assert list(gallery.features([sighting_id], other)[sighting_id]) == ["embedding/new"]
    assert gallery.features([sighting_id], KEY)[sighting_id].keys() == arrays(1).keys()
    assert gallery.sightings_without(other) == []
    assert gallery.drop_features(keep=[other]) == 3
    assert gallery.feature_keys() == {other: 1}


def test_features_are_read_by_name_for_the_sightings_that_have_them(gallery, add):
    ids = [add(gallery, number, "Zoe") for number in range(3)]
    read = gallery.features([*ids, 999], KEY, ["embedding/test", "absent"])
    assert read.keys() == set(ids)
    assert {tuple(one) for one in read.values()} == {("embedding/test",)}


def test_a_damaged_feature_is_never_returned(gallery, add):
    sighting_id = add(gallery, 1, "Zoe")
    gallery.database.execute("UPDATE feature SET data = ? WHERE name = 'embedding/test'", (bytes(64),))
    with pytest.raises(GalleryError, match="damaged"):
        gallery.features([sighting_id], KEY)


def test_every_change_a_search_could_see_gives_a_new_revision(gallery, add):
    seen_revisions = [gallery.revision()]
    for change in (
        lambda: add(gallery, 1, "Zoe"),
        lambda: gallery.put_features(1, KEY, {"embedding/test": np.ones(2, np.float32)}),
        lambda: gallery.remove_sightings([1]),
        lambda: gallery.undo(),
        lambda: gallery.drop_features(keep=[]),
    ):
        change()
        seen_revisions.append(gallery.revision())
    assert len(set(seen_revisions)) == len(seen_revisions)
    gallery.rename("Zoe", "Anna")
    assert gallery.revision() == seen_revisions[-1]
