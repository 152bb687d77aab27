"""The reliability diagram and the risk-coverage curve of measured answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from reid_edge_calibration.metrics import reliability, risk_coverage
from reid_edge_calibration.report.chart import Chart, axis
from reid_edge_calibration.report.reliability import wilson_interval


def reliability_diagram(name: str, probability: ArrayLike, outcome: ArrayLike) -> str:
    """SVG: the share that came true over the probability, a dot per bin with its 95 % interval; on the diagonal both are equal.

    Args:
        name: of the probability, in words.
        probability: [N] in [0, 1].
        outcome: bool [N].
    """
    curve = reliability(probability, outcome)
    low, high = wilson_interval(curve.observed, curve.count)
    chart = Chart(axis(0, 1, "predicted probability"), axis(0, 1, "share that were right"))
    chart.line([0, 1], [0, 1], "ideal")
    chart.intervals(curve.predicted, low, high)
    if len(curve.count):
        chart.line(curve.predicted, curve.observed, "curve")
    chart.points(curve.predicted, curve.observed)
    bins = ", ".join(
        f"{predicted:.0%} predicted and {observed:.0%} right of {count}"
        for predicted, observed, count in zip(curve.predicted, curve.observed, curve.count, strict=True)
    )
    return chart.svg(f"Reliability of {name}", f"By bins: {bins}." if bins else "No query.")


def risk_coverage_diagram(confidence: ArrayLike, right: ArrayLike, errors: Sequence[float]) -> str:
    """SVG: the share of wrong answers over the share of queries that are answered, the surest first; a dashed line for each of these error
    rates.

    Args:
        confidence: [N].
        right: bool [N].
        errors: 0..1.
    """
    curve = risk_coverage(confidence, right)
    highest = max(2 * max(errors), float(curve.risk.max(initial=0.0)))
    chart = Chart(axis(0, 1, "share of queries answered"), axis(0, highest, "share of these that are wrong"))
    for error in errors:
        chart.line([0, 1], [error, error], "ideal")
    if len(curve.risk):
        chart.steps(np.concatenate([[0.0], curve.coverage]), curve.risk, "curve")
    end = f"{curve.risk[-1]:.1%} of all answers are wrong." if len(curve.risk) else "No query."
    return chart.svg("Risk over coverage", end)
