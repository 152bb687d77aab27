"""The reference system over labelled photos: describe all, shortlist by one matrix product, score the pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.pack import Pack
from reid_edge.pack.head_labels import Labels, labels_file, parse_labels
from reid_edge.photo import read_photo
from reid_edge.recipe import Recipe
from reid_edge.recipe.stages import Head, Match, Retrieve
from reid_edge_benchmarks.parity.deciding import fused_scores
from reid_edge_benchmarks.parity.describing import Described, Describer, is_for
from reid_edge_benchmarks.parity.fused_reranking import GalleryPairs
from reid_edge_benchmarks.parity.matching import PairMatchers
from reid_edge_benchmarks.parity.reranking import jaccard_similarities
from reid_edge_benchmarks.parity.scored import Compared, Scored
from reid_edge_benchmarks.parity.torch_networks import TorchNetworks
from reid_edge_benchmarks.references.individuals import most_different, photos_by_individual, rows_to_match
from reid_edge_benchmarks.references.scores import MatchedPair, count
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.progress import Progress

Matched: TypeAlias = dict[tuple[str, str, str, float, int, int], MatchedPair]
"""By keypoints, matcher, network, least score, points and row of the gallery."""


class ReferenceSystem:
    """A recipe in PyTorch."""

    def __init__(self, pack: Pack, recipe: Recipe, weights: Path | None, threads: int) -> None:
        """Networks are loaded when they are asked for, or all by `load`. Sets PyTorch's threads.

        Args:
            pack: whose networks are rebuilt.
            recipe: its stages; may differ from the pack's own in how scores are fused.
            weights: see `TorchNetworks`.
            threads: of PyTorch.
        """
        torch.set_num_threads(threads)
        self.recipe, self._networks = recipe, TorchNetworks(pack, weights)
        self._describer, self._matchers = Describer(pack, recipe, self._networks), PairMatchers(pack, self._networks)
        self._labels: dict[str, Labels] = {}
        for head in recipe.head:
            path = labels_file(head.network)
            self._labels[head.name] = parse_labels(pack.read_json(path), head.kind, path)

    def load(self) -> None:
        """Load all networks, so that a missing one is reported before minutes of work.

        Raises:
            UsageError: a library or the weights of a network are missing.
        """
        networks = self._networks
        if self.recipe.segment:
            networks.exported(self.recipe.segment.network)
        for embed in self.recipe.embed:
            networks.embedder(embed.network)
        for extract in self.recipe.extract:
            if extract.network:
                networks.detector(extract.network)
        for match in self.recipe.match:
            if match.matcher == "lightglue":
                networks.lightglue(match.network)

    def describe(self, row: Enrolment) -> Described:
        """The largest animal of one photo."""
        return self._describer.describe(read_photo(row.path), row.viewpoint, row.species)

    def score(self, labelled: LabelledSet, progress: Progress, open_set_trials: bool) -> Scored:
        """Describe and score a labelled set.

        Args:
            labelled: which photos.
            open_set_trials: also in the gallery without each query's own individual.
        """
        rows = list({read_photo(row.path).sha256: row for row in reversed(labelled.database)}.values())[::-1]
        gallery = [self.describe(row) for row in progress(rows, f"PyTorch: describing {labelled.name}")]
        owners = tuple(row.identity for row in rows)
        queries, compared, without = [], [], []
        for row in progress(labelled.queries, f"PyTorch: scoring {labelled.name}"):
            query = self.describe(row)
            known: Matched = {}
            allowed = list(range(len(rows))) if self.recipe.retrieve.any_view else _allowed(rows, row)
            queries.append(query)
            compared.append(self._compare(query, row, gallery, owners, allowed, known))
            others = [place for place in allowed if owners[place] != row.identity]
            again = open_set_trials and row.identity in owners
            without.append(self._compare(query, row, gallery, owners, others, known) if again else None)
        paths = tuple(row.path for row in rows)
        pairs = self._gallery_pairs(labelled, rows, gallery, progress)
        return Scored(labelled, tuple(gallery), paths, owners, tuple(queries), tuple(compared), tuple(without), pairs)

    def _gallery_pairs(
        self, labelled: LabelledSet, rows: Sequence[Enrolment], gallery: Sequence[Described], progress: Progress
    ) -> GalleryPairs:
        """Each gallery photo asked for in turn among the others, where the recipe re-ranks its species by a fusion."""
        if not any(stage.fusion and is_for(stage.species, labelled.species) for stage in self.recipe.rerank):
            return {}
        pairs = {}
        for place, row in enumerate(progress(rows, f"PyTorch: scoring pairs of gallery photos of {labelled.name}")):
            allowed = list(range(len(rows))) if self.recipe.retrieve.any_view else _allowed(rows, row)
            others = [each for each in allowed if each != place]
            if others:
                found, _ = self._pairs(gallery[place], row, gallery, tuple(each.identity for each in rows), others, {})
                pairs[place] = dict(zip(found.rows.tolist(), found.raw, strict=True))
        return pairs

    def _compare(
        self,
        query: Described,
        row: Enrolment,
        gallery: Sequence[Described],
        owners: Sequence[str],
        allowed: Sequence[int],
        known: Matched,
    ) -> Compared:
        """Shortlist, score, re-rank by embeddings and hear the heads."""
        names = self.recipe.score_names
        if not allowed:
            return Compared(np.empty(0, np.int64), np.empty((0, len(names))))
        found, cosines = self._pairs(query, row, gallery, owners, allowed, known)
        rows, raw = found.rows, found.raw
        for rerank in self.recipe.rerank:
            if rerank.fusion or not is_for(rerank.species, row.species):  # by a fusion: once there are calibrators
                continue
            there = [place for place, each in enumerate(rows) if rerank.embedding in gallery[each].vectors]
            vectors = torch.stack(
                [query.vectors[rerank.embedding], *(gallery[rows[place]].vectors[rerank.embedding] for place in there)]
            )
            raw[there, names.index(rerank.name)] = jaccard_similarities(vectors.double().numpy(), rerank.k1, rerank.k2)
        for head in self.recipe.head:
            if is_for(head.species, row.species):
                of_each = self._opinion(head, query, row, cosines[head.embedding], [owners[place] for place in allowed])
                raw[:, names.index(head.name)] = [of_each.get(owners[place], math.nan) for place in rows]
        return found

    def _pairs(
        self,
        query: Described,
        row: Enrolment,
        gallery: Sequence[Described],
        owners: Sequence[str],
        allowed: Sequence[int],
        known: Matched,
    ) -> tuple[Compared, dict[str, torch.Tensor]]:
        """The scores by vectors and matchers, and the cosines with all that are allowed; `known` are the matches of this query so far,
        which the gallery's others do not change.
        """
        names = self.recipe.score_names
        cosines = {name: self._cosines(name, query, gallery, allowed) for name in query.vectors}
        retrieves = [each for each in (self.recipe.retrieve, *self.recipe.retrieve_also) if each.embedding in cosines]
        lists = [self._shortlist(each, cosines[each.embedding], gallery, owners, allowed) for each in retrieves]
        order = list(dict.fromkeys(place for places in lists for place in places))
        rows = np.array(allowed)[order]
        raw = np.full((len(rows), len(names)), np.nan)
        for name, values in cosines.items():
            raw[:, names.index(name)] = values[order].double().numpy()
        for match in self.recipe.match:
            if not is_for(match.species, row.species):
                continue
            chosen = self._chosen(match, raw, [owners[row] for row in rows])
            chosen = [
                place for place in chosen if match.keypoints in {**gallery[rows[place]].points, **gallery[rows[place]].pictures}
            ]
            found = [self._matched(match, query, int(rows[place]), gallery, known) for place in chosen]
            keypoints = 0 if match.rules.pictures else len(query.points[match.keypoints])
            raw[chosen, names.index(match.name)] = count(match, keypoints, found, [owners[row] for row in rows[chosen]])
        return Compared(rows, raw), cosines

    def _shortlist(
        self,
        retrieve: Retrieve,
        cosines: torch.Tensor,
        gallery: Sequence[Described],
        owners: Sequence[str],
        allowed: Sequence[int],
    ) -> list[int]:
        """Places in `allowed`: the nearest photos, or the nearest individuals by photos of each that differ."""
        nearest: list[int] = [
            place for place in cosines.argsort(descending=True, stable=True).tolist() if cosines[place] == cosines[place]
        ]
        if retrieve.unit == "photos":
            return nearest[: retrieve.candidates]
        order: list[int] = []
        for photos in photos_by_individual(nearest, [owners[row] for row in allowed], retrieve.candidates):
            by_hash = sorted(photos, key=lambda place: gallery[allowed[place]].photo)
            vectors = torch.stack([gallery[allowed[place]].vectors[retrieve.embedding] for place in by_hash])
            chosen = {by_hash[row] for row in most_different(vectors, retrieve.photos or len(photos))}
            order += [place for place in photos if place in chosen]
        return order

    def _matched(self, match: Match, query: Described, row: int, gallery: Sequence[Described], known: Matched) -> MatchedPair:
        key = (match.keypoints, match.matcher, match.network, match.min_score, match.points, row)
        if key not in known:
            known[key] = self._matchers.match(match, query, gallery[row])
        return known[key]

    def _chosen(self, match: Match, raw: NDArray[np.float64], owners: Sequence[str]) -> list[int]:
        """The places on the shortlist that a matcher compares."""
        order = torch.from_numpy(self._order(match.order or match.name, raw))
        each_photo = self.recipe.retrieve.unit == "photos"
        return rows_to_match(order, [str(place) for place in range(len(raw))] if each_photo else owners, match.best, match.photos)

    def _order(self, name: str, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """The score of this name; or the mean that a fusion makes of scores as they are, candidate by candidate."""
        names = self.recipe.score_names
        if name in names:
            return raw[:, names.index(name)]
        (fuse,) = (fuse for fuse in self.recipe.fuse if fuse.name == name)
        candidates = [{score: float(value) for score, value in zip(names, row, strict=True) if value == value} for row in raw]
        learnt = {score for scores in candidates for score in scores}
        return np.array(fused_scores(fuse, candidates, candidates, learnt, None, None))

    def _cosines(self, name: str, query: Described, gallery: Sequence[Described], allowed: Sequence[int]) -> torch.Tensor:
        """Of the query with each photo; NaN where a photo has no such vector, because the stage is for other species."""
        none = torch.full_like(query.vectors[name], math.nan)
        return torch.stack([gallery[place].vectors.get(name, none) for place in allowed]) @ query.vectors[name]

    def _opinion(
        self, head: Head, query: Described, row: Enrolment, cosines: torch.Tensor, owners: Sequence[str]
    ) -> dict[str, float]:
        """The head's probability of each individual that it knows."""
        labels, features = self._labels[head.name], query.vectors[head.embedding].numpy()
        if head.kind == "boosting":
            number = {identity: float(place) for place, identity in enumerate(labels.identities)}
            near = sorted(
                (1 - float(cosine), number.get(owner, -1.0))
                for cosine, owner in zip(cosines, owners, strict=True)
                if cosine == cosine
            )
            near = (near + [(math.nan, -1.0)] * labels.neighbours)[: labels.neighbours]
            views = [float(row.viewpoint.lower() == view) for view in labels.viewpoints]
            kinds = [float(row.species.lower() == kind) for kind in labels.species]
            told = [distance for distance, _ in near] + [who for _, who in near] + views + kinds
            features = np.concatenate((features, np.array(told, np.float32)))
        probabilities = self._networks.graph(head.network)(features[None].astype(np.float32))[0]
        return dict(zip(labels.identities, map(float, probabilities), strict=True))


def _allowed(rows: Sequence[Enrolment], query: Enrolment) -> list[int]:
    """Gallery photos of the query's viewpoint or of an unknown one; all photos if the query's viewpoint is unknown."""
    side = query.viewpoint.casefold()
    return [place for place, row in enumerate(rows) if not side or row.viewpoint.casefold() in ("", side)]
