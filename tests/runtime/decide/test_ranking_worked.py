"""A ranking worked by hand: who is told with what, and how probabilities are shared."""

from __future__ import annotations

import numpy as np
import pytest

from reid_edge.compare.comparison import Comparison
from reid_edge.compare.matching import Matches
from reid_edge.decide.calibration import Entry, Evidence, Pooling, WeightedMean
from reid_edge.decide.calibration.calibrator import Calibrator
from reid_edge.decide.calibration.evidence import QualityTerm
from reid_edge.decide.ranking import Ranker, Ranking
from reid_edge.describe.features import Features
from reid_edge.describe.keypoints import Keypoints
from reid_edge.recipe import Match

LINE = Calibrator("linear", (0.0, 1.0), (0.0, 1.0))
AS_FUSED = Evidence(0.0, 1.0, {"e": 0.0}, 0.0, {}, {"e": 0.0})
nan = float("nan")


def line(low: float, high: float) -> Calibrator:
    return Calibrator("linear", (0.0, 1.0), (low, high))


def entry(unknown: Calibrator = LINE, identity: Calibrator = LINE, evidence: Evidence = AS_FUSED) -> Entry:
    """An individual's evidence is its one score."""
    return Entry({"e": LINE}, WeightedMean({"e": 1.0}), Pooling(), evidence, identity, unknown, 0.5, 0.4, 0.6)


class Names:
    """Sightings 10, 11, 12, 13 show A, B, C, A."""

    def identity_of(self, sighting_id: int) -> str:
        return "ABCA"[sighting_id - 10]

    def photo_of(self, sighting_id: int) -> str:
        return f"{sighting_id}.jpg"


def ranked(used: Entry, *scores: float, quality: np.ndarray | None = None) -> Ranking:
    comparison = Comparison(np.arange(10, 10 + len(scores)), ("e",), np.array(scores)[:, None])
    return Ranker(Names(), used, quality).rank(comparison)


def test_who_is_ranked_where_by_which_photo():
    found = ranked(entry(), 0.3, 0.6, 0.5, 0.4)
    assert (found.scores.identities, found.photos, found.scores.rows) == (
        ("B", "C", "A"),
        ("11.jpg", "12.jpg", "13.jpg"),
        (1, 2, 3),
    )


def test_the_others_share_what_the_best_and_a_stranger_leave_in_proportion():
    found = ranked(entry(unknown=line(0.0, 0.5)), 0.3, 0.6, 0.5)
    assert found.unknown == pytest.approx(0.2)
    assert found.probabilities == pytest.approx((0.6, 0.2 * 0.5 / 0.8, 0.2 * 0.3 / 0.8), abs=1e-6)


def test_others_that_together_need_less_than_is_left_keep_their_own():
    found = ranked(entry(unknown=line(0.0, 0.1)), 0.05, 0.6, 0.1)
    assert found.probabilities == pytest.approx((0.6, 0.1, 0.05), abs=1e-6)


def test_a_stranger_takes_no_more_than_the_best_leaves_and_then_nothing_is_left_for_others():
    found = ranked(entry(unknown=line(0.9, 0.9)), 0.3, 0.6)
    assert found.unknown == pytest.approx(0.4)
    assert found.probabilities == pytest.approx((0.6, 0.0), abs=1e-6)


def test_alone_an_individual_keeps_its_probability():
    found = ranked(entry(unknown=line(0.0, 0.5)), 0.6)
    assert (found.probabilities, found.unknown) == (pytest.approx((0.6,), abs=1e-6), pytest.approx(0.2))


def test_the_quality_of_the_photo_counts():
    blurred = entry(evidence=Evidence(0.0, 1.0, {"e": 0.0}, 0.0, {"sharpness": QualityTerm(2.0, 3.0, 0.0, 9.0)}, {"e": 0.0}))
    typical, sharp = ranked(blurred, 0.6), ranked(blurred, 0.6, quality=np.array([4.0]))
    assert typical.scores.evidence == pytest.approx([0.6], abs=1e-6)
    assert sharp.scores.evidence == pytest.approx([0.6 * np.exp(2) / (0.6 * np.exp(2) + 0.4)], abs=1e-6)


