from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.decide.apart import resolve_frame
from reid_edge.decide.combining import Sight, assign, combine, group_animals
from reid_edge.decide.decision import Decision, RankedIdentity
from reid_edge.decide.facts import AnimalFacts, EngineFacts, PackFacts, PhotoFacts, Thresholds


def _decision(verdict: str, unknown: float, **ranking: float) -> Decision:
    ranked = tuple(RankedIdentity(name, value, value, value, 1, "p.jpg", ()) for name, value in ranking.items())
    identity = None if verdict == "new" else ranked[0].identity
    probability = unknown if verdict == "new" else ranked[0].probability
    thresholds, photo, animal = (
        Thresholds(0.5, 0.4, 0.6),
        PhotoFacts(None, "p", "", 1, 1, None),
        AnimalFacts(0, (0, 0, 1, 1), 1.0, True),
    )
    pack, engine = PackFacts("field", "1", ""), EngineFacts("", "", "cpu", 1)
    return Decision(
        verdict, identity, probability, unknown, "", ranked, thresholds, "generic", photo, animal, "r", pack, engine, {}, ()
    )  # type: ignore[arg-type]


def _sight(animal: int, photo: int, verdict: str, unknown: float, vector: list[float] | None = None, **ranking: float) -> Sight:
    identity = None if verdict == "new" else next(iter(ranking))
    return Sight(animal, photo, verdict, identity, ranking, unknown, None if vector is None else np.array(vector, np.float32))


def test_two_animals_of_one_photo_are_never_the_same_individual() -> None:
    sure, less = _decision("known", 0.01, Asha=0.99), _decision("known", 0.2, Asha=0.8)
    first, second = resolve_frame([sure, less])
    assert (first.verdict, first.identity) == ("known", "Asha")
    # P(first is Asha) = .99 * .2 / (.99 * .2 + .01 * .8 + .01 * .2)
    assert first.probability == pytest.approx(0.198 / 0.208)
    assert second.verdict == "ask"
    assert second.probability == pytest.approx(0.008 / 0.208)
    assert "animal 1 of this photo" in second.reason


def test_where_both_are_as_sure_a_person_decides_both() -> None:
    twins = [_decision("known", 0.1, Asha=0.9), _decision("known", 0.1, Asha=0.9)]
    resolved = resolve_frame(twins)
    assert [each.verdict for each in resolved] == ["ask", "ask"]
    assert resolved[0].probability == pytest.approx(0.09 / 0.19)


def test_the_loser_goes_to_the_next_of_its_ranking() -> None:
    first, second = resolve_frame([_decision("known", 0.01, Asha=0.98), _decision("known", 0.05, Asha=0.55, Baraka=0.4)])
    assert (first.identity, second.identity, second.verdict) == ("Asha", "Baraka", "ask")
    assert second.probability > 0.8  # of .4 and what is left over .05, without Asha


def test_a_question_names_the_likeliest_that_the_other_animals_leave() -> None:
    _, second = resolve_frame([_decision("known", 0.01, Asha=0.98), _decision("ask", 0.2, Asha=0.4, Baraka=0.3)])
    assert (second.verdict, second.identity) == ("ask", "Baraka")
    assert second.probability == second.ranking[0].probability


def test_animals_without_a_name_in_common_stay_as_they_are() -> None:
    decisions = [_decision("known", 0.01, Asha=0.99), _decision("new", 0.9, Baraka=0.05)]
    assert resolve_frame(decisions) == decisions
    assert resolve_frame(decisions[:1]) == decisions[:1]


@given(st.lists(st.dictionaries(st.sampled_from("ABCDE"), st.floats(0, 0.19), min_size=1), min_size=2, max_size=6))
def test_what_is_resolved_is_a_distribution_again_and_no_name_is_known_twice(rankings: list[dict[str, float]]) -> None:
    decisions = [
        _decision("known", 1 - sum(ranking.values()), **dict(sorted(ranking.items(), key=lambda item: -item[1])))
        for ranking in rankings
    ]
    resolved = resolve_frame(decisions)
    known = [each.identity for each in resolved if each.verdict == "known"]
    assert len(set(known)) == len(known)
    for each in resolved:
        total = sum(ranked.probability for ranked in each.ranking) + each.unknown
        assert total <= 1 + 1e-3  # rankings are clipped at 1e-4 for each of at most five names
        assert [ranked.probability for ranked in each.ranking] == sorted(
            (ranked.probability for ranked in each.ranking), reverse=True
        )


