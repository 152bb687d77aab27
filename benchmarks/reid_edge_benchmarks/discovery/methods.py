"""Ways to make groups of the same pair probabilities, beside the one that is built in: what scikit-learn, SciPy and NetworkX offer.

Each method has one number. It is given the value that is best on all sets together, so that none gains by a number for each set.
Pairs that are certainly different stand as far apart as there is, and near copies at one place. Only the built-in method can never break
this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import networkx
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import HDBSCAN, AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from reid_edge.discover.constraints import Constraints, constraints_of
from reid_edge.discover.discovery import near_copies
from reid_edge.discover.grouping import group, labels_of
from reid_edge.discover.pair_model import DiscoveryModel, standing_out_of
from reid_edge_benchmarks.discovery.photos import ComparedSet

BUILT_IN = "average linkage (built in)"
_STEPS = np.arange(-4.0, 4.01, 0.25)
_RESOLUTIONS = (1.0, 2.0, 4.0)
_NEAREST, _FARTHEST = 20.0, 50.0  # log odds at distance 0, and the distance of what is certainly different
_RESAMPLES = 200

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """A set as all methods see it: log odds of pairs, float32 [N, N], with what is certain; and whom its photos show."""

    name: str
    log_odds: NDArray[np.float32]
    constraints: Constraints
    truth: NDArray[np.str_]

    @classmethod
    def of(cls, compared: ComparedSet, model: DiscoveryModel) -> Pairs:
        """Of a set, nobody known."""
        rows, constraints = compared.discovery.rows(), constraints_of(compared.discovery.seen)
        copies = tuple(near_copies(rows, constraints))
        log_odds = model.pair_log_odds(standing_out_of(rows, constraints.comparable))
        return cls(compared.name, log_odds, Constraints(copies, constraints.different, constraints.comparable), compared.truth)

    def distances(self) -> NDArray[np.float64]:
        """float64 [N, N], 0 or more, for methods that take distances."""
        distances = np.where(np.isnan(self.log_odds), _FARTHEST, np.maximum(0.0, _NEAREST - self.log_odds))
        distances[self.constraints.different] = _FARTHEST
        for one, other in self.constraints.same:
            distances[one, other] = distances[other, one] = 0.0
        np.fill_diagonal(distances, 0.0)
        return np.asarray(distances, np.float64)

    def edges(self, least: float) -> NDArray[np.float64]:
        """float64 [N, N], by how much each pair is above these log odds; 0 for those that are not."""
        return np.maximum(0.0, _NEAREST - least - self.distances()) * ~np.eye(len(self.truth), dtype=bool)


Method = Callable[[Pairs, float], Labels]


def methods() -> dict[str, tuple[Method, Sequence[float]]]:
    """By name, each method with the numbers to try."""
    linkages = {
        f"agglomerative, {linkage} linkage": (_agglomerative(linkage), _STEPS) for linkage in ("average", "complete", "single")
    }
    communities: dict[str, tuple[Method, Sequence[float]]] = {
        f"Louvain communities, resolution {resolution:g}": (_louvain(resolution), _STEPS) for resolution in _RESOLUTIONS
    }
    return {
        BUILT_IN: (_built_in, _STEPS),
        **linkages,
        "HDBSCAN, excess of mass": (_hdbscan("eom"), (1, 2, 3)),
        "HDBSCAN, leaves": (_hdbscan("leaf"), (1, 2, 3)),
        **communities,
        "connected components": (_components, _STEPS),
        "connected components, edges verified": (_verified_components, _STEPS),
    }


def try_methods(sets: Sequence[ComparedSet], model: DiscoveryModel) -> dict[str, Any]:
    """The adjusted Rand index of each method on each set, with its difference from the built-in one and the interval of 95 % of that.

    Args:
        sets: all photos compared.
        model: makes log odds of pairs.
    """
    pairs = [Pairs.of(each, model) for each in sets]
    found: dict[str, tuple[float, list[Labels]]] = {}
    for name, (method, numbers) in methods().items():
        tried = [[method(each, float(number)) for each in pairs] for number in numbers]
        scores = [np.mean([_rand(each, labels) for each, labels in zip(pairs, one, strict=True)]) for one in tried]
        best = int(np.argmax(scores))
        found[name] = float(numbers[best]), tried[best]
    built_in = found[BUILT_IN][1]
    return {
        name: {
            "number": number,
            "mean": float(np.mean([_rand(each, one) for each, one in zip(pairs, labels, strict=True)])),
            "difference": _difference(pairs, labels, built_in),
            "sets": {
                each.name: {"ari": _rand(each, one), "difference": _difference([each], [one], [other])}
                for each, one, other in zip(pairs, labels, built_in, strict=True)
            },
        }
        for name, (number, labels) in found.items()
    }


def _built_in(pairs: Pairs, least: float) -> Labels:
    return labels_of(group(pairs.log_odds, pairs.constraints, least).groups(), len(pairs.truth))


def _agglomerative(linkage: str) -> Method:
    def grouped(pairs: Pairs, least: float) -> Labels:
        clustering = AgglomerativeClustering(
            n_clusters=None, metric="precomputed", linkage=linkage, distance_threshold=_NEAREST - least
        )
        return np.asarray(clustering.fit(pairs.distances()).labels_, np.int64)

    return grouped


def _hdbscan(selection: str) -> Method:
    """Without a threshold, which is what it is for; its number is that of neighbours of a core point. What it calls noise is alone."""

    def grouped(pairs: Pairs, neighbours: float) -> Labels:
        clustering = HDBSCAN(
            min_cluster_size=2, min_samples=int(neighbours), metric="precomputed", cluster_selection_method=selection, copy=True
        )
        labels = np.array(clustering.fit(pairs.distances()).labels_, np.int64)
        noise = labels < 0
        labels[noise] = len(labels) + np.arange(noise.sum())
        return labels

    return grouped


def _louvain(resolution: float) -> Method:
    def grouped(pairs: Pairs, least: float) -> Labels:
        edges = pairs.edges(least)
        graph = networkx.Graph()
        graph.add_nodes_from(range(len(edges)))
        pairs_above = zip(*np.nonzero(np.triu(edges)), strict=True)
        graph.add_weighted_edges_from((int(one), int(other), edges[one, other]) for one, other in pairs_above)
        communities = networkx.community.louvain_communities(graph, resolution=resolution, seed=0)
        return labels_of([sorted(each) for each in communities], len(edges))

    return grouped


def _components(pairs: Pairs, least: float) -> Labels:
    return np.asarray(connected_components(csr_matrix(pairs.edges(least) > 0), directed=False)[1], np.int64)


def _verified_components(pairs: Pairs, least: float) -> Labels:
    """An edge holds where both of its ends share a neighbour, or where each is the nearest of the other."""
    edges = pairs.edges(least)
    joined = edges > 0
    nearest = edges.argmax(axis=1)
    places = np.arange(len(edges))
    mutual = np.zeros_like(joined)
    mutual[places, nearest] = nearest[nearest] == places
    shared = joined.astype(np.float32) @ joined.astype(np.float32) > 0
    return np.asarray(connected_components(csr_matrix(joined & (shared | mutual | mutual.T)), directed=False)[1], np.int64)


def _rand(pairs: Pairs, labels: Labels) -> float:
    return float(adjusted_rand_score(pairs.truth, labels))


def _difference(sets: Sequence[Pairs], labels: Sequence[Labels], others: Sequence[Labels]) -> list[float]:
    """Mean ARI of the sets minus that of other groupings of them, and its 95 % bootstrap interval over the individuals of each set."""
    random, values = np.random.default_rng(0), []
    for _ in range(_RESAMPLES):
        differences = []
        for pairs, one, other in zip(sets, labels, others, strict=True):
            individuals = np.unique(pairs.truth)
            chosen = np.isin(pairs.truth, random.choice(individuals, len(individuals)))
            truth = pairs.truth[chosen]
            differences.append(adjusted_rand_score(truth, one[chosen]) - adjusted_rand_score(truth, other[chosen]))
        values.append(np.mean(differences))
    pairs_labels = zip(sets, labels, others, strict=True)
    difference = np.mean([_rand(pairs, one) - _rand(pairs, other) for pairs, one, other in pairs_labels])
    return [float(difference), *map(float, np.quantile(values, (0.025, 0.975)))]


def better_methods(tried: Mapping[str, Any]) -> list[str]:
    """Those that are better than the built-in one by the interval of the mean of all sets."""
    return [name for name, each in tried.items() if each["difference"][1] > 0]
