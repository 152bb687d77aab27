"""A side is a process of its own: it answers, it says why it cannot, and its end is noticed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import reid_edge
from reid_edge.errors import EngineError, UsageError
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.session import Session
from reid_edge_benchmarks.latency.contestant import Ask, Contestant, cold_seconds
from reid_edge_benchmarks.latency.worker import Runtime


def test_a_worker_answers_photo_after_photo_and_tells_what_it_took(few_gallery: Path, queries: list[Enrolment]) -> None:
    with Contestant(Ask("runtime", few_gallery, "field", "cpu", 1)) as contestant:
        assert contestant.facts == {"provider": "CPUExecutionProvider", "threads": 1}
        first, both = contestant.ask(queries[:1]), contestant.ask(queries[:2])
        assert contestant.seconds_since_start() > first.seconds + both.seconds
        contestant._process.kill()
        contestant._process.wait()
        with pytest.raises(EngineError, match="ended without an answer"):
            contestant.ask(queries[:1])
    assert [answer["ranking"][0]["identity"] for answer in both.answers] == ["Imara", "Chipo"]
    assert {"decode", "segment", "decide"} <= set(both.stages)
    assert both.stages["decode"] > 0
    assert sum(first.stages.values()) <= first.seconds * 1e3
    assert both.cpu_seconds > 0
    assert 100e6 < first.peak_bytes <= both.peak_bytes < 2e9
    assert both.joules is None


def test_photos_of_one_question_go_the_way_of_a_folder_with_the_same_answers(session: Session, queries: list[Enrolment]) -> None:
    photos = [{"path": str(query.path), "species": "", "viewpoint": ""} for query in queries]
    side = Runtime(session)
    together, stages = side.ask(photos)
    apart = [answer for photo in photos for answer in side.ask([photo])[0]]
    assert together == apart
    assert len({answer["photo"] for answer in together}) == 3
    assert {"decode", "segment", "decide"} <= set(stages)


def test_a_worker_that_cannot_run_says_why(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no gallery"):
        Contestant(Ask("runtime", tmp_path / "gone.sqlite", "field", "cpu", 1))


def test_a_cold_start_holds_the_first_answer(few_gallery: Path, queries: list[Enrolment]) -> None:
    assert 0.1 < cold_seconds(Ask("runtime", few_gallery, "field", "cpu", 1), queries[0]) < 300


def test_another_checkout_can_be_measured(few_gallery: Path, queries: list[Enrolment], tmp_path: Path) -> None:
    other = tmp_path / "runtime"
    shutil.copytree(Path(reid_edge.__file__).parent, other / "reid_edge", ignore=shutil.ignore_patterns("__pycache__", "samples"))
    session = other / "reid_edge" / "identify" / "session.py"
    session.write_text(session.read_text() + "\nraise SystemExit('the other checkout was imported')\n")
    with pytest.raises(EngineError, match="ended without an answer"):
        Contestant(Ask("runtime", few_gallery, "field", "cpu", 1, runtime=other))