def test_the_assignment_has_the_largest_sum() -> None:
    assert assign([[0.9, 0.8], [0.85, 0.1]]) == [1, 0]  # greedily 0.9 + 0.1
    assert assign([[0.0, 0.0]]) == [None]
    assert assign([[0.3], [0.4]]) == [None, 0]
    assert assign([]) == []


def test_a_large_assignment_takes_the_largest_scores_first() -> None:
    scores = np.random.default_rng(0).random((8, 8)).tolist()
    found = assign(scores)
    assert sorted(column for column in found if column is not None) == list(range(8))


def test_photos_of_the_same_known_individual_are_one_animal_and_of_another_are_not() -> None:
    sights = [_sight(1, 1, "known", 0.1, Asha=0.9), _sight(2, 2, "known", 0.2, Asha=0.8), _sight(3, 3, "known", 0.1, Baraka=0.9)]
    assert [[sight.animal for sight in group] for group in group_animals(sights, None)] == [[1, 2], [3]]


def test_two_animals_of_one_frame_are_never_grouped() -> None:
    same = [1.0, 0.0]
    sights = [_sight(number, photo, "new", 0.9, same) for number, photo in enumerate((1, 1, 2, 2))]
    groups = group_animals(sights, lambda one, other: float(one @ other))
    assert [[sight.animal for sight in group] for group in groups] == [[0, 2], [1, 3]]


def test_strangers_in_frames_of_several_are_told_apart_by_their_vectors() -> None:
    sights = [
        _sight(number, photo, "new", 0.9, vector) for number, photo, vector in ((1, 1, [1, 0]), (2, 1, [0, 1]), (3, 2, [0, 1]))
    ]
    groups = group_animals(sights, lambda one, other: float(one @ other))
    assert [[sight.animal for sight in group] for group in groups] == [[1], [2, 3]]


def test_single_animals_of_a_burst_are_one_unless_they_are_known_as_two() -> None:
    sights = [
        _sight(1, 1, "new", 0.9, [1, 0]),
        _sight(2, 2, "ask", 0.5, [0, 1], Asha=0.4),
        _sight(3, 3, "known", 0.1, [1, 0], Asha=0.9),
    ]
    assert len(group_animals(sights, lambda one, other: float(one @ other))) == 1
    assert len(group_animals([*sights, _sight(4, 4, "known", 0.1, Baraka=0.9)], None)) == 2
    assert len(group_animals([*sights, _sight(4, 4, "ask", 0.3, Baraka=0.7)], None)) == 2  # more likely than not another one


def test_where_frames_show_several_an_uncertain_animal_is_not_joined_to_the_next_best() -> None:
    sights = [_sight(1, 1, "known", 0.05, Asha=0.95), _sight(2, 2, "ask", 0.5, Asha=0.4, Baraka=0.1), _sight(3, 2, "new", 0.99)]
    assert len(group_animals(sights, None)) == 3  # an overlap of 0.4 is not enough
    assert len(group_animals(sights[:2], None)) == 1


def test_the_same_photo_twice_adds_no_confidence() -> None:
    once = combine([_sight(1, 1, "known", 0.1, Asha=0.8, Baraka=0.1)])
    twice = combine([_sight(1, 1, "known", 0.1, Asha=0.8, Baraka=0.1), _sight(2, 2, "known", 0.1, Asha=0.8, Baraka=0.1)])
    assert (once.verdict, once.identity, once.probability) == ("known", "Asha", 0.8)
    assert twice.probability == pytest.approx(once.probability)


