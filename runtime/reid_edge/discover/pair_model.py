"""From what two photos share to the log odds that they show one animal: a logistic function of how far they stand out.

A score says little by itself: two zebras share more than two tigers, and a sharp photo shares more with any other. What counts is by how
much a pair stands out among all pairs of either photo. The fewer animals there are to be compared with, the likelier each of them is the
same.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.discover.comparing import POINTS
from reid_edge.errors import PackError
from reid_edge.pack import Pack

MEMBER = "calibration/discovery.json"
"""Where a pack holds a model of its own."""

EVIDENCE = ("distinctive", "matches")
LEAST_PHOTOS = 5
"""With fewer photos nobody knows how much two strangers share, so that only near copies are grouped."""

NEAR_COPY = 0.5
"""Photos that share so many of their keypoints were taken together."""

_USUAL = 100.0  # animals; the prior odds of a pair are counted from there
_MOST = 12.0  # standard deviations that one kind of evidence counts for at most


@dataclass(frozen=True)
class DiscoveryModel:
    """What was learned from labelled photos of a calibrate fold.

    Attributes:
        bias, weights: of the log odds of a pair; by kind of evidence (`EVIDENCE`), for each standard deviation that it stands out by.
        size: by how much the log odds of a pair grow when the animals to compare with become e times fewer; 1 where each photo had as many
            others of its animal in a large folder as in a small one.
        least: two groups are joined while the mean log odds of their pairs are this or more.
        join_bias, join_weight: log odds that a join is right = join_bias + join_weight * the mean log odds of its pairs.
        data: what it was fitted on.
    """

    bias: float
    weights: Mapping[str, float]
    least: float
    join_bias: float
    join_weight: float
    size: float = 0.0
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        numbers = (self.bias, self.least, self.join_bias, self.join_weight, self.size, *self.weights.values())
        if set(self.weights) != set(EVIDENCE) or not all(math.isfinite(each) for each in numbers) or self.join_weight < 0:
            raise PackError("a model of discovery needs finite numbers and a weight for each kind of evidence.", "Fit it again.")

    @classmethod
    def of(cls, pack: Pack) -> DiscoveryModel:
        """The pack's own model, else the one that comes with reid-edge.

        Raises:
            PackError: the pack's model is broken.
        """
        if MEMBER in {file.path for file in pack.manifest.files}:
            return cls.read(pack.read_bytes(MEMBER).decode("utf-8", "replace"))
        return cls.default()

    @classmethod
    def default(cls) -> DiscoveryModel:
        """Fitted with the pack `field`."""
        return cls.read(resources.files("reid_edge.discover").joinpath("model.json").read_text("utf-8"))

    @classmethod
    def read(cls, text: str) -> DiscoveryModel:
        """From JSON with the attributes as keys.

        Raises:
            PackError: it is none.
        """
        try:
            values = json.loads(text)
            numbers = {name: float(values[name]) for name in ("bias", "least", "join_bias", "join_weight")}
            weights = {str(name): float(weight) for name, weight in values["weights"].items()}
            return cls(**numbers, weights=weights, size=float(values.get("size", 0.0)), data=dict(values.get("data", {})))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise PackError(f"{MEMBER} holds no model of discovery.", "Fit it again: reid-edge bench discovery --fit.") from None

    def pair_log_odds(self, standing_out: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of pairs, from [N, N, 2] of `standing_out_of`: float32 [N, N]; NaN where a pair was not compared."""
        weights = np.array([self.weights[name] for name in EVIDENCE], np.float32)
        return np.asarray(self.bias + standing_out @ weights + self.size * fewer_than_usual(standing_out), np.float32)

    def join_probability(self, log_odds: float) -> float:
        """That two groups, or two parts of one, are one animal, from the mean log odds of their pairs."""
        return sigmoid(self.join_bias + self.join_weight * log_odds)


def standing_out_of(rows: NDArray[np.float32], comparable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """By how many standard deviations each pair stands out among the pairs of its two photos, the mean of both.

    Args:
        rows: float32 [N, 2, N] of `PhotoComparer.row`.
        comparable: bool [N, N], symmetric: pairs that can match if they show one animal, see `constraints`.

    Returns:
        float32 [N, N, 2] in the order of `EVIDENCE`; NaN for pairs that are not comparable or were not compared.
    """
    levels = (np.log(rows[:, 0] + 5), np.log(rows[:, 1] * POINTS + 5))
    return np.stack([_standing_out(np.where(comparable, level, np.nan)) for level in levels], axis=-1).astype(np.float32)


def fewer_than_usual(standing_out: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [N, N], symmetric: the logarithm of 100 over the animals that a photo of the pair can be compared with, the mean of both.

    Args:
        standing_out: float32 [N, N, 2] of `standing_out_of`.
    """
    animals = 1 + (~np.isnan(standing_out).any(axis=-1)).sum(axis=1)
    fewer = np.log(_USUAL / animals)
    return np.asarray((fewer[:, None] + fewer) / 2, np.float32)


def _standing_out(level: NDArray[np.floating]) -> NDArray[np.floating]:
    """Median and spread are robust, so that the few pairs of one animal do not count."""
    known = ~np.isnan(level)
    middle, spread = np.zeros(len(level)), np.ones(len(level))
    for photo in range(len(level)):
        values = level[photo][known[photo]]
        if len(values):
            middle[photo] = np.median(values)
            spread[photo] = 1.4826 * np.median(np.abs(values - middle[photo])) + 0.01
    out = np.clip((level - middle[:, None]) / spread[:, None], -_MOST, _MOST)
    both = known & known.T
    return np.where(both, (out + out.T) / 2, np.where(known, out, out.T))


def sigmoid(log_odds: float) -> float:
    """A probability from log odds."""
    return 1 / (1 + math.exp(-min(max(log_odds, -500.0), 500.0)))
