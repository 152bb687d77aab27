"""The calibration file of a pack: per species, how pair scores become a fused score, evidence, a probability and a verdict."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_edge.calibration.calibrator import Calibrator
from reid_edge.calibration.evidence import Evidence
from reid_edge.errors import PackError

FORMAT_VERSION = 2
_HINT = "Calibrate the pack again, or fetch it again from where it came."


@dataclass(frozen=True)
class Entry:
    """What was fitted for one species, or for all of them together.

    Attributes:
        calibrators: by score name, in the order of the columns of `raw`: raw pair score -> probability that the pair shows
            the same individual.
        weights: by score name, 0 or more, not all 0: the share of each calibrated score in the fused score.
        evidence: how clearly an identity stands out, from its fused score and its leads over the others.
        identity: evidence for the identity at the top -> probability that it is right.
        unknown: 1 - that evidence -> probability that the animal is none of the gallery's. Less than what `identity` leaves where the
            right individual is often in the gallery and not found.
        threshold: evidence from which the answer is `known`.
        ask_low, ask_high: evidence between which the data cannot tell, and a person is asked; they enclose the threshold.
    """

    calibrators: Mapping[str, Calibrator]
    weights: Mapping[str, float]
    evidence: Evidence
    identity: Calibrator
    unknown: Calibrator
    threshold: float
    ask_low: float
    ask_high: float

    @property
    def scores(self) -> tuple[str, ...]:
        """The score names in the order of the columns."""
        return tuple(self.calibrators)

    def fuse(self, raw: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """One fused score per candidate of one query: the weighted mean of its calibrated scores.

        A score may be absent for two reasons, told apart by the column. Absent for some candidates: an expensive matcher ran on
        the most promising ones only, so its absence is evidence, and counts as the lowest value that the calibrator can give;
        a candidate never beats another by not having been looked at. Absent for all: the matcher did not run for this query, so
        nothing was learnt, and its weight is left out. Hence all candidates of a query are to be fused in one call. Raising a
        score, or computing one for a candidate where others have it, never lowers the fused score.

        Args:
            raw: [N, S] pair scores, columns as in `scores`, NaN where a score was not computed.

        Returns:
            calibrated: float64 [N, S] in [0, 1], NaN where raw is NaN.
            fused: float64 [N] in [0, 1]; 0 where no score that has a weight was computed for any candidate.
        """
        raw = np.asarray(raw, np.float64)
        if raw.ndim != 2 or raw.shape[1] != len(self.calibrators):
            raise ValueError(f"raw has shape {raw.shape}, expected [N, {len(self.calibrators)}]")
        absent = np.isnan(raw)
        filled = np.empty_like(raw)
        for column, calibrator in enumerate(self.calibrators.values()):
            filled[:, column] = calibrator(np.where(absent[:, column], -np.inf, raw[:, column]))
        weights = np.array([self.weights[name] for name in self.calibrators]) * ~absent.all(axis=0)
        total = weights.sum()
        fused = (filled * (weights / total)).sum(axis=1) if total > 0 else np.zeros(len(raw))
        return np.where(absent, np.nan, filled), np.clip(fused, 0.0, 1.0)


@dataclass(frozen=True)
class CalibrationModel:
    """A whole calibration file.

    Attributes:
        scores: the names of the pair scores, in the order of the columns.
        species: the entries by species name.
        generic: the entry for any other species, or when it is not known.
        data: what it was fitted on, free JSON.
    """

    scores: tuple[str, ...]
    species: Mapping[str, Entry]
    generic: Entry
    data: Mapping[str, Any]

    def entry(self, species: str | None) -> tuple[Entry, Literal["species", "generic"]]:
        """The entry for a species, in any case of letters, and whether it is its own or the generic one."""
        wanted = _plain(species or "")
        for name, entry in self.species.items():
            if _plain(name) == wanted:
                return entry, "species"
        return self.generic, "generic"


def _plain(species: str) -> str:
    return unicodedata.normalize("NFC", species).strip().casefold()


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
    table = _table(raw, where, {"calibrators", "weights", "evidence", "identity", "unknown", "threshold", "ask_low", "ask_high"})
    calibrators = _table(table["calibrators"], f"{where}.calibrators", set(scores))
    weights = _table(table["weights"], f"{where}.weights", set(scores))
    entry = Entry(
        calibrators={name: _calibrator(calibrators[name], f"{where}.calibrators.{name}") for name in scores},
        weights={name: _number(weights[name], f"{where}.weights.{name}") for name in scores},
        evidence=_evidence(table["evidence"], f"{where}.evidence", scores),
        identity=_calibrator(table["identity"], f"{where}.identity"),
        unknown=_calibrator(table["unknown"], f"{where}.unknown"),
        threshold=_number(table["threshold"], f"{where}.threshold"),
        ask_low=_number(table["ask_low"], f"{where}.ask_low"),
        ask_high=_number(table["ask_high"], f"{where}.ask_high"),
    )
    total = sum(entry.weights.values())
    if min(entry.weights.values()) < 0 or total <= 0 or math.isinf(total):
        raise PackError(f"{where}.weights must be 0 or more, and one of them more than 0.", _HINT)
    if not 0 <= entry.ask_low <= entry.threshold <= entry.ask_high <= 1:
        raise PackError(f"{where} must have 0 <= ask_low <= threshold <= ask_high <= 1.", _HINT)
    return entry


def _evidence(raw: object, where: str, scores: tuple[str, ...]) -> Evidence:
    table = _table(raw, where, {"bias", "fused", "leads"})
    weights = _table(table["leads"], f"{where}.leads", set(scores))
    evidence = Evidence(
        bias=_number(table["bias"], f"{where}.bias"),
        fused=_number(table["fused"], f"{where}.fused"),
        leads={name: _number(weights[name], f"{where}.leads.{name}") for name in scores},
    )
    if min(evidence.fused, *evidence.leads.values()) < 0:
        raise PackError(f"the weights of {where} must be 0 or more.", _HINT)
    return evidence


def _calibrator(raw: object, where: str) -> Calibrator:
    table = _table(raw, where, {"kind", "x", "y"})
    knots = {}
    for key in ("x", "y"):
        if not isinstance(table[key], list):
            raise PackError(f"{where}.{key} must be a list of numbers.", _HINT)
        knots[key] = tuple(_number(value, f"{where}.{key}") for value in table[key])
    try:
        return Calibrator(table["kind"], knots["x"], knots["y"])
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