@given(st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 0.3), st.floats(0, 0.2)), min_size=1, max_size=8))
def test_an_event_is_never_surer_than_its_surest_photo(values: list[tuple[float, float, float]]) -> None:
    group = [_sight(number, number, "ask", unknown, Asha=one, Baraka=two) for number, (one, two, unknown) in enumerate(values)]
    found = combine(group)
    # 1e-4 is where log-odds are clipped.
    assert dict(found.ranking)["Asha"] <= max(one for one, _, _ in values) + 1e-4
    assert dict(found.ranking)["Baraka"] <= max(two for _, two, _ in values) + 1e-4
    assert found.unknown <= max(unknown for _, _, unknown in values) + 1e-4


def test_a_photo_that_says_little_counts_little() -> None:
    clear, blurred = _sight(1, 1, "known", 0.02, Asha=0.97), _sight(2, 2, "ask", 0.3, Baraka=0.25, Asha=0.2, Chipo=0.2)
    found = combine([clear, blurred])
    assert (found.verdict, found.identity) == ("known", "Asha")
    assert found.probability > 0.9  # measured 0.92; the unweighted mean of the log-odds gives 0.74


def test_an_event_of_one_photo_says_what_the_photo_says() -> None:
    for sight in (_sight(1, 1, "ask", 0.7, Asha=0.2), _sight(1, 1, "new", 0.9, Asha=0.1), _sight(1, 1, "known", 0.1, Asha=0.9)):
        found = combine([sight])
        assert (found.verdict, found.identity) == (sight.verdict, sight.identity)


def test_strangers_stay_strangers_and_a_doubt_goes_to_a_person() -> None:
    strange = _sight(1, 1, "new", 0.9, Asha=0.05)
    assert combine([strange, replace(strange, animal=2, photo=2)]).verdict == "new"
    assert combine([strange, _sight(2, 2, "known", 0.1, Asha=0.9)]).verdict == "ask"


def test_a_known_animal_that_another_one_claims_more_surely_is_told_so_with_the_next_of_its_ranking() -> None:
    first, second, third = resolve_frame(
        [
            _decision("known", 0.01, Asha=0.99),
            _decision("known", 0.1, Asha=0.6, Baraka=0.3),
            _decision("new", 0.7, Asha=0.2, Chipo=0.05),
        ]
    )
    # The eight cases in which Asha is at most one of the three.
    asha, baraka, none = 0.99 * 0.4 * 0.8, 0.3, 0.1
    total = asha + 0.01 * 0.6 * 0.8 + 0.01 * 0.4 * 0.2 + 0.01 * 0.4 * 0.8
    assert first.probability == pytest.approx(asha / total)
    assert first.unknown == pytest.approx((total - asha) / total)  # all that is left over was that it is unknown
    assert second.reason == (
        "Asha is more surely animal 1 of this photo, and one individual is not in a photo twice. A person should look."
    )
    assert (second.verdict, second.identity) == ("ask", "Baraka")
    without = (0.99 * 0.8 + 0.01 * 0.2 + 0.01 * 0.8) / total
    assert second.probability == pytest.approx(baraka * without)
    assert second.unknown == pytest.approx(none * without)
    assert [ranked.identity for ranked in second.ranking] == ["Baraka", "Asha"]
    assert (third.verdict, third.identity) == ("new", None)
    left = (total - 0.01 * 0.4 * 0.2) / total / 0.8  # what its own probabilities grow by, without Asha
    assert third.probability == third.unknown == pytest.approx(0.7 * left)
    assert {ranked.identity: ranked.probability for ranked in third.ranking} == {
        "Chipo": pytest.approx(0.05 * left),
        "Asha": pytest.approx(0.01 * 0.4 * 0.2 / total),
    }


def test_twins_are_told_why_a_person_decides() -> None:
    first, second = resolve_frame([_decision("known", 0.1, Asha=0.9), _decision("known", 0.1, Asha=0.9)])
    assert first.reason == (
        "Another animal of this photo matches Asha as well, and one individual is not in a photo twice. A person should look."
    )
    assert second.reason == (
        "Asha is more surely animal 1 of this photo, and one individual is not in a photo twice. A person should look."
    )


