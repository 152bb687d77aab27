"""The hashes of many photos in little memory, so that every worker can have them: eight bytes of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DIGITS = 16  # hex digits of eight bytes


@dataclass(frozen=True, eq=False)
class PhotoHashes:
    """A set of SHA-256 hashes, of which the first eight bytes are kept.

    It may take a photo for one of the set that begins alike, so whoever relies on it has to check. Of a million photos, one in 18 million
    million is taken for another.

    Attributes:
        starts: uint64 [N], sorted.
    """

    starts: NDArray[np.uint64]

    @classmethod
    def of(cls, hashes: Iterable[str]) -> PhotoHashes:
        """Of hashes as hex digits."""
        return cls(np.unique(np.array([int(each[:_DIGITS], 16) for each in hashes], np.uint64)))

    def __contains__(self, sha256: object) -> bool:
        start = np.uint64(int(str(sha256)[:_DIGITS], 16))
        row = int(np.searchsorted(self.starts, start))
        return row < len(self.starts) and bool(self.starts[row] == start)
