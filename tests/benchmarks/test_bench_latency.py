"""bench latency: the PyTorch reference answers as the runtime does, and the figures are what they say."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from reid_edge.decision import Decision
from reid_edge.errors import UsageError
from reid_edge.features import Features
from reid_edge.gallery.sources import Enrolment, read_source
from reid_edge.identification import Question
from reid_edge.matching import match_lightglue, match_mutual_nearest
from reid_edge.photo import read_photo
from reid_edge.session import Session
from reid_edge.timings import Timings
from reid_edge_benchmarks.cli import bench
from reid_edge_benchmarks.latency import Latency, compare_answers, measure_latency
from reid_edge_benchmarks.torch_lightglue import use_fused_kernels
from reid_edge_benchmarks.torch_reference import ReferenceAnswer, TorchReference
from reid_edge_export.catalogue import network_named
from reid_edge_export.networks import load_network
from reid_edge_export.sources import obtain

Answers = list[tuple[list[Decision], list[ReferenceAnswer]]]


@pytest.fixture(scope="module")
def reference(session: Session) -> TorchReference:
    for name in session.identifier.pack.manifest.networks:
        try:
            obtain(network_named(name).source)
        except UsageError as error:
            pytest.skip(f"the weights of {name} cannot be fetched here: {error.message}")
    return TorchReference(session)


@pytest.fixture(scope="module")
def queries(few_samples: Path) -> list[Enrolment]:
    return read_source(few_samples, split="query")


@pytest.fixture(scope="module")
def answers(session: Session, reference: TorchReference, queries: list[Enrolment]) -> Answers:
    """The runtime's and PyTorch's answers to the three queries."""
    question = Question(top=10)
    return [(session.identify(query.path, question)[1], reference.identify(query.path, question, Timings())) for query in queries]


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


def test_pytorch_counts_the_same_matches_but_for_rounding(answers: Answers) -> None:
    agreement = compare_answers(answers)
    assert agreement.animals == 3
    assert agreement.counts == 18  # three queries, three individuals, two matchers
    assert agreement.same_identity == agreement.same_verdict == agreement.same_animals == agreement.same_counts == 1
    assert agreement.largest_difference <= 3  # measured: 0 or 1; the pack's LighterGlue is rounded to half precision
    assert agreement.largest_cosine_difference < 0.002  # measured: 0.0004
    most = max(score.raw or 0 for ranked in answers[1][0][0].ranking for score in ranked.scores)
    assert most > 30  # there was something to count


def test_agreement_sees_answers_that_are_not_the_same(answers: Answers) -> None:
    swapped = [(answers[0][0], answers[1][1]), (answers[1][0], answers[0][1])]
    agreement = compare_answers(swapped)
    assert agreement.same_identity == 0
    assert agreement.same_counts < 0.7
    assert agreement.largest_difference > 10
    assert compare_answers([(answers[0][0] * 2, answers[0][1])]).same_animals == 0


def test_a_photo_that_only_one_of_them_matched_counts_as_different(answers: Answers) -> None:
    decisions, (expected,) = answers[0]
    comparison = expected.ranking.comparison
    row, column = expected.ranking.scores.rows[0], len(comparison.score_names) - 1
    raw = comparison.raw.copy()
    raw[row, column] = np.nan
    without = replace(expected, ranking=replace(expected.ranking, comparison=replace(comparison, raw=raw)))
    assert compare_answers([(decisions, [without])]).same_counts == pytest.approx(5 / 6)


def test_pytorch_compares_with_the_side_asked_for_only(
    session: Session, reference: TorchReference, queries: list[Enrolment]
) -> None:
    question = Question(viewpoint="right")  # the samples are all seen from the left
    (decision,) = session.identify(queries[0].path, question)[1]
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


@pytest.mark.parametrize("place", [0, 1], ids=["mutual nearest", "lighterglue"])
def test_pytorch_pairs_the_same_keypoints(
    session: Session, reference: TorchReference, queries: list[Enrolment], place: int
) -> None:
    match = session.identifier.recipe.match[place]
    query = described(session, queries[1]).keypoints[match.keypoints]
    ids = np.array([sighting.id for sighting in session.gallery.sightings()])
    candidates = session.candidates.keypoints(match.keypoints, ids[1:])  # five: more than one batch of LightGlue
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
    print("DIFF", match.name, differing, sum(map(len, theirs)))
    assert differing <= 0.02 * sum(map(len, theirs))  # measured: none


def test_figures_are_medians_ratios_of_medians_and_the_spread_of_photos() -> None:
    runtime = tuple({"decode": 1.0, "load": 3.0, "whole": whole} for whole in (8.0, 10.0, 40.0))
    reference = tuple({"decode": 2.0, "whole": whole} for whole in (16.0, 25.0, 40.0))
    figures = Latency(runtime, reference).figures()
    assert list(figures) == ["decode", "load", "whole"]
    assert figures["whole"]["p50"] == 10
    assert figures["whole"]["torch p50"] == 25
    assert figures["whole"]["ratio"] == 2.5
    assert figures["whole"]["ratio p10"] == pytest.approx(1.2)  # of the photos' 2, 2.5 and 1
    assert figures["whole"]["ratio p90"] == pytest.approx(2.4)
    assert set(figures["load"]) == {"p50", "p95"}


def test_a_missed_target_is_called_missed(answers: Answers) -> None:
    slow, fast = ({"whole": 1500.0},), ({"whole": 900.0},)
    agreement = compare_answers(answers)
    assert "the target of 1000 ms is missed" in Latency(slow).as_text()
    assert "the target of 1000 ms is met" in Latency(fast).as_text()
    assert "1.67 times as long; the target of 3 times is missed" in Latency(fast, slow, agreement).as_text()
    assert "3.33 times as long; the target of 3 times is met" in Latency(fast, ({"whole": 3000.0},), agreement).as_text()


def test_photos_are_taken_evenly_and_not_more_than_there_are(session: Session, queries: list[Enrolment]) -> None:
    seen: list[Path] = []

    def watch(rows: list[Enrolment], what: str) -> list[Enrolment]:
        seen.extend(row.path for row in rows)
        return rows

    measure_latency(session, queries, 2, watch)
    assert seen == [queries[0].path, queries[2].path]
    assert len(measure_latency(session, queries[:1], 5, watch).runtime) == 1


def test_the_command_prints_a_table_and_writes_every_figure(
    few_samples: Path, few_gallery: Path, session: Session, reference: TorchReference, tmp_path: Path
) -> None:
    kept = f"{few_samples.parent.name}-all-{session.identifier.feature_key[:12]}.sqlite"
    shutil.copy(few_gallery, tmp_path / kept)
    report = tmp_path / "figures.json"
    arguments = [
        "latency",
        few_samples,
        "--photos",
        1,
        "--against",
        "torch",
        "--keep",
        tmp_path,
        "--json",
        report,
        "--threads",
        1,
    ]
    result = CliRunner().invoke(bench, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    assert "| xfeat-lighterglue |" in result.output
    assert "both give the same identity for 100.0%" in result.output
    facts = json.loads(report.read_text(encoding="utf-8"))
    assert facts["gallery"] == 6
    assert facts["agreement"]["same_identity"] == 1
    assert set(facts["each"]["torch"][0]) == set(facts["each"]["runtime"][0]) - {"load"}
    assert facts["machine"]["cores"] >= 1
    with few_samples.open(newline="", encoding="utf-8") as table:
        assert sum(row["split"] == "database" for row in csv.DictReader(table)) == facts["gallery"]


@cache
def described(session: Session, row: Enrolment) -> Features:
    return session.identifier.describe(read_photo(row.path), largest_only=True)[0].features
