"""bench steps: states of the runtime beside each other on the same photos."""

from __future__ import annotations

from pathlib import Path

import pytest

import reid_edge
from reid_edge.errors import UsageError
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge_benchmarks.latency.steps import enrol_steps, measure_steps, parse_step, steps_text


def test_a_step_names_a_checkout_a_pack_threads_and_the_early_exit() -> None:
    checkout = Path(reid_edge.__file__).parents[1]
    step = parse_step(f"before:runtime={checkout},pack=old,threads=2,early_exit=off", "field")
    assert (step.name, step.runtime, step.pack, step.threads, step.early_exit) == ("before", checkout, "old", 2, False)
    assert parse_step("now", "field").pack == "field"


@pytest.mark.parametrize("text", ["a:speed=9", "a:threads=many", "a:runtime=/nowhere", "a:early_exit=perhaps"])
def test_a_step_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_step(text, "field")


def test_every_step_answers_the_same_photos_and_has_a_row(few_gallery: Path, queries: list[Enrolment]) -> None:
    steps = [parse_step(text, "field") for text in ("all matched:threads=1,early_exit=off", "now:threads=1")]
    rows = measure_steps(steps, [few_gallery] * 2, queries[:2], 1, "cpu", lambda items, *_: items)
    assert [row["name"] for row in rows] == ["all matched", "now"]
    assert rows[0]["ratio"] is rows[0]["same_identity"] is None
    assert rows[1]["same_identity"] == 1
    assert rows[1]["ratio"]["value"] is None  # two photos are too few
    assert "too few" in steps_text(rows)


def test_each_step_has_a_gallery_that_its_own_code_enrolled(few_samples: Path, tmp_path: Path) -> None:
    steps = [parse_step("now", "field"), parse_step("lost", "no-such-pack")]
    with pytest.raises(UsageError, match="lost: its photos cannot be enrolled"):
        enrol_steps(steps, few_samples, None, "cpu", tmp_path, lambda items, *_: items)
    assert len(list(tmp_path.glob("step-*.sqlite"))) == 1
