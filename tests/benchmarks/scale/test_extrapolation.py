"""What was not measured follows from what was by the arithmetic that is written down."""

from __future__ import annotations

import math
from typing import Any

import pytest

from reid_edge_benchmarks.scale.extrapolation import bytes_of_a_vector, extrapolated, laws


def row(size: int, exact: float, index: float) -> dict[str, Any]:
    return {
        "size": size,
        "device": {"search": {"p50": exact}},
        "index": {
            "chosen": 200,
            "asked": [{"asked": 50, "search": {"p50": 0.1}}, {"asked": 200, "search": {"p50": index}}],
            "vector_bytes": 800 * size,
            "index_bytes": 1200 * size,
            "index_seconds": 60.0,
        },
    }


def test_an_exact_search_grows_with_the_vectors_and_one_by_the_index_with_their_logarithm() -> None:
    rows = [row(size, 2 + size / 10_000, 1 + math.log10(size)) for size in (10_000, 100_000, 1_000_000)]
    law = laws(rows)
    assert (law["start"], law["per_million"]) == pytest.approx((2, 100))
    assert law["index_start"] == pytest.approx(1)
    assert law["index_per_e"] == pytest.approx(1 / math.log(10))
    crossing = law["crossing"]
    assert crossing is not None
    assert 2 + crossing / 10_000 == pytest.approx(1 + math.log10(crossing), rel=1e-6)
    made = extrapolated(rows, 384)
    assert [each["size"] for each in made] == [10**6, 10**7, 10**8]
    assert [each["measured"] for each in made] == [True, False, False]
    assert made[2]["exact_ms"] == pytest.approx(2 + 10_000)
    assert made[2]["index_ms"] == pytest.approx(9)
    assert made[2]["copy_bytes"] == 4 * 384 * 10**8
    assert made[2]["build_seconds"] == pytest.approx(60 * 100 * 8 / 6)
    assert made[2]["servers"] == 1
    assert bytes_of_a_vector(rows[-1], 384)["links"] == pytest.approx(198.4)


def test_an_index_that_is_always_faster_or_never_has_no_crossing() -> None:
    assert laws([row(1000, 5, 1), row(2000, 6, 1)])["crossing"] == 0
    assert laws([row(1000, 1, 5)])["crossing"] is not None
    assert laws([row(1000, 1, 5), row(2000, 1, 10)])["crossing"] is None
