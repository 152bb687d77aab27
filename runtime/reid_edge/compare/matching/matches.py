"""What every matcher returns for one pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Matches:
    """Keypoints of the query and of one candidate that show the same spot of the coat.

    Attributes:
        query: int64 [M], rows of the query's keypoints.
        candidate: int64 [M], rows of the candidate's keypoints.
        scores: float32 [M], cosine or confidence, each above the matcher's ``min_score``.
    """

    query: NDArray[np.int64]
    candidate: NDArray[np.int64]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.query)


def no_matches() -> Matches:
    """None at all."""
    return Matches(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
