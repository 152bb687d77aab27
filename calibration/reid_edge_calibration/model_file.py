"""The calibration file of a pack, as `reid_edge.decide.calibration.read_calibration` reads it."""

from __future__ import annotations

import json
from typing import Any

from reid_edge.decide.calibration import CalibrationModel, Calibrator, Entry, Fusion, FusionNetwork, Stacking
from reid_edge.decide.calibration.reading import FORMAT_VERSION


def model_to_json(model: CalibrationModel) -> str:
    """The text of the file, which is read back as an equal model."""
    content = {
        "format_version": FORMAT_VERSION,
        "scores": list(model.scores),
        "species": {name: _entry(entry) for name, entry in model.species.items()},
        "generic": _entry(model.generic),
        "data": model.data,
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _entry(entry: Entry) -> dict[str, Any]:
    evidence = entry.evidence
    return {
        "calibrators": {name: _curve(curve) for name, curve in entry.calibrators.items()},
        "fusion": _fusion(entry.fusion),
        "pooling": {"sharpness": entry.pooling.sharpness},
        "evidence": {
            "bias": evidence.bias,
            "fused": evidence.fused,
            "leads": dict(evidence.leads),
            "photos": evidence.photos,
            "quality": {name: vars(term) for name, term in evidence.quality.items()},
            "rivals": dict(evidence.rivals),
        },
        "identity": _curve(entry.identity),
        "unknown": _curve(entry.unknown),
        "threshold": entry.threshold,
        "ask_low": entry.ask_low,
        "ask_high": entry.ask_high,
    }


def _fusion(fusion: Fusion) -> dict[str, Any]:
    if isinstance(fusion, Stacking):
        return {"kind": "stacking", "bias": fusion.bias, "weights": dict(fusion.weights), "typical": dict(fusion.typical)}
    if isinstance(fusion, FusionNetwork):
        return {
            "kind": "network",
            "hidden_bias": list(fusion.hidden_bias),
            "hidden": {name: list(row) for name, row in fusion.hidden.items()},
            "bias": fusion.bias,
            "out": list(fusion.out),
            "typical": dict(fusion.typical),
        }
    return {"kind": "mean", "weights": dict(fusion.weights)}


def _curve(curve: Calibrator) -> dict[str, Any]:
    return {"kind": curve.kind, "x": list(curve.x), "y": list(curve.y)}
