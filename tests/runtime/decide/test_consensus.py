"""A recipe's own fusions and steps: the rules of the accounts, worked by hand, and the laws that any such rule keeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reid_edge.compare.comparison import Comparison
from reid_edge.decide.calibration import Entry, Evidence, Pooling, Stacking, WeightedMean
from reid_edge.decide.calibration.calibrator import Calibrator
from reid_edge.decide.consensus import Vote, score_by_recipe, take_step
from reid_edge.decide.ranking import Ranker
from reid_edge.errors import PackError
from reid_edge.recipe import Embed, Extract, Match, Recipe, Retrieve
from reid_edge.recipe.species import applies_to
from reid_edge.recipe.stages import Agree, Decide, Fuse, Gate, Group, Head

NAMES = ("near", "count", "head")
LINE = Calibrator("linear", (0.0, 1.0), (0.0, 1.0))
COUNT = Calibrator("linear", (0.0, 100.0), (0.1, 0.9))
ENTRY = Entry(
    {"near": LINE, "count": COUNT, "head": LINE},
    WeightedMean({"near": 3.0, "count": 1.0, "head": 0.0}),
    Pooling(),
    Evidence(0.0, 1.0, dict.fromkeys(NAMES, 0.0), 0.0, {}, dict.fromkeys(NAMES, 0.0)),
    LINE,
    LINE,
    0.5,
    0.4,
    0.6,
)
BOTH = Fuse("both", (Group(("near", "count"), 1.0),))
nan = float("nan")


def system(*fuses: Fuse, steps=()) -> Recipe:
    """A recipe of a cosine, a count and a head with these fusions and steps."""
    return Recipe(
        segment=None,
        embed=(Embed("near", "network"),),
        retrieve=Retrieve("near", 100),
        extract=(Extract("points", False, 0.0, "network"),),
        match=(Match("count", "points", "mutual-nearest", 0.5),),
        head=(Head("head", "classifier", "network", "near"),),
        fuse=fuses,
        step=tuple(steps),
        decide=Decide(0.5),
    )


def scored(raw, owners, recipe, entry=ENTRY, species=""):
    return score_by_recipe(np.array(raw, float).reshape(-1, 3), owners, recipe, entry, species)


# Few different values, so that scores are often equal.
near = st.sampled_from([-0.2, 0.1, 0.5, 0.9])
count = st.sampled_from([0.0, 20.0, 60.0, 150.0, nan])
probability = st.sampled_from([0.0, 0.3, 0.99, nan])
shortlists = st.lists(st.tuples(near, count, probability), min_size=1, max_size=8)
share = st.floats(0, 1)
answers = st.builds(Vote, st.sampled_from(["A", "B"]), share)
so_far = st.one_of(answers, st.just(Vote(None, 0.0)))
agreements = st.builds(
    Agree, st.just("head"), st.tuples(share, share), st.floats(0, 3), st.sampled_from(["source", "higher"]), st.floats(0, 3)
)
gates = st.builds(Gate, st.just("head"), st.sampled_from(["take", "new"]), share)
some_steps = st.lists(st.one_of(agreements, gates), max_size=3)


def owners_of(raw):
    return ["ABC"[row % 3] for row in range(len(raw))]


def test_a_fusion_is_the_weighted_sum_of_the_means_of_its_groups():
    fuse = Fuse("f", (Group(("near", "count"), 3.0), Group(("head",), 1.0, calibrated=False)))
    found = scored([[0.5, 50.0, 0.2], [0.4, 100.0, 1.5]], ["A", "B"], system(fuse))
    # (3 (0.5 + 0.5) / 2 + 0.2) / 4 of A; (3 (0.4 + 0.9) / 2 + 1) / 4 of B, whose 1.5 is cut.
    assert found.identities == ("B", "A")
    assert found.fused == pytest.approx([0.7375, 0.425], abs=1e-6)
    assert found.evidence == pytest.approx([0.7375, 0.425], abs=1e-6)
    assert found.calibrated[0, :2] == pytest.approx([0.5, 0.5], abs=1e-6)


def test_an_absent_score_is_the_lowest_where_others_have_it_and_left_out_where_nobody_has():
    fuse = Fuse("f", (Group(("near", "count"), 1.0), Group(("head",), 1.0, calibrated=False)))
    some = scored([[0.5, nan, nan], [0.5, 50.0, 0.4]], ["A", "B"], system(fuse))
    assert dict(zip(some.identities, some.fused, strict=True)) == pytest.approx({"A": 0.15, "B": 0.45}, abs=1e-6)
    nobody = scored([[0.5, nan, nan], [0.6, nan, nan]], ["A", "B"], system(fuse))
    assert dict(zip(nobody.identities, nobody.fused, strict=True)) == pytest.approx({"A": 0.5, "B": 0.6}, abs=1e-6)
    assert np.isnan(nobody.calibrated[:, 1:]).all()
    nothing = scored([[0.5, nan, nan]], ["A"], system(Fuse("f", (Group(("head",), 1.0),))))
    assert (nothing.identities, nothing.fused.tolist(), nothing.evidence.tolist()) == (("A",), [0.0], [0.0])


def test_fitted_weights_come_from_the_calibration_per_score():
    fuse = replace(BOTH, fit="powell")
    found = scored([[0.8, 0.0, nan], [0.2, 100.0, nan]], ["A", "B"], system(fuse))
    assert dict(zip(found.identities, found.fused, strict=True)) == pytest.approx({"A": 0.625, "B": 0.375}, abs=1e-6)
    of_another_kind = replace(ENTRY, fusion=Stacking(0.0, dict.fromkeys(NAMES, 1.0), dict.fromkeys(NAMES, 0.0)))
    with pytest.raises(PackError, match="weights are fitted ones"):
        scored([[0.8, 0.0, nan]], ["A"], system(fuse), of_another_kind)


def test_a_fusion_may_look_at_the_nearest_only():
    raw = [[0.5, 150.0, nan], [0.9, 20.0, nan], [0.1, 150.0, nan]]
    found = scored(raw, ["A", "B", "C"], system(replace(BOTH, candidates=1)))
    assert (found.identities, found.rows) == (("B", "A", "C"), (1, 0, 2))
    assert found.fused[1:].tolist() == [0.0, 0.0]
    two = system(replace(BOTH, candidates=1), Fuse("all", (Group(("count",), 1.0),)), steps=[Gate("all", "take", 0.5)])
    assert scored(raw, ["A", "B", "C"], two).identities == ("A", "B", "C")


def test_an_individual_is_as_good_as_its_best_photo():
    found = scored([[0.5, 20.0, nan], [0.9, 60.0, nan], [0.7, 50.0, nan]], ["A", "A", "B"], system(BOTH))
    assert (found.identities, found.rows) == (("A", "B"), (1, 2))


def test_the_agreement_of_the_sixth_system_worked_by_hand():
    """0.45 and 0.55; agree x 1.2, differ: the second's x 1.82; then the classifier at 0.25, agree x 1.7, else the higher one, x 1.2."""
    wildfusion = Agree("second", (0.45, 0.55), 1.2, "source", 1.82)
    classifier = Agree("head", (1.0, 0.25), 1.7, "higher", 1.2)
    combined = take_step(wildfusion, Vote("A", 0.6), Vote("A", 0.8))
    assert combined == Vote("A", pytest.approx((0.27 + 0.44) / 2 * 1.2))
    assert take_step(wildfusion, Vote("A", 0.9), Vote("B", 0.4)) == Vote("B", pytest.approx(0.22 * 1.82))
    assert take_step(classifier, Vote("A", 0.4), Vote("A", 0.8)) == Vote("A", pytest.approx((0.4 + 0.2) / 2 * 1.7))
    assert take_step(classifier, Vote("A", 0.4), Vote("B", 0.8)) == Vote("A", pytest.approx(0.4))
    assert take_step(classifier, Vote("A", 0.1), Vote("B", 0.8)) == Vote("B", pytest.approx(0.2 * 1.2))


