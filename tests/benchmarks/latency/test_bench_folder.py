"""bench folder: one command over a folder beside the same photos one at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reid_edge.errors import UsageError
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge_benchmarks.latency.contestant import Ask
from reid_edge_benchmarks.latency.folder import folder_text, measure_folder


def test_both_ways_answer_all_photos_and_the_cores_are_watched(
    few_gallery: Path, queries: list[Enrolment], tmp_path: Path
) -> None:
    figures = measure_folder(Ask("runtime", few_gallery, "field", "cpu", 1), queries[:2], tmp_path, lambda items, *_: items)
    assert len(list((tmp_path / "asked").iterdir())) == figures["photos"] == 2
    for way in ("one_at_a_time", "folder"):
        assert figures[way]["photos_per_second"] == pytest.approx(2 / figures[way]["seconds"])
        assert 0 < figures[way]["cpu_share"] <= 1.5  # a sum over all threads; clocks of processes tick in hundredths
    assert figures["ratio"]["low"] <= figures["ratio"]["high"]


def test_a_folder_that_cannot_be_identified_is_an_error_and_no_figure(
    few_gallery: Path, queries: list[Enrolment], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_text("no photo")
    with pytest.raises(UsageError):
        measure_folder(
            Ask("runtime", few_gallery, "field", "cpu", 1), [Enrolment(broken, "x")] * 2, tmp_path, lambda items, *_: items
        )


def test_a_ratio_that_the_halves_do_not_share_is_not_told() -> None:
    way = {"seconds": 10.0, "photos_per_second": 20.0, "cpu_share": 0.9}
    figures: dict[str, Any] = {"photos": 200, "one_at_a_time": way, "folder": way}
    assert "within the noise" in folder_text({**figures, "ratio": {"value": None, "low": 0.9, "high": 1.2}})
    assert "1.70 times the throughput" in folder_text({**figures, "ratio": {"value": 1.7, "low": 1.6, "high": 1.8}})
