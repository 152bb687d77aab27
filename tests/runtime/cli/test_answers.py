"""Answers are printed the same whether they were just given or read back from where they were stored."""

from __future__ import annotations

import csv
import html
import io
import json
import re

import pytest

from reid_edge.cli.answers import answers_for
from reid_edge.decide.decision import Decision
from reid_edge.decide.wording import wording_of_json
from reid_edge.report.section import headline


@pytest.mark.parametrize("style", ["text", "json", "csv"])
def test_a_stored_answer_is_printed_as_it_was(style, answers, capsys):
    stored = [Decision.from_json(json.loads(json.dumps(decision.as_json()))) for decision in answers.values()]
    printed = []
    for decisions in (answers.values(), stored):
        printer = answers_for(style, timings=False)
        for decision in decisions:
            printer.answer(decision)
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert printed[0].count("trail_1.jpg") >= 1


def test_every_output_has_the_same_headline(answers, capsys):
    for decision in answers.values():
        printed = {}
        for style in ("text", "json", "csv"):
            answers_for(style, timings=False).answer(decision)
            printed[style] = capsys.readouterr().out
        plain = json.loads(printed["json"])
        (row,) = csv.DictReader(io.StringIO(printed["csv"]))
        on_the_page = html.unescape(re.sub("<[^>]*>", "", headline(decision))).replace("\xa0", " ")
        assert f"  {decision.verdict:<5} {decision.headline}\n" in printed["text"]
        assert {plain["headline"], row["headline"], on_the_page, wording_of_json(plain).headline()} == {decision.headline}
