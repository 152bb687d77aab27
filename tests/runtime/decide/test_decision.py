"""Every answer follows the published schema, and the schema refuses what is no answer."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.decide.decision import SCHEMA, Decision
from reid_edge.gallery import Gallery
from reid_edge.identify.identifier import Question
from reid_edge.photo import read_photo

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "decision.schema.json"


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
    asked = identifier.identify(photo, candidates, Question(viewpoint="front"))
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
