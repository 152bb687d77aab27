"""Enrolment: each photo once, what cannot be enrolled is told, and features of two packs never meet."""

from __future__ import annotations

import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import Enrolment, read_source
from reid_edge.identify.describing_again import describe_again
from reid_edge.identify.enrolment import enrol, species_notes
from reid_edge.identify.identifier import Identifier
from reid_edge.identify.new_sighting import thumbnail
from reid_edge.pack import NewFile, write_pack
from reid_edge.photo import read_photo


def of(path: Path, identity: str, **facts) -> Enrolment:
    return Enrolment(path, identity, **facts)


def test_every_photo_of_the_table_is_enrolled_with_what_the_table_says(sample_gallery, samples, identifier):
    result = sample_gallery.result
    assert (result.added, result.present, result.conflicting, result.failed, result.without_animal) == (24, 0, [], [], [])
    with Gallery.open(sample_gallery.path, writable=False) as gallery:
        assert len(gallery.individuals()) == 8
        assert gallery.sightings_without(identifier.feature_key) == []
        (first, *_) = sorted(gallery.sightings(individual="Asha"), key=lambda sighting: sighting.photo_name)
        picture = gallery.thumbnail(first.id)
    assert (first.photo_name, first.species, first.viewpoint, first.taken_at) == (
        "asha_1.jpg",
        "spotted sample animal",
        "left",
        "2025-06-02",
    )
    assert first.photo_path == str(samples / "gallery" / "Asha" / "asha_1.jpg")
    x0, y0, x1, y1 = first.box
    assert 0 <= x0 < x1 <= 640
    assert 0 <= y0 < y1 <= 480
    assert max(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape) <= 512


def test_photos_that_are_there_are_skipped_and_a_contradiction_is_told(own_gallery, identifier, samples, tmp_path):
    asha, chipo = samples / "gallery" / "Asha" / "asha_1.jpg", samples / "gallery" / "Chipo" / "chipo_1.jpg"
    copied = Path(shutil.copy(asha, tmp_path / "copy.jpg"))
    with Gallery.open(own_gallery) as gallery:
        before = gallery.content_hash()
        result = enrol(gallery, identifier, [of(asha, "Asha"), of(copied, "Asha"), of(chipo, "Zoe")])
        assert gallery.content_hash() == before
    assert (result.added, result.present, result.failed) == (0, 2, [])
    assert result.conflicting == [(chipo, "Zoe", "Chipo")]


def test_a_photo_that_cannot_be_read_is_told_and_the_others_go_on(own_gallery, identifier, samples, tmp_path):
    text = tmp_path / "text.jpg"
    text.write_text("not a photo")
    good = samples / "photos" / "trail_3.jpg"
    with Gallery.open(own_gallery) as gallery:
        result = enrol(gallery, identifier, [of(text, "Kito"), of(tmp_path / "gone.jpg", "Kito"), of(good, "Kito")])
        assert gallery.individual("Kito").sightings == 1
        undone = gallery.undo()
    assert [path.name for path, _ in result.failed] == ["text.jpg", "gone.jpg"]
    assert result.added == 1
    assert len(undone) == 1


def test_one_undo_takes_a_whole_enrolment_back(own_gallery, identifier, samples):
    with Gallery.open(own_gallery) as gallery:
        before = gallery.content_hash()
        enrol(gallery, identifier, [of(samples / "photos" / f"trail_{number}.jpg", "Kito") for number in (3, 5)])
        assert gallery.individual("Kito").sightings == 2
        gallery.undo()
        assert gallery.content_hash() == before


@pytest.fixture(scope="module")
def wider(field_pack, tmp_path_factory) -> Identifier:
    """The bundled pack with another margin of the mask: other keypoints, so other features."""
    recipe = deepcopy(dict(field_pack.recipe))
    recipe["extract"][0]["mask_margin"] = 0.1
    files = [NewFile(f.path, field_pack.read_bytes(f.path), f.licence, f.origin) for f in field_pack.manifest.files]
    folder = tmp_path_factory.mktemp("packs") / "wider"
    return Identifier(write_pack(folder, replace(field_pack.manifest, name="wider", recipe=recipe), files), "cpu")


