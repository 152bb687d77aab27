"""A fit becomes the content of its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

import numpy as np

from reid_edge.decide.calibration import FusionNetwork
from reid_edge.pack import Pack
from reid_edge_calibration.fit import CalibrationFit, SpeciesFit
from reid_edge_calibration.judging import geomean_interval_of
from reid_edge_calibration.report.content import CalibrationReport, ReportedChoice, ReportedEntry, ReportedScore
from reid_edge_calibration.threshold import geomean_curve

_FUSION = {
    "mean": "the mean of the scores",
    "recipe": "the recipe's own fusion",
    "weights": "a weighted mean (Powell)",
    "ranking": "weights that put the right individual first",
    "network": "a small network",
}


def report_of(fit: CalibrationFit, pack: Pack, options: Mapping[str, str], notes: Sequence[str]) -> CalibrationReport:
    """What there is to say about a fit.

    Args:
        fit: as `fit.fit_with_facts` gives it.
        pack: that was calibrated.
        options: the command line.
        notes: of the labels, and warnings.
    """
    data = fit.model.data
    return CalibrationReport(
        pack=pack.manifest.name,
        version=pack.manifest.version,
        seed=int(data["seed"]),
        created=datetime.now(timezone.utc).strftime("%d %B %Y, %H:%M UTC"),
        options=options,
        notes=tuple(notes),
        entries=tuple(_entry(each, float(data["most_wrong"])) for each in fit.entries),
    )


def _entry(fitted: SpeciesFit, most_wrong: float) -> ReportedEntry:
    parts, entry, trials = fitted.parts, fitted.entry, fitted.parts.trials
    edges, value = geomean_curve(trials)
    geomean, low, high = geomean_interval_of(trials, parts.right)
    return ReportedEntry(
        name=fitted.name,
        facts=fitted.facts,
        borrows=fitted.borrows,
        scores=tuple(
            ReportedScore(
                name,
                each.kind,
                each.log_loss,
                each.probability,
                parts.pairs.same,
                np.array(each.calibrator.x),
                np.array(each.calibrator.y),
            )
            for name, each in parts.calibrators.items()
        ),
        fusion=ReportedChoice(
            _FUSION[parts.fusion.kind],
            {_FUSION[kind]: value for kind, value in parts.fusion.tried.items()},
            "GeoMean",
            {}
            if parts.fusion.kind == "recipe" or isinstance(parts.fusion.fusion, FusionNetwork)
            else parts.fusion.fusion.weights,
        ),
        pooling=ReportedChoice(parts.pooling.name, parts.pooling.tried, "GeoMean", {}),
        evidence=ReportedChoice(parts.evidence.uses, parts.evidence.tried, "log-loss", _evidence_numbers(fitted)),
        geomean=geomean,
        geomean_low=low,
        geomean_high=high,
        threshold=entry.threshold,
        ask_low=entry.ask_low,
        ask_high=entry.ask_high,
        curve_edges=edges,
        curve_value=value,
        known_evidence=trials.score[trials.known],
        unknown_evidence=trials.score[~trials.known],
        final_probability=parts.confidence.probability,
        final_right=~parts.confidence.wrong,
        final_weight=parts.confidence.weight,
        target_error=most_wrong,
        asked=fitted.band.asked,
        wrong_unattended=fitted.band.wrong,
        wrong_bound=fitted.band.bound,
    )


def _evidence_numbers(fitted: SpeciesFit) -> dict[str, float]:
    evidence = fitted.entry.evidence
    numbers = {"fused score": evidence.fused, **{f"lead in {name}": weight for name, weight in evidence.leads.items()}}
    numbers |= {"number of photos": evidence.photos, **{name: term.weight for name, term in evidence.quality.items()}}
    return {name: weight for name, weight in numbers.items() if weight}
