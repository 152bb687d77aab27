"""A report on drawn scores whose calibrators were really fitted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from reid_edge_calibration.calibrators import choose_calibrator
from reid_edge_calibration.report import CalibrationReport, ReportedChoice, ReportedEntry, ReportedScore


def make_score(name: str = "xfeat", seed: int = 0) -> ReportedScore:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 30, 1500)
    same = rng.random(1500) < 0.1
    raw = np.maximum(0, np.round(20 * rng.normal(size=1500) + 20 + 40 * same))
    fitted = choose_calibrator(raw, same, np.ones(1500), group)
    knots = np.array(fitted.calibrator.x), np.array(fitted.calibrator.y)
    return ReportedScore(name, fitted.kind, fitted.log_loss, fitted.probability, same, *knots)


def make_entry(name: str = "plains zebra", scores: tuple[ReportedScore, ...] = (), trials: int = 200, **changes) -> ReportedEntry:
    rng = np.random.default_rng(1)
    known = np.arange(trials) % 2 == 0
    evidence = rng.beta(np.where(known, 6, 2), 3)
    right = np.where(known, evidence > 0.5, evidence < 0.5)
    edges = np.concatenate([[0], np.unique(evidence), [1]])
    found, refused = ((evidence[side, None] >= edges[1:]).mean(axis=0) for side in (known, ~known))
    content = {
        "name": name,
        "facts": {
            "queries": 100,
            "positive_pairs": 1258,
            "geomean_of_trials": 0.91234,
            "fitted": True,
            "listed": ["left", "out"],
        },
        "borrows": False,
        "scores": scores,
        "fusion": ReportedChoice(
            "stacking", {"mean": (0.9, 0.01), "stacking": (0.93, 0.012)}, "GeoMean", {"xfeat": 0.7, "embedding": 0.3}
        ),
        "pooling": ReportedChoice("the best photo", {}, "GeoMean", {}),
        "evidence": ReportedChoice("the fused score", {"the fused score": (0.4, float("nan"))}, "log-loss", {}),
        "geomean": 0.931,
        "geomean_low": 0.9,
        "geomean_high": 0.96,
        "threshold": 0.5,
        "ask_low": 0.42,
        "ask_high": 0.61,
        "curve_edges": edges,
        "curve_value": np.sqrt(found * (1 - refused)),
        "known_evidence": evidence[known],
        "unknown_evidence": evidence[~known],
        "final_probability": np.clip(np.abs(evidence - 0.5) * 2 + 0.4, 0, 1),
        "final_right": right,
        "final_weight": np.ones(trials),
        "target_error": 0.02,
        "asked": 0.123,
        "wrong_unattended": 0.018,
        "wrong_bound": 0.031,
    }
    return ReportedEntry(**{**content, **changes})


def make_report(*entries: ReportedEntry, **changes) -> CalibrationReport:
    content = {
        "pack": "field",
        "version": "1.2.0",
        "seed": 7,
        "created": "2025-06-01 12:00",
        "options": {"METADATA": "zebra.csv\nmy tigers.csv", "--pack": "field", "--seed": "7", "--keep-going": ""},
        "notes": ("3 rows without an identity were left out.",),
        "entries": entries,
    }
    return CalibrationReport(**{**content, **changes})


@pytest.fixture(scope="session")
def score() -> ReportedScore:
    return make_score()


@pytest.fixture(scope="session")
def entry() -> Callable[..., ReportedEntry]:
    return make_entry


@pytest.fixture(scope="session")
def report() -> Callable[..., CalibrationReport]:
    return make_report
