"""Check finds what is damaged and what may be a mistake, and is silent about a gallery that is whole."""

from __future__ import annotations

import re

import pytest

from reid_edge.gallery import Gallery
from reid_edge.gallery.check import check


def found(gallery):
    return [(finding.severity, finding.what) for finding in check(gallery)]


def test_a_whole_gallery_has_no_finding(gallery, add):
    add(gallery, 1, "Zoe")
    add(gallery, 2, "Anna", species="zebra", photo_path=__file__)
    assert check(gallery) == []


@pytest.mark.file_only
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("UPDATE feature SET data = zeroblob(length(data)) WHERE id = 1", "its checksum is wrong"),
        ("UPDATE feature SET data = substr(data, 1, 10) WHERE id = 1", "it has 10 bytes"),
        ("UPDATE feature SET shape = '[2, 2]' WHERE id = 1", r"float32 \[2, 2\] has 16"),
        ("UPDATE feature SET shape = 'many' WHERE id = 1", "its shape is 'many'"),
        ("UPDATE feature SET dtype = 'object' WHERE id = 1", "its dtype is 'object'"),
        ("UPDATE individual SET live = 0", "belongs to no individual"),
        ("DELETE FROM individual", "refers to a missing individual"),
    ],
)
def test_every_kind_of_damage_is_found(gallery, add, harm, said):
    add(gallery, 1, "Zoe")
    gallery.database.execute("PRAGMA foreign_keys = OFF")
    gallery.database.execute(harm)
    damage = [finding for finding in check(gallery) if finding.severity == "damage"]
    assert re.search(said, " ".join(finding.what for finding in damage))
    assert all(finding.hint for finding in damage)


@pytest.mark.file_only
def test_a_page_that_was_overwritten_is_damage(gallery, add):
    for number in range(60):
        add(gallery, number, "Zoe")
    gallery.close()
    data = bytearray(gallery.path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4096] = b"\xaa" * 4096
    gallery.path.write_bytes(data)
    with Gallery.open(gallery.path, writable=False) as broken:
        assert "damage" in {severity for severity, _ in found(broken)}


def test_individuals_without_a_sighting_or_of_two_species_are_warned_of(gallery, add):
    gallery.remove_sightings([add(gallery, 1, "Zoe")])
    add(gallery, 2, "Anna", species="zebra")
    add(gallery, 3, "Anna", species="tiger")
    assert found(gallery) == [
        ("warning", "Anna has sightings of more than one species: tiger / zebra."),
        ("warning", "Zoe has no sighting, so no photo can be matched to it."),
    ]


def test_photos_that_moved_are_told_of_once(gallery, add):
    add(gallery, 1, "Zoe", photo_path=__file__)
    for number in (2, 3):
        add(gallery, number, "Zoe", photo_path=f"/nowhere/{number}.jpg")
    ((severity, what),) = found(gallery)
    assert severity == "info"
    assert what.startswith("2 of 3 photos")
