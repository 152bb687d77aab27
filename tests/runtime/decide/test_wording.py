"""The headline is the likeliest reading, the rest is named, and what is printed adds up to the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.decide.wording import ANOTHER, NEW, UNCLEAR, in_percent, wording_of_json


def answer(verdict: str, unknown: float, identity: str | None = None, probability: float | None = None, **ranking: float) -> dict:
    """An answer as plain data; the identity is the first of the ranking but for `new`."""
    first = next(iter(ranking), None)
    identity = identity or (None if verdict == "new" else first)
    if probability is None:
        probability = unknown if identity is None else ranking[identity]
    ranked = [{"identity": name, "probability": each} for name, each in ranking.items()]
    return {"verdict": verdict, "identity": identity, "probability": probability, "unknown": unknown, "ranking": ranked}


@pytest.mark.parametrize(
    ("given_answer", "headline", "rest"),
    [
        (answer("known", 0.01, Chipo=0.98, Baraka=0.001), "Chipo, 98 %", "a new individual 1 %, another of yours 1 %"),
        (answer("known", 0.001, Chipo=0.997, Baraka=0.001), "Chipo, > 99 %", ""),
        (answer("new", 0.91, Chipo=0.05, Baraka=0.01), "a new individual, 91 %", "Chipo 5 %, Baraka 1 %, another of yours 3 %"),
        (answer("new", 1.0), "a new individual, > 99 %", ""),
        (answer("ask", 0.67, Chipo=0.27), "possibly a new individual, 67 %", "Chipo 27 %, unclear 6 %"),
        (
            answer("ask", 0.14, Chipo=0.55, Baraka=0.2),
            "possibly Chipo, 55 %",
            "Baraka 20 %, a new individual 14 %, another of yours 11 %",
        ),
        (answer("ask", 0.0, Chipo=0.69), "possibly Chipo, 69 %", "a new individual < 1 %, unclear 31 %"),
        (answer("ask", 1.0, probability=0.0), "nobody to compare with", ""),
    ],
)
def test_the_likeliest_reading_leads_and_the_others_are_named(given_answer, headline, rest):
    wording = wording_of_json(given_answer)
    assert wording.headline() == headline
    assert wording.rest() == rest


def test_a_frame_without_an_animal_is_headlined_so_where_the_answer_is_not_sure():
    frame = {"animal": {"found": False}}
    wording = wording_of_json(answer("ask", 0.67, Chipo=0.27) | frame)
    assert wording.headline() == "no animal stands out (possibly a new individual, 67 %)"
    assert wording.rest() == "Chipo 27 %, unclear 6 %"
    assert wording_of_json(answer("known", 0.01, Chipo=0.98) | frame).headline() == "Chipo, 98 %"


shares = st.lists(st.floats(0, 1), min_size=1, max_size=8)
verdicts = st.sampled_from(["known", "new", "ask"])


def distribution(parts: list[float], verdict: str) -> dict:
    total = sum(parts) or 1.0
    unknown, *ranked = (part / total for part in parts)
    names = {f"N{place}": value for place, value in enumerate(sorted(ranked, reverse=True))}
    return answer(verdict if names else "new", unknown, **names)


@given(parts=shares, verdict=verdicts)
def test_what_is_printed_adds_up_to_the_whole_but_for_shares_below_half_a_percent(parts, verdict):
    wording = wording_of_json(distribution(parts, verdict))
    printed = wording.lead.probability + sum(each.probability for each in wording.others)
    assert printed <= 1 + 1e-5
    missing = 1.0 - printed if sum(parts) else 0.0
    assert len(parts) == 1 or missing < 0.0101  # a stranger and the others, each below half a percent


@given(parts=shares, verdict=verdicts)
def test_the_others_are_sorted_and_nobody_is_named_twice(parts, verdict):
    wording = wording_of_json(distribution(parts, verdict))
    names = [wording.lead.name, *(each.name for each in wording.others)]
    assert len(set(names)) == len(names)
    named = [each.probability for each in wording.others if each.name not in (ANOTHER, UNCLEAR)]
    assert named == sorted(named, reverse=True)
    assert not {ANOTHER, UNCLEAR} & {*names[:-1]}


@given(parts=shares)
def test_a_question_is_led_by_the_likelier_of_a_new_individual_and_the_best_one(parts):
    plain = distribution(parts, "ask")
    wording = wording_of_json(plain)
    best = max([plain["unknown"], *(each["probability"] for each in plain["ranking"])])
    assert wording.lead.probability == pytest.approx(best, abs=1e-6)
    assert wording.is_sure == (plain["verdict"] == "new")


def test_names_and_percentages_can_be_marked_and_the_words_between_are_not():
    wording = wording_of_json(answer("ask", 0.3, Chipo=0.6))
    assert wording.headline(str.upper, lambda value: f"{value:.2f}") == "possibly CHIPO, 0.60"
    assert wording.rest(str.upper, lambda value: f"{value:.2f}") == f"{NEW} 0.30, {UNCLEAR} 0.10"


def test_a_percentage_never_claims_certainty():
    assert [in_percent(value) for value in (0.0, 0.0099, 0.01, 0.555, 0.99, 0.9901, 1.0)] == [
        "< 1 %",
        "< 1 %",
        "1 %",
        "56 %",
        "99 %",
        "> 99 %",
        "> 99 %",
    ]
