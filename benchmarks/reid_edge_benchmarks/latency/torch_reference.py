"""The same recipe in PyTorch, eager, as someone would write it who knows PyTorch: what the runtime is measured against.

Shared with the runtime, because it is no network's work: reading and decoding the file, resizing and normalising pixels, cutting
out the animals, and the decision from the scores. In PyTorch: all networks, in single precision, by the very modules that the ONNX
files are exported from (leaner than the authors' code: LightGlue with its projections folded and both images in one matrix product,
XFeat without its grid sample of H x W points, fixed numbers of keypoints), with PyTorch's fused attention and GELU, and with the
published weights, which the pack may have rounded to half precision; retrieval as a matrix product; mutual nearest neighbours per
candidate as XFeat's authors write them; LightGlue in batches of four pairs. ``torch.inference_mode`` throughout, and as many
threads as the runtime has.

Nothing is left out: every candidate that the recipe names goes through every matcher, however clear the answer is already.

The gallery's features are computed once in both. The runtime reads those of the shortlist from its database for every photo; here
all of them lie in memory as tensors, which is PyTorch's advantage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from reid_edge.compare.comparison import Comparison
from reid_edge.compare.matching import Matches
from reid_edge.compare.selection import Selection
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
from reid_edge.recipe import Match, Recipe
from reid_edge.timings import Timings
from reid_edge_benchmarks.latency.plain import is_calibrated, plain_scores, undecided
from reid_edge_benchmarks.latency.torch_lightglue import use_fused_kernels
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


@dataclass(frozen=True)
class _Points:
    """Keypoints as tensors: places as LightGlue wants them [N, 2] (its section 3.1) and descriptors [N, D]."""

    places: Tensor
    descriptors: Tensor

    @classmethod
    def of(cls, keypoints: Keypoints) -> _Points:
        xy, region = torch.tensor(keypoints.xy), torch.tensor(keypoints.region)
        size = region[2:] - region[:2]
        return cls((xy - region[:2] - size / 2) / (size.max() / 2), torch.tensor(keypoints.descriptors))


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
        if (
            unknown
            or identifier.recipe.rerank
            or identifier.recipe.head
            or identifier.recipe.orient
            or identifier.recipe.viewpoint
        ):
            raise UsageError(
                "The timed PyTorch reference has mutual nearest neighbours and LightGlue only, no turning, re-ranking or heads"
                + (f"; the recipe wants {', '.join(unknown)}." if unknown else "."),
                "Leave --against out; bench parity has a reference of every recipe.",
            )
        torch.set_num_threads(identifier.networks.device.threads)
        self._identifier, self._candidates = identifier, session.candidates
        recipe, networks = identifier.recipe, identifier.pack.manifest.networks
        wanted = {*recipe.feature_networks, *(match.network for match in recipe.match if match.network)}
        self._torch = {name: TorchNetwork(name, networks[name].parameters) for name in wanted}
        self._describing = {
            name: LoadedNetwork(self._torch[name], preprocessing)
            for name in recipe.feature_networks
            if (preprocessing := networks[name].preprocessing)
        }
        self._gallery = _GalleryTensors(session)

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
            return self._match(match, _Points.of(query), [_Points.of(candidate) for candidate in candidates])

    def _describe(self, path: Path, query: Query, timings: Timings) -> tuple[list[DescribedAnimal], Selection]:
        with timings.stage("decode"):
            photo = read_photo(path)
        # All that describing asks of networks is to be given one by its name.
        describer = Describer(self._identifier.recipe, cast(Networks, self._describing))
        return describer.describe(photo, Query(), timings), self._candidates.select(query)

    def _compared(self, described: DescribedAnimal, selection: Selection, timings: Timings) -> Comparison:
        with torch.inference_mode():
            return self._compare(described.features, selection.ids, timings)

    def _answer(self, described: DescribedAnimal, selection: Selection, timings: Timings) -> TorchAnswer:
        comparison = self._compared(described, selection, timings)
        recipe, species = self._identifier.recipe, selection.query.species
        entry, _ = self._identifier.calibration.entry(species)
        quality = None if recipe.fuse else described.quality  # of no stage, as in the runtime
        with timings.stage("decide"):
            ranking = Ranker(self._candidates, entry, quality, recipe, species).rank(comparison)
            ambiguity = selection.ambiguity_reason(described.animal.found)
            return TorchAnswer(ranking, judge(ranking, entry, selection.nothing_to_compare, selection.may_be_known, ambiguity))

    def _compare(self, query: Features, allowed: NDArray[np.int64] | None, timings: Timings) -> Comparison:
        recipe, gallery = self._identifier.recipe, self._gallery
        names = recipe.score_names
        with timings.stage("retrieve"):
            rows = gallery.nearest(recipe, query, allowed)
            raw = torch.full((len(rows), len(names)), torch.nan)
            for embedding in recipe.embed:
                vectors = gallery.vectors[embedding.name][rows]
                raw[:, names.index(embedding.name)] = vectors @ torch.from_numpy(query.vectors[embedding.name])
        ids, matches = gallery.ids[rows], {}
        for match in recipe.match if len(rows) else ():
            with timings.stage(match.name):
                chosen = _best(raw[:, names.index(match.order)], match.best) if match.best else list(range(len(rows)))
                sets = [gallery.points[match.keypoints][int(rows[row])] for row in chosen]
                found = self._match(match, _Points.of(query.keypoints[match.keypoints]), sets)
                raw[chosen, names.index(match.name)] = torch.tensor([float(len(each)) for each in found])
                matches[match.name] = dict(zip(chosen, found, strict=True))
        return Comparison(ids.numpy(), names, raw.double().numpy(), matches)

    def _match(self, match: Match, query: _Points, candidates: Sequence[_Points]) -> list[Matches]:
        if match.matcher == "mutual-nearest":
            return [_mutual_nearest(query.descriptors, each.descriptors, match.min_score) for each in candidates]
        batches = [candidates[start : start + _BATCH] for start in range(0, len(candidates), _BATCH)]
        return [found for batch in batches for found in self._lightglue(match, query, batch)]

    def _lightglue(self, match: Match, query: _Points, batch: Sequence[_Points]) -> list[Matches]:
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


class _GalleryTensors:
    """Every gallery animal's features in memory: ids int64 [G] in rising order, vectors [G, D] and points by name."""

    def __init__(self, session: Session) -> None:
        recipe, candidates = session.identifier.recipe, session.candidates
        missing = {sighting.id for sighting in session.gallery.sightings_without(session.identifier.feature_key)}
        ids = np.array(sorted({sighting.id for sighting in session.gallery.sightings()} - missing), np.int64)
        self.ids = torch.from_numpy(ids)
        self.vectors = {embed.name: torch.from_numpy(candidates.vectors(embed.name, ids)) for embed in recipe.embed}
        self.points = {
            extract.name: [_Points.of(keypoints) for keypoints in candidates.keypoints(extract.name, ids)]
            for extract in recipe.extract
        }

    def nearest(self, recipe: Recipe, query: Features, allowed: NDArray[np.int64] | None) -> Tensor:
        """The rows of the shortlist, int64 [B], nearest first."""
        vectors, wanted = self.vectors[recipe.retrieve.embedding], recipe.retrieve
        cosines = vectors @ torch.from_numpy(query.vectors[wanted.embedding])
        count = len(self.ids)
        if allowed is not None:
            inside = torch.isin(self.ids, torch.from_numpy(allowed))
            cosines, count = cosines.masked_fill(~inside, -torch.inf), int(inside.sum())
        return cosines.topk(min(wanted.candidates, count)).indices


def _best(scores: Tensor, count: int) -> list[int]:
    """The rows of the highest scores, of equal ones the first."""
    return scores.argsort(descending=True, stable=True)[:count].tolist()


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


def _matches(kept: Tensor, partners: Tensor, scores: Tensor) -> Matches:
    rows = kept.nonzero()[:, 0]
    return Matches(rows.numpy(), partners[rows].numpy(), scores[rows].numpy())
