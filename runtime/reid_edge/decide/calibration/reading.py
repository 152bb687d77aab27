"""The calibration file of a pack, read strictly: an unknown key, a missing one or a number that is none refuses the file."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from typing import Any, NoReturn

from reid_edge.decide.calibration.calibrator import Calibrator
from reid_edge.decide.calibration.evidence import Evidence, QualityTerm
from reid_edge.decide.calibration.fusion import Fusion, FusionNetwork, Stacking, WeightedMean
from reid_edge.decide.calibration.model import CalibrationModel, Entry
from reid_edge.decide.calibration.pooling import Pooling
from reid_edge.describe.quality import QUALITY
from reid_edge.errors import PackError

FORMAT_VERSION = 4
_HINT = "Calibrate the pack again, or fetch it again from where it came."


def read_calibration(text: str | bytes, name: str = "the calibration file") -> CalibrationModel:
    """Parse a calibration file, strictly.

    Args:
        text: the JSON, UTF-8 where bytes.
        name: what errors call it, such as its path in the pack.

    Raises:
        PackError: not JSON, an unknown, missing or repeated key, a wrong type, NaN, or numbers that make no calibration.
    """
    try:
        raw = json.loads(text, object_pairs_hook=_unrepeated, parse_constant=_refuse_constant)
        return _model(raw)
    except PackError as error:
        raise PackError(f"{name}: {error.message}", error.hint) from None
    except (ValueError, RecursionError) as error:
        raise PackError(f"{name} is not JSON that can be read.", _HINT) from error


def _model(raw: object) -> CalibrationModel:
    table = _table(raw, "the file", {"format_version", "scores", "species", "generic", "data"})
    version = table["format_version"]
    if isinstance(version, bool) or version != FORMAT_VERSION:
        raise PackError(f"format_version is {str(version)[:40]}, this program reads {FORMAT_VERSION}.", "Update reid-edge.")
    scores = table["scores"]
    if not isinstance(scores, list) or not scores or not all(isinstance(score, str) and score for score in scores):
        raise PackError("scores must be a list of one name or more.", _HINT)
    if len(set(scores)) < len(scores):
        raise PackError("scores names one score twice.", _HINT)
    by_species = _table(table["species"], "species")
    if "" in by_species:
        raise PackError("species has an entry without a name.", _HINT)
    species = {name: _entry(entry, f"species.{name}", tuple(scores)) for name, entry in by_species.items()}
    data = _table(table["data"], "data")
    _check_finite(data)
    return CalibrationModel(tuple(scores), species, _entry(table["generic"], "generic", tuple(scores)), data)


def _entry(raw: object, where: str, scores: tuple[str, ...]) -> Entry:
    table = _table(raw, where, {field.name for field in fields(Entry)})
    calibrators = _table(table["calibrators"], f"{where}.calibrators", set(scores))
    entry = Entry(
        calibrators={name: _calibrator(calibrators[name], f"{where}.calibrators.{name}") for name in scores},
        fusion=_fusion(table["fusion"], f"{where}.fusion", scores),
        pooling=_pooling(table["pooling"], f"{where}.pooling"),
        evidence=_evidence(table["evidence"], f"{where}.evidence", scores),
        identity=_calibrator(table["identity"], f"{where}.identity"),
        unknown=_calibrator(table["unknown"], f"{where}.unknown"),
        threshold=_number(table["threshold"], f"{where}.threshold"),
        ask_low=_number(table["ask_low"], f"{where}.ask_low"),
        ask_high=_number(table["ask_high"], f"{where}.ask_high"),
    )
    if not 0 <= entry.ask_low <= entry.threshold <= entry.ask_high <= 1:
        raise PackError(f"{where} must have 0 <= ask_low <= threshold <= ask_high <= 1.", _HINT)
    return entry


def _fusion(raw: object, where: str, scores: tuple[str, ...]) -> Fusion:
    kind = _table(raw, where).get("kind")
    if kind == "mean":
        table = _table(raw, where, {"kind", "weights"})
        weights = _weights(table["weights"], f"{where}.weights", scores)
        total = sum(weights.values())
        if total <= 0 or math.isinf(total):
            raise PackError(f"{where}.weights must not all be 0.", _HINT)
        return WeightedMean(weights)
    if kind == "stacking":
        table = _table(raw, where, {"kind", "bias", "weights", "typical"})
        weights = _weights(table["weights"], f"{where}.weights", scores)
        return Stacking(_number(table["bias"], f"{where}.bias"), weights, _typical(table, where, scores))
    if kind == "network":
        table = _table(raw, where, {"kind", "hidden_bias", "hidden", "bias", "out", "typical"})
        hidden_bias, out = (_numbers(table[key], f"{where}.{key}") for key in ("hidden_bias", "out"))
        rows = _table(table["hidden"], f"{where}.hidden", set(scores))
        hidden = {name: _numbers(rows[name], f"{where}.hidden.{name}") for name in scores}
        if not 0 < len(out) == len(hidden_bias) or any(len(row) != len(out) for row in hidden.values()):
            raise PackError(f"{where} must have as many weights as hidden units, one or more.", _HINT)
        if min(*out, *(value for row in hidden.values() for value in row)) < 0:
            raise PackError(f"the weights of {where} must be 0 or more.", _HINT)
        return FusionNetwork(hidden_bias, hidden, _number(table["bias"], f"{where}.bias"), out, _typical(table, where, scores))
    raise PackError(f"{where}.kind is mean, stacking or network, not {str(kind)[:40]!r}.", _HINT)


def _typical(table: dict[str, Any], where: str, scores: tuple[str, ...]) -> dict[str, float]:
    typical = _table(table["typical"], f"{where}.typical", set(scores))
    return {name: _number(typical[name], f"{where}.typical.{name}") for name in scores}


def _numbers_by_score(raw: object, where: str, scores: tuple[str, ...]) -> dict[str, float]:
    table = _table(raw, where, set(scores))
    return {name: _number(table[name], f"{where}.{name}") for name in scores}


def _weights(raw: object, where: str, scores: tuple[str, ...]) -> dict[str, float]:
    weights = _numbers_by_score(raw, where, scores)
    if min(weights.values()) < 0:
        raise PackError(f"{where} must be 0 or more.", _HINT)
    return weights


def _pooling(raw: object, where: str) -> Pooling:
    sharpness = _number(_table(raw, where, {"sharpness"})["sharpness"], f"{where}.sharpness")
    if not 0 <= sharpness <= 100:
        raise PackError(f"{where}.sharpness must lie between 0 and 100.", _HINT)
    return Pooling(sharpness)


def _evidence(raw: object, where: str, scores: tuple[str, ...]) -> Evidence:
    table = _table(raw, where, {field.name for field in fields(Evidence)})
    quality = _table(table["quality"], f"{where}.quality", set(QUALITY))
    evidence = Evidence(
        bias=_number(table["bias"], f"{where}.bias"),
        fused=_number(table["fused"], f"{where}.fused"),
        leads=_weights(table["leads"], f"{where}.leads", scores),
        photos=_number(table["photos"], f"{where}.photos"),
        quality={name: _quality_term(quality[name], f"{where}.quality.{name}") for name in QUALITY},
        rivals=_numbers_by_score(table["rivals"], f"{where}.rivals", scores),
    )
    if evidence.fused < 0:
        raise PackError(f"{where}.fused must be 0 or more.", _HINT)
    return evidence


def _quality_term(raw: object, where: str) -> QualityTerm:
    table = _table(raw, where, {field.name for field in fields(QualityTerm)})
    term = QualityTerm(**{name: _number(value, f"{where}.{name}") for name, value in table.items()})
    if not term.low <= term.typical <= term.high:
        raise PackError(f"{where} must have low <= typical <= high.", _HINT)
    return term


def _calibrator(raw: object, where: str) -> Calibrator:
    table = _table(raw, where, {"kind", "x", "y"})
    x, y = (_numbers(table[key], f"{where}.{key}") for key in ("x", "y"))
    try:
        return Calibrator(table["kind"], x, y)
    except PackError as error:
        raise PackError(f"{where}: {error.message}", error.hint) from None


def _table(raw: object, where: str, keys: set[str] | None = None) -> dict[str, Any]:
    """The object itself, which has exactly these keys, or any where none are given."""
    if not isinstance(raw, dict):
        raise PackError(f"{where} must be an object.", _HINT)
    for key in raw:
        if keys is not None and key not in keys:
            raise PackError(f"{where} has an unknown key {key[:80]!r}; known are {', '.join(sorted(keys))}.", _HINT)
    for key in sorted(keys or ()):
        if key not in raw:
            raise PackError(f"{where} lacks the key {key!r}.", _HINT)
    return raw


def _numbers(raw: object, where: str) -> tuple[float, ...]:
    if not isinstance(raw, list):
        raise PackError(f"{where} must be a list of numbers.", _HINT)
    return tuple(_number(value, where) for value in raw)


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e300:
        raise PackError(f"{where} must be a finite number, not {str(value)[:40]!r}.", _HINT)
    return float(value)


def _check_finite(value: object) -> None:
    if isinstance(value, dict):
        for item in value.values():
            _check_finite(item)
    elif isinstance(value, list):
        for item in value:
            _check_finite(item)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        _number(value, "every number in data")


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise PackError("a key is there twice.", _HINT)
    return table


def _refuse_constant(constant: str) -> NoReturn:
    raise PackError(f"{constant} is not a number.", _HINT)
