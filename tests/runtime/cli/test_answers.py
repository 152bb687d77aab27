"""Answers are printed the same whether they were just given or read back from where they were stored."""

from __future__ import annotations

import json

import pytest

from reid_edge.cli.answers import answers_for
from reid_edge.decide.decision import Decision


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
