"""Both sides' answers against the truth and against each other: figures, their difference and the targets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reid_edge_benchmarks.results import null_for_nan
from reid_edge_calibration.metrics import NEW, baks, baus, geomean, rank_k

COMMON, GEOMEAN = 0.995, 0.002
"""Targets: the least share of queries with the same answer, the largest difference of GeoMean."""
ENOUGH = 40
"""Queries from which on a target counts as met or missed. Of fewer, it depends on which photos were taken: one answer is 2.5 % and more."""
RESAMPLES = 2000


@dataclass(frozen=True)
class Sides:
    """The answers of both sides to the same queries.

    Attributes:
        photos: the queries.
        truth: whom they show.
        known: identities of the gallery.
        reference, runtime: per query, the identity answered or NEW.
        reference_top, runtime_top: per query, the identity ranked first, NEW where there is none.
    """

    photos: tuple[str, ...]
    truth: tuple[str, ...]
    known: frozenset[str]
    reference: tuple[str, ...]
    runtime: tuple[str, ...]
    reference_top: tuple[str, ...]
    runtime_top: tuple[str, ...]

    @classmethod
    def together(cls, sides: Sequence[Sides]) -> Sides:
        """Several species as one set; names of individuals are made different."""
        parts: dict[str, list[str]] = {name: [] for name in cls.__dataclass_fields__}
        for number, side in enumerate(sides):
            for name, values in parts.items():
                told = getattr(side, name)
                values += [each if name == "photos" or each == NEW else f"{number}/{each}" for each in told]
        return cls(**{name: frozenset(values) if name == "known" else tuple(values) for name, values in parts.items()})  # type: ignore[arg-type]

    @property
    def in_common(self) -> float:
        """The share of queries with the same answer."""
        return float(np.mean([mine == its for mine, its in zip(self.reference, self.runtime, strict=True)]))

    def figures(self) -> dict[str, dict[str, float]]:
        """R-1, BAKS, BAUS and GeoMean of either side."""
        by_side = {}
        for side in ("reference", "runtime"):
            answered, top = getattr(self, side), getattr(self, f"{side}_top")
            by_side[side] = {
                "R-1": rank_k(self.truth, [[each] for each in top], 1, self.known),
                "BAKS": baks(self.truth, answered, self.known),
                "BAUS": baus(self.truth, answered, self.known),
                "GeoMean": geomean(self.truth, answered, self.known),
            }
        return by_side

    def geomean_difference(self, seed: int = 0) -> tuple[float, float, float]:
        """GeoMean of the runtime less that of the reference, and its 95 % interval over bootstrap resamples of individuals, of which
        known and unknown ones are drawn apart; NaN where one kind is missing.
        """
        right = {
            side: [
                answer == (true if true in self.known else NEW)
                for answer, true in zip(getattr(self, side), self.truth, strict=True)
            ]
            for side in ("reference", "runtime")
        }
        people = sorted(set(self.truth))
        shares = np.array(
            [
                [np.mean([hit for hit, true in zip(right[side], self.truth, strict=True) if true == who]) for side in right]
                for who in people
            ]
        )
        groups = [shares[[(who in self.known) == of_known for who in people]] for of_known in (True, False)]
        if not all(len(group) for group in groups):
            return math.nan, math.nan, math.nan
        rng = np.random.default_rng(seed)
        drawn = [group[rng.integers(len(group), size=(RESAMPLES, len(group)))].mean(axis=1) for group in groups]
        each = np.sqrt(drawn[0] * drawn[1])
        low, high = np.quantile(each[:, 1] - each[:, 0], [0.025, 0.975])
        own = np.sqrt(groups[0].mean(axis=0) * groups[1].mean(axis=0))
        return float(own[1] - own[0]), float(low), float(high)

    def targets(self) -> list[tuple[str, str, bool | None]]:
        """Per target its description, the measured value with its margin, and whether it is met; None if that cannot be measured, or
        where there are fewer than `ENOUGH` queries.
        """
        difference, low, high = self.geomean_difference()
        common, count = self.in_common, len(self.truth)
        margin = GEOMEAN - abs(difference)
        few = "" if count >= ENOUGH else f"; too few queries for a verdict, {ENOUGH} or more are enough"
        apart = f"{difference:+.4f} ({low:+.3f} to {high:+.3f}), margin {margin:+.4f}"
        return [
            (
                f"same answer for {COMMON:.1%} of queries",
                f"{common:.1%} of {count}, margin {common - COMMON:+.1%}{few}",
                None if few else common >= COMMON,
            ),
            (
                f"GeoMean differs by {GEOMEAN:g} or less",
                "no known, or no unknown individual" if math.isnan(difference) else f"{apart}{few}",
                None if few or math.isnan(difference) else margin >= -1e-12,
            ),
        ]

    def apart(self) -> list[dict[str, str]]:
        """The queries that are answered differently."""
        rows = zip(self.photos, self.truth, self.reference, self.runtime, strict=True)
        return [
            {"photo": photo, "truth": true if true in self.known else NEW, "reference": mine, "runtime": its}
            for photo, true, mine, its in rows
            if mine != its
        ]

    def as_json(self) -> dict[str, Any]:
        """Plain data; what cannot be measured is None."""
        difference = dict(zip(("value", "low", "high"), self.geomean_difference(), strict=True))
        return {
            "queries": len(self.truth),
            "photos": list(self.photos),
            "predictions in common": self.in_common,
            "figures": {side: null_for_nan(figures) for side, figures in self.figures().items()},
            "GeoMean difference": null_for_nan(difference),
            "targets": [{"target": target, "found": found, "met": met} for target, found, met in self.targets()],
            "answered differently": self.apart(),
        }