def test_an_empty_ranking_is_a_stranger():
    found = ranked(entry())
    assert (found.unknown, found.probabilities, found.photos) == (1.0, (), ())


def keypoints(offset: float) -> Keypoints:
    xy = np.array([[offset + x, offset + 10 * x] for x in range(4)], np.float32)
    return Keypoints(xy, np.ones(4, np.float32), np.eye(4, dtype=np.float32), np.array([0, 0, 99, 99], np.float32))


class Source:
    """The keypoints of sighting s lie at s."""

    def keypoints(self, extraction: str, sighting_ids: np.ndarray) -> list[Keypoints]:
        assert extraction == "points"
        return [keypoints(float(sighting)) for sighting in sighting_ids]


def matched() -> Ranking:
    """B and A, of whom B was matched: keypoint 2 of the query with 0 of the candidate and 1 with 3; by pictures as well."""
    found = Matches(np.array([2, 1]), np.array([0, 3]), np.array([0.75, 0.5], np.float32))
    raw = np.array([[0.3, nan], [0.6, 2.0]])
    comparison = Comparison(np.array([10, 11]), ("e", "m"), raw, {"m": {1: found}, "pictures": {1: found}})
    counts = Calibrator("linear", (0.0, 4.0), (0.0, 1.0))
    leads = Evidence(0.0, 1.0, {"e": 0.0, "m": 0.0}, 0.0, {}, {"e": 0.0, "m": 0.0})
    weights = WeightedMean({"e": 1.0, "m": 1.0})
    both = Entry({"e": LINE, "m": counts}, weights, Pooling(), leads, LINE, LINE, 0.5, 0.4, 0.6)
    return Ranker(Names(), both).rank(comparison)


QUERY = Features({}, {"points": keypoints(0.0)})
MATCHES = (Match("m", "points", "mutual-nearest", 0.5), Match("pictures", "points", "loftr", 0.5, "n"))


def test_a_ranked_individual_is_told_with_all_that_speaks_for_it():
    found = matched()
    best, second = found.ranked(5, QUERY, None)
    assert (best.identity, best.sighting, best.photo, best.matches) == ("B", 11, "11.jpg", ())
    assert best.fused == pytest.approx(0.55, abs=1e-6)
    assert best.evidence == pytest.approx(0.55, abs=1e-6)
    assert (best.probability, second.probability) == found.probabilities
    assert [(score.name, score.raw) for score in best.scores] == [("e", pytest.approx(0.6)), ("m", 2.0)]
    assert [score.calibrated for score in best.scores] == pytest.approx([0.6, 0.5], abs=1e-6)
    assert (second.identity, second.sighting, second.photo) == ("A", 10, "10.jpg")
    assert [(score.name, score.raw, score.calibrated) for score in second.scores] == [
        ("e", pytest.approx(0.3), pytest.approx(0.3, abs=1e-6)),
        ("m", None, None),
    ]
    assert [each.identity for each in found.ranked(1, QUERY, None)] == ["B"]
    assert found.ranked(0, QUERY, None) == ()


def test_matched_points_are_told_in_the_pixels_of_both_photos_and_of_pictures_none():
    best, second = matched().ranked(2, QUERY, Source(), MATCHES)
    points, pictures = best.matches
    assert points.matcher == "m"
    assert list(points.query_xy) == [(2.0, 20.0), (1.0, 10.0)]
    assert list(points.candidate_xy) == [(11.0, 11.0), (14.0, 41.0)]
    assert list(points.scores) == [0.75, 0.5]
    for name, nothing in (("pictures", pictures), ("m", second.matches[0]), ("pictures", second.matches[1])):
        assert (nothing.matcher, *map(len, (nothing.query_xy, nothing.candidate_xy, nothing.scores))) == (name, 0, 0, 0)


def test_points_are_told_only_for_matches_that_are_asked_for():
    assert matched().ranked(2, QUERY, Source())[0].matches == ()
    assert [points.matcher for points in matched().ranked(2, QUERY, Source(), MATCHES[:1])[0].matches] == ["m"]
