"""A gallery that an earlier version stored opens with everything in it, and its decisions can still be undone."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from reid_edge.gallery import Gallery
from reid_edge.gallery.check import check

STORED = Path(__file__).parent / "stored"
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def first_tables(folder):
    """The gallery of the first tables: six photos added, then renamed, merged, split, removed, confirmed and undone."""
    path = folder / "gallery.sqlite"
    path.write_bytes(gzip.decompress((STORED / "gallery_first_tables.sqlite.gz").read_bytes()))
    return path


@pytest.mark.parametrize("writable", [True, False])
def test_a_stored_gallery_has_the_content_it_had(first_tables, writable, arrays):
    with Gallery.open(first_tables, writable) as gallery:
        assert {one.name: one.sightings for one in gallery.individuals()} == {"Anna": 3, "Bea": 1, "Zoé": 2}
        assert gallery.content_hash() == "e542b2eee0ade0d2b396aee2e33a69bf64ee6618fb3701aa1c69a99885a7a8b0"
        assert gallery.revision() == "e31c534472d7c28043944219cb367c99"
        assert len(gallery.history()) == 17
        assert [finding.severity for finding in check(gallery)] == ["info"]  # the photos are not at their paths
        features = gallery.features([1], KEY)[1]
        assert all((features[name] == array).all() for name, array in arrays(0).items())


def test_a_decision_of_an_earlier_version_can_be_undone(first_tables):
    with Gallery.open(first_tables) as gallery:
        gallery.undo()
        assert gallery.content_hash() == "8879c941b95f999b4e76a96e29dcbf469f0e711ac308a84197ec4f9135f18f58"