def test_an_animal_that_was_asked_about_stays_so_and_gets_its_part_of_the_frame() -> None:
    sure, asked = resolve_frame([_decision("known", 0.01, Baraka=0.9, Asha=0.09), _decision("ask", 0.5, Asha=0.4)])
    total = 1 - 0.09 * 0.4
    assert (asked.verdict, asked.identity, asked.reason) == ("ask", "Asha", "")
    assert asked.probability == pytest.approx(0.91 * 0.4 / total)
    assert (sure.verdict, sure.identity) == ("known", "Baraka")
    assert sure.probability == pytest.approx(0.9 / total)


def test_a_ranking_that_leaves_nothing_over_keeps_its_unknown() -> None:
    first, second = resolve_frame([_decision("known", 0.05, Asha=0.9, Baraka=0.1), _decision("ask", 0.5, Asha=0.4)])
    total = 0.9 * 0.6 + 0.1 + 1e-4
    assert first.unknown == 0.05
    assert first.probability == pytest.approx(0.9 * 0.6 / total)
    assert second.unknown == pytest.approx(0.5 * 1.0001 / total)


def test_a_frame_of_too_many_cases_is_resolved_animal_by_animal_the_surest_first() -> None:
    """Six animals with five names each are 46,656 cases."""
    names = ("Asha", "Baraka", "Chipo", "Duma", "Enzi")

    def animal(lead: str, surely: float) -> Decision:
        return _decision("known", 0.02, **{lead: surely}, **{name: 0.01 for name in names if name != lead})

    leads = {"Baraka": 0.91, "Chipo": 0.92, "Duma": 0.93, "Enzi": 0.94}
    decisions = [animal("Asha", 0.8), animal("Asha", 0.9), *(animal(lead, surely) for lead, surely in leads.items())]
    decisions.append(_decision("new", 0.9))
    found = resolve_frame(decisions)
    assert [each.verdict for each in found] == ["ask", *["known"] * 5, "new"]
    assert found[6].probability == 0.9
    assert found[0].reason.startswith("Asha is more surely animal 2 of this photo")
    assert found[5].probability == pytest.approx(0.94)  # the surest is asked first
    assert found[4].probability == pytest.approx(0.93 / 0.99)  # without Enzi
    assert found[1].probability == pytest.approx(0.9 / 0.96)  # without the four others
    assert found[0].probability == 0.0
    assert found[0].unknown == pytest.approx(0.02 / 0.16)  # nobody is left: what was left over is all there is


def test_animals_that_are_known_as_one_are_one_however_unsure_and_an_uncertain_one_needs_proof() -> None:
    def groups(verdict: str) -> list[list[int]]:
        others = [_sight(1, 1, "new", 0.9), _sight(3, 2, "new", 0.9)]
        sights = [others[0], _sight(2, 1, "known", 0.6, Asha=0.3), others[1], _sight(4, 2, verdict, 0.6, Asha=0.3)]
        return [[sight.animal for sight in group] for group in group_animals(sights, None)]

    assert [2, 4] in groups("known")
    assert [2, 4] not in groups("ask")


def test_two_that_are_known_as_different_individuals_are_two_whatever_their_vectors_say() -> None:
    sights = [_sight(1, 1, "known", 0.6, [1, 0], Asha=0.3), _sight(2, 2, "known", 0.6, [1, 0], Baraka=0.3)]
    assert len(group_animals(sights, lambda one, other: 1.0)) == 2
    assert len(group_animals([sights[0], replace(sights[1], verdict="ask")], lambda one, other: 1.0)) == 1


@pytest.mark.parametrize(("similar", "expected"), [(0.5, [[1, 3], [2]]), (0.49, [[1], [2], [3]])])
def test_where_frames_show_several_the_affinity_must_reach_a_half(similar: float, expected: list[list[int]]) -> None:
    sights = [_sight(1, 1, "new", 0.9, [1, 0]), _sight(2, 1, "new", 0.9), _sight(3, 2, "new", 0.9, [1, 0])]
    assert [[sight.animal for sight in group] for group in group_animals(sights, lambda one, other: similar)] == expected


