from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.decide.decision import Decision, RankedIdentity
from reid_edge.decide.facts import AnimalFacts, EngineFacts, PackFacts, PhotoFacts, Thresholds
from reid_edge.watch.answer.combining import Sight, assign, combine, group_animals, resolve_frame


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
    assert "animal 0 of this photo" in second.reason


def test_where_both_are_as_sure_a_person_decides_both() -> None:
    twins = [_decision("known", 0.1, Asha=0.9), _decision("known", 0.1, Asha=0.9)]
    resolved = resolve_frame(twins)
    assert [each.verdict for each in resolved] == ["ask", "ask"]
    assert resolved[0].probability == pytest.approx(0.09 / 0.19)


def test_the_loser_goes_to_the_next_of_its_ranking() -> None:
    first, second = resolve_frame([_decision("known", 0.01, Asha=0.98), _decision("known", 0.05, Asha=0.55, Baraka=0.4)])
    assert (first.identity, second.identity, second.verdict) == ("Asha", "Baraka", "ask")
    assert second.probability > 0.8  # of .4 and what is left over .05, without Asha


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
