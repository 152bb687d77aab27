"""The sample animals discovered, and what people said of them held."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest

from reid_edge.discover import Discovery
from reid_edge.discover.applying import apply_groups
from reid_edge.discover.collecting import PhotoFacts, collect, collected_sightings
from reid_edge.discover.constraints import PersonsAnswer
from reid_edge.discover.page import write_page
from reid_edge.errors import GalleryError
from reid_edge.gallery import Gallery, NewSighting
from reid_edge.gallery.records import Observation
from reid_edge.gallery.review_records import NewReview


def groups_of(report) -> set[frozenset[str]]:
    return {frozenset(each.sighting.photo_name for each in group.members) for group in report.groups}


def test_the_sample_animals_are_found_without_their_names(discovered, name_of) -> None:
    report = discovered.report()
    assert not report.alone
    assert [sorted({name_of(each) for each in group.members}) for group in report.groups if len(group.members) == 3]
    assert Counter(name_of(group.members[0]) for group in report.groups) == Counter(
        ["asha", "baraka", "chipo", "duma", "enzi", "farida", "imara", "jabari"]
    )
    assert all(len({name_of(each) for each in group.members}) == 1 for group in report.groups)
    assert all(len(group.ties) == 2 for group in report.groups)
    assert report.individuals_low <= report.individuals <= report.individuals_high


def test_a_second_run_compares_nothing_and_finds_the_same(discovered, compared, identifier, opened) -> None:
    work = opened(compared)
    again = Discovery.of(work, list(reversed(work.sightings())), identifier)
    assert not again.remaining
    assert again.report() == discovered.report()


def test_a_persons_answers_hold_against_the_evidence(discovered) -> None:
    keys = {each.sighting.photo_name: each.key for each in discovered.seen}
    apart = PersonsAnswer(keys["asha_1.jpg"], keys["asha_2.jpg"], False)
    together = PersonsAnswer(keys["duma_1.jpg"], keys["enzi_1.jpg"], True)
    found = groups_of(discovered.report([apart, together]))
    assert not any({"asha_1.jpg", "asha_2.jpg"} <= group for group in found)
    assert any({"duma_1.jpg", "enzi_1.jpg"} <= group for group in found)


def test_known_individuals_keep_their_names_and_rejections_hold(own_work, identifier, own_gallery, opened) -> None:
    work, known = opened(own_work), opened(own_gallery)
    sightings = known.sightings()
    for each in sightings:
        if each.photo_name.endswith("_3.jpg"):
            known.remove_sightings([each.id])
    chipo = next(each for each in work.sightings() if each.photo_name == "chipo_3.jpg")
    asha = next(each for each in work.sightings() if each.photo_name == "asha_3.jpg")
    for rejected in ("Chipo", "Asha"):  # Asha has no photo of her own then, and is nearest after Chipo
        known.review(NewReview(photo_sha256=chipo.photo_sha256, kind="rejected", person="", identity=rejected))
    known.review(NewReview(photo_sha256=asha.photo_sha256, kind="not_an_animal", person=""))
    discovery = Discovery.of(work, work.sightings(), identifier, known)
    list(discovery.compare(discovery.remaining))
    report = discovery.report()
    named = {each.name: [one.sighting.photo_name for one in each.members] for each in report.groups if each.is_known}
    assert named == {name: [f"{name.lower()}_3.jpg"] for name in ("Baraka", "Duma", "Enzi", "Farida", "Imara", "Jabari")}
    assert not any("asha_3.jpg" in group for group in groups_of(report))
    assert [each.seen.sighting.photo_name for each in report.alone] == ["chipo_3.jpg"]
    assert report.alone[0].why == "held-apart"


def test_with_few_photos_only_near_copies_are_grouped(own_work, identifier, opened, tmp_path) -> None:
    work = opened(own_work)
    few = [each for each in work.sightings() if each.photo_name.startswith("asha")]
    discovery = Discovery.of(work, few, identifier)
    list(discovery.compare(discovery.remaining))
    report = discovery.report()
    assert {each.why for each in report.alone} == {"too-few-photos"}
    assert any("fewer than" in note for note in report.notes)


def test_applied_groups_are_one_decision_that_undo_reverts(discovered, compared, identifier, opened, tmp_path) -> None:
    work, report = opened(compared), discovered.report()
    with Gallery.create(tmp_path / "new.sqlite") as gallery:
        gallery.add_individual("Animal 2", gallery.new_batch())
        empty = gallery.content_hash()
        applied = apply_groups(report, work, gallery, identifier.feature_key, 0.0)
        assert applied.sightings == 24
        assert set(applied.names.values()) == {f"Animal {number}" for number in (1, 3, 4, 5, 6, 7, 8, 9)}
        assert not gallery.sightings_without(identifier.feature_key)
        gallery.undo()
        assert gallery.content_hash() == empty
        assert apply_groups(report, work, gallery, identifier.feature_key, 1.1).sightings == 0


def test_photos_are_described_once_and_copies_and_broken_files_are_reported(identifier, samples, tmp_path) -> None:
    one, other = samples / "photos/trail_1.jpg", tmp_path / "copy.jpg"
    other.write_bytes(one.read_bytes())
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    facts = PhotoFacts(species="zebra", viewpoint="left")
    with Gallery.create(tmp_path / "work.sqlite") as work:
        collected = collect([one, other, broken], work, identifier, facts)
        (found,) = collected_sightings(work, collected, facts)
        assert (found.photo_path, found.species, found.viewpoint) == (str(one), "zebra", "left")
        assert collected.copies == [other]
        assert [path for path, _ in collected.failed] == [broken]
        history = work.content_hash()
        collect([other], work, identifier, facts)
        assert work.content_hash() == history


def test_the_page_shows_every_group_and_fetches_nothing(discovered, compared, opened, tmp_path) -> None:
    write_page(tmp_path / "page.html", discovered.report(), opened(compared))
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.count("one animal:") == 8
    assert page.count("<img") >= 24
    assert "http:" not in page.replace("http-equiv", "")
    assert "https:" not in page


@pytest.mark.parametrize("count", [0, 1])
def test_no_photo_and_one_photo_are_no_error(own_work, identifier, opened, count: int) -> None:
    work = opened(own_work)
    discovery = Discovery.of(work, work.sightings()[:count], identifier)
    list(discovery.compare(discovery.remaining))
    assert len(discovery.report().alone) == count


def test_groups_are_not_applied_to_a_gallery_that_changed_meanwhile(discovered, compared, identifier, opened, tmp_path) -> None:
    work, report = opened(compared), discovered.report()
    known = replace(report, groups=(replace(report.groups[0], name="Asha", is_known=True), *report.groups[1:]))
    with Gallery.create(tmp_path / "new.sqlite") as gallery:
        before = gallery.content_hash()
        with pytest.raises(GalleryError, match="Asha was renamed or removed"):
            apply_groups(known, work, gallery, identifier.feature_key, 0.0)
        assert gallery.content_hash() == before
        last = report.groups[-1].members[-1].sighting
        facts = {each.name: getattr(last, each.name) for each in fields(Observation)}
        gallery.add_sighting(NewSighting(**{**facts, "identity": "Ana's"}), {}, identifier.feature_key, gallery.new_batch())
        before = gallery.content_hash()
        with pytest.raises(GalleryError, match="enrolled by somebody else"):
            apply_groups(report, work, gallery, identifier.feature_key, 0.0)
        assert gallery.content_hash() == before


def test_folders_of_one_photo_again_and_again_and_of_no_animal_are_no_error(identifier, samples, jpeg, tmp_path) -> None:
    photo = (samples / "photos/trail_1.jpg").read_bytes()
    copies = [tmp_path / f"copy_{number}.jpg" for number in range(3)]
    for path in copies:
        path.write_bytes(photo)
    empty = [tmp_path / f"empty_{number}.jpg" for number in range(3)]
    for number, path in enumerate(empty):
        path.write_bytes(jpeg(np.full((240, 320, 3), 100 + number, np.uint8)))
    with Gallery.create(tmp_path / "work.sqlite") as work:
        for files, why in ((copies, "too-few-photos"), (empty, "no-animal")):
            found = collect(files, work, identifier)
            discovery = Discovery.of(work, collected_sightings(work, found, PhotoFacts()), identifier)
            list(discovery.compare(discovery.remaining))
            report = discovery.report()
            assert not report.groups
            assert {each.why for each in report.alone} == {why}
            assert len(report.alone) + len(found.copies) == 3