def test_the_affinity_to_a_group_is_the_mean_of_those_to_its_animals() -> None:
    """Animal 5 is as similar to the first as 1 and to the second as 0.1: 0.55 together; 0.45 where the first says 0.8."""
    vectors = {1: [1.0, 0.0], 2: [0.0, 1.0]}

    def groups(to_first: float) -> list[list[int]]:
        sights = [
            _sight(1, 1, "known", 0.1, vectors[1], Asha=0.9),
            _sight(2, 1, "new", 0.9),
            _sight(3, 2, "known", 0.1, vectors[2], Asha=0.9),
            _sight(4, 2, "new", 0.9),
            _sight(5, 3, "new", 0.9, [to_first, 0.1]),
        ]
        found = group_animals(sights, lambda one, other: float(one @ other))
        return [[sight.animal for sight in group] for group in found]

    assert [1, 3, 5] in groups(1.0)
    assert [1, 3] in groups(0.8)


def test_the_overlap_of_two_rankings_is_what_both_give_to_the_same_names() -> None:
    def alike(**ranking: float) -> bool:
        sights = [_sight(1, 1, "ask", 0.2, Asha=0.4, Baraka=0.3), _sight(2, 1, "new", 0.9), _sight(3, 2, "ask", 0.2, **ranking)]
        return [sight.animal for sight in group_animals(sights, None)[0]] == [1, 3]

    assert alike(Asha=0.3, Baraka=0.2)
    assert not alike(Asha=0.3, Baraka=0.19)
    assert not alike(Asha=0.3, Chipo=0.3)


def test_a_single_animal_beside_a_frame_of_several_needs_proof_and_so_does_the_frame() -> None:
    pair, single = [_sight(1, 1, "new", 0.9), _sight(2, 1, "new", 0.9)], _sight(3, 2, "new", 0.9)
    assert [len(group) for group in group_animals([*pair, single], None)] == [1, 1, 1]
    assert [len(group) for group in group_animals([single, *(replace(each, photo=3) for each in pair)], None)] == [1, 1, 1]
    assert [len(group) for group in group_animals([single, replace(single, animal=4, photo=3)], None)] == [2]


def test_an_identity_that_is_as_likely_as_not_parts_two_animals() -> None:
    one, other = _sight(1, 1, "ask", 0.4, Asha=0.5), _sight(2, 2, "ask", 0.4, Baraka=0.5)
    assert len(group_animals([one, other], None)) == 2
    assert len(group_animals([one, replace(other, probabilities={"Baraka": 0.49})], None)) == 1
    assert len(group_animals([one, replace(other, probabilities={})], None)) == 1


def test_a_tie_is_assigned_to_the_first_and_a_score_of_nothing_to_nobody() -> None:
    assert assign([[0.5, 0.5]]) == [0]
    assert assign([[0.5], [0.5]]) == [None, 0]  # an assignment of the first rows is tried last
    assert assign([[0.0, 0.2], [0.0, 0.3]]) == [None, 1]
    assert assign([[0.2, 0.0, 0.9], [0.8, 0.0, 0.9], [0.1, 0.7, 0.95]]) == [2, 0, 1]


def test_a_large_assignment_leaves_out_what_has_no_score_and_takes_no_column_twice() -> None:
    """Seven rows of seven are two million cases; the last row has no score at all."""
    scores = [[0.9 - 0.1 * abs(row - column) if row < 6 else 0.0 for column in range(7)] for row in range(7)]
    scores[0] = [0.95] + [0.0] * 6
    scores[1] = [0.99, 0.5] + [0.01] * 5
    assert assign(scores) == [None, 0, 2, 3, 4, 5, None]


def _log_odds(value: float) -> float:
    return math.log(value / (1 - value))


def _weight(*values: float) -> float:
    """How much a photo says: 1 where it names one for sure, 0 where all are as likely."""
    return 1 + sum(value * math.log(value) for value in values if value) / math.log(len(values))


