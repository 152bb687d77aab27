"""The reliability diagram: predicted probability against observed frequency, with its table, ECE and Brier score."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_edge_calibration.metrics import brier, calibration_error, reliability
from reid_edge_calibration.report.chart import Chart, axis
from reid_edge_calibration.report.markup import figure, number, percent, table

NORMAL_95 = 1.959964


def wilson_interval(share: ArrayLike, count: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The 95 % interval of a share of independent outcomes (Wilson 1927, "Probable inference, the law of succession, and statistical
    inference"). Pairs of one photo are not independent, so theirs are wider than this.

    Args:
        share: [N] in [0, 1].
        count: [N], 1 or more, of outcomes.

    Returns:
        low, high: float64 [N] in [0, 1].
    """
    share, count = np.asarray(share, np.float64), np.asarray(count, np.float64)
    shrink = NORMAL_95**2 / count
    middle = (share + shrink / 2) / (1 + shrink)
    half = NORMAL_95 * np.sqrt(share * (1 - share) / count + shrink / count / 4) / (1 + shrink)
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def reliability_figure(
    name: str,
    words: tuple[str, str],
    probability: NDArray[np.float64],
    outcome: NDArray[np.bool_],
    judged: str,
    weight: NDArray[np.float64] | None = None,
) -> str:
    """The diagram with a table beside it.

    Args:
        name: of the probability, for the diagram's title.
        words: what is counted, such as "pairs", and what the probability is of, such as "the same individual".
        probability: float64 [N], those that are NaN are left out.
        outcome: bool [N].
        judged: how the probability was predicted, the end of a sentence.
        weight: float64 [N], how much each counts; all the same where None.
    """
    what, happened = words
    seen = ~np.isnan(probability)
    probability, outcome, weight = probability[seen], outcome[seen], None if weight is None else weight[seen]
    if not len(probability):
        return f"<p>There are no {what} to compare the probability with.</p>"
    curve = reliability(probability, outcome, weight=weight)
    low, high = wilson_interval(curve.observed, curve.effective)
    error, score = calibration_error(probability, outcome, weight=weight), brier(probability, outcome, weight)
    chart = Chart(axis(0, 1, "predicted probability"), axis(0, 1, f"share that were {happened}"))
    chart.line([0, 1], [0, 1], "ideal")
    chart.intervals(curve.predicted, low, high)
    chart.line(curve.predicted, curve.observed, "curve")
    chart.points(curve.predicted, curve.observed)
    rows = [
        (percent(predicted), percent(observed), f"{percent(least)} to {percent(most)}", f"{count:,}")
        for predicted, observed, least, most, count in zip(curve.predicted, curve.observed, low, high, curve.count, strict=True)
    ]
    return figure(
        chart.svg(
            f"Reliability of {name}",
            f"{len(probability):,} {what} in {len(rows)} bins; calibration error (ECE) {error:.3f}, Brier score {score:.4f}. "
            "On the dashed line, prediction and observation agree.",
        ),
        table(("Predicted", f"Were {happened}", "95 % interval", what.capitalize()), rows),
        f"ECE {number(error, 3)}, Brier score {number(score, 4)}; {len(probability):,} {what}, {judged}",
    )
