"""The same recipe in PyTorch, eager, as someone would write it who knows PyTorch: what the runtime is measured against.

Shared with the runtime, because it is no network's work: reading and decoding the file, resizing and normalising pixels, cutting
out the animals, and the decision from the scores. In PyTorch: all networks, in single precision, by the very modules that the ONNX
files are exported from (leaner than the authors' code: LightGlue with its projections folded and both images in one matrix product,
XFeat without its grid sample of H x W points, fixed numbers of keypoints), with PyTorch's fused attention and GELU, and with the
published weights, which the pack may have rounded to half precision; retrieval as a matrix product, by photo or by individual; mutual
nearest neighbours per candidate as XFeat's authors write them, and how distinctive they are as one reduction over the individuals;
LightGlue in batches of four pairs. Inliers are OpenCV's on both sides. ``torch.inference_mode`` throughout, and as many threads as the
runtime has.

Nothing is left out: every candidate that the recipe names goes through every matcher, however clear the answer is already. Stages that
differ in what they count of the same matches share them, as in the runtime.

The gallery's features are computed once in both. The runtime reads those of the shortlist from its database for every photo; here
all of them lie in memory as tensors, which is PyTorch's advantage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from reid_edge.compare.comparison import Comparison
from reid_edge.compare.matching import Matches
from reid_edge.compare.selection import Selection
from reid_edge.decide.doubles import as_one, find_doubles, judge_doubles
from reid_edge.decide.doubt import DoubtCheck, is_left_out, without_score
from reid_edge.decide.ranking import Ranker, Ranking
from reid_edge.decide.verdict import Judgement, judge
from reid_edge.describe.description import DescribedAnimal, Describer
from reid_edge.describe.features import Features
from reid_edge.describe.keypoints import Keypoints
from reid_edge.describe.query import Query
from reid_edge.engines import Provenance, TensorSpec
from reid_edge.engines.networks import LoadedNetwork, Networks
from reid_edge.errors import UsageError
from reid_edge.identify.session import Session
from reid_edge.photo import read_photo
from reid_edge.recipe import Match
from reid_edge.timings import Timings
from reid_edge_benchmarks.latency.plain import is_calibrated, plain_scores, undecided
from reid_edge_benchmarks.latency.torch_gallery import GalleryTensors, PointTensors
from reid_edge_benchmarks.latency.torch_lightglue import use_fused_kernels
from reid_edge_benchmarks.references.individuals import rows_to_match
from reid_edge_benchmarks.references.scores import MatchedPair, count
from reid_edge_export.catalogue import network_named, resolve_parameters, resolve_shape
from reid_edge_export.networks import load_network

_BATCH = 4
_MATCHERS = {"mutual-nearest", "lightglue"}


class TorchNetwork:
    """A PyTorch network behind the contract of `reid_edge.engines.Engine`; arrays and tensors share their memory."""

    def __init__(self, name: str, parameters: Mapping[str, object]) -> None:
        """Load the network of the catalogue with its published weights.

        Raises:
            UsageError: the catalogue has no such network, or its weights cannot be had.
        """
        network = network_named(name)
        resolved = resolve_parameters(network, {key: value for key, value in parameters.items() if key in network.parameters})
        self.module: nn.Module = load_network(name, **resolved)
        if network.module == "lightglue":
            use_fused_kernels(self.module)
        self.inputs, self.outputs = (
            tuple(TensorSpec(spec.name, spec.dtype, resolve_shape(spec, resolved)) for spec in specs)
            for specs in (network.inputs, network.outputs)
        )
        self.provenance = Provenance(f"torch {torch.__version__}", "eager", "cpu", torch.get_num_threads())

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        """See `reid_edge.engines.Engine.run`."""
        with torch.inference_mode():
            answer = self.module(*(torch.from_numpy(inputs[spec.name]) for spec in self.inputs))
        tensors = answer if isinstance(answer, tuple) else (answer,)
        return {spec.name: tensor.numpy() for spec, tensor in zip(self.outputs, tensors, strict=True)}

    def warm_up(self) -> None:
        """PyTorch prepares nothing before the first photo."""


@dataclass(frozen=True)
class TorchAnswer:
    """The answer for one animal, in the runtime's own types."""

    ranking: Ranking
    verdict: Judgement

    def as_json(self) -> dict[str, Any]:
        """Plain data: the verdict, the identities in order, and the raw scores of the whole shortlist."""
        return {
            "verdict": self.verdict.verdict,
            "probability": self.verdict.probability,
            "ranking": [{"identity": identity} for identity in self.ranking.scores.identities],
            "scored": plain_scores(self.ranking.comparison),
        }


Kept: TypeAlias = dict[tuple[str, str, str, float, int, int], Matches]
"""By keypoints, matcher, network, least score, points and row of the gallery."""