def _pooled(weights: Sequence[float], *values: float) -> float:
    mean = sum(weight * _log_odds(value) for weight, value in zip(weights, values, strict=True)) / sum(weights)
    return 1 / (1 + math.exp(-mean))


def test_the_photos_of_an_event_are_weighed_by_how_much_each_says() -> None:
    clear, blurred = _sight(1, 1, "known", 0.05, Asha=0.9), _sight(2, 2, "ask", 0.2, Asha=0.3, Baraka=0.4)
    found = combine([clear, blurred])
    weights = _weight(0.9, 0.05, 0.05), _weight(0.3, 0.4, 0.2, 0.1)
    asha, baraka, unknown = _pooled(weights, 0.9, 0.3), _pooled(weights, 0.05, 0.4), _pooled(weights, 0.05, 0.2)
    assert asha + baraka + unknown < 1
    assert dict(found.ranking) == {"Asha": pytest.approx(asha), "Baraka": pytest.approx(baraka)}
    assert found.unknown == pytest.approx(unknown)
    assert (found.verdict, found.identity, found.probability) == ("known", "Asha", pytest.approx(asha))
    assert found.animals == (1, 2)


def test_what_adds_up_to_more_than_one_is_shared_out() -> None:
    found = combine([_sight(1, 1, "ask", 0.4, Asha=0.5), _sight(2, 2, "ask", 0.4, Asha=0.5, Baraka=0.35)])
    assert sum(dict(found.ranking).values()) + found.unknown == pytest.approx(1.0)
    assert found.unknown / dict(found.ranking)["Asha"] == pytest.approx(0.4 / 0.5)


def test_a_photo_that_says_nothing_still_counts_a_little() -> None:
    nothing, something = _sight(1, 1, "ask", 0.25, Asha=0.25, Baraka=0.25), _sight(2, 2, "known", 0.02, Asha=0.96)
    weights = 0.05, _weight(0.96, 0.02, 0.02)
    assert dict(combine([nothing, something]).ranking)["Asha"] == pytest.approx(_pooled(weights, 0.25, 0.96))


def test_certainty_and_impossibility_are_pooled_as_almost_so() -> None:
    found = combine([_sight(1, 1, "known", 0.0, Asha=1.0), _sight(2, 2, "ask", 0.0, Asha=0.0, Baraka=0.9)])
    weights = 1.0, _weight(0.0, 0.9, 0.0, 0.1)
    assert dict(found.ranking)["Asha"] == pytest.approx(_pooled(weights, 1 - 1e-4, 1e-4))


def test_an_event_ranks_its_five_best_and_equals_by_name() -> None:
    names = dict.fromkeys(("Duma", "Asha", "Farah", "Baraka", "Enzi", "Chipo"), 0.05)
    found = combine([_sight(1, 1, "ask", 0.3, **names)])
    assert found.ranking == tuple((name, 0.05) for name in ("Asha", "Baraka", "Chipo", "Duma", "Enzi"))
    assert combine([_sight(1, 1, "ask", 0.3, **names, Zuri=0.06)]).ranking[0] == ("Zuri", 0.06)


def test_an_event_without_any_name_is_new_or_nobodys() -> None:
    new = combine([_sight(1, 1, "new", 0.9), _sight(2, 2, "new", 0.8)])
    assert (new.verdict, new.identity, new.ranking, new.animals) == ("new", None, (), (1, 2))
    assert new.probability == new.unknown
    asked = combine([replace(_sight(number, number, "new", 0.3), verdict="ask") for number in (1, 2)])
    assert (asked.verdict, asked.identity, asked.probability, asked.unknown) == ("ask", None, 0.0, 0.3)


@pytest.mark.parametrize(("probability", "expected"), [(0.5, "known"), (0.49, "ask")])
def test_an_event_is_known_where_the_leader_is_known_in_a_photo_and_as_likely_as_not(probability: float, expected: str) -> None:
    group = [_sight(1, 1, "known", 0.1, Asha=probability), _sight(2, 2, "ask", 0.1, Asha=probability)]
    assert combine(group).verdict == expected
    assert combine([replace(sight, verdict="ask") for sight in group]).verdict == "ask"


