"""Stored answers: a file that grows, a daemon's ledger, and what a person corrected."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reid_edge.decide.facts import unreadable_as_json
from reid_edge.errors import ReidEdgeError, UsageError
from reid_edge.gallery import Gallery
from reid_edge.review.answers.drawn import CorrectedAnswers
from reid_edge.review.answers.json_lines import JsonLinesAnswers
from reid_edge.review.answers.ledger import LedgerAnswers
from reid_edge.review.queue import Filter, Queue


def test_every_answer_of_a_file_is_read_back_whole(answers_file, answers):
    source = JsonLinesAnswers(answers_file)
    for answer in source.answers():
        assert source.decision(answer).as_json() == answers[answer.photo].as_json()
        assert source.paths(answer)[0].name == answer.photo


def test_lines_that_are_appended_are_found_and_an_unfinished_one_is_waited_for(answers_file):
    lines = answers_file.read_bytes().splitlines(keepends=True)
    answers_file.write_bytes(lines[0] + lines[1][:-40])
    source = JsonLinesAnswers(answers_file)
    before = source.refresh()
    assert len(source.answers()) == 1
    answers_file.write_bytes(lines[0] + lines[1])
    assert source.refresh() != before
    assert len(source.answers()) == 2


def test_of_two_answers_for_one_animal_the_later_one_counts(answers_file, answers):
    later = replace(answers["trail_2.jpg"], verdict="ask", probability=0.5)
    with answers_file.open("a", encoding="utf-8") as file:
        file.write(json.dumps(later.as_json()) + "\n")
    source = JsonLinesAnswers(answers_file)
    (found,) = [each for each in source.answers() if each.photo == "trail_2.jpg"]
    assert (found.verdict, source.decision(found).probability) == ("ask", 0.5)


def test_a_line_of_a_file_that_could_not_be_read_is_passed_over(answers_file):
    answered = len(JsonLinesAnswers(answers_file).answers())
    with answers_file.open("a", encoding="utf-8") as file:
        file.write(json.dumps(unreadable_as_json("text.jpg", "text.jpg is a text file, not a photo.", "")) + "\n")
    assert len(JsonLinesAnswers(answers_file).answers()) == answered


@pytest.mark.parametrize("line", ["{", "[]", '{"photo": 7}', "null"])
def test_a_line_that_is_no_answer_is_refused_with_its_place(tmp_path, line):
    path = tmp_path / "answers.jsonl"
    path.write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="at byte 1 that is no answer"):
        JsonLinesAnswers(path)


def test_a_missing_file_is_an_error_with_a_reason(tmp_path):
    with pytest.raises(ReidEdgeError, match=r"answers\.jsonl"):
        JsonLinesAnswers(tmp_path / "answers.jsonl")


def test_a_corrected_box_replaces_an_answer_and_a_drawn_one_is_a_further_animal(answers_file):
    source = CorrectedAnswers(JsonLinesAnswers(answers_file))
    answer, state = source.answers()[0], source.refresh()
    decision = source.decision(answer)
    moved = replace(decision, animal=replace(decision.animal, box=(1, 2, 300, 400)))
    assert source.correct(answer, 0, moved).key == answer.key
    drawn = source.correct(answer, 3, moved)
    assert source.refresh() != state
    assert (drawn.index, drawn.photo, drawn.camera) == (3, answer.photo, answer.camera)
    assert drawn.group != answer.group
    assert source.decision(drawn).animal.number == 4
    assert len(source.answers()) == 7
    assert next(each for each in source.answers() if each.key == answer.key).box == (1, 2, 300, 400)


class TestLedger:
    """The answers of a daemon that is at work."""

    @pytest.fixture
    def out(self, tmp_path, samples, own_gallery, run_main):
        folder = tmp_path / "watched"
        folder.mkdir()
        for number in (1, 3):
            (folder / f"trail_{number}.jpg").write_bytes((samples / f"photos/trail_{number}.jpg").read_bytes())
        out = tmp_path / "out"
        given = ("--gallery", own_gallery, "--once", "--settle", "0.1s", "--threads", 1)
        done = run_main("watch", folder, "--out", out, *given)
        assert done.returncode == 0, done.stderr
        return out

    def test_its_answers_are_the_queue_with_its_events_and_thumbnails(self, out, own_gallery):
        source = LedgerAnswers(out)
        with Gallery.open(own_gallery) as gallery:
            queue = Queue(gallery, source)
            queue.refresh()
            assert len(queue.groups(Filter(show="all"))) == 2
        for answer in source.answers():
            assert answer.event
            assert answer.group.startswith("event-")
            assert source.decision(answer).photo.name == answer.photo
            assert source.paths(answer)[0].is_file()
            assert (source.thumbnail(answer) or b"")[:2] == b"\xff\xd8"
        source.close()
