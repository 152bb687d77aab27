"""A catalogue of rendered animals with planted mistakes: each is found, nothing else is, and the commands correct them."""

from __future__ import annotations

import shlex

import pytest
from click.testing import CliRunner

from reid_edge.audit.audit import Audit
from reid_edge.cli.gallery_commands import gallery as commands
from reid_edge.gallery import Gallery, NewSighting


def by_kind(report):
    return {
        kind: [each for each in report.findings if each.kind == kind] for kind in ("may-be-one", "may-be-two", "does-not-fit")
    }


def test_one_animal_under_two_names_two_under_one_and_a_stray_photo_are_found_and_nothing_else(audited, planted):
    found = by_kind(audited().report())
    (one,), (two,), (stray,) = found.values()
    assert set(one.individuals) == set(planted.double)
    assert one.individuals[0] == "Asha"  # it has more photos, so it keeps its name
    assert two.individuals == (planted.mixture,)
    names = [{photo_name(planted, sighting).split("_")[0] for sighting in group} for group in two.groups]
    assert sorted(map(sorted, names)) == [["baraka"], ["imara"]]
    sighting, wrong, right = planted.wrong
    assert stray.groups == ((sighting,),)
    assert stray.individuals == (wrong, right)


def photo_name(planted, sighting):
    with Gallery.open(planted.path, writable=False) as gallery:
        return gallery.sighting(sighting).photo_name


def test_a_catalogue_without_mistakes_has_no_findings(audited, own_gallery):
    report = audited(own_gallery).report()
    assert report.findings == ()
    assert (report.photos, report.individuals, report.left_out) == (24, 8, 0)
    assert (report.score, report.absolute, report.calibrated) == ("verified", True, False)


def test_the_commands_of_the_findings_correct_the_catalogue(audited, own_planted):
    for finding in audited().report().findings:
        for command in finding.commands:
            program, group, *arguments = shlex.split(command)
            assert (program, group) == ("reid-edge", "gallery")
            assert CliRunner().invoke(commands, arguments, catch_exceptions=False).exit_code == 0
    with Gallery.open(own_planted, writable=False) as gallery:
        animals = {
            name: {seen.photo_name.split("_")[0] for seen in gallery.sightings(individual=name)}
            for name in (individual.name for individual in gallery.individuals())
        }
    assert len(animals) == 8
    assert all(len(shown) == 1 for shown in animals.values()), animals
    assert audited().report().findings == ()


def test_an_audit_changes_nothing_of_the_gallery(audited, own_planted):
    with Gallery.open(own_planted, writable=False) as gallery:
        before = gallery.content_hash(), gallery.revision(), len(gallery.history())
    audited().report()
    with Gallery.open(own_planted, writable=False) as gallery:
        assert (gallery.content_hash(), gallery.revision(), len(gallery.history())) == before


def test_what_was_compared_is_kept_until_the_gallery_changes(audited, own_planted, verified):
    report = audited().report()
    with Gallery.open(own_planted, writable=False) as gallery:
        again = Audit(gallery, verified)
        assert again.remaining == []
        assert again.report() == report
    with Gallery.open(own_planted) as gallery:
        gallery.rename("Duma", "Dume")
    with Gallery.open(own_planted, writable=False) as gallery:
        assert len(Audit(gallery, verified).remaining) == 24
    assert len(list(own_planted.with_name("gallery.sqlite.cache").glob("audit-*"))) == 0


def test_where_the_cache_cannot_be_written_the_audit_works_in_memory(audited, own_planted, planted):
    own_planted.with_name("gallery.sqlite.cache").write_text("a file where the folder should be")
    audit = audited()
    assert not audit.kept
    assert {each.kind for each in audit.report().findings} == {"may-be-one", "may-be-two", "does-not-fit"}


def test_two_animals_of_one_photo_are_never_taken_for_one(audited, own_planted, verified):
    with Gallery.open(own_planted) as gallery:
        first = gallery.sightings(individual="Asha")[0]
        features = gallery.features([first.id], verified.feature_key)[first.id]
        beside = NewSighting(
            photo_sha256=first.photo_sha256, animal_index=1, identity="Zawadi", viewpoint="left", species=first.species
        )
        gallery.add_sighting(beside, features, verified.feature_key, gallery.new_batch())
    assert not any(set(each.individuals) == {"Asha", "Zawadi"} for each in audited().report().findings)


def test_photos_of_other_sides_and_other_species_are_not_compared(audited, own_gallery):
    with Gallery.open(own_gallery) as gallery:
        for name, viewpoint, species in (("Asha", "right", ""), ("Duma", "left", "another species")):
            for seen in gallery.sightings(individual=name):
                features = {key: gallery.features([seen.id], key)[seen.id] for key in gallery.feature_keys()}
                gallery.remove_sightings([seen.id])
                ((key, arrays),) = features.items()
                moved = NewSighting(
                    photo_sha256=seen.photo_sha256[::-1], identity=name, viewpoint=viewpoint, species=species or seen.species
                )
                gallery.add_sighting(moved, arrays, key, gallery.new_batch())
    audit = audited(own_gallery)
    with Gallery.open(own_gallery, writable=False) as gallery:
        seen = {each.id: each for each in gallery.sightings()}
    for photo, others in audit._results.scores.items():
        for other in others:
            assert seen[photo].viewpoint == seen[other].viewpoint
            assert seen[photo].species == seen[other].species
    only = audited(own_gallery, species="another species").report()
    assert (only.photos, only.individuals) == (3, 1)


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_catalogue_too_small_to_compare_has_no_findings(audited, own_gallery, kept):
    with Gallery.open(own_gallery) as gallery:
        for individual in gallery.individuals()[kept:]:
            gallery.remove_individual(individual.name)
    assert audited(own_gallery).report().findings == ()
