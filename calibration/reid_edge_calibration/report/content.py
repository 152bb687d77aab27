"""The content of a calibration report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ReportedScore:
    """The calibrator of one score.

    Attributes:
        name: of the score.
        kind: of the calibrator, such as "smooth".
        log_loss: by kind that was tried, the cross-validated log-loss per pair in nats and its standard error; may be empty.
        probability: float64 [P], of each pair, by a calibrator that did not see its individual; NaN where there is no score.
        outcome: bool [P], the pair shows the same individual.
        x, y: float64 [K], K >= 2, the knots, raw scores and probabilities, of a curve of the kind "pchip".
    """

    name: str
    kind: str
    log_loss: Mapping[str, tuple[float, float]]
    probability: NDArray[np.float64]
    outcome: NDArray[np.bool_]
    x: NDArray[np.float64]
    y: NDArray[np.float64]


@dataclass(frozen=True)
class ReportedChoice:
    """One of several ways that was chosen.

    Attributes:
        chosen: its name.
        tried: by name, the measure and its standard error, NaN where that is not known; may be empty.
        measure: what the numbers of `tried` are, "GeoMean" or "log-loss".
        numbers: by name, the weights of the chosen one; may be empty.
    """

    chosen: str
    tried: Mapping[str, tuple[float, float]]
    measure: str
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class ReportedEntry:
    """The calibration of one species, or of any other species. Shares and probabilities are 0..1; NaN where one is not known.

    Attributes:
        name: such as "plains zebra" or "any other species".
        facts: what it was fitted on, by name; values that are not text or numbers are left out.
        borrows: scores, evidence and threshold are those of all species together.
        scores: in the order of the columns.
        fusion, pooling, evidence: how scores became one, photos an individual, and individuals a verdict.
        geomean, geomean_low, geomean_high: GeoMean of cross-fitted answers, and its 95 % interval.
        threshold, ask_low, ask_high: evidence from which the answer is known, and between which a person is asked.
        curve_edges: float64 [M + 1] from 0 to 1; curve_value: float64 [M], GeoMean for thresholds between two edges.
        known_evidence, unknown_evidence: float64, evidence of the trials with a known and with an unknown animal, in [0, 1].
        final_probability: float64 [T], that the answer of the trial is right; final_right: bool [T], it is; final_weight: float64 [T], as
            often as such photos occur: known animals removed from the gallery show how unknown animals score, not how many there are.
        target_error: share of all photos that may be answered wrongly without asking; None where none was named.
        asked: share of photos for which a person is asked.
        wrong_unattended: share of all photos that are answered wrongly without asking; wrong_bound: its upper 95 % bound.
    """

    name: str
    facts: Mapping[str, Any]
    borrows: bool
    scores: tuple[ReportedScore, ...]
    fusion: ReportedChoice
    pooling: ReportedChoice
    evidence: ReportedChoice
    geomean: float
    geomean_low: float
    geomean_high: float
    threshold: float
    ask_low: float
    ask_high: float
    curve_edges: NDArray[np.float64]
    curve_value: NDArray[np.float64]
    known_evidence: NDArray[np.float64]
    unknown_evidence: NDArray[np.float64]
    final_probability: NDArray[np.float64]
    final_right: NDArray[np.bool_]
    final_weight: NDArray[np.float64]
    target_error: float | None
    asked: float
    wrong_unattended: float
    wrong_bound: float


@dataclass(frozen=True)
class CalibrationReport:
    """All that is on the page.

    Attributes:
        pack, version: the pack that was calibrated.
        seed: of folds and resamples.
        created: when, as people read it.
        options: the command line in its order: an option such as "--pack" or an argument such as "METADATA", and its value; one that is
            given several times has a value per line, and a flag an empty one.
        notes: of the labels, and warnings, one sentence or more each.
        entries: one per species, and that for any other.
    """

    pack: str
    version: str
    seed: int
    created: str
    options: Mapping[str, str]
    notes: tuple[str, ...]
    entries: tuple[ReportedEntry, ...]
