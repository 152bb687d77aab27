"""The whole way of a photo with the bundled pack: right answers, for the right reasons, with the evidence to check them."""

from __future__ import annotations

import csv
import json
from copy import copy, deepcopy
from dataclasses import replace

import numpy as np
import pytest

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.compare.comparison import Comparer
from reid_edge.decide.facts import PackFacts
from reid_edge.describe.query import Query
from reid_edge.describe.segmentation import NO_ANIMAL
from reid_edge.errors import PackError
from reid_edge.gallery import Gallery
from reid_edge.identify.identifier import Identifier
from reid_edge.identify.session import Session
from reid_edge.pack import NewFile, write_pack
from reid_edge.photo import read_photo
from reid_edge.recipe import parse_recipe
from reid_edge_benchmarks.sample_animals import render_animal


@pytest.fixture(scope="module")
def truth(samples) -> dict[str, dict[str, str]]:
    """The rows of metadata.csv for the photos to identify, by file name."""
    with (samples / "metadata.csv").open(encoding="utf-8", newline="") as table:
        return {row["path"].split("/")[-1]: row for row in csv.DictReader(table) if row["split"] == "query"}


def test_every_sample_photo_of_a_known_animal_has_it_at_the_top(answers, truth, sample_gallery):
    with Gallery.open(sample_gallery.path, writable=False) as gallery:
        known = {individual.name for individual in gallery.individuals()}
    asked = [name for name, row in truth.items() if row["identity"] in known]
    assert len(asked) == 4
    for name in asked:
        decision = answers[name]
        assert decision.ranking[0].identity == truth[name]["identity"], name
        assert decision.verdict in ("known", "ask")
        assert decision.identity == truth[name]["identity"]
    assert sum(answers[name].verdict == "known" for name in asked) >= 3


def test_no_sample_photo_of_a_new_animal_is_called_known(answers, truth, sample_gallery):
    with Gallery.open(sample_gallery.path, writable=False) as gallery:
        known = {individual.name for individual in gallery.individuals()}
    new = [name for name, row in truth.items() if row["identity"] not in known]
    assert len(new) == 2
    for name in new:
        assert answers[name].verdict != "known"
    assert {answers[name].identity for name in new if answers[name].verdict == "new"} <= {None}


def test_an_early_exit_matches_fewer_candidates_and_answers_the_same(identifier, candidates, samples, monkeypatch):
    always, early = copy(identifier), copy(identifier)
    recipe = deepcopy(dict(identifier.pack.recipe))
    recipe["match"][-1].update(in_doubt=False, order="xfeat-verified")
    # LighterGlue matches at most 0.32 points per verified point on these photos, and at most 17 of another individual.
    recipe["early_exit"] = {"tolerance": 1.0, "per_match": 0.35, "spare": 20.0}
    early.recipe = parse_recipe(recipe, identifier.pack.manifest)
    always.recipe = replace(early.recipe, early_exit=None)
    matcher, seen = early.recipe.match[-1], []
    photos = [read_photo(path) for path in sorted((samples / "photos").glob("*.jpg"))]
    usuals = [always.identify(photo, candidates, Query(viewpoint="left"))[0] for photo in photos]

    whole = Comparer.compare

    def compare_and_count(*arguments):
        seen.append(len((comparison := whole(*arguments)).matches[matcher.name]))
        return comparison

    monkeypatch.setattr(Comparer, "compare", compare_and_count)
    for photo, usual in zip(photos, usuals, strict=True):
        (decision,) = early.identify(photo, candidates, Query(viewpoint="left"))
        assert (decision.verdict, decision.identity) == (usual.verdict, usual.identity), photo.path
        assert decision.ranking[0].identity == usual.ranking[0].identity
    assert min(seen) < matcher.best, seen


def test_an_identifier_whose_comparer_keeps_matches_answers_the_same_and_the_other_one_is_as_it_was(
    identifier, candidates, samples
):
    kept = {}
    keeping = identifier.comparing_with(lambda source: Comparer(identifier.recipe, identifier.networks, source, kept))
    photo = read_photo(samples / "photos" / "trail_1.jpg")
    first, again, plain = (one.identify(photo, candidates)[0] for one in (keeping, keeping, identifier))
    assert kept
    assert replace(first, timings_ms={}) == replace(again, timings_ms={}) == replace(plain, timings_ms={})


def test_an_answer_tells_where_from_and_what_with(answers, identifier, field_pack, samples):
    decision = answers["trail_1.jpg"]
    assert decision.photo.path == str(samples / "photos" / "trail_1.jpg")
    assert (decision.photo.width, decision.photo.height) == (640, 480)
    assert decision.pack == PackFacts("field", field_pack.manifest.version, field_pack.sha256)
    assert decision.engine.provider == "CPUExecutionProvider"
    assert decision.engine.device == "cpu"
    stages = [match.name for match in identifier.recipe.match]
    assert list(decision.timings_ms) == ["segment", "embed", "extract", "retrieve", "load", *stages, "decide"]
    assert decision.warnings == ()