def test_the_cascade_of_the_second_system_worked_by_hand():
    """Lynx: below 39.7 % new; boosting of 99 % or more overrules; a cosine confidence below 64 % is new, of 89.3 % or more overrules."""
    lynx = system(
        Fuse("wildfusion", (Group(("count",), 1.0),)),
        steps=[
            Gate("wildfusion", "new", 0.397, species=("lynx",)),
            Gate("head", "take", 0.99, species=("lynx",)),
            Gate("near", "new", 0.64, cosine=True, species=("lynx",)),
            Gate("near", "take", 0.893, cosine=True, species=("lynx",)),
        ],
    )

    def answer(raw, species="Lynx"):
        found = scored(raw, ["A", "B"], lynx, species=species)
        return found.identities[0], float(found.evidence[0])

    assert answer([[0.5, 60.0, 0.1], [0.4, 20.0, 0.2]]) == ("A", pytest.approx(0.58, abs=1e-6))
    assert answer([[0.5, 60.0, 0.01], [0.4, 20.0, 0.99]]) == ("B", pytest.approx(0.99))
    assert answer([[0.5, 30.0, 0.1], [0.4, 20.0, 0.2]])[1] == 0  # 0.34 of the fusion: new
    assert answer([[0.5, 30.0, 0.1], [0.4, 20.0, 0.99]]) == ("B", pytest.approx(0.99))
    assert answer([[0.2, 60.0, 0.1], [0.1, 20.0, 0.2]])[1] == 0  # (0.2 + 1) / 2 = 0.6: new
    assert answer([[0.2, 60.0, 0.1], [0.8, 20.0, 0.2]]) == ("B", pytest.approx(0.9))
    assert answer([[0.2, 60.0, 0.1], [0.8, 20.0, 0.2]], species="nyala") == ("A", pytest.approx(0.58, abs=1e-6))
    assert answer([[0.2, 60.0, 0.1], [0.8, 20.0, 0.2]], species="") == ("A", pytest.approx(0.58, abs=1e-6))


