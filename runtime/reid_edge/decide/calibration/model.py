"""What a pack's calibration says: per species, how pair scores become a fused score, evidence, a probability and a verdict."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_edge.decide.calibration.calibrator import Calibrator
from reid_edge.decide.calibration.evidence import Evidence
from reid_edge.decide.calibration.fusion import Fusion
from reid_edge.decide.calibration.pooling import Pooling
from reid_edge.decide.calibration.score_tables import PER_SCORE
from reid_edge.errors import PackError
from reid_edge.gallery.time_place import TimePlaceModel
from reid_edge.plain_data import Convert, Pattern, Then, each_once, must_be


@dataclass(frozen=True)
class Entry:
    """What was fitted for one species, or for all of them together.

    Attributes:
        calibrators: by score name, in the order of the columns of `raw`: raw pair score -> probability that the pair shows
            the same individual.
        fusion: calibrated scores -> fused score of a candidate photo.
        pooling: fused scores of an individual's photos -> fused score of the individual.
        evidence: how clearly an identity stands out, from its fused score, its leads over the others, its photos and the query's quality.
        identity: evidence for the identity at the top -> probability that it is right.
        unknown: 1 - that evidence -> probability that the animal is none of the gallery's. Less than what `identity` leaves where the
            right individual is often in the gallery and not found.
        threshold: evidence from which the answer is `known`.
        ask_low, ask_high: evidence between which the data cannot tell, and a person is asked; they enclose the threshold.
        further: by the name of a calibration that the recipe asks for beside, calibrators that were fitted on other labels.
        fitted: weights and limits that the recipe leaves to be fitted, see `reid_edge.decide.fitted.open_values`.
        time_place: what time and place say of a pair; None where it was not fitted or is switched off.
    """

    calibrators: Annotated[Mapping[str, Calibrator], PER_SCORE]
    fusion: Fusion
    pooling: Pooling
    evidence: Evidence
    identity: Calibrator
    unknown: Calibrator
    threshold: float
    ask_low: float
    ask_high: float
    further: Mapping[str, Annotated[Mapping[str, Calibrator], PER_SCORE]] = field(default_factory=dict)
    fitted: Mapping[str, float] = field(default_factory=dict)
    time_place: TimePlaceModel | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.ask_low <= self.threshold <= self.ask_high <= 1:
            raise PackError("an entry must have 0 <= ask_low <= threshold <= ask_high <= 1.", "Calibrate the pack again.")

    @property
    def scores(self) -> tuple[str, ...]:
        """The score names in the order of the columns."""
        return tuple(self.calibrators)

    def fuse(self, raw: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """One fused score per candidate photo of one query.

        A score may be absent for two reasons, told apart by the column. Absent for some candidates: an expensive matcher ran on
        the most promising ones only. What it would have said is unknown: the lowest value that was computed for this query stands in
        for it, so that a candidate that was not looked at has no more than any that was, and no less than the least of these. (One
        value for all queries would do either the one or the other.) So a higher score lowers nobody's fused score, but raises, if it
        was the lowest, those that lack it, too; in a mean or in log odds by no more than its own. Absent for all: the matcher did not
        run for this query, so nothing was learnt, and it is left out. Hence all candidates of a query are to be fused in one call.

        Args:
            raw: [N, S] pair scores, columns as in `scores`, NaN where a score was not computed.

        Returns:
            calibrated: float64 [N, S] in [0, 1], NaN where raw is NaN.
            fused: float64 [N] in [0, 1].
        """
        raw = np.asarray(raw, np.float64)
        if raw.ndim != 2 or raw.shape[1] != len(self.calibrators):
            raise ValueError(f"raw has shape {raw.shape}, expected [N, {len(self.calibrators)}]")
        absent = np.isnan(raw)
        filled = np.empty_like(raw)
        for column, calibrator in enumerate(self.calibrators.values()):
            unknown = absent[:, column]
            filled[:, column] = calibrator(np.where(unknown, -np.inf, raw[:, column]))
            if not unknown.all():
                filled[unknown, column] = filled[~unknown, column].min()
        fused = self.fusion(filled, ~absent.all(axis=0))
        return np.where(absent, np.nan, filled), fused


def _finite(value: Any, context: object = None) -> Any:
    """Free JSON without numbers that are none."""
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _finite(item)
    if isinstance(value, (int, float)) and not abs(value) < 1e300:
        raise must_be("a file of finite numbers", value)
    return value


def _finite_table(value: Any, context: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise must_be("a table", value)
    return dict(_finite(value))


def _no_table(value: Any, context: object) -> Any:
    """What is read by itself, with score names of its own, see `reid_edge.decide.calibration.reading`."""
    raise must_be("left out", value)


_AnyName = Annotated[str, Pattern(r"(?s).+", "a name", printable=False)]


@dataclass(frozen=True)
class ScoreNames:
    """The names of the pair scores, in the order of the columns, which the rest of a calibration file is read with."""

    scores: Annotated[tuple[_AnyName, ...], Then(each_once)]


@dataclass(frozen=True)
class CalibrationModel(ScoreNames):
    """A whole calibration file.

    Attributes:
        scores: the names of the pair scores, in the order of the columns.
        species: the entries by species name.
        generic: the entry for any other species, or when it is not known.
        data: what it was fitted on, free JSON.
        before: of a recipe with a costly score, the calibration by all other scores, see `reid_edge.decide.doubt`; else None.
    """

    species: Mapping[_AnyName, Entry]
    generic: Entry
    data: Annotated[Mapping[str, Any], Convert(_finite_table)]
    before: Annotated[CalibrationModel | None, Convert(_no_table)] = None

    def entry(self, species: str | None) -> tuple[Entry, Literal["species", "generic"]]:
        """The entry for a species, in any case of letters, and whether it is its own or the generic one."""
        wanted = _plain(species or "")
        for name, entry in self.species.items():
            if _plain(name) == wanted:
                return entry, "species"
        return self.generic, "generic"


def _plain(species: str) -> str:
    return unicodedata.normalize("NFC", species).strip().casefold()
