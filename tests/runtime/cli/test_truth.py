"""Answers beside the truth: right, wrong or asked, a word for each photo and a line for all."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

from reid_edge.cli.truth import Outcome, Truth

ENROLLED = {"Imara", "Chipo", "Asha", "Farida"}


@pytest.fixture
def truth(samples) -> Truth:
    return Truth(samples / "metadata.csv", ENROLLED)


def test_a_right_answer_names_the_individual_or_says_that_it_is_new(truth, answers, samples):
    shown = replace(answers["trail_1.jpg"], verdict="known", identity="Imara")
    stranger = replace(of_photo(shown, samples, "trail_3.jpg"), verdict="new", identity=None)
    assert str(truth.outcome(of_photo(shown, samples, "trail_1.jpg"))) == "right: this is Imara"
    assert str(truth.outcome(stranger)) == "right: this is Kito, not in the gallery"
    assert truth.summary() == "2 of 2 right without asking, 0 questions, 0 wrong"


def test_another_name_and_a_known_animal_called_new_are_wrong_and_a_question_is_neither(truth, answers, samples):
    shown = of_photo(answers["trail_1.jpg"], samples, "trail_1.jpg")
    mistaken = replace(shown, verdict="known", identity="Chipo")
    missed = replace(shown, verdict="new", identity=None)
    question = replace(shown, verdict="ask", identity="Imara")
    stranger = of_photo(mistaken, samples, "trail_3.jpg")
    assert truth.outcome(mistaken) == truth.outcome(missed) == Outcome("wrong", "Imara", True)
    assert truth.outcome(stranger) == Outcome("wrong", "Kito", False)
    assert truth.outcome(question) == Outcome("asked", "Imara", True)
    assert truth.summary() == "0 of 4 right without asking, 1 question, 3 wrong"


def test_a_photo_that_the_table_lacks_and_a_second_animal_have_no_truth(truth, answers, samples):
    shown = of_photo(answers["trail_1.jpg"], samples, "trail_1.jpg")
    second = replace(shown, animal=replace(shown.animal, index=1))
    other = replace(shown, photo=replace(shown.photo, path="elsewhere/trail_1.jpg"))
    nowhere = replace(shown, photo=replace(shown.photo, path=None))
    assert [truth.outcome(each) for each in (second, other, nowhere)] == [None] * 3
    assert truth.summary() == "0 of 0 right without asking, 0 questions, 0 wrong"


def test_identify_prints_the_truth_beside_each_answer_and_sums_up(run_cli, small_gallery, samples):
    photos = [samples / "photos" / f"trail_{number}.jpg" for number in (2, 5)]
    arguments = ("identify", *photos, "--gallery", small_gallery, "--viewpoint", "left", "--truth", samples / "metadata.csv")
    done = run_cli(*arguments)
    assert done.returncode == 0, done.stderr
    assert "        right: this is Chipo\n" in done.stdout
    assert re.search(r"^        (right|asked): this is Lulu, not in the gallery$", done.stdout, re.MULTILINE)
    assert re.fullmatch(r"[12] of 2 right without asking, [01] questions?, 0 wrong", done.stdout.splitlines()[-1])
    table = run_cli(*arguments, "--csv")
    rows = list(csv.DictReader(io.StringIO(table.stdout)))
    assert [(row["truth"], row["result"] in ("right", "asked")) for row in rows] == [("Chipo", True), ("Lulu", True)]
    assert table.stderr.splitlines()[-1] == done.stdout.splitlines()[-1]


def test_json_has_no_place_for_the_truth_and_a_missing_table_is_named(run_cli, small_gallery, samples):
    arguments = ("identify", samples / "photos", "--gallery", small_gallery, "--truth")
    refused = run_cli(*arguments, samples / "metadata.csv", "--json")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--json has no place for the truth" in refused.stderr
    missing = run_cli(*arguments, "nowhere.csv")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "nowhere.csv" in missing.stderr


def of_photo(decision, samples: Path, name: str):
    return replace(decision, photo=replace(decision.photo, path=str(samples / "photos" / name), name=name))