def test_evidence_is_matched_points_inside_both_photos_and_no_score_is_higher_than_their_number(answers, candidates, identifier):
    counted = {match.name for match in identifier.recipe.match if match.count == "matches"}
    for decision in answers.values():
        x0, y0, x1, y1 = decision.animal.box
        assert decision.animal.outline
        for ranked in decision.ranking:
            box = candidates.sighting(ranked.sighting).box
            counts = {score.name: score.raw for score in ranked.scores}
            for matched in ranked.matches:
                assert len(matched.query_xy) == len(matched.candidate_xy) == len(matched.scores)
                score, points = counts.get(matched.matcher), len(matched.scores)
                assert score is not None or not points, "a matcher that was not run shows none"
                assert (score or 0) == points if matched.matcher in counted else (score or 0) <= points
                assert all(x0 - 1 <= x <= x1 and y0 - 1 <= y <= y1 for x, y in matched.query_xy)
                assert all(box[0] - 1 <= x <= box[2] and box[1] - 1 <= y <= box[3] for x, y in matched.candidate_xy)


def test_without_a_wish_for_evidence_there_is_none(identifier, candidates, samples):
    (decision,) = identifier.identify(read_photo(samples / "photos" / "trail_1.jpg"), candidates, Query(top=2))
    assert decision.animal.outline is None
    assert len(decision.ranking) == 2
    assert all(ranked.matches == () for ranked in decision.ranking)


def test_two_animals_in_one_photo_have_an_answer_each(identifier, candidates, two_animals):
    decisions = identifier.identify(two_animals, candidates)
    assert [decision.animal.index for decision in decisions] == [0, 1]
    by_place = sorted(decisions, key=lambda decision: decision.animal.box[0])
    assert [decision.ranking[0].identity for decision in by_place] == ["Asha", "Enzi"]
    assert [decision.verdict for decision in decisions] == ["known", "known"]
    assert decisions[0].timings_ms == decisions[1].timings_ms


def test_where_no_animal_stands_out_the_whole_frame_is_used_and_said(identifier, candidates, as_photo):
    fog = np.linspace(90, 150, 480)[:, None, None] + np.random.default_rng(0).normal(0, 2, (480, 640, 1))
    (decision,) = identifier.identify(as_photo(fog.repeat(3, axis=2).astype(np.uint8)), candidates)
    assert not decision.animal.found
    assert decision.animal.box == (0, 0, 640, 480)
    assert NO_ANIMAL in decision.warnings
    assert decision.verdict != "known"


def test_the_very_photo_that_is_enrolled_is_known_and_said_to_be_there(identifier, candidates, samples):
    (decision,) = identifier.identify(read_photo(samples / "gallery" / "Asha" / "asha_1.jpg"), candidates)
    assert (decision.verdict, decision.identity) == ("known", "Asha")
    assert decision.ranking[0].photo == "asha_1.jpg"
    assert "This very photo is in the gallery, as Asha." in decision.warnings


def test_a_viewpoint_compares_with_that_side_only(identifier, own_gallery, samples, as_photo):
    # Another individual seen from the right: without the viewpoint the left flanks would be compared.
    photo = as_photo(render_animal(1, 21, "spots", viewpoint="right")[0])
    with Gallery.open(own_gallery) as gallery:
        for sighting in gallery.sightings(individual="Baraka"):
            gallery.database.execute("UPDATE sighting SET viewpoint = 'right' WHERE id = ?", (sighting.id,))
        candidates = GalleryCandidates(gallery, identifier.feature_key)
        (right,) = identifier.identify(photo, candidates, Query(viewpoint="right", top=50))
        assert [ranked.identity for ranked in right.ranking] == ["Baraka"]
        (any_side,) = identifier.identify(photo, candidates, Query(top=50))
        assert len(any_side.ranking) == 8
        assert any("Which side the photo shows" in warning for warning in any_side.warnings)
        (front,) = identifier.identify(photo, candidates, Query(viewpoint="front"))
        assert (front.verdict, front.identity, front.ranking) == ("ask", None, ())
        assert "no photo from the front" in front.reason


def test_a_species_compares_with_that_species_only(identifier, candidates, samples):
    photo = read_photo(samples / "photos" / "trail_1.jpg")  # a striped animal
    (spotted,) = identifier.identify(photo, candidates, Query(species="spotted sample animal", top=50))
    assert {ranked.identity for ranked in spotted.ranking} == {"Asha", "Baraka", "Chipo", "Duma"}
    assert spotted.verdict != "known"
    (nobody,) = identifier.identify(photo, candidates, Query(species="nyala"))
    assert (nobody.verdict, nobody.ranking) == ("new", ())
    assert "holds no nyala" in nobody.reason


