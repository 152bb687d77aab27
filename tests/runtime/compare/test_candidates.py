"""Whom a query is compared with: its species, its side, and what is said where that could not be as asked."""

from __future__ import annotations

import numpy as np
import pytest

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.compare.selection import select
from reid_edge.describe.query import Query
from reid_edge.errors import GalleryError, UsageError
from reid_edge.gallery import Gallery, LeftOut, NewSighting

KEY, OTHER_KEY = "0123456789abcdef", "fedcba9876543210"


@pytest.fixture
def made(memory_folder):
    """made((identity, species, viewpoint), ...): candidates from a gallery of these; without features where identity ends in ?"""
    opened = []

    def make(*sightings: tuple[str, str, str]) -> GalleryCandidates:
        gallery = Gallery.create(memory_folder / f"{len(opened)}.sqlite")
        opened.append(gallery)
        for number, (identity, species, viewpoint) in enumerate(sightings):
            seen = NewSighting(photo_sha256=f"{number:064x}", identity=identity, species=species, viewpoint=viewpoint)
            key = OTHER_KEY if identity.endswith("?") else KEY
            gallery.add_sighting(seen, {"embedding/e": np.float32([1, 0])}, key, gallery.new_batch())
        return GalleryCandidates(gallery, KEY)

    yield make
    for gallery in opened:
        gallery.close()


ZEBRAS = (("Zoe", "zebra", "left"), ("Zoe", "zebra", "right"), ("Bea", "zebra", ""))
TIGER = ("Tom", "Tiger", "left")


def chosen(selection, candidates) -> list[str]:
    ids = selection.ids.tolist() if selection.ids is not None else [sighting.id for sighting in candidates._gallery.sightings()]
    return sorted(f"{candidates.identity_of(one)} {candidates.sighting(one).viewpoint}".strip() for one in ids)


def test_without_a_wish_everybody_is_compared(made):
    candidates = made(*ZEBRAS, TIGER)
    selection = candidates.select(Query("", ""))
    assert selection.ids is None
    assert len(candidates) == 4
    assert selection.query.species == ""
    assert selection.ambiguity == ""
    (warning,) = selection.warnings
    assert warning.startswith("Which side the photo shows is not known")


def test_where_the_gallery_shows_one_side_only_an_unknown_animal_may_be_known_from_the_other(made):
    candidates = made(TIGER, ("Tim", "tiger", "left"))
    assert "left sides only" in candidates.select(Query("", "")).ambiguity
    assert candidates.select(Query("", "left")).ambiguity == ""


def test_where_no_photo_tells_its_side_nothing_needs_saying(made):
    assert made(("Zoe", "zebra", ""), ("Bea", "zebra", "")).select(Query("", "")).warnings == ()


@pytest.mark.parametrize("species", ["zebra", "Zebra", "ZEBRA"])
def test_a_species_restricts_and_is_known_in_any_case_of_letters(made, species):
    candidates = made(*ZEBRAS, TIGER)
    selection = candidates.select(Query(species, ""))
    assert chosen(selection, candidates) == ["Bea", "Zoe left", "Zoe right"]
    assert selection.query.species == "zebra"


def test_an_animal_whose_species_is_not_told_stays_in(made):
    candidates = made(*ZEBRAS, ("Who", "", "left"))
    assert "Who left" in chosen(candidates.select(Query("zebra", "")), candidates)
    assert candidates.select(Query("zebra")).query.species == "zebra"
    assert candidates.select(Query()).query.species == "zebra"  # the only species that the gallery names


def test_a_species_that_is_not_there_leaves_nobody_and_the_reason_names_those_that_are(made):
    selection = made(*ZEBRAS, TIGER).select(Query("nyala", ""))
    assert selection.ids.tolist() == []
    assert selection.nothing_to_compare == "The gallery holds no nyala, so every one is new to it; it holds Tiger, zebra."
    assert not selection.may_be_known


@pytest.mark.parametrize("viewpoint", ["left", "Left"])
def test_a_viewpoint_restricts_to_the_same_side_and_says_who_could_not_be_told(made, viewpoint):
    candidates = made(*ZEBRAS)
    selection = candidates.select(Query("", viewpoint))
    assert chosen(selection, candidates) == ["Bea", "Zoe left"]
    assert selection.warnings == ("1 of 2 gallery photos do not say which side they show; all were compared.",)
    told = made(*ZEBRAS[:2])
    assert chosen(told.select(Query("", viewpoint)), told) == ["Zoe left"]
    assert told.select(Query("", viewpoint)).warnings == ()