class TorchReference:
    """The recipe of a pack in PyTorch over the features of a gallery."""

    def __init__(self, session: Session) -> None:
        """Load the networks and bring the gallery's features to memory. Sets PyTorch's threads to the runtime's.

        Args:
            session: the runtime on the processor, whose gallery is described by its pack.

        Raises:
            UsageError: a network or its weights cannot be had, or the runtime is not on the processor.
            GalleryError: the gallery cannot be read.
        """
        identifier = session.identifier
        if identifier.networks.device.provider != "CPUExecutionProvider":
            raise UsageError("PyTorch is measured on the processor, and so must the runtime be.", "Add --device cpu.")
        unknown = sorted({match.matcher for match in identifier.recipe.match} - _MATCHERS)
        recipe = identifier.recipe
        by_fusion = any(match.order and match.order not in recipe.score_names for match in recipe.match)
        if unknown or by_fusion or recipe.rerank or recipe.head or recipe.orient or recipe.viewpoint:
            raise UsageError(
                "The timed PyTorch reference has mutual nearest neighbours and LightGlue only, "
                "no turning, re-ranking, heads or orders by a fusion"
                + (f"; the recipe wants {', '.join(unknown)}." if unknown else "."),
                "Leave --against out; bench parity has a reference of every recipe.",
            )
        torch.set_num_threads(identifier.networks.device.threads)
        self._identifier, self._candidates = identifier, session.candidates
        networks = identifier.pack.manifest.networks
        wanted = {*recipe.feature_networks, *(match.network for match in recipe.match if match.network)}
        self._torch = {name: TorchNetwork(name, networks[name].parameters) for name in wanted}
        self._describing = {
            name: LoadedNetwork(self._torch[name], preprocessing)
            for name in recipe.feature_networks
            if (preprocessing := networks[name].preprocessing)
        }
        self._gallery = GalleryTensors(session)

    def identify(self, path: Path, query: Query, timings: Timings) -> list[TorchAnswer]:
        """Answer for each animal of a photo file, largest first; see `reid_edge.identify.session.Session.identify`."""
        animals, selection = self._describe(path, query, timings)
        return [self._answer(animal, selection, timings) for animal in animals]

    def ask(self, photos: Sequence[Mapping[str, str]]) -> tuple[list[dict[str, Any]], dict[str, float]]:
        """See `reid_edge_benchmarks.latency.worker.Side.ask`; each photo by itself."""
        answers: list[dict[str, Any]] = []
        timings = Timings()
        for photo in photos:
            query = Query(photo["species"], photo["viewpoint"])
            if is_calibrated(self._identifier):
                found = [answer.as_json() for answer in self.identify(Path(photo["path"]), query, timings)]
            else:
                animals, selection = self._describe(Path(photo["path"]), query, timings)
                compared = [self._compared(animal, selection, timings) for animal in animals]
                found = [undecided(each, self._candidates) for each in compared]
            answers += [{"photo": photo["path"], **answer} for answer in found]
        return answers, timings.milliseconds

    def match(self, match: Match, query: Keypoints, candidates: Sequence[Keypoints]) -> list[Matches]:
        """Match one query with many candidates; see `reid_edge.compare.matching`."""
        with torch.inference_mode():
            return self._match(match, PointTensors.of(query), [PointTensors.of(candidate) for candidate in candidates])

    def _describe(self, path: Path, query: Query, timings: Timings) -> tuple[list[DescribedAnimal], Selection]:
        with timings.stage("decode"):
            photo = read_photo(path)
        # All that describing asks of networks is to be given one by its name.
        describer = Describer(self._identifier.recipe, cast(Networks, self._describing))
        return describer.describe(photo, Query(), timings), self._candidates.select(query)

    def _compared(self, described: DescribedAnimal, selection: Selection, timings: Timings) -> Comparison:
        with torch.inference_mode():
            return self._compare(described.features, selection.ids, timings, self._may_stop(described, selection))

    def _answer(self, described: DescribedAnimal, selection: Selection, timings: Timings) -> TorchAnswer:
        comparison = self._compared(described, selection, timings)
        recipe, species = self._identifier.recipe, selection.query.species
        entry, _ = self._identifier.calibration.entry(species)
        quality = None if recipe.fuse else described.quality  # of no stage, as in the runtime
        with timings.stage("decide"):
            ranker = Ranker(self._candidates, entry, quality, recipe, species)
            may_stop = self._may_stop(described, selection)
            if may_stop and is_left_out(comparison, recipe.costly_score):
                comparison, ranker = without_score(comparison, recipe.costly_score), may_stop.ranker
            ranking = ranker.rank(comparison)
            ambiguity = selection.ambiguity_reason(described.animal.found)
            judgement = judge(ranking, entry, selection.nothing_to_compare, selection.may_be_known, ambiguity)
            if doubles := find_doubles(ranking, recipe):
                together = ranker.rank(as_one(comparison, doubles, recipe))
                if together.scores.identities[0] == doubles[0]:
                    ranking, judgement = together, judge_doubles(judgement, together, doubles)
            return TorchAnswer(ranking, judgement)

    def _may_stop(self, described: DescribedAnimal, selection: Selection) -> DoubtCheck | None:
        """The runtime's own rule of when a costly matcher is left out: the same work is to be measured."""
        recipe, species = self._identifier.recipe, selection.query.species
        if not recipe.costly_score or not is_calibrated(self._identifier) or not self._identifier.calibration.before:
            return None
        entry, _ = self._identifier.calibration.before.entry(species)
        return DoubtCheck(Ranker(self._candidates, entry, described.quality, recipe, species))

    def _compare(
        self, query: Features, allowed: NDArray[np.int64] | None, timings: Timings, may_stop: DoubtCheck | None
    ) -> Comparison:
        recipe, gallery = self._identifier.recipe, self._gallery
        names = recipe.score_names
        with timings.stage("retrieve"):
            rows = gallery.shortlist(recipe.retrieve, query, allowed)
            raw = torch.full((len(rows), len(names)), torch.nan, dtype=torch.float64)
            for embedding in recipe.embed:
                vectors = gallery.vectors[embedding.name][rows]
                raw[:, names.index(embedding.name)] = (vectors @ torch.from_numpy(query.vectors[embedding.name])).double()
        owners = [gallery.owners[row] for row in rows]
        units = owners if recipe.retrieve.unit == "individuals" else [str(row) for row in rows]
        matches: dict[str, dict[int, Matches]] = {}
        kept: Kept = {}
        for match in recipe.match if rows else ():
            with timings.stage(match.name):
                column = names.index(match.name)
                if match.in_doubt and may_stop:
                    so_far = Comparison(gallery.ids[rows].numpy(), names, raw.numpy(), owners=tuple(owners))
                    if may_stop(so_far, column, {}):
                        matches[match.name] = {}
                        continue
                chosen = rows_to_match(raw[:, names.index(match.order or match.name)], units, match.best, match.photos)
                points = PointTensors.of(query.keypoints[match.keypoints])
                found = self._found(match, points, [rows[row] for row in chosen], kept)
                pairs = [
                    _pair(points, gallery.points[match.keypoints][rows[row]], each)
                    for row, each in zip(chosen, found, strict=True)
                ]
                scores = count(match, len(points), pairs, [owners[row] for row in chosen])
                raw[chosen, column] = torch.tensor(scores, dtype=torch.float64)
                matches[match.name] = dict(zip(chosen, found, strict=True))
        return Comparison(gallery.ids[rows].numpy(), names, raw.numpy(), matches, tuple(owners))

    def _found(self, match: Match, query: PointTensors, rows: Sequence[int], kept: Kept) -> list[Matches]:
        """Matches with photos of the gallery, computed once for all stages that differ in what they count only."""
        points = self._gallery.points[match.keypoints]
        keys = [(match.keypoints, match.matcher, match.network, match.min_score, match.points, row) for row in rows]
        missing = [key for key in keys if key not in kept]
        if missing:
            kept.update(zip(missing, self._match(match, query, [points[key[-1]] for key in missing]), strict=True))
        return [kept[key] for key in keys]

    def _match(self, match: Match, query: PointTensors, candidates: Sequence[PointTensors]) -> list[Matches]:
        query, candidates = query.first(match.points), [each.first(match.points) for each in candidates]
        if match.matcher == "mutual-nearest":
            return [_mutual_nearest(query.descriptors, each.descriptors, match.min_score) for each in candidates]
        batches = [candidates[start : start + _BATCH] for start in range(0, len(candidates), _BATCH)]
        return [found for batch in batches for found in self._lightglue(match, query, batch)]

    def _lightglue(self, match: Match, query: PointTensors, batch: Sequence[PointTensors]) -> list[Matches]:
        places = pad_sequence([each.places for each in batch], batch_first=True)
        descriptors = pad_sequence([each.descriptors for each in batch], batch_first=True)
        valid = pad_sequence([torch.ones(len(each.places)) for each in batch], batch_first=True)
        matches, scores = self._torch[match.network].module(
            query.places.expand(len(batch), -1, -1),
            places,
            query.descriptors.expand(len(batch), -1, -1),
            descriptors,
            torch.ones(len(batch), len(query.places)),
            valid,
        )
        return [
            _matches((partners >= 0) & (score > match.min_score), partners, score)
            for partners, score in zip(matches, scores, strict=True)
        ]


def _mutual_nearest(query: Tensor, candidate: Tensor, min_score: float) -> Matches:
    """XFeat's own matcher: descriptors [N, D] and [M, D] match where each is the other's nearest, by a cosine above `min_score`."""
    if not len(query) or not len(candidate):
        empty = torch.empty(0)
        return _matches(empty > 0, empty.long(), empty)
    similarity = query @ candidate.T
    score, nearest = similarity.max(dim=1)
    back = similarity.argmax(dim=0)
    mutual = back[nearest] == torch.arange(len(query))
    return _matches(mutual & (score > min_score), nearest, score)


def _pair(query: PointTensors, candidate: PointTensors, found: Matches) -> MatchedPair:
    query_xy, candidate_xy = query.xy[found.query].numpy(), candidate.xy[found.candidate].numpy()
    return MatchedPair(found.query, found.scores, query_xy, candidate_xy, query.side, candidate.side)


def _matches(kept: Tensor, partners: Tensor, scores: Tensor) -> Matches:
    rows = kept.nonzero()[:, 0]
    return Matches(rows.numpy(), partners[rows].numpy(), scores[rows].numpy())