def test_an_event_whose_leader_no_photo_knows_goes_to_a_person() -> None:
    found = combine([_sight(1, 1, "known", 0.01, Asha=0.55, Baraka=0.4), _sight(2, 2, "ask", 0.01, Baraka=0.98, Asha=0.01)])
    assert (found.verdict, found.identity) == ("ask", "Baraka")


@pytest.mark.parametrize(
    ("verdicts", "unknown", "expected"),
    [
        (("new", "new"), 0.5, "new"),
        (("new", "new"), 0.49, "ask"),
        (("new", "ask"), 0.6, "new"),
        (("new", "ask", "ask"), 0.6, "ask"),
        (("ask", "ask"), 0.9, "ask"),
        (("new", "new", "known"), 0.6, "ask"),
    ],
)
def test_an_event_is_new_where_half_of_its_photos_say_so_none_knows_it_and_together_they_agree(
    verdicts: tuple[str, ...], unknown: float, expected: str
) -> None:
    group = [_sight(number, number, verdict, unknown, Asha=0.05) for number, verdict in enumerate(verdicts)]
    assert combine(group).verdict == expected


@pytest.mark.parametrize(
    ("listed", "unknown", "expected"),
    [({"Asha": 0.6, "Baraka": 0.1}, 0.1, 0.1), ({"Asha": 0.8}, 0.15, 0.05), ({"Asha": 0.9}, 0.1, 1e-4)],
)
def test_a_name_that_a_photo_does_not_list_is_as_likely_as_its_last_or_as_what_is_left_if_that_is_less(
    listed: dict[str, float], unknown: float, expected: float
) -> None:
    left = max(0.0, 1 - sum(listed.values()) - unknown)
    total = sum(listed.values()) + unknown + left
    weights = _weight(*(value / total for value in (*listed.values(), unknown, left))), _weight(0.2, 0.3, 0.5)
    found = combine([_sight(1, 1, "known", unknown, **listed), _sight(2, 2, "ask", 0.3, Zuri=0.2)])
    assert dict(found.ranking)["Zuri"] == pytest.approx(_pooled(weights, expected, 0.2))


def test_the_most_likely_identity_of_two_animals_parts_them_whatever_else_they_may_be() -> None:
    one = _sight(1, 1, "ask", 0.2, Asha=0.6, Zuri=0.1)
    assert len(group_animals([one, _sight(2, 2, "ask", 0.2, Baraka=0.7)], None)) == 2
    assert len(group_animals([one, _sight(2, 2, "ask", 0.2, Baraka=0.1, Zuri=0.05)], None)) == 1


def test_an_animal_that_is_known_in_every_frame_of_several_is_one_throughout() -> None:
    sights = []
    for photo in range(4):
        sights += [_sight(2 * photo, photo, "known", 0.9, Asha=0.1), _sight(2 * photo + 1, photo, "new", 0.95)]
    assert [0, 2, 4, 6] in [[sight.animal for sight in group] for group in group_animals(sights, None)]


def test_one_of_three_that_knows_it_is_not_enough_for_a_group() -> None:
    """Animal 7 is known as the first of the group is, and as nobody that the two others may be: a third."""
    seen = [1.0, 0.0]
    sights = [
        *(_sight(1, 1, "known", 0.1, seen, Asha=0.9), _sight(2, 1, "new", 0.9)),
        *(_sight(3, 2, "new", 0.9, seen), _sight(4, 2, "new", 0.9)),
        *(_sight(5, 3, "new", 0.9, seen), _sight(6, 3, "new", 0.9)),
        *(_sight(7, 4, "known", 0.9, Asha=0.05), _sight(8, 4, "new", 0.9)),
    ]
    groups = [[sight.animal for sight in group] for group in group_animals(sights, lambda one, other: float(one @ other))]
    assert [1, 3, 5] in groups
    assert [7] in groups
