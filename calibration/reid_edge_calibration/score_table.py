"""A score table: one labelled set of query and gallery photos with the raw scores of the pairs that were compared."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.quality import QUALITY
from reid_edge.errors import StorageError, UsageError

_ADDED = ("gallery_query", "gallery_candidate", "gallery_raw")
"""What tables of earlier versions do not hold."""


@dataclass(frozen=True)
class ScoreTable:
    """The pairs that were scored, of one species.

    The queries and the gallery hold no photo in common. Retrieval scores only the most promising candidates of a query, and an
    expensive matcher only the best of these. Which they are depends on who is in the gallery, so a query of a known individual is
    scored twice: as it is, and in the gallery without its own individual.

    Attributes:
        score_names: S names of pair scores.
        species: the species of every photo.
        query_identity: Q identities of the query photos; one that no candidate has is an unknown individual.
        candidate_identity: C identities of the gallery photos.
        query: int32 [P], the query of each pair, an index into query_identity.
        candidate: int32 [P], the gallery photo of each pair, an index into candidate_identity.
        raw: float32 [P, S], the scores, higher is more alike, NaN where one was not computed.
        raw_without: float32 [P, S], the same in the gallery without the query's own individual; NaN also for pairs that show the same
            individual, and for all pairs of a query that has no such trial.
        quality: float32 [Q, K], of the query photos, in the order of `reid_edge.describe.quality.QUALITY`.
        photo: int32 [Q], which query photo a query asks for. Several queries of one photo ask different parts of the gallery, the first
            one all of it: how an answer stands in a small gallery, or beside individuals with few photos, is learnt from the others.
        gallery_query, gallery_candidate: int32 [R], pairs of gallery photos, indices into candidate_identity; of a recipe that re-ranks
            by a fusion, else none.
        gallery_raw: float32 [R, T], the scores of these pairs by vectors and matchers, which are the first T of score_names.

    Raises:
        UsageError: lengths that differ, an index out of range, a pair that is there twice, an infinite score, or
            an individual scored in the gallery without it.
    """

    score_names: tuple[str, ...]
    species: str
    query_identity: tuple[str, ...]
    candidate_identity: tuple[str, ...]
    query: NDArray[np.int32]
    candidate: NDArray[np.int32]
    raw: NDArray[np.float32]
    raw_without: NDArray[np.float32]
    quality: NDArray[np.float32]
    photo: NDArray[np.int32] = None  # type: ignore[assignment]  # each query its own photo
    gallery_query: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    gallery_candidate: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    gallery_raw: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))

    def __post_init__(self) -> None:
        if self.photo is None:
            object.__setattr__(self, "photo", np.arange(len(self.query_identity), dtype=np.int32))
        pairs = len(self.query)
        scores = (pairs, len(self.score_names))
        expected = {"query": (np.int32, (pairs,)), "candidate": (np.int32, (pairs,))}
        expected |= {"raw": (np.float32, scores), "raw_without": (np.float32, scores)}
        expected |= {
            "quality": (np.float32, (len(self.query_identity), len(QUALITY))),
            "photo": (np.int32, (len(self.query_identity),)),
        }
        for name, (dtype, shape) in expected.items():
            array = np.asarray(getattr(self, name), dtype)
            if array.shape != shape:
                self._refuse(f"{name} has the shape {array.shape}, not {shape}")
            object.__setattr__(self, name, array)
        for index, identities in ((self.query, self.query_identity), (self.candidate, self.candidate_identity)):
            if pairs and not 0 <= index.min() <= index.max() < len(identities):
                self._refuse("a pair points at a photo that is not listed")
        if len(np.unique(np.stack([self.query, self.candidate]), axis=1).T) < pairs:
            self._refuse("a pair of photos is there twice")
        if np.isinf(self.raw).any() or np.isinf(self.raw_without).any():
            self._refuse("a score is infinite")
        if not np.isfinite(self.quality).all():
            self._refuse("a measure of quality is not a number")
        if not np.isnan(self.raw_without[self.same]).all():
            self._refuse("an individual has scores in the gallery without it")

    def without_score(self, name: str) -> ScoreTable:
        """The same table without one of its scores."""
        kept = [column for column, each in enumerate(self.score_names) if each != name]
        names = tuple(self.score_names[column] for column in kept)
        return replace(self, score_names=names, raw=self.raw[:, kept], raw_without=self.raw_without[:, kept])

    @property
    def same(self) -> NDArray[np.bool_]:
        """Bool [P]: the pair shows the same individual."""
        query, candidate = _codes(self.query_identity, self.candidate_identity)
        return np.asarray(query[self.query] == candidate[self.candidate])

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Bool [Q]: the query asks the whole gallery; False for further queries of its photo."""
        first = np.zeros(len(self.photo), bool)
        first[np.unique(self.photo, return_index=True)[1]] = True
        return first

    @property
    def known(self) -> NDArray[np.bool_]:
        """Bool [Q]: the individual of the query is in the gallery."""
        return np.isin(*_codes(self.query_identity, self.candidate_identity))

    def save(self, path: Path) -> None:
        """Write as one compressed .npz, without pickle.

        Raises:
            StorageError: the file cannot be written.
        """
        try:
            with path.open("wb") as file:
                np.savez_compressed(file, **{each.name: np.asarray(getattr(self, each.name)) for each in fields(self)})
        except OSError as error:
            raise StorageError(
                f"the score table {path} cannot be written: {error.strerror}.", "Choose another folder."
            ) from error

    @classmethod
    def load(cls, path: Path) -> ScoreTable:
        """Read what `save` wrote.

        Raises:
            UsageError: a file that is missing or is no score table.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                parts = {each.name: arrays[each.name] for each in fields(cls) if each.name in arrays or each.name not in _ADDED}
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise UsageError(f"{path} is not a score table that can be read.", "Compute the scores again.") from error
        parts["species"] = str(parts["species"])
        for name in ("score_names", "query_identity", "candidate_identity"):
            parts[name] = tuple(map(str, parts[name]))
        return cls(**parts)

    def _refuse(self, reason: str) -> None:
        raise UsageError(f"the score table of {self.species!r} is broken: {reason}.", "Compute the scores again.")


def _codes(*identities: Sequence[str]) -> list[NDArray[np.int64]]:
    """The same number for the same identity, in each of the lists."""
    code: dict[str, int] = {}
    return [np.array([code.setdefault(identity, len(code)) for identity in names], np.int64) for names in identities]
