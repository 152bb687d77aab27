"""A discovery: describe the photos, compare each with the others, group them. Nothing of a gallery is changed, and a stop loses nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_edge.audit.evidence_score import EvidenceScore
from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.describe.keypoints import Keypoints
from reid_edge.discover.comparing import MOST_OTHERS, POINTS, PhotoComparer
from reid_edge.discover.constraints import Constraints, PersonsAnswer, Seen, constraints_of
from reid_edge.discover.grouping import group
from reid_edge.discover.known import seen_now
from reid_edge.discover.pair_model import LEAST_PHOTOS, NEAR_COPY, DiscoveryModel, standing_out_of
from reid_edge.discover.reading import Reading
from reid_edge.discover.report import DiscoveryReport
from reid_edge.discover.rows_file import RowsFile
from reid_edge.errors import UsageError
from reid_edge.gallery import Gallery, Sighting
from reid_edge.gallery.time_place import MAX_SPEED, TimePlaceModel
from reid_edge.identify.identifier import Identifier
from reid_edge.storage.address import need_file

_VERSION = 1  # of what a row holds
KNOWN_PHOTOS = 8
"""So many photos of each known individual take part, chosen to differ."""

BY_SPEED = TimePlaceModel(MAX_SPEED)
"""Time and place where no calibration says more: nothing but the speed."""


@dataclass(frozen=True)
class Taking:
    """One animal that takes part, and the gallery that holds its features."""

    seen: Seen
    source: GalleryCandidates


class Discovery:
    """Groups animals, beside known individuals where there are some."""

    def __init__(self, taking: Sequence[Taking], identifier: Identifier, work: Path) -> None:
        """Read vectors, and what an earlier run has compared; keypoints are read when something has to be compared.

        Args:
            taking: the animals, in any order.
            identifier: the pack that described them.
            work: the working file, beside which results are kept.

        Raises:
            GalleryError: vectors cannot be read.
            PackError: the pack's model of discovery is broken.
            UsageError: the pack keeps no keypoints.
        """
        self.model = DiscoveryModel.of(identifier.pack)
        self.identifier = identifier
        self.taking = tuple(sorted(taking, key=lambda each: (each.seen.sighting.photo_sha256, each.seen.sighting.animal_index)))
        self.seen = tuple(each.seen for each in self.taking)
        coarse = EvidenceScore.of(identifier.recipe).coarse
        if coarse is None:
            raise UsageError(
                f"The pack {identifier.pack.manifest.name} keeps no keypoints, which discovery compares.",
                "Choose another pack: --pack field.",
            )
        self._extraction, embedding = coarse.keypoints, identifier.recipe.retrieve.embedding
        ids = [np.array([each.seen.sighting.id], np.int64) for each in self.taking]
        vectors = [each.source.vectors(embedding, one)[0] for each, one in zip(self.taking, ids, strict=True)]
        self.vectors = np.stack(vectors) if vectors else np.empty((0, 1), np.float32)
        self._rows = RowsFile(work, self._key(), len(self.taking))

    def keypoints(self, place: int) -> Keypoints:
        """The best keypoints of an animal, which are compared."""
        taken = self.taking[place]
        (points,) = taken.source.keypoints(self._extraction, np.array([taken.seen.sighting.id], np.int64))
        return _copied(points.first(POINTS))

    @cached_property
    def _comparer(self) -> PhotoComparer:
        return PhotoComparer([self.keypoints(place) for place in range(len(self.taking))], self.vectors)

    @classmethod
    def of(cls, work: Gallery, sightings: Sequence[Sighting], identifier: Identifier, known: Gallery | None = None) -> Discovery:
        """Of the sightings of a working file.

        Args:
            work: the working file, see `collecting`.
            sightings: of it, those that take part.
            identifier: the pack that described them.
            known: the catalogue; its individuals keep their names, and what people said of these animals holds.

        Raises:
            GalleryError: one of the two cannot be read.
            PackError: see `Discovery`.
        """
        source = GalleryCandidates(work, identifier.feature_key)
        taking = [Taking(each, source) for each in _unknown(sightings, known)]
        if known is not None:
            beside = GalleryCandidates(known, identifier.feature_key)
            embedding = identifier.recipe.retrieve.embedding
            taking += [Taking(each, beside) for each in _anchors(known, beside, embedding, identifier.feature_key)]
        return cls(taking, identifier, need_file(work.path, "keep the work of a discovery there", "Name a file with --work."))

    def with_seen(self, seen: Sequence[Seen]) -> Discovery:
        """The same animals in the same order, with other names: what was compared serves again."""
        other = copy(self)
        other.seen = tuple(seen)
        return other

    @property
    def remaining(self) -> list[int]:
        """The numbers of the animals that are not compared yet."""
        return [place for place in range(len(self.seen)) if place not in self._rows.rows]

    @property
    def kept(self) -> bool:
        """Whether what is compared reaches the disk, so that it survives the end of this process."""
        return self._rows.kept

    def compare(self, places: Iterable[int]) -> Generator[int, None, None]:
        """Compare these of `remaining`, several at a time; yields each when it is kept.

        Raises:
            GalleryError: features cannot be read.
        """
        places = list(places)
        if not places:
            return
        row = self._comparer.row
        with ThreadPoolExecutor(max(1, self.identifier.networks.device.threads), "compare") as pool:
            waiting = [(place, pool.submit(row, place)) for place in places]
            try:
                for place, compared in waiting:
                    self._rows.add(place, compared.result())
                    yield place
            finally:
                pool.shutdown(cancel_futures=True)

    def report(
        self,
        answers: Sequence[PersonsAnswer] = (),
        prior: TimePlaceModel = BY_SPEED,
        notes: Sequence[str] = (),
    ) -> DiscoveryReport:
        """The groups, by what is compared so far."""
        return self.reading(answers, prior).report((*self._notes(), *notes))

    def reading(
        self,
        answers: Sequence[PersonsAnswer] = (),
        prior: TimePlaceModel = BY_SPEED,
    ) -> Reading:
        """The grouping, with all that it goes by."""
        constraints = constraints_of(self.seen, answers)
        rows = self.rows()
        constraints = replace(constraints, same=(*constraints.same, *near_copies(rows, constraints)))
        log_odds = np.full(constraints.different.shape, np.nan, np.float32)
        if len(self.seen) >= LEAST_PHOTOS:
            log_odds = self.model.pair_log_odds(standing_out_of(rows, constraints.comparable))
            log_odds += prior.log_odds([each.sighting for each in self.seen])
        grouping = group(log_odds, constraints, self.model.least)
        return Reading(self.seen, log_odds, constraints, grouping, self.model, prior)

    def rows(self) -> NDArray[np.float32]:
        """float32 [N, 2, N], see `PhotoComparer.row`; NaN where nothing is compared yet."""
        rows = np.full((len(self.seen), 2, len(self.seen)), np.nan, np.float32)
        for place, row in self._rows.rows.items():
            rows[place] = row
        return rows

    def rows_among(self, places: Sequence[int]) -> NDArray[np.float32]:
        """float32 [n, 2, n], as `rows`, where only these animals were in the folder; compared anew."""
        comparer = self._comparer.part(places)
        return np.stack([comparer.row(place) for place in range(len(places))])

    def _notes(self) -> list[str]:
        notes = []
        if len(self.seen) < LEAST_PHOTOS:
            notes.append(
                f"With fewer than {LEAST_PHOTOS} animals only near copies are grouped: how much two strangers share is not known."
            )
        if not any(each.sighting.taken_at for each in self.seen):
            notes.append("No photo has a time, so time and place say nothing.")
        elif not any(each.sighting.latitude is not None for each in self.seen):
            notes.append("No photo has a place, so time and place say nothing.")
        if len(self.seen) > MOST_OTHERS:
            notes.append(f"Each animal was compared with the {MOST_OTHERS:,} whose pictures are nearest.")
        return notes

    def _key(self) -> str:
        """Of all that rows depend on."""
        content = [_VERSION, POINTS, self.identifier.feature_key, [each.key for each in self.seen]]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _copied(points: Keypoints) -> Keypoints:
    """Without the arrays that it is a slice of, which hold twice as many."""
    return replace(points, xy=points.xy.copy(), descriptors=points.descriptors.copy())


def near_copies(rows: NDArray[np.float32], constraints: Constraints) -> list[tuple[int, int]]:
    """Pairs that share so many keypoints that they were taken together, as in a burst."""
    with np.errstate(invalid="ignore"):
        alike = np.minimum(rows[:, 1], rows[:, 1].T) >= NEAR_COPY
    alike &= constraints.comparable & ~constraints.different
    return [(int(one), int(other)) for one, other in zip(*np.nonzero(np.triu(alike, 1)), strict=True)]


def _unknown(sightings: Sequence[Sighting], known: Gallery | None) -> list[Seen]:
    """Those that the gallery does not hold, with what people said of them."""
    seen = [Seen(each) for each in sightings]
    return seen if known is None else [each for each in seen_now(seen, known) if each.is_new]


def _anchors(known: Gallery, source: GalleryCandidates, embedding: str, feature_key: str) -> list[Seen]:
    undescribed = {each.id for each in known.sightings_without(feature_key)}
    by_name: dict[str, list[Sighting]] = {}
    for each in known.sightings():
        if each.id not in undescribed:
            by_name.setdefault(each.identity, []).append(each)
    chosen = []
    for name, sightings in sorted(by_name.items()):
        ids = set(source.differing(embedding, [each.id for each in sightings], KNOWN_PHOTOS))
        chosen += [Seen(each, name) for each in sightings if each.id in ids]
    return chosen
