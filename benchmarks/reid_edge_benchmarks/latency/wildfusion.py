"""The common reference pipeline's way of answering, in PyTorch: what the runtime is measured against beside the same work.

Written from what is known of that pipeline's behaviour, for the networks and the number of candidates of a pack's recipe. It keeps nothing
between two calls: the features of the queries and of the whole database are computed anew in each. Images are brought to a square. A
detector gives exactly its number of keypoints, however weak they are. LightGlue runs in batches over all B candidates of a query, all its
layers on all keypoints, and a pair's score is its count of matches. Scores lie in a matrix of all queries and all photos of the database,
NaN where a pair was not matched; isotonic calibrators turn each score into a probability, and the mean of them ranks.

In its favour, what it would have to be given: the boxes of the database's animals are those of the gallery, so that only the queries go
through the segmentation network; the calibrators are fitted before the clock starts; and the networks are the faster modules of
`reid_edge_benchmarks.latency.torch_reference`. Matchers of the recipe that are not LightGlue are left out. There is no decision and no
confidence beyond the score of the individual ranked first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from reid_edge.describe.segmentation import find_animals
from reid_edge.engines.network_input import to_network_input
from reid_edge.errors import UsageError
from reid_edge.gallery import Sighting
from reid_edge.identify.session import Session
from reid_edge.photo import read_photo
from reid_edge.recipe import Match
from reid_edge.timings import Timings
from reid_edge_benchmarks.latency.measuring import DATABASE_FEATURES
from reid_edge_benchmarks.latency.torch_reference import TorchNetwork
from reid_edge_benchmarks.parity.calibrating import IsotonicCurve

_IMAGES, _PAIRS = 16, 32  # in one batch
_FITTED_ON, _FEWEST = 16, 4  # photos whose pairs the calibrators are fitted on

Crop = Callable[[], NDArray[np.uint8]]


@dataclass(frozen=True)
class _Described:
    """Features of N images: vectors [N, D] of length 1 by embedding; places [N, K, 2] and descriptors [N, K, D] by extraction."""

    vectors: dict[str, Tensor]
    places: dict[str, Tensor]
    descriptors: dict[str, Tensor]

    def __len__(self) -> int:
        return len(next(iter(self.vectors.values())))


class WildFusion:
    """The pipeline over the photos of a gallery."""

    def __init__(self, session: Session) -> None:
        """Load the networks and fit the calibrators on pairs of the gallery's own photos. Sets PyTorch's threads to the runtime's.

        Args:
            session: a gallery of photos that are where they were enrolled from.

        Raises:
            UsageError: a network or its weights cannot be had, the recipe has no LightGlue, or a photo is not there.
        """
        identifier = session.identifier
        torch.set_num_threads(identifier.networks.device.threads)
        self._recipe, manifest = identifier.recipe, identifier.pack.manifest
        self._lightglues = [match for match in self._recipe.match if match.matcher == "lightglue"]
        self._sightings = session.gallery.sightings()
        if not self._lightglues:
            raise UsageError("The recipe has no LightGlue, and the common pipeline is about it.", "Leave wildfusion out.")
        if lost := next((one for one in self._sightings if not Path(one.photo_path).is_file()), None):
            raise UsageError(
                f"The gallery's photo {lost.photo_name} is not at hand, and the common pipeline reads all of them for every call.",
                "Measure it on galleries of enrolled photos only.",
            )
        recipe = self._recipe
        wanted = [embed.network for embed in recipe.embed] + [extract.network for extract in recipe.extract]
        wanted += [match.network for match in self._lightglues] + ([recipe.segment.network] if recipe.segment else [])
        self._networks = {name: TorchNetwork(name, manifest.networks[name].parameters) for name in dict.fromkeys(wanted)}
        self._preprocessing = {name: manifest.networks[name].preprocessing for name in self._networks}
        self._calibrators = self._fit()

    def ask(self, photos: Sequence[Mapping[str, str]]) -> tuple[list[dict[str, Any]], dict[str, float]]:
        """See `reid_edge_benchmarks.latency.worker.Side.ask`; one answer per photo, for its largest animal."""
        timings = Timings()
        with torch.inference_mode():
            with timings.stage("features of the queries"):
                queries = self._describe([self._query(Path(photo["path"])) for photo in photos])
            with timings.stage(DATABASE_FEATURES):
                database = self._describe([_database(one) for one in self._sightings])
            scores = self._score(queries, database, timings)
        with timings.stage("calibrate and rank"):
            fused = np.mean([self._calibrators[name](values) for name, values in scores.items()], axis=0)
            best = np.nan_to_num(fused, nan=-1.0).argmax(axis=1)
        answers = [
            {
                "photo": photo["path"],
                "ranking": [{"identity": self._sightings[int(row)].identity, "sighting": self._sightings[int(row)].id}],
            }
            for photo, row in zip(photos, best, strict=True)
        ]
        return answers, timings.milliseconds

    def _score(self, queries: _Described, database: _Described, timings: Timings) -> dict[str, NDArray[np.float64]]:
        """By score, the matrix [Q, N]: cosines of all pairs of the shortlists, counts of matches of the same; NaN elsewhere."""
        with timings.stage("shortlist"):
            vectors = self._recipe.retrieve.embedding
            nearest = (queries.vectors[vectors] @ database.vectors[vectors].T).topk(
                min(self._recipe.retrieve.candidates, len(database)), dim=1
            )
            pairs = [(row, int(column)) for row, columns in enumerate(nearest.indices) for column in columns]
            rows, columns = np.array(pairs).T
            scores = {}
            for embed in self._recipe.embed:
                scores[embed.name] = np.full((len(queries), len(database)), np.nan)
                cosines = queries.vectors[embed.name] @ database.vectors[embed.name].T
                scores[embed.name][rows, columns] = cosines.numpy()[rows, columns]
        for match in self._lightglues:
            with timings.stage(match.name):
                scores[match.name] = np.full((len(queries), len(database)), np.nan)
                scores[match.name][rows, columns] = self._count(match, queries, database, pairs)
        return scores

    def _count(self, match: Match, queries: _Described, database: _Described, pairs: Sequence[tuple[int, int]]) -> list[int]:
        """The count of matches of each pair."""
        counts: list[int] = []
        network, name = self._networks[match.network].module, match.keypoints
        for start in range(0, len(pairs), _PAIRS):
            mine, its = (list(each) for each in zip(*pairs[start : start + _PAIRS], strict=True))
            places = queries.places[name][mine], database.places[name][its]
            points = slice(match.points or None)  # the detector's best come first
            partners, confidences = network(
                *(each[:, points] for each in places),
                queries.descriptors[name][mine][:, points],
                database.descriptors[name][its][:, points],
                *(torch.ones(each[:, points].shape[:2]) for each in places),
            )
            counts += ((partners >= 0) & (confidences > match.min_score)).sum(1).tolist()
        return counts

    def _describe(self, crops: Sequence[Crop]) -> _Described:
        vectors: dict[str, list[Tensor]] = {embed.name: [] for embed in self._recipe.embed}
        places: dict[str, list[Tensor]] = {extract.name: [] for extract in self._recipe.extract}
        descriptors: dict[str, list[Tensor]] = {extract.name: [] for extract in self._recipe.extract}
        for start in range(0, len(crops), _IMAGES):
            images = [crop() for crop in crops[start : start + _IMAGES]]
            for embed in self._recipe.embed:
                found = self._networks[embed.network].module(self._squares(embed.network, images))
                vectors[embed.name].append(F.normalize(found, dim=1))
            for extract in self._recipe.extract:
                squares = self._squares(extract.network, images)
                detector, side = self._networks[extract.network].module, squares.shape[-1]
                # All slots count as keypoints, also those whose score would not pass a threshold.
                for square in squares:
                    xy, _, own, *_ = detector(square[None], torch.ones(1, 1, side, side))
                    places[extract.name].append((xy - side / 2) / (side / 2))
                    descriptors[extract.name].append(own)
        return _Described(*({name: torch.cat(parts) for name, parts in each.items()} for each in (vectors, places, descriptors)))

    def _squares(self, network: str, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        preprocessing = self._preprocessing[network]
        assert preprocessing is not None, network
        square = replace(preprocessing, resize="stretch", multiple=1, height=preprocessing.width)
        return torch.from_numpy(np.concatenate([to_network_input(image, square) for image in images]))

    def _query(self, path: Path) -> Crop:
        def crop() -> NDArray[np.uint8]:
            photo, segment = read_photo(path), self._recipe.segment
            if segment is None:
                return photo.rgb
            preprocessing = self._preprocessing[segment.network]
            assert preprocessing is not None, segment.network
            return find_animals(photo, self._networks[segment.network], preprocessing, segment)[0].crop

        return crop

    def _fit(self) -> dict[str, IsotonicCurve]:
        """One calibrator per score, fitted on all pairs of a few photos, two of each individual, so that some show the same one."""
        by_identity: dict[str, list[Sighting]] = {}
        for one in self._sightings:
            by_identity.setdefault(one.identity, []).append(one)
        chosen = [one for own in by_identity.values() if len(own) > 1 for one in own[:2]][:_FITTED_ON]
        if len(chosen) < _FEWEST:
            raise UsageError(
                "The calibrators of the common pipeline need pairs of the same and of different individuals.",
                "Measure it on a gallery with several photos of two individuals or more.",
            )
        pairs = [(a, b) for a in range(len(chosen)) for b in range(a)]
        same = np.array([chosen[a].identity == chosen[b].identity for a, b in pairs], bool)
        rows, columns = (list(each) for each in zip(*pairs, strict=True))
        with torch.inference_mode():
            described = self._describe([_database(one) for one in chosen])
            scores: dict[str, Any] = {
                embed.name: (described.vectors[embed.name][rows] * described.vectors[embed.name][columns]).sum(1).numpy()
                for embed in self._recipe.embed
            }
            scores |= {match.name: self._count(match, described, described, pairs) for match in self._lightglues}
        return {name: IsotonicCurve(np.asarray(values, np.float64), same) for name, values in scores.items()}


def _database(sighting: Sighting) -> Crop:
    def crop() -> NDArray[np.uint8]:
        rgb = read_photo(Path(sighting.photo_path)).rgb
        if sighting.box is None:
            return rgb
        x0, y0, x1, y1 = (int(value) for value in sighting.box)
        return np.ascontiguousarray(rgb[y0:y1, x0:x1])

    return crop
