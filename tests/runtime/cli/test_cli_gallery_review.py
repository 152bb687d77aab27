"""`reid-edge gallery confirm`, `reject` and `reviews`: what a person says at the command line, and what `identify` prints then."""

from __future__ import annotations

import csv
import io

import pytest

from reid_edge.gallery import Gallery
from reid_edge.gallery.person import store_person, stored_person


@pytest.fixture
def photo(samples):
    return samples / "photos" / "trail_3.jpg"


def test_a_confirmed_photo_is_told_first_and_undone(run_main, own_gallery, photo):
    with Gallery.open(own_gallery) as gallery:
        before, name = gallery.content_hash(), gallery.names()[0]
    said = run_main("gallery", "confirm", photo, name, "--person", "Ana", "--gallery", own_gallery)
    assert said.returncode == 0
    assert f"Ana confirmed that animal 1 of {photo.name} is {name}." in said.stderr
    _, listed = run_main("gallery", "reviews", "--gallery", own_gallery).stdout.splitlines()
    assert listed.split("\t")[:5] == [photo.name, "1", "confirmed", name, "Ana"]
    text = run_main("identify", photo, "--gallery", own_gallery).stdout.splitlines()
    assert text[1] == f"  known {name}, confirmed by Ana"
    assert text[2].strip().startswith("Ana confirmed it on 20")
    (row,) = csv.DictReader(io.StringIO(run_main("identify", photo, "--csv", "--gallery", own_gallery).stdout))
    assert (row["verdict"], row["identity"], row["review"], row["reviewed_by"]) == ("known", name, "confirmed", "Ana")
    assert row["answer_verdict"]
    run_main("gallery", "undo", "--gallery", own_gallery)
    with Gallery.open(own_gallery) as gallery:
        assert gallery.content_hash() == before


def test_rejections_need_no_pack_and_a_mistyped_name_is_refused(run_main, own_gallery, photo):
    with Gallery.open(own_gallery) as gallery:
        name = gallery.names()[0]
    assert run_main("gallery", "reject", photo, name, "--person", "Ana", "--gallery", own_gallery).returncode == 0
    assert run_main("gallery", "not-an-animal", photo, "--animal", "2", "--gallery", own_gallery).returncode == 0
    with Gallery.open(own_gallery) as gallery:
        assert [(each.kind, each.animal_index) for each in gallery.reviews()] == [("rejected", 0), ("not_an_animal", 1)]
    refused = run_main("gallery", "reject", photo, f"{name}x", "--gallery", own_gallery)
    assert refused.returncode == 4
    assert name in refused.stderr


def test_a_persons_name_is_kept_for_later_decisions(monkeypatch, tmp_path):
    monkeypatch.setenv("REID_EDGE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("REID_EDGE_PERSON", raising=False)
    assert stored_person() == ""
    assert store_person("  Ana Lopes ") == "Ana Lopes"
    assert stored_person() == "Ana Lopes"
    monkeypatch.setenv("REID_EDGE_PERSON", "Ben")
    assert stored_person() == "Ben"
