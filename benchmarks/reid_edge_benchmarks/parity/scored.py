"""What the reference computed of a labelled set: each query against its shortlist, and the table that is fitted on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.quality import QUALITY
from reid_edge_benchmarks.parity.describing import Described
from reid_edge_benchmarks.parity.fused_reranking import GalleryPairs
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.score_table import ScoreTable


@dataclass(frozen=True)
class Compared:
    """One query against its shortlist.

    Attributes:
        rows: int64 [B], of the gallery, nearest first; where individuals are counted, the nearest individual's photos first.
        raw: float64 [B, S], NaN where a score was not computed.
    """

    rows: NDArray[np.int64]
    raw: NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """A labelled set, scored.

    Attributes:
        labelled: which photos.
        gallery: its database photos, one row each; the same photo twice counts once, as in a gallery.
        paths: of these photos.
        owners: whom each of them shows.
        queries: described, in order.
        compared: per query, against the gallery as it is.
        without: per query of a known individual, against the gallery without it; None of others.
        gallery_pairs: of a recipe that re-ranks by a fusion, the scores of gallery photos with each other.
    """

    labelled: LabelledSet
    gallery: tuple[Described, ...]
    paths: tuple[Path, ...]
    owners: tuple[str, ...]
    queries: tuple[Described, ...]
    compared: tuple[Compared, ...]
    without: tuple[Compared | None, ...]
    gallery_pairs: GalleryPairs = field(default_factory=dict)

    def table(self, names: tuple[str, ...]) -> ScoreTable:
        """The scores as `reid_edge_calibration` keeps them, without any measure of quality, which no recipe looks at."""
        query: list[int] = []
        candidate: list[int] = []
        raw: list[NDArray[np.float64]] = []
        raw_without: list[NDArray[np.float64]] = []
        for row, (compared, without) in enumerate(zip(self.compared, self.without, strict=True)):
            views = [dict(zip(each.rows.tolist(), each.raw, strict=True)) if each else {} for each in (compared, without)]
            for place in sorted({*views[0], *views[1]}):
                query.append(row)
                candidate.append(place)
                for scores, view in ((raw, views[0]), (raw_without, views[1])):
                    scores.append(view.get(place, np.full(len(names), np.nan)))
        shape, photos = (len(query), len(names)), [(one, other) for one, pairs in self.gallery_pairs.items() for other in pairs]
        return ScoreTable(
            names,
            self.labelled.species,
            tuple(row.identity for row in self.labelled.queries),
            self.owners,
            np.array(query, np.int32),
            np.array(candidate, np.int32),
            np.array(raw, np.float32).reshape(shape),
            np.array(raw_without, np.float32).reshape(shape),
            np.zeros((len(self.queries), len(QUALITY)), np.float32),
            gallery_query=np.array([one for one, _ in photos], np.int32),
            gallery_candidate=np.array([other for _, other in photos], np.int32),
            gallery_raw=np.array([self.gallery_pairs[one][other] for one, other in photos], np.float32).reshape(-1, len(names)),
        )
