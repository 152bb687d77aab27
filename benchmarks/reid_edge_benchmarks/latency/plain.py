"""Answers as plain data, for another process to compare."""

from __future__ import annotations

from typing import Any

import numpy as np

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.compare.comparison import Comparison
from reid_edge.identify.identifier import CALIBRATION, Identifier

PlainAnswer = dict[str, Any]


def is_calibrated(identifier: Identifier) -> bool:
    """Whether the pack can decide."""
    return CALIBRATION in {file.path for file in identifier.pack.manifest.files}


def plain_scores(comparison: Comparison) -> list[dict[str, Any]]:
    """The raw scores of the whole shortlist: per candidate its sighting and the scores that it has."""
    return [
        {
            "sighting": int(sighting),
            "raw": {name: float(value) for name, value in zip(comparison.score_names, row, strict=True) if not np.isnan(value)},
        }
        for sighting, row in zip(comparison.sighting_ids, comparison.raw, strict=True)
    ]


def undecided(comparison: Comparison, candidates: GalleryCandidates) -> PlainAnswer:
    """The answer of a pack that is not calibrated, and so cannot decide: the candidate with the highest of the last scores."""
    scored = plain_scores(comparison)
    if not scored:
        return {"ranking": [], "scored": scored}
    best = scored[int(np.nan_to_num(comparison.raw[:, -1], nan=-np.inf).argmax())]
    return {"ranking": [{"identity": candidates.identity_of(best["sighting"]), **best}], "scored": scored}