def test_in_an_empty_gallery_every_animal_is_new(identifier, samples, memory_folder):
    with Gallery.create(memory_folder / "empty.sqlite") as gallery:
        candidates = GalleryCandidates(gallery, identifier.feature_key)
        (decision,) = identifier.identify(read_photo(samples / "photos" / "trail_1.jpg"), candidates)
    assert (decision.verdict, decision.identity, decision.probability, decision.ranking) == ("new", None, 1.0, ())
    assert decision.reason == "The gallery is empty, so every animal is new to it."


def test_a_session_answers_from_files_and_times_the_decoding(identifier, sample_gallery, samples):
    with Session.open(sample_gallery.path, "field", "cpu") as session:
        (decision,) = session.identify(samples / "photos" / "trail_2.jpg")
    assert decision.photo.name == "trail_2.jpg"
    assert decision.identity == "Chipo"
    assert next(iter(decision.timings_ms)) == "decode"


def pack_with(field_pack, folder, *, left_out=(), replaced=None, **manifest):
    files = [
        NewFile(file.path, (replaced or {}).get(file.path) or field_pack.read_bytes(file.path), file.licence, file.origin)
        for file in field_pack.manifest.files
        if file.path not in left_out
    ]
    return write_pack(folder, replace(field_pack.manifest, **manifest), files)


def test_a_pack_without_calibration_describes_but_does_not_answer(field_pack, tmp_path, candidates, samples):
    bare = Identifier(pack_with(field_pack, tmp_path / "bare", left_out=("calibration/scores.json",)), "cpu")
    with pytest.raises(PackError, match="not calibrated"):
        bare.identify(read_photo(samples / "photos" / "trail_1.jpg"), candidates)


def test_a_calibration_made_for_other_scores_is_refused(field_pack, tmp_path):
    text = field_pack.read_bytes("calibration/scores.json").replace(b'"xfeat-coarse"', b'"sift-coarse"')
    other = pack_with(field_pack, tmp_path / "other", replaced={"calibration/scores.json": text})
    with pytest.raises(PackError, match=r"made for the scores .*sift-coarse"):
        _ = Identifier(other, "cpu").calibration


def test_a_calibration_that_does_not_say_what_is_clear_without_the_costly_matcher_is_refused(field_pack, tmp_path):
    calibration = json.loads(field_pack.read_bytes("calibration/scores.json"))
    whole = {**calibration, "before": None}
    of_all_scores = {**calibration, "before": {key: calibration[key] for key in ("scores", "species", "generic", "data")}}
    for name, content in {"none": whole, "other": of_all_scores}.items():
        files = {"calibration/scores.json": json.dumps(content).encode()}
        with pytest.raises(PackError, match="does not say what is clear without the score xfeat-lighterglue"):
            _ = Identifier(pack_with(field_pack, tmp_path / name, replaced=files), "cpu").calibration


def with_thresholds_without_the_costly_score(identifier, ask_low, threshold, ask_high) -> Identifier:
    changed, model = copy(identifier), identifier.calibration
    entry = replace(model.before.generic, ask_low=ask_low, threshold=threshold, ask_high=ask_high)
    changed.__dict__["calibration"] = replace(model, before=replace(model.before, species={}, generic=entry))
    return changed


def test_what_is_clear_without_the_costly_matcher_is_answered_without_it(identifier, candidates, samples):
    clear = with_thresholds_without_the_costly_score(identifier, 0.0, 0.0, 0.0)
    (decision,) = clear.identify(read_photo(samples / "photos" / "trail_1.jpg"), candidates)
    *others, _ = identifier.recipe.score_names
    assert decision.verdict == "known"
    assert [score.name for score in decision.ranking[0].scores] == others
    assert (decision.thresholds.known_from, decision.thresholds.ask_to) == (0.0, 0.0)
    assert identifier.recipe.costly_score not in {points.matcher for points in decision.ranking[0].matches if points.query_xy}


def test_in_doubt_the_costly_matcher_is_run_and_the_whole_calibration_answers(identifier, candidates, samples):
    doubt = with_thresholds_without_the_costly_score(identifier, 0.0, 0.5, 1.0)
    always = copy(identifier)
    always.recipe = replace(identifier.recipe, match=tuple(replace(match, in_doubt=False) for match in identifier.recipe.match))
    photo = read_photo(samples / "photos" / "trail_1.jpg")
    (with_doubt,), (plain,) = (one.identify(photo, candidates) for one in (doubt, always))
    assert replace(with_doubt, timings_ms={}) == replace(plain, timings_ms={})
    assert [score.name for score in plain.ranking[0].scores] == list(identifier.recipe.score_names)
