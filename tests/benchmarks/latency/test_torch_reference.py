"""The PyTorch reference answers as the runtime does."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from reid_edge.compare.matching import match_lightglue, match_mutual_nearest
from reid_edge.decide.decision import Decision
from reid_edge.describe.features import Features
from reid_edge.describe.query import Query
from reid_edge.errors import UsageError
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.identifier import CALIBRATION
from reid_edge.identify.session import Session
from reid_edge.photo import read_photo
from reid_edge.recipe import Match
from reid_edge.timings import Timings
from reid_edge_benchmarks.latency.agreement import compare_answers
from reid_edge_benchmarks.latency.torch_lightglue import use_fused_kernels
from reid_edge_benchmarks.latency.torch_reference import TorchAnswer, TorchReference
from reid_edge_benchmarks.latency.worker import Runtime
from reid_edge_export.networks import load_network

Answers = list[tuple[list[Decision], list[TorchAnswer]]]


@pytest.fixture(scope="module")
def answers(session: Session, reference: TorchReference, queries: list[Enrolment]) -> Answers:
    """The runtime's and PyTorch's answers to the three queries."""
    question = Query(top=10)
    return [(session.identify(query.path, question), reference.identify(query.path, question, Timings())) for query in queries]


def test_pytorch_ranks_the_same_photos_of_the_same_individuals_and_judges_alike(answers: Answers) -> None:
    for decisions, expected in answers:
        assert len(decisions) == len(expected) == 1
        ranking = expected[0].ranking
        sightings = [int(ranking.comparison.sighting_ids[row]) for row in ranking.scores.rows]
        assert [(ranked.identity, ranked.sighting) for ranked in decisions[0].ranking] == [
            *zip(ranking.scores.identities, sightings, strict=True)
        ]
        assert decisions[0].verdict == expected[0].verdict.verdict
        assert decisions[0].probability == pytest.approx(expected[0].verdict.probability, abs=0.05)
    assert [decisions[0].ranking[0].identity for decisions, _ in answers[:2]] == ["Imara", "Chipo"]


def test_pytorch_counts_the_same_matches_but_for_rounding(
    session: Session, reference: TorchReference, queries: list[Enrolment]
) -> None:
    photos = [{"path": str(query.path), "species": query.species, "viewpoint": query.viewpoint} for query in queries]
    (ours, stages), (theirs, their_stages) = Runtime(session).ask(photos), reference.ask(photos)
    counting = {match.name: match.count for match in session.identifier.recipe.match}
    agreement = compare_answers([[answer] for answer in ours], [[answer] for answer in theirs], counting)
    assert agreement.photos == 3
    assert agreement.counts >= 6  # inliers of the five individuals ranked for three queries, and LightGlue where it ran
    assert agreement.same_identity == agreement.same_verdict == agreement.same_animals == agreement.same_counts == 1
    assert agreement.largest_difference <= 3  # measured: 0 or 1; the pack's LighterGlue is rounded to half precision
    assert agreement.largest_cosine_difference < 0.002  # measured: 0.0004
    assert {"decode", "segment", "embed", "extract", "retrieve", *counting, "decide"} <= set(stages) & set(their_stages)


def test_a_pack_that_is_not_calibrated_is_compared_up_to_the_scores(
    session: Session, reference: TorchReference, queries: list[Enrolment], monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = session.identifier.pack.manifest
    files = tuple(file for file in manifest.files if file.path != CALIBRATION)
    monkeypatch.setattr(session.identifier, "pack", replace(session.identifier.pack, manifest=replace(manifest, files=files)))
    photos = [{"path": str(queries[0].path), "species": "", "viewpoint": ""}]
    (ours, stages), (theirs, _) = Runtime(session).ask(photos), reference.ask(photos)
    assert ours[0]["ranking"][0]["identity"] == theirs[0]["ranking"][0]["identity"] == "Imara"
    assert "verdict" not in ours[0]
    assert "decide" not in stages
    agreement = compare_answers([ours], [theirs], {match.name: match.count for match in session.identifier.recipe.match})
    assert agreement.same_identity == 1
    assert agreement.same_verdict is None


def test_pytorch_counts_individuals_as_the_runtime_does(
    session: Session, reference: TorchReference, queries: list[Enrolment], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = session.identifier.recipe
    nearest = replace(recipe.match[0], min_score=0.5)
    limited = {"best": 2, "photos": 1}
    stages: tuple[Match, ...] = (
        replace(nearest, name="coarse", count="distinctive", points=128),
        replace(nearest, name="distinctive", count="distinctive", best=2, order="coarse"),
        replace(
            nearest, name="verified", count="inliers", geometry="similarity", inlier_pixels=25.0, order="distinctive", **limited
        ),
        replace(recipe.match[-1], points=256, order="distinctive", **{**limited, "best": 1}),
    )
    individuals = replace(recipe.retrieve, unit="individuals", candidates=2, photos=2)
    monkeypatch.setattr(session.identifier, "recipe", replace(recipe, retrieve=individuals, match=stages))
    manifest = session.identifier.pack.manifest
    files = tuple(file for file in manifest.files if file.path != CALIBRATION)
    monkeypatch.setattr(session.identifier, "pack", replace(session.identifier.pack, manifest=replace(manifest, files=files)))
    photos = [{"path": str(query.path), "species": "", "viewpoint": ""} for query in queries[:2]]
    (ours, _), (theirs, _) = Runtime(session).ask(photos), reference.ask(photos)
    names = {match.name: match.count for match in stages}
    for mine, its in zip(ours, theirs, strict=True):
        assert [scored["sighting"] for scored in mine["scored"]] == [scored["sighting"] for scored in its["scored"]]
        assert [set(scored["raw"]) for scored in mine["scored"]] == [set(scored["raw"]) for scored in its["scored"]]
        assert len(mine["scored"]) == 4  # of two individuals two photos each
    # All of the shortlist is compared, not only the individual that is ranked first.
    ranked = [[{**answer, "ranking": [{"identity": "", **scored} for scored in answer["scored"]]}] for answer in ours]
    agreement = compare_answers(ranked, [[answer] for answer in theirs], names)
    assert agreement.counts == 2 * (2 + 1)
    assert agreement.largest_difference <= 2
    assert agreement.largest_score_difference is not None
    assert agreement.largest_score_difference < 0.02


def test_a_recipe_that_the_reference_cannot_run_is_refused(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = session.identifier.recipe
    match = (replace(recipe.match[0], matcher="adalam", count="matches"), *recipe.match[1:])
    monkeypatch.setattr(session.identifier, "recipe", replace(recipe, match=match))
    with pytest.raises(UsageError, match="adalam"):
        TorchReference(session)


def test_pytorch_compares_with_the_side_asked_for_only(
    session: Session, reference: TorchReference, queries: list[Enrolment]
) -> None:
    question = Query(viewpoint="right")  # the samples are all seen from the left
    (decision,) = session.identify(queries[0].path, question)
    (expected,) = reference.identify(queries[0].path, question, Timings())
    assert expected.ranking.scores.identities == tuple(ranked.identity for ranked in decision.ranking) == ()
    assert expected.verdict.verdict == decision.verdict == "ask"


def test_pytorch_takes_as_many_threads_as_the_runtime(session: Session, reference: TorchReference) -> None:
    assert torch.get_num_threads() == session.identifier.networks.device.threads == 1


def test_fused_lightglue_finds_what_the_exported_one_finds(
    session: Session, reference: TorchReference, queries: list[Enrolment]
) -> None:
    query, candidate = (described(session, row).keypoints["xfeat"] for row in queries[:2])
    exported, fused = load_network("lighterglue"), load_network("lighterglue")
    use_fused_kernels(fused)
    places = [torch.from_numpy((each.xy - each.xy.mean(0)) / 200)[None] for each in (query, candidate)]
    descriptors = [torch.from_numpy(each.descriptors)[None] for each in (query, candidate)]
    valid = [torch.ones(1, len(each)) for each in (query, candidate)]
    valid[1][:, 300:] = 0  # empty slots must stay out
    with torch.inference_mode():
        (ours, our_scores), (theirs, their_scores) = (network(*places, *descriptors, *valid) for network in (fused, exported))
    assert torch.equal(ours, theirs)
    assert (ours >= 0).sum() > 20
    assert ours.max() < 300
    assert torch.allclose(our_scores, their_scores, atol=1e-3)


def test_a_query_without_keypoints_matches_nothing_in_both(
    session: Session, reference: TorchReference, queries: list[Enrolment]
) -> None:
    features = described(session, queries[0])
    keypoints = features.keypoints["xfeat"]
    none = replace(keypoints, xy=keypoints.xy[:0], scores=keypoints.scores[:0], descriptors=keypoints.descriptors[:0])
    (found,) = match_mutual_nearest(none, [keypoints], 0.5)
    (again,) = reference.match(session.identifier.recipe.match[0], none, [keypoints])
    assert len(found) == len(again) == 0


@pytest.mark.parametrize("name", ["xfeat-coarse", "xfeat-lighterglue"])
def test_pytorch_pairs_the_same_keypoints(
    session: Session, reference: TorchReference, queries: list[Enrolment], name: str
) -> None:
    match = next(match for match in session.identifier.recipe.match if match.name == name)
    query = described(session, queries[1]).keypoints[match.keypoints].first(match.points)
    ids = np.array([sighting.id for sighting in session.gallery.sightings()])
    of_gallery = session.candidates.keypoints(match.keypoints, ids[1:])  # five: more than one batch of LightGlue
    candidates = [candidate.first(match.points) for candidate in of_gallery]
    if match.matcher == "lightglue":
        found = match_lightglue(query, candidates, session.identifier.networks[match.network].engine, match.min_score)
    else:
        found = match_mutual_nearest(query, candidates, match.min_score)
    expected = reference.match(match, query, candidates)
    ours, theirs = (
        [set(zip(each.query.tolist(), each.candidate.tolist(), strict=True)) for each in matches] for matches in (found, expected)
    )
    assert sum(map(len, theirs)) > 50
    differing = sum(len(a ^ b) for a, b in zip(ours, theirs, strict=True))
    assert differing <= 0.02 * sum(map(len, theirs))  # measured: none


@cache
def described(session: Session, row: Enrolment) -> Features:
    return session.identifier.describe(read_photo(row.path), largest_only=True)[0].features
