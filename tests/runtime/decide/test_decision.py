"""Every answer follows the published schema, and the schema refuses what is no answer."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.decide.decision import SCHEMA, Decision, MatchedPoints, PairEvidence, RankedIdentity
from reid_edge.decide.facts import AnimalFacts, EngineFacts, PackFacts, PhotoFacts, Thresholds
from reid_edge.describe.query import Query
from reid_edge.errors import UsageError
from reid_edge.gallery import Gallery
from reid_edge.photo import read_photo

PUBLISHED = Path(__file__).resolve().parents[3] / "docs" / "decision.schema.json"


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(PUBLISHED.read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def as_read(decision: Decision) -> dict:
    """The answer as a program reads it from a line of JSON."""
    return json.loads(json.dumps(decision.as_json(), allow_nan=False))


def test_the_schema_is_of_the_version_that_answers_name(validator):
    assert validator.schema["properties"]["schema"]["const"] == SCHEMA


def test_every_object_of_the_schema_is_closed_and_every_value_described(validator):
    def walk(schema, where):
        if "properties" in schema and where and "allOf" not in where:
            assert schema.get("additionalProperties") is False, where
        for name, inner in schema.get("properties", {}).items():
            assert "description" in inner or "$ref" in inner, f"{where}.{name}"
            walk(inner, f"{where}.{name}")

    walk(validator.schema, "decision")
    for name, inner in validator.schema["$defs"].items():
        assert "description" in inner
        walk(inner, name)


def test_answers_with_evidence_are_valid(answers, validator):
    assert {decision.verdict for decision in answers.values()} >= {"known", "ask"}
    for decision in answers.values():
        line = as_read(decision)
        validator.validate(line)
        assert line["animal"]["outline"]
        assert all(ranked["matches"] for ranked in line["ranking"])


def test_answers_without_evidence_or_without_anybody_to_compare_with_are_valid(
    identifier, candidates, samples, validator, memory_folder
):
    photo = read_photo(samples / "photos" / "trail_1.jpg")
    asked = identifier.identify(photo, candidates, Query(viewpoint="front"))
    with Gallery.create(memory_folder / "empty.sqlite") as gallery:
        asked += identifier.identify(photo, GalleryCandidates(gallery, identifier.feature_key))
    lines = [as_read(decision) for decision in asked]
    assert [(line["verdict"], line["identity"], line["ranking"]) for line in lines] == [("ask", None, []), ("new", None, [])]
    for line in lines:
        validator.validate(line)


SPOILT = {
    "an unknown key": lambda line: line.update(confidence=0.5),
    "an unknown key inside": lambda line: line["ranking"][0]["scores"][0].update(weight=1),
    "a missing key": lambda line: line.pop("reason"),
    "another version": lambda line: line.update(schema="reid-edge/decision/3"),
    "an unknown verdict": lambda line: line.update(verdict="maybe"),
    "a known animal without a name": lambda line: line.update(verdict="known", identity=None),
    "a new animal with a name": lambda line: line.update(verdict="new", identity="Asha"),
    "a probability above one": lambda line: line.update(probability=1.1),
    "a hash that is none": lambda line: line["photo"].update(sha256="0"),
    "a box of three": lambda line: line["animal"]["box"].pop(),
    "a point of three": lambda line: line["ranking"][0]["matches"][0]["query_xy"].append([1, 2, 3]),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_is_no_answer_is_refused(answers, validator, what):
    line = as_read(answers["trail_1.jpg"])
    validator.validate(line)
    spoilt = deepcopy(line)
    SPOILT[what](spoilt)
    assert not validator.is_valid(spoilt)


def test_matched_points_of_a_line_come_in_threes_of_one_length(answers):
    for decision in answers.values():
        for ranked in as_read(decision)["ranking"]:
            for matched in ranked["matches"]:
                assert len(matched["query_xy"]) == len(matched["candidate_xy"]) == len(matched["scores"])


words = st.text(min_size=1, max_size=12)
shares = st.floats(0, 1).map(lambda value: round(value, 6))
scores = st.floats(-1, 1000).map(lambda value: round(value, 6))
pixels = st.integers(0, 10_000)
places = st.tuples(*[st.floats(0, 10_000).map(lambda value: round(value, 1))] * 2)


def tuples(of: st.SearchStrategy, least: int = 0) -> st.SearchStrategy:
    return st.lists(of, min_size=least, max_size=4).map(tuple)


confidences = tuples(st.floats(-1, 1).map(lambda value: round(value, 3)))
evidence = st.builds(PairEvidence, words, st.none() | scores, st.none() | shares)
matched = st.builds(MatchedPoints, words, tuples(places), tuples(places), confidences)
ranked = st.builds(RankedIdentity, words, shares, shares, shares, pixels, words, tuples(evidence), tuples(matched))
outline = st.none() | tuples(tuples(st.tuples(pixels, pixels), least=3))
animals = st.builds(AnimalFacts, pixels, st.tuples(*[pixels] * 4), st.floats(0, 1), st.booleans(), outline)
decisions = st.builds(
    Decision,
    verdict=st.sampled_from(["known", "new", "ask"]),
    identity=st.none() | words,
    probability=shares,
    unknown=shares,
    reason=words,
    ranking=tuples(ranked),
    thresholds=st.builds(Thresholds, shares, shares, shares),
    calibration=st.sampled_from(["species", "generic"]),
    photo=st.builds(PhotoFacts, st.none() | words, words, words, pixels, pixels, st.none() | words),
    animal=animals,
    recipe=words,
    pack=st.builds(PackFacts, words, words, words, st.booleans()),
    engine=st.builds(EngineFacts, words, words, words, pixels),
    timings_ms=st.dictionaries(words, st.floats(0, 1e6).map(lambda value: round(value, 2)), max_size=3),
    warnings=tuples(words),
)


@given(decision=decisions)
def test_a_decision_that_is_written_and_read_back_is_the_same_decision_and_the_same_text(decision):
    line = json.dumps(decision.as_json())
    again = Decision.from_json(json.loads(line))
    assert again == decision
    assert json.dumps(again.as_json()) == line


@given(decision=decisions)
def test_an_answer_of_an_earlier_version_has_no_headline_and_is_read(decision):
    line = decision.as_json()
    del line["headline"]
    assert Decision.from_json(line).as_json() == decision.as_json()


@given(value=st.floats(0, 1), decision=decisions)
def test_digits_that_writing_rounds_off_are_rounded_once(value, decision):
    line = replace(decision, probability=value, unknown=1 - value).as_json()
    assert Decision.from_json(line).as_json() == line


def test_answers_read_back_from_their_lines_are_written_to_the_same_bytes(answers):
    for decision in answers.values():
        line = json.dumps(decision.as_json())
        assert json.dumps(Decision.from_json(json.loads(line)).as_json()) == line


@pytest.mark.parametrize("what", ["an unknown key", "a missing key", "another version", "a box of three"])
def test_what_is_no_decision_is_not_read(answers, what):
    line = as_read(answers["trail_1.jpg"])
    SPOILT[what](line)
    with pytest.raises(UsageError, match="not a decision of the format reid-edge/decision/2"):
        Decision.from_json(line)
