"""The calibration of one species on the page: the verdicts in plain words first, then what they rest on."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from reid_edge.decide.calibration import Calibrator
from reid_edge_calibration.report.chart import Chart, axis
from reid_edge_calibration.report.content import ReportedChoice, ReportedEntry, ReportedScore
from reid_edge_calibration.report.markup import figure, number, percent, plain, table
from reid_edge_calibration.report.reliability import reliability_figure

HISTOGRAM_BINS = 20
LISTED_PROBABILITIES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
CURVE_POINTS = 200


def write_section(number_of: int, entry: ReportedEntry) -> str:
    """The section of one entry; its id is ``entry-`` and the number."""
    scores = "".join(_score(score, entry.borrows) for score in entry.scores)
    return (
        f'<article id="entry-{number_of}"><h2><bdi>{plain(entry.name)}</bdi></h2>'
        f"<section><h3>Decision</h3>{_decision(entry)}</section>"
        f"<section><h3>Labelled photos</h3>{_facts(entry)}</section>"
        f"<section><h3>Reliability of the probabilities</h3>{_final(entry)}</section>"
        f"<section><h3>Known or new</h3>{_geomean_curve(entry)}{_histograms(entry)}</section>"
        f"<section><h3>From scores to a verdict</h3>"
        f"{_choice('Fusion of the scores:', entry.fusion)}"
        f"{_choice('Photos of an individual:', entry.pooling)}"
        f"{_choice('Evidence:', entry.evidence)}</section>"
        f"<section><h3>The scores</h3>{scores}</section></article>\n"
    )


def _decision(entry: ReportedEntry) -> str:
    """What the calibration does with a photo, in sentences."""
    if entry.ask_low < entry.ask_high:
        never_known, never_new = entry.ask_high >= 1, entry.ask_low <= 0
        known = "never without a person" if never_known else f"if its evidence is more than {entry.ask_high:.3f}"
        new = "never without a person" if never_new else f"if its evidence is less than {entry.ask_low:.3f}"
        rule = (
            "A person is asked about every animal."
            if never_known and never_new
            else f"An animal is answered as known {known}, and as new {new}. Otherwise a person is asked."
        ) + f" Without a person, the threshold is {entry.threshold:.3f}."
    else:
        rule = (
            f"An animal is answered as known if its evidence is {entry.threshold:.3f} or more, else as new. No person is asked."
        )
    sentences = [rule]
    if not math.isnan(entry.asked):
        sentences.append(
            f"On held-out labelled photos, a person was asked about {percent(entry.asked)} of them. {percent(entry.wrong_unattended)} of "
            f"all photos were answered wrongly without a person; with 95 % confidence, this share is at most {percent(entry.wrong_bound)}."
        )
    if entry.target_error is not None and not math.isnan(entry.wrong_bound):
        kept = entry.wrong_bound <= entry.target_error
        sentences.append(
            f"The target (--max-wrong) is {percent(entry.target_error)}. "
            + ("The labelled photos confirm it." if kept else "The labelled photos are too few, or too hard, to confirm it.")
        )
    sentences.append(
        f"GeoMean, the geometric mean of right answers for known and for new animals, is {number(entry.geomean)} "
        f"(95 % interval {number(entry.geomean_low)} to {number(entry.geomean_high)}) if no person is asked."
    )
    if entry.borrows:
        sentences.append(
            "Scores, evidence and thresholds are those of all species together, because those of this species alone were not clearly "
            "better. The probabilities are those of this species."
        )
    return "".join(f"<p>{plain(sentence)}</p>" for sentence in sentences)


def _facts(entry: ReportedEntry) -> str:
    facts = {name: fact for name, fact in entry.facts.items() if isinstance(fact, str | int | float)}
    rows = [(name.replace("_", " ").capitalize(), _fact(fact)) for name, fact in facts.items()]
    return table(("Fact", "Value"), rows) if rows else "<p>No facts were recorded.</p>"


def _fact(fact: str | int | float) -> str:
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    return f"{fact:,}" if isinstance(fact, int) else f"{fact:.4g}" if isinstance(fact, float) else fact


def _final(entry: ReportedEntry) -> str:
    return reliability_figure(
        f"the final probability, {entry.name}",
        ("answers", "right"),
        entry.final_probability,
        entry.final_right,
        "weighted by how often such photos occur, and predicted by curves that were fitted without their individual.",
        entry.final_weight,
    )


def _geomean_curve(entry: ReportedEntry) -> str:
    chart = Chart(axis(0, 1, "threshold on the evidence"), axis(0, 1, "GeoMean"))
    if entry.ask_low < entry.ask_high:
        chart.band(entry.ask_low, entry.ask_high)
    chart.steps(entry.curve_edges, entry.curve_value, "curve")
    chart.upright(entry.threshold, f"threshold {entry.threshold:.3f}")
    # Just above an edge the value of the step that begins there holds.
    inner = entry.curve_edges[1:-1]
    at = np.unique(np.round([*np.linspace(0.1, 0.9, 9), entry.ask_low, entry.threshold, entry.ask_high], 3))
    rows = [(f"{place:.3f}", number(float(entry.curve_value[np.searchsorted(inner, place)]))) for place in at]
    best = float(entry.curve_value.max(initial=0.0))
    return figure(
        chart.svg(
            f"GeoMean over the threshold, {entry.name}",
            f"The best GeoMean is {best:.3f}. The threshold is {entry.threshold:.3f}. A person is asked between {entry.ask_low:.3f} and "
            f"{entry.ask_high:.3f}.",
        ),
        table(("Threshold", "GeoMean"), rows),
        "GeoMean of the labelled photos at every threshold. The vertical line is the chosen threshold, an average over resamples of "
        f"individuals. In the shaded band a person is asked. The best GeoMean in hindsight is {best:.3f}.",
    )


def _histograms(entry: ReportedEntry) -> str:
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    known, unknown = (_shares(evidence, edges) for evidence in (entry.known_evidence, entry.unknown_evidence))
    chart = Chart(axis(0, 1, "evidence"), axis(0, 1.15 * max(known.max(), unknown.max(), 0.01), "share of photos"))
    chart.bars(edges, known, "known")
    chart.bars(edges, unknown, "unknown")
    chart.upright(entry.threshold, f"threshold {entry.threshold:.3f}")
    rows = [
        (f"{low:.2f} to {high:.2f}", percent(a), percent(b))
        for low, high, a, b in zip(edges[:-1], edges[1:], known, unknown, strict=True)
        if a or b
    ]
    counts = f"{len(entry.known_evidence):,} photos of known animals, {len(entry.unknown_evidence):,} of new ones"
    return figure(
        chart.svg(f"Evidence of known and of new animals, {entry.name}", f"{counts}. Less overlap means fewer errors."),
        table(("Evidence", "Known animals", "New animals"), rows),
        f"{counts}. Filled: known animals. Outlined: new animals, including known ones that were removed from the gallery for this test.",
    )


def _shares(evidence: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.histogram(evidence, edges)[0] / max(1, len(evidence)))


def _score(score: ReportedScore, borrowed: bool) -> str:
    curve = (
        "the curve of all species, which was fitted on these pairs as well"
        if borrowed
        else "curves fitted without their individual"
    )
    return (
        f"<h4><bdi>{plain(score.name)}</bdi></h4>"
        + reliability_figure(
            score.name, ("pairs", "the same individual"), score.probability, score.outcome, f"predicted by {curve}."
        )
        + _calibrator(score)
        + _tried(score.kind, score.log_loss, "log-loss")
    )


def _calibrator(score: ReportedScore) -> str:
    curve = Calibrator("pchip", tuple(map(float, score.x)), tuple(map(float, score.y)))
    grid = np.linspace(score.x[0], score.x[-1], CURVE_POINTS)
    chart = Chart(axis(score.x[0], score.x[-1], score.name), axis(0, 1, "probability"))
    chart.line(grid, curve.interpolate(grid), "curve")
    chart.points(score.x, score.y)
    reached = [(percent(wanted), _least_score(grid, curve.interpolate(grid), wanted)) for wanted in LISTED_PROBABILITIES]
    return figure(
        chart.svg(
            f"Calibrator of {score.name}",
            f"{score.kind}, {len(score.x)} knots, from {score.y[0]:.3f} at {score.x[0]:.4g} to {score.y[-1]:.3f} at {score.x[-1]:.4g}.",
        ),
        table(("Probability", "Reached at a score of"), reached),
        f"The {score.kind} curve from the score of two photos to the probability that they show the same individual. Dots are its knots.",
    )


def _least_score(grid: NDArray[np.float64], probability: NDArray[np.float64], wanted: float) -> str:
    reached = np.flatnonzero(probability >= wanted)
    return f"{grid[reached[0]]:.4g}" if len(reached) else "never"


def _choice(title: str, choice: ReportedChoice) -> str:
    weights = (
        table(("Of", "Weight"), [(name, number(weight)) for name, weight in choice.numbers.items()]) if choice.numbers else ""
    )
    return f"<h4>{title} {plain(choice.chosen)}</h4>{_tried(choice.chosen, choice.tried, choice.measure)}{weights}"


def _tried(chosen: str, tried: Mapping[str, tuple[float, float]], measure: str) -> str:
    if not tried:
        return "<p>Nothing else was compared.</p>"
    better = "lower is better" if measure == "log-loss" else "higher is better"
    rows = [
        (name, number(value, 4), number(error, 4), "chosen" if name == chosen else "") for name, (value, error) in tried.items()
    ]
    return table(("Tried", f"{measure} ({better})", "Standard error", ""), rows, "On individuals that were left out")