def test_a_source_without_a_score_for_this_query_changes_nothing():
    steps = [Gate("head", "new", 0.5), Agree("head", (0.1, 1.0), 1.0, "source", 1.0)]
    found = scored([[0.9, 60.0, nan], [0.4, 20.0, nan]], ["A", "B"], system(BOTH, steps=steps))
    assert (found.identities[0], found.evidence[0]) == ("A", pytest.approx(0.74, abs=1e-6))


def test_an_empty_shortlist_has_no_answer():
    found = scored([], [], system(BOTH, steps=[Gate("head", "new", 0.5)]))
    assert (found.identities, found.rows, len(found.evidence)) == ((), (), 0)


@given(raw=shortlists, steps=some_steps)
def test_every_individual_is_there_once_and_none_stands_out_more_than_the_first(raw, steps):
    found = scored(raw, owners_of(raw), system(BOTH, steps=steps))
    assert sorted(found.identities) == sorted(set(owners_of(raw)))
    assert [owners_of(raw)[row] for row in found.rows] == list(found.identities)
    assert ((found.evidence >= 0) & (found.evidence <= found.evidence[0]) & (found.evidence <= 1)).all()
    assert (np.diff(found.fused[1:]) <= 0).all()


@given(raw=shortlists, steps=some_steps, shuffle=st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_changes_nothing(raw, steps, shuffle):
    order, owners = list(range(len(raw))), owners_of(raw)
    shuffle.shuffle(order)
    recipe = system(BOTH, steps=steps)
    one, two = scored(raw, owners, recipe), scored([raw[row] for row in order], [owners[row] for row in order], recipe)
    assert one.identities == two.identities
    assert one.fused.tolist() == two.fused.tolist()
    assert one.evidence.tolist() == two.evidence.tolist()


@given(raw=shortlists, calibrated=st.booleans(), weight=st.floats(0.1, 5))
def test_a_weight_of_zero_removes_a_score(raw, calibrated, weight):
    fuse = Fuse("f", (Group(("near", "count"), weight), Group(("head",), 0.0, calibrated)))
    kept, gone = (scored(raw, owners_of(raw), system(each)) for each in (fuse, replace(fuse, groups=fuse.groups[:1])))
    assert kept.identities == gone.identities
    assert kept.fused.tolist() == gone.fused.tolist()
    fitted = replace(BOTH, groups=(Group(NAMES, 1.0),), fit="powell")
    without = replace(fitted, groups=(Group(("near", "count"), 1.0),))
    kept, gone = (scored(raw, owners_of(raw), system(each)) for each in (fitted, without))
    assert kept.fused.tolist() == gone.fused.tolist()


@given(raw=shortlists, alpha=share)
def test_alpha_fusion_lies_between_its_groups_and_is_one_of_them_at_its_ends(raw, alpha):
    """Alpha x one + (1 - alpha) x the other, as the account with alpha = 0.5 has it (its equation 6)."""
    raw = [(one, two, nan) for one, two, _ in raw]
    raw[0] = (raw[0][0], 60.0, nan)  # a count that nobody has would be left out

    def by_identity(*groups):
        found = scored(raw, owners_of(raw), system(Fuse("f", groups)))
        return dict(zip(found.identities, found.fused, strict=True))

    def mixed(weight):
        return by_identity(Group(("count",), weight), Group(("near",), 1 - weight))

    assert mixed(1.0) == by_identity(Group(("count",), 1.0))
    assert mixed(0.0) == by_identity(Group(("near",), 1.0))
    counts, cosines = mixed(1.0), mixed(0.0)
    for identity, fused in mixed(alpha).items():
        assert fused <= alpha * counts[identity] + (1 - alpha) * cosines[identity] + 1e-12


@given(answer=so_far, source=answers, limits=st.tuples(share, share).map(sorted))
def test_gates_are_monotone_in_their_limit(answer, source, limits):
    """Whoever is taken at a high limit is taken at a lower one; whoever is new at a low limit is new at a higher one."""
    low, high = limits
    assume(answer != source)
    if take_step(Gate("head", "take", high), answer, source) == source:
        assert take_step(Gate("head", "take", low), answer, source) == source
    if take_step(Gate("head", "new", low), answer, source) == Vote(None, 0.0):
        assert take_step(Gate("head", "new", high), answer, source) == Vote(None, 0.0)
    assert take_step(Gate("head", "take", 0.0), answer, source) == source
    assert take_step(Gate("head", "new", 0.0), answer, source) == answer


@given(answer=so_far, source=answers, limit=share, more=share)
def test_a_source_that_is_surer_passes_every_gate_that_it_passed(answer, source, limit, more):
    assume(answer != source)
    surer = replace(source, confidence=max(source.confidence, more))
    take, new = Gate("head", "take", limit), Gate("head", "new", limit)
    if take_step(take, answer, source) == source:
        assert take_step(take, answer, surer) == surer
    if take_step(new, answer, source) == answer:
        assert take_step(new, answer, surer) == answer


@given(one=share, other=share, boost=st.floats(1, 3), differ=st.sampled_from(["source", "higher"]))
def test_agreement_is_never_less_sure_than_both_and_disagreement_is_never_surer_than_agreement(one, other, boost, differ):
    """The mean of both is below the surer one where they are not equally sure, as in the account; it is never below their mean."""
    step = Agree("head", (1.0, 1.0), boost, differ, 1.0)
    agreed = take_step(step, Vote("A", one), Vote("A", other))
    assert agreed.identity == "A"
    assert agreed.confidence >= (one + other) / 2 - 1e-12
    assert agreed.confidence >= min(one, other) - 1e-12
    if one == other:
        assert agreed.confidence >= take_step(step, Vote("A", one), Vote("B", other)).confidence


@given(one=share, other=share, more=share, step=agreements)
def test_an_agreement_of_surer_ones_is_surer(one, other, more, step):
    surer = take_step(step, Vote("A", max(one, more)), Vote("A", other))
    assert surer.confidence >= take_step(step, Vote("A", one), Vote("A", other)).confidence


@given(answer=so_far, source=answers, step=st.one_of(agreements, gates))
def test_a_step_answers_with_one_of_both_or_new_and_a_confidence_within_0_and_1(answer, source, step):
    after = take_step(step, answer, source)
    assert after.identity in (answer.identity, source.identity, None)
    assert 0 <= after.confidence <= 1
    assert after.identity is not None or after.confidence == 0


def test_a_stage_for_some_species_is_for_no_unknown_one():
    assert applies_to((), "")
    assert applies_to(("lynx",), " Lynx")
    assert not applies_to(("lynx",), "")
    assert not applies_to(("lynx",), "nyala")


class Names:
    """Sightings 0, 1, ... are photos of A, B, ..."""

    def identity_of(self, sighting_id: int) -> str:
        return "ABC"[sighting_id]

    def photo_of(self, sighting_id: int) -> str:
        return f"{sighting_id}.jpg"


def test_a_ranking_answers_by_the_recipe_where_it_fuses_and_by_the_calibration_where_it_does_not():
    comparison = Comparison(np.arange(2), NAMES, np.array([[0.9, 60.0, 0.0], [0.4, 20.0, 1.0]]))
    overruled = system(BOTH, steps=[Gate("head", "take", 0.9, species=("lynx",))])
    ranking = Ranker(Names(), ENTRY, None, overruled, "lynx").rank(comparison)
    assert (ranking.scores.identities, ranking.photos) == (("B", "A"), ("1.jpg", "0.jpg"))
    assert ranking.scores.evidence[0] == 1.0
    assert Ranker(Names(), ENTRY, None, overruled, "nyala").rank(comparison).scores.identities == ("A", "B")
    fitted = Ranker(Names(), ENTRY).rank(comparison)
    bare = Ranker(Names(), ENTRY, None, replace(overruled, fuse=(), step=(), decide=None), "lynx").rank(comparison)
    assert bare.scores.evidence.tolist() == fitted.scores.evidence.tolist()


def test_a_calibrated_gate_means_probabilities():
    """Counts of 70 and 20 are 0.66 and 0.26 on the calibrator's line."""
    raw = [(0.9, 20, nan), (0.1, 70, nan)]
    for limit, expected in ((0.6, ("B", 0.66)), (0.7, ("A", 0.9))):
        steps = [Gate("count", "take", limit, calibrated=True)]
        answer = scored(raw, ["A", "B"], system(Fuse("first", (Group(("near",), 1.0),)), steps=steps))
        assert (answer.identities[0], pytest.approx(float(answer.evidence[0]))) == expected
    for limit, evidence in ((0.6, 0.9), (0.7, 0.0)):
        steps = [Gate("count", "new", limit, calibrated=True)]
        answer = scored(raw, ["A", "B"], system(Fuse("first", (Group(("near",), 1.0),)), steps=steps))
        assert float(answer.evidence[0]) == pytest.approx(evidence)


@given(shortlists, share, share)
def test_a_lower_calibrated_limit_takes_whatever_a_higher_one_takes(raw, one, other):
    low, high = sorted((one, other))
    before = scored(raw, owners_of(raw), system(BOTH))
    taken = [
        scored(raw, owners_of(raw), system(BOTH, steps=[Gate("count", "take", limit, calibrated=True)])) for limit in (low, high)
    ]
    if (taken[1].identities, taken[1].evidence.tolist()) != (before.identities, before.evidence.tolist()):
        assert (taken[0].identities, taken[0].evidence.tolist()) == (taken[1].identities, taken[1].evidence.tolist())
