"""An audit by workers keeps what `gallery audit` keeps."""

from __future__ import annotations

import pytest

from reid_edge.audit import Audit
from reid_edge.bulk.audit import CompareRecipe, compare_in_bulk, write_audit
from reid_edge.errors import GalleryError
from reid_edge.gallery import Gallery

pq = pytest.importorskip("pyarrow.parquet")


def test_the_pairs_and_findings_are_those_of_one_process(pool, pack, own_gallery, identifier, tmp_path):
    with Gallery.open(own_gallery) as gallery:
        gallery.split("Asha", [next(each.id for each in gallery.sightings() if each.photo_name == "asha_1.jpg")], "Zawadi")
        gallery.remove_individual("Jabari")
    with Gallery.open(own_gallery, writable=False) as gallery:
        by_workers = Audit(gallery, identifier)
        recipe = CompareRecipe(own_gallery, gallery.revision(), pack.workers)
        assert len(list(compare_in_bulk(by_workers, recipe, pool, 4))) == by_workers.compared == len(gallery.sightings())
        found = by_workers.pairs, by_workers.report()
    for file in own_gallery.with_name(own_gallery.name + ".cache").glob("audit-*"):
        file.unlink()
    with Gallery.open(own_gallery, writable=False) as gallery:
        by_one = Audit(gallery, identifier)
        for sighting in by_one.remaining:
            by_one.compare(sighting)
        assert found == (by_one.pairs, by_one.report())
        write_audit(tmp_path / "results", by_one, by_one.report())
    assert pq.read_table(tmp_path / "results" / "pairs.parquet").num_rows == len(found[0])
    kinds = pq.read_table(tmp_path / "results" / "findings.parquet")["kind"].to_pylist()
    assert kinds == [each.kind for each in found[1].findings]


def test_a_gallery_that_was_changed_meanwhile_is_refused(pack, own_gallery):
    with pytest.raises(GalleryError, match="was changed during the audit"):
        CompareRecipe(own_gallery, "another revision", pack.workers).open()