def test_a_side_that_nobody_was_seen_from_is_for_a_person(made):
    selection = made(*ZEBRAS[:2]).select(Query("zebra", "front"))
    assert selection.ids.tolist() == []
    assert selection.may_be_known
    assert "no photo from the front" in selection.nothing_to_compare
    assert selection.query.species == "zebra"


def test_an_empty_gallery_says_so(made):
    selection = made().select(Query("zebra", "left"))
    assert selection.nothing_to_compare == "The gallery is empty, so every animal is new to it."
    assert not selection.may_be_known


def test_photos_that_this_pack_has_not_described_are_left_out_and_counted(made):
    candidates = made(*ZEBRAS[:1], ("Lea?", "zebra", "left"))
    assert len(candidates) == 1
    assert candidates.select(Query("", "left")).warnings == (
        "Gallery photos left out because this pack has not described them: 1.",
    )


def test_a_gallery_of_which_nothing_is_described_is_not_taken_for_an_empty_one(made):
    selection = made(("Lea?", "zebra", "left")).select(Query("", ""))
    assert selection.may_be_known
    assert "could be described" in selection.nothing_to_compare


def test_photos_that_a_replica_does_not_hold_are_not_said_to_be_undescribed(made):
    seen = made(*ZEBRAS[:1])._gallery.sightings()
    assert select(seen, LeftOut(without_room=12, on_their_way=1), Query("", "left")).warnings == (
        "Gallery photos left out because the replica has no room for them (replica_bytes): 12.",
        "Gallery photos left out because they are still being copied from the server: 1.",
    )
    without = select([], LeftOut(without_room=12), Query("", ""))
    assert without.nothing_to_compare.startswith(
        "The replica has no room for any photo of the gallery (replica_bytes), so nothing"
    )
    assert without.may_be_known
    copied = select(seen, LeftOut(on_their_way=1), Query("nyala", ""))
    assert copied.nothing_to_compare.startswith("No nyala of the gallery has been copied from the server yet, so nothing")
    assert copied.may_be_known


def test_a_photo_is_known_by_the_hash_of_its_bytes(made):
    candidates = made(*ZEBRAS)
    assert candidates.holds_photo("0" * 64) == "Zoe"
    assert candidates.holds_photo("f" * 64) is None


def test_a_mistyped_species_is_refused_with_those_there_are(made):
    candidates = made(*ZEBRAS, TIGER)
    candidates.check_species("Zebra")
    candidates.check_species("")
    with pytest.raises(UsageError, match="holds no zebar") as refused:
        candidates.check_species("zebar")
    assert "Tiger, zebra" in refused.value.hint


def test_pictures_come_in_the_order_that_is_asked_for_and_one_that_lacks_is_said(memory_folder):
    with Gallery.create(memory_folder / "pictures.sqlite") as gallery:
        for number in range(3):
            seen = NewSighting(photo_sha256=f"{number:064x}", identity="Zoe")
            arrays = {"picture/small": np.full((4, 4), number, np.uint8)} if number < 2 else {}
            gallery.add_sighting(seen, {"embedding/e": np.float32([1, 0]), **arrays}, KEY, gallery.new_batch())
        first, second, without = (sighting.id for sighting in gallery.sightings())
        candidates = GalleryCandidates(gallery, KEY)
        found = candidates.pictures("small", np.array([second, first]))
        assert [picture.tolist() for picture in found] == [[[1] * 4] * 4, [[0] * 4] * 4]
        assert found[0].dtype == np.uint8
        assert candidates.pictures("small", np.empty(0, np.int64)) == []
        with pytest.raises(GalleryError, match="lacks the features 'picture/small'"):
            candidates.pictures("small", np.array([without]))


def test_what_was_added_since_has_no_name_yet_and_is_not_found(made):
    vector = np.float32([1, 0])
    candidates = made(*ZEBRAS)
    gallery = candidates._gallery
    late = NewSighting(photo_sha256="f" * 64, identity="Late", species="zebra")
    gallery.add_sighting(late, {"embedding/e": vector}, KEY, gallery.new_batch())
    for _ in range(2):
        assert len(candidates.nearest("e", vector, 10, None)) == 3
    assert len(GalleryCandidates(gallery, KEY).nearest("e", vector, 10, None)) == 4
    assert candidates.nearest("e", vector, 10, candidates._ids[:1]).tolist() == candidates._ids[:1].tolist()
