"""A shortlist becomes a ranking of individuals: each by its best photo, with probabilities that can be added up."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.compare.comparison import Comparison
from reid_edge.decide.calibration import Entry, Evidence, Pooling, WeightedMean
from reid_edge.decide.calibration.calibrator import Calibrator
from reid_edge.decide.ranking import Ranker
from reid_edge.describe.features import Features

LINE = Calibrator("linear", (0.0, 1.0), (0.0, 1.0))
ENTRY = Entry(
    {"e": LINE, "m": Calibrator("pchip", (0.0, 20.0, 100.0), (0.0, 0.1, 1.0))},
    WeightedMean({"e": 1.0, "m": 2.0}),
    Pooling(),
    Evidence(-1.0, 0.5, {"e": 2.0, "m": 1.5}, 0.3, {}, {"e": 1.7, "m": 3.0}),
    LINE,
    LINE,
    0.5,
    0.4,
    0.6,
)


class Names:
    """Sightings 0, 1, 2, ... are photos of four individuals in turn."""

    def identity_of(self, sighting_id: int) -> str:
        return ("Asha", "Baraka", "Chipo", "Duma")[sighting_id % 4]

    def photo_of(self, sighting_id: int) -> str:
        return f"{sighting_id}.jpg"


def ranked(ids: list[int], raw: list[tuple[float, float]]):
    return Ranker(Names(), ENTRY).rank(Comparison(np.array(ids, np.int64), ("e", "m"), np.array(raw, np.float64).reshape(-1, 2)))


# Few different values, so that scores are often equal.
score = st.sampled_from([0.1, 0.5, 0.9])
count = st.sampled_from([0.0, 20.0, 60.0, 150.0, float("nan")])
shortlist = st.lists(st.tuples(score, count), max_size=10)


@given(raw=shortlist)
def test_every_individual_of_the_shortlist_is_ranked_once_by_its_best_photo(raw):
    ranking = ranked(list(range(len(raw))), raw).scores
    assert set(ranking.identities) == {Names().identity_of(sighting) for sighting in range(len(raw))}
    assert len(ranking.identities) == len(set(ranking.identities)) == len(ranking.rows)
    assert (ranking.evidence <= ranking.evidence.max(initial=0)).all()
    assert not len(ranking.rows) or ranking.evidence[0] == ranking.evidence.max()
    fused = ENTRY.fuse(np.reshape(raw, (-1, 2)))[1]
    for identity, row, score in zip(ranking.identities, ranking.rows, ranking.fused, strict=True):
        own = [other for other in range(len(raw)) if Names().identity_of(other) == identity]
        assert score == fused[row] == max(fused[own])


@given(raw=shortlist)
def test_individuals_are_sorted_by_the_probability_that_is_printed(raw):
    ranking = ranked(list(range(len(raw))), raw)
    shown = ranking.ranked(10, Features({}, {}), None)
    assert [each.probability for each in shown] == sorted((each.probability for each in shown), reverse=True)
    assert tuple(each.identity for each in shown) == ranking.scores.identities


@given(raw=shortlist)
def test_probabilities_with_that_of_a_stranger_are_together_at_most_one_and_none_is_above_the_first(raw):
    ranking = ranked(list(range(len(raw))), raw)
    probabilities = ranking.probabilities
    assert sum(probabilities) + ranking.unknown <= 1 + 1e-9
    assert all(0 <= probability <= 1 for probability in probabilities)
    assert all(probability <= probabilities[0] for probability in probabilities)


@given(raw=shortlist, shuffle=st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_changes_no_individuals_place_score_or_probability(raw, shuffle):
    order = list(range(len(raw)))
    shuffle.shuffle(order)
    one, two = ranked(list(range(len(raw))), raw), ranked(order, [raw[place] for place in order])
    assert one.scores.identities == two.scores.identities
    assert one.probabilities == two.probabilities
    assert one.scores.evidence.tolist() == two.scores.evidence.tolist()
    assert one.scores.fused.tolist() == two.scores.fused.tolist()


@given(raw=shortlist.filter(len), top=st.integers(1, 6))
def test_the_evidence_tells_raw_and_calibrated_scores_and_not_a_number_is_none(raw, top):
    ranking = ranked(list(range(len(raw))), raw)
    evidence = ranking.ranked(top, Features({}, {}), None)
    assert len(evidence) == min(top, len(ranking.scores.identities))
    for row, shown in zip(ranking.scores.rows, evidence, strict=False):
        assert shown.sighting == row
        assert shown.photo == f"{row}.jpg"
        assert shown.matches == ()
        for said, given_score in zip(shown.scores, raw[row], strict=True):
            missing = given_score != given_score
            assert said.raw == (None if missing else given_score)
            assert (said.calibrated is None) == missing


def test_the_lead_over_the_others_counts_every_photo_of_an_individual():
    asha_twice = [(0.5, 20.0), (0.5, 20.0), (0.5, 20.0), (0.5, 20.0), (0.1, 60.0)]
    alone = [(0.5, 20.0), (0.5, 20.0), (0.5, 20.0), (0.5, 20.0), (0.1, 20.0)]
    assert ranked([0, 1, 2, 3, 4], asha_twice).scores.evidence[0] > ranked([0, 1, 2, 3, 4], alone).scores.evidence[0]


def test_an_empty_shortlist_is_an_empty_ranking():
    ranking = ranked([], [])
    assert (ranking.scores.identities, ranking.scores.rows, ranking.probabilities) == ((), (), ())
    assert ranking.ranked(5, Features({}, {}), None) == ()
