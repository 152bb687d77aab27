"""A catalogue of rendered animals with planted mistakes: each is found, nothing else is, and the commands correct them."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from click.testing import CliRunner

from reid_edge.audit import Audit
from reid_edge.audit.comparing import alike
from reid_edge.audit.evidence_score import EvidenceScore
from reid_edge.cli.gallery_commands import gallery as commands
from reid_edge.gallery import Gallery, NewSighting, Sighting


def photos_of(path, sightings):
    with Gallery.open(path, writable=False) as gallery:
        return {gallery.sighting(sighting).photo_name for sighting in sightings}


def test_one_animal_under_two_names_is_found_and_the_one_with_more_photos_keeps_its_name(audited, doubled):
    (finding,) = audited(doubled).report().findings
    assert (finding.kind, finding.individuals) == ("may-be-one", ("Asha", "Zawadi"))
    assert {seen.identity for pair in finding.pairs for seen in (pair.first, pair.second)} == {"Asha", "Zawadi"}


def test_two_animals_under_one_name_are_found_with_the_photos_of_each(audited, mixed):
    (finding,) = audited(mixed).report().findings
    assert (finding.kind, finding.individuals) == ("may-be-two", ("Baraka",))
    animals = [{name.split("_")[0] for name in photos_of(mixed, group)} for group in finding.groups]
    assert sorted(map(sorted, animals)) == [["asha"], ["baraka"]]
    assert finding.against.score < min(pair.score for pair in finding.pairs)


def test_a_photo_under_the_wrong_name_is_found_with_the_right_one(audited, strayed):
    (finding,) = audited(strayed).report().findings
    assert (finding.kind, finding.individuals) == ("does-not-fit", ("Jabari", "Farida"))
    assert [photos_of(strayed, group) for group in finding.groups] == [{"farida_1.jpg"}]


def test_a_catalogue_without_mistakes_has_no_findings(audited, own_gallery):
    report = audited(own_gallery).report()
    assert report.findings == ()
    assert (report.photos, report.individuals, report.left_out) == (24, 8, 0)
    assert (report.score, report.absolute, report.calibrated) == ("verified", True, False)


@pytest.mark.parametrize("mistake", ["doubled", "mixed", "strayed"])
def test_the_commands_of_a_finding_correct_the_catalogue(audited, mistake, request):
    path = request.getfixturevalue(mistake)
    (finding,) = audited(path).report().findings
    for command in finding.commands:
        program, group, *arguments = shlex.split(command)
        assert (program, group) == ("reid-edge", "gallery")
        assert CliRunner().invoke(commands, arguments, catch_exceptions=False).exit_code == 0
    with Gallery.open(path, writable=False) as gallery:
        shown = {}
        for seen in gallery.sightings():
            shown.setdefault(seen.identity, set()).add(seen.photo_name.split("_")[0])
    assert len(shown) == 8
    assert all(len(animals) == 1 for animals in shown.values()), shown
    assert audited(path).report().findings == ()


def test_an_audit_changes_nothing_of_the_gallery_and_is_kept_until_the_gallery_changes(audited, doubled, verified):
    def state():
        with Gallery.open(doubled, writable=False) as gallery:
            return gallery.content_hash(), gallery.revision(), len(gallery.history())

    before = state()
    report = audited(doubled).report()
    assert state() == before
    with Gallery.open(doubled, writable=False) as gallery:
        again = Audit(gallery, verified)
        assert again.remaining == []
        assert again.report() == report
    with Gallery.open(doubled) as gallery:
        gallery.merge(["Zawadi"], "Asha")
    with Gallery.open(doubled, writable=False) as gallery:
        assert len(Audit(gallery, verified).remaining) == 24


def test_where_the_cache_cannot_be_written_the_audit_works_in_memory(audited, doubled):
    doubled.with_name(f"{doubled.name}.cache").write_text("a file where the folder should be")
    audit = audited(doubled)
    assert not audit.kept
    assert [each.kind for each in audit.report().findings] == ["may-be-one"]


def test_two_animals_of_one_photo_are_never_taken_for_one(audited, doubled, verified):
    with Gallery.open(doubled) as gallery:
        first = gallery.sightings(individual="Asha")[0]
        arrays = gallery.features([first.id], verified.feature_key)[first.id]
        beside = NewSighting(photo_sha256=first.photo_sha256, animal_index=1, identity="Zawadi", viewpoint="left")
        gallery.add_sighting(beside, arrays, verified.feature_key, gallery.new_batch())
    assert not [each for each in audited(doubled).report(0.0).findings if set(each.individuals) == {"Asha", "Zawadi"}]


def seen(number, **facts):
    return Sighting(id=number, added_at="", photo_sha256=f"{number:064x}", identity="A", **facts)


def test_photos_are_compared_where_side_and_species_agree_or_are_not_known():
    left, right, unknown = seen(1, viewpoint="left"), seen(2, viewpoint="right"), seen(3)
    assert not alike(left, right)
    assert alike(left, unknown)
    assert alike(unknown, right)
    assert not alike(seen(4, species="zebra"), seen(5, species="tiger"))
    assert alike(seen(4, species="zebra"), seen(5, species="Zebra"))
    assert not alike(left, replace(left, id=9, animal_index=1))


def test_an_audit_of_one_species_looks_at_its_photos_only(audited, own_gallery):
    report = audited(own_gallery, species="striped sample animal").report()
    assert (report.photos, report.individuals) == (12, 4)


def test_without_a_verified_score_the_last_matcher_serves_and_without_matchers_the_cosine(verified):
    recipe = verified.recipe
    counting = replace(recipe.match[0], name="counting", count="matches", geometry="homography", inlier_pixels=0.0)
    relative = replace(counting, name="relative", count="distinctive")
    scores = [
        EvidenceScore.of(replace(recipe, match=match))
        for match in ((*recipe.match, counting), (counting, relative), (relative,), ())
    ]
    cosine = recipe.retrieve.embedding
    assert [(score.name, score.absolute) for score in scores] == [
        ("verified", True),
        ("counting", False),
        (cosine, False),
        (cosine, False),
    ]
    assert scores[2].coarse is not None
    assert scores[3].coarse is None
    for score in scores:
        assert score.strength(0.2) < score.strength(0.5) < score.strength(0.9)


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_catalogue_too_small_to_compare_has_no_findings(audited, own_gallery, kept):
    with Gallery.open(own_gallery) as gallery:
        for individual in gallery.individuals()[kept:]:
            gallery.remove_individual(individual.name)
    assert audited(own_gallery).report().findings == ()