def test_a_changed_recipe_describes_again_and_never_mixes(identifier, wider, samples, memory_folder):
    photos = [samples / "gallery" / "Asha" / "asha_1.jpg", samples / "gallery" / "Enzi" / "enzi_1.jpg"]
    assert wider.feature_key != identifier.feature_key
    with Gallery.create(memory_folder / "gallery.sqlite") as gallery:
        enrol(gallery, identifier, [of(photos[0], "Asha")])
        enrol(gallery, wider, [of(photos[1], "Enzi")])
        for used, there in ((identifier, "Asha"), (wider, "Enzi")):
            candidates = GalleryCandidates(gallery, used.feature_key)
            assert len(candidates) == 1
            (decision,) = used.identify(read_photo(photos[1]), candidates)
            assert [ranked.identity for ranked in decision.ranking] == [there]
            assert any("has not described them: 1." in warning for warning in decision.warnings)
        content = gallery.content_hash()
        missing = gallery.sightings_without(wider.feature_key)
        assert [sighting.identity for sighting in missing] == ["Asha"]
        assert describe_again(gallery, wider, missing) == []
        assert gallery.content_hash() != content
        assert gallery.sightings_without(wider.feature_key) == []
        assert [sighting.identity for sighting in gallery.sightings_without(identifier.feature_key)] == ["Enzi"]
        (decision,) = wider.identify(read_photo(photos[0]), GalleryCandidates(gallery, wider.feature_key))
        assert {ranked.identity for ranked in decision.ranking} == {"Asha", "Enzi"}
        assert (decision.verdict, decision.identity) == ("known", "Asha")


def test_a_photo_that_is_gone_or_changed_is_left_out_with_the_reason(identifier, wider, samples, memory_folder):
    paths = [Path(shutil.copy(samples / "photos" / f"trail_{n}.jpg", memory_folder / f"{n}.jpg")) for n in (1, 2)]
    with Gallery.create(memory_folder / "gallery.sqlite") as gallery:
        enrol(gallery, identifier, [of(paths[0], "Imara"), of(paths[1], "Chipo")])
        paths[0].unlink()
        shutil.copy(samples / "photos" / "trail_3.jpg", paths[1])
        left_out = describe_again(gallery, wider, gallery.sightings_without(wider.feature_key))
        assert {sighting.identity: reason.split(str(memory_folder))[-1] for sighting, reason in left_out} == {
            "Imara": "/1.jpg does not exist.",
            "Chipo": "/2.jpg is no longer the photo that was enrolled.",
        }
        candidates = GalleryCandidates(gallery, wider.feature_key)
        (decision,) = wider.identify(read_photo(samples / "photos" / "trail_1.jpg"), candidates)
        assert (decision.verdict, decision.identity) == ("ask", None)
        assert "could be described" in decision.reason


def test_a_species_that_is_spelled_nearly_as_one_of_the_gallery_is_noted(own_gallery):
    with Gallery.open(own_gallery) as gallery:
        held = next(seen.species for seen in gallery.sightings())
        mistyped = held[:3] + held[4:]
        given = [of(Path("a.jpg"), "A", species=each) for each in ("", held.upper(), mistyped, "leopard")]
        (note,) = species_notes(gallery, given)
    assert held in note
    assert mistyped in note


@pytest.mark.parametrize(("size", "made"), [((2000, 1000), (512, 256)), ((1, 3000), (1, 512)), ((100, 50), (100, 50))])
def test_a_thumbnail_is_small_and_keeps_the_shape(size, made):
    width, height = size
    crop = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    decoded = cv2.imdecode(np.frombuffer(thumbnail(crop), np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape[:2] == made[::-1]


def test_a_thumbnail_has_the_colours_of_the_photo():
    red = np.zeros((40, 40, 3), np.uint8)
    red[..., 0] = 200
    decoded = cv2.imdecode(np.frombuffer(thumbnail(red), np.uint8), cv2.IMREAD_COLOR)
    assert decoded[20, 20, 2] > 150 > 60 > decoded[20, 20, 0]


def test_a_table_that_names_a_missing_photo_fails_for_that_photo_only(identifier, samples, memory_folder, tmp_path):
    shutil.copy(samples / "photos" / "trail_1.jpg", tmp_path / "here.jpg")
    table = tmp_path / "metadata.csv"
    table.write_text("identity,path\nImara,here.jpg\nImara,gone.jpg\n", encoding="utf-8")
    with Gallery.create(memory_folder / "gallery.sqlite") as gallery:
        result = enrol(gallery, identifier, read_source(table))
    assert result.added == 1
    ((path, error),) = result.failed
    assert path.name == "gone.jpg"
    assert "does not exist" in error.message
