"""Photos are described into the gallery and the result files exactly once, wherever the run is stopped."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reid_edge.bulk.describe import DescribeRun, to_describe, with_species
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import Enrolment, read_source
from reid_edge.identify.enrolment import enrol
from reid_edge.storage.address import Place

pytest.importorskip("pyarrow")


class Stop(Exception):
    """Stands for the end of the process."""


def describe(gallery: Place, pack, pool, folder: Path, enrolments, **options) -> DescribeRun:
    with Gallery.open_or_create(gallery) as opened:
        values = to_describe(with_species(opened, enrolments))
        with DescribeRun(opened, pack, folder, values, **options) as run:
            list(run.run(pool, 2))
    return run


def content(path: Place) -> str:
    with Gallery.open(path, writable=False) as gallery:
        return gallery.content_hash()


@pytest.fixture
def expected(remembering, animals, tmp_path) -> str:
    """The content of the gallery that `gallery add` makes."""
    with Gallery.create(tmp_path / "expected.sqlite") as gallery:
        enrol(gallery, remembering, read_source(animals))
        return gallery.content_hash()


def test_the_gallery_is_the_one_of_gallery_add_and_each_file_has_a_row(pool, pack, animals, expected, rows_of, tmp_path):
    run = describe(tmp_path / "g.sqlite", pack, pool, tmp_path / "results", read_source(animals))
    assert content(tmp_path / "g.sqlite") == expected
    assert run.counts == {"enrolled": 4, "present": 1, "failed": 1}
    rows = rows_of(tmp_path / "results", "path", "status", "identity", "embedding/efficientnet-lite0")
    assert [Path(row["path"]).name for row in rows] == sorted(path.name for path in animals.rglob("*.jpg"))
    assert all(len(row["embedding/efficientnet-lite0"]) == 1280 for row in rows if row["status"] != "failed")


def test_the_gallery_may_be_on_a_server(pool, pack, animals, expected, new_schema, tmp_path):
    place = new_schema()
    run = describe(place, pack, pool, tmp_path / "results", read_source(animals))
    assert run.counts == {"enrolled": 4, "present": 1, "failed": 1}
    assert content(place) == expected


def test_a_second_run_asks_no_worker(pool, pack, animals, tmp_path):
    for _ in range(2):
        run = describe(tmp_path / "g.sqlite", pack, pool, tmp_path / "results", read_source(animals))
    assert (pool.worked_on, run.skipped, run.pending) == (6, 6, [])


def test_what_was_undone_in_the_gallery_is_described_again_and_has_its_rows_once(
    pool, pack, animals, expected, rows_of, tmp_path
):
    describe(tmp_path / "g.sqlite", pack, pool, tmp_path / "results", read_source(animals))
    before = sorted(row["path"] for row in rows_of(tmp_path / "results", "path"))
    with Gallery.open(tmp_path / "g.sqlite") as gallery:
        gallery.undo()
        assert gallery.sightings() == []
    run = describe(tmp_path / "g.sqlite", pack, pool, tmp_path / "results", read_source(animals))
    assert run.counts == {"enrolled": 4, "present": 1}
    assert content(tmp_path / "g.sqlite") == expected
    assert sorted(row["path"] for row in rows_of(tmp_path / "results", "path")) == before


def test_moved_files_are_known_by_their_content(pool, pack, animals, expected, tmp_path, monkeypatch):
    describe(tmp_path / "g.sqlite", pack, pool, tmp_path / "results", read_source(animals))
    moved = animals.rename(tmp_path / "moved")
    monkeypatch.setattr("reid_edge.bulk.describing.describe_enrolment", lambda *_: pytest.fail("described again"))
    run = describe(tmp_path / "g.sqlite", pack, pool, tmp_path / "results", read_source(moved))
    assert run.counts == {"present": 5, "failed": 1}
    with Gallery.open(tmp_path / "g.sqlite", writable=False) as gallery:
        assert all(Path(each.photo_path).is_relative_to(moved) for each in gallery.sightings())


@pytest.mark.parametrize("step", ["before the gallery", "before the rows", "within the rows"])
@pytest.mark.parametrize("batches", [0, 1, 2])
def test_a_stop_at_any_step_loses_and_doubles_nothing(
    step, batches, pool, pack, animals, expected, rows_of, tmp_path, monkeypatch
):
    where = {
        "before the gallery": "reid_edge.bulk.describe_results.DescribeResults.take",
        "before the rows": "reid_edge.bulk.result_files.ResultFiles.add",
        "within the rows": "pyarrow.parquet.write_table",
    }[step]
    passed = 0

    def stop(original):
        def call(*arguments, **options):
            nonlocal passed
            passed += 1
            if passed > batches:
                raise Stop
            return original(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        patch.setattr("reid_edge.bulk.result_files._ROWS_OF_A_FILE", 1)
        module, _, name = where.rpartition(".")
        owner = pytest.importorskip("pyarrow.parquet") if step == "within the rows" else _imported(module)
        patch.setattr(owner, name, stop(getattr(owner, name)))
        with pytest.raises(Stop):
            describe(tmp_path / "g.sqlite", pack, pool, tmp_path / "results", read_source(animals))
    describe(tmp_path / "g.sqlite", pack, pool, tmp_path / "results", read_source(animals))
    assert content(tmp_path / "g.sqlite") == expected
    paths = [Path(row["path"]).name for row in rows_of(tmp_path / "results", "path")]
    assert paths == sorted(path.name for path in animals.rglob("*.jpg"))


def _imported(name: str) -> object:
    import importlib

    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def test_another_name_for_an_enrolled_photo_is_a_conflict_and_changes_nothing(pool, pack, animals, expected, tmp_path):
    enrolments = read_source(animals)
    describe(tmp_path / "g.sqlite", pack, pool, tmp_path / "results", enrolments)
    (asha, *_) = [each for each in enrolments if each.identity == "Asha"]
    run = describe(tmp_path / "g.sqlite", pack, pool, tmp_path / "results", [Enrolment(asha.path, "Zoe")])
    assert run.counts == {"conflict": 1}
    assert content(tmp_path / "g.sqlite") == expected


def test_two_animals_of_one_photo_are_two_sightings(pool, pack, two_animals, jpeg, rows_of, tmp_path):
    (tmp_path / "two.jpg").write_bytes(jpeg(two_animals.rgb))
    both = [Enrolment(tmp_path / "two.jpg", name, animal=number) for number, name in ((1, "Asha"), (2, "Enzi"))]
    run = describe(tmp_path / "g.sqlite", pack, pool, tmp_path / "results", both)
    assert run.counts == {"enrolled": 2}
    again = [Enrolment(each.path, each.identity, animal=each.animal, species="zebra") for each in both]
    assert describe(tmp_path / "g.sqlite", pack, pool, tmp_path / "results", again).skipped == 2
    third = describe(tmp_path / "g.sqlite", pack, pool, tmp_path / "other", both[1:])
    assert third.counts == {"present": 1}
    assert len({row["animal_index"] for row in rows_of(tmp_path / "results", "animal_index")}) == 2


def test_photos_of_nobody_known_have_rows_and_no_sighting(pool, pack, animals, two_animals, jpeg, rows_of, tmp_path):
    (animals / "two.jpg").write_bytes(jpeg(two_animals.rgb))
    unnamed = [Enrolment(path, "") for path in sorted(animals.rglob("*.jpg"))]
    run = describe(tmp_path / "g.sqlite", pack, pool, tmp_path / "results", unnamed)
    assert run.counts == {"described": 5, "copy": 1, "failed": 1}
    described = [row for row in rows_of(tmp_path / "results", "path", "status") if row["status"] == "described"]
    assert len(described) == 6  # of two.jpg two animals
    with Gallery.open(tmp_path / "g.sqlite", writable=False) as gallery:
        assert gallery.individuals() == []


def test_photos_of_a_gallery_that_another_pack_described_are_described_with_this_one(pool, pack, own_gallery, tmp_path):
    with Gallery.open(own_gallery) as gallery:
        before = gallery.content_hash()
        gone = gallery.sightings()[0]
        gallery.drop_features([])
        gallery.relink({gone.id: str(tmp_path / "missing.jpg")})
        values = gallery.sightings_without(pack.feature_key)
        with DescribeRun(gallery, pack, tmp_path / "results", values[:4]) as run:
            list(run.run(pool, 4))
        assert run.counts == {"described_again": 3, "failed": 1}
        ((path, failure),) = run.failed()
        assert (path, "does not exist" in failure.message) == (str(tmp_path / "missing.jpg"), True)
        left = {each.id for each in gallery.sightings_without(pack.feature_key)}
        assert left == {each.id for each in values[4:]} | {gone.id}
        assert before != gallery.content_hash()


def test_failed_photos_are_tried_again_on_request(pool, pack, animals, samples, tmp_path):
    describe(tmp_path / "g.sqlite", pack, pool, tmp_path / "results", read_source(animals))
    broken = animals / "Enzi" / "text.jpg"
    assert describe(tmp_path / "g.sqlite", pack, pool, tmp_path / "results", read_source(animals)).counts == {}
    again = describe(tmp_path / "g.sqlite", pack, pool, tmp_path / "results", read_source(animals), retry_failed=True)
    assert again.counts == {"failed": 1}
    shutil.copy(samples / "gallery" / "Enzi" / "enzi_3.jpg", broken)
    mended = describe(tmp_path / "g.sqlite", pack, pool, tmp_path / "results", read_source(animals), retry_failed=True)
    assert mended.counts == {"enrolled": 1}
    assert list(mended.failed()) == []


def test_a_photo_without_a_species_gets_that_of_its_individual(tmp_path):
    with Gallery.create(tmp_path / "g.sqlite") as gallery:
        given = [Enrolment(Path("a"), "Asha", "Zebra"), Enrolment(Path("b"), "ASHA"), Enrolment(Path("c"), "Enzi", "zebra")]
        assert [each.species for each in with_species(gallery, given)] == ["Zebra"] * 3
        mixed = [*given, Enrolment(Path("d"), "Duma", "cheetah"), Enrolment(Path("e"), "Zoe"), Enrolment(Path("f"), "Enzi")]
        assert [each.species for each in with_species(gallery, mixed)] == ["Zebra", "Zebra", "Zebra", "cheetah", "", "Zebra"]
