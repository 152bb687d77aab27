"""Figures of one grouping, with bootstrap intervals over individuals, and the simulated person who answers questions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from reid_edge.discover.constraints import PersonsAnswer
from reid_edge.discover.discovery import Discovery
from reid_edge.discover.grouping import labels_of
from reid_edge_benchmarks.discovery.photos import ComparedSet

_RESAMPLES = 200
_PURE = 0.99
Labels = NDArray[np.int64]
Truth = NDArray[np.str_]


def figures_of(labels: Labels, truth: Truth) -> dict[str, Any]:
    """ARI, AMI, pairwise precision and recall, each with the interval of 95 %; groups beside individuals."""
    measures: dict[str, Callable[[Labels, Truth], float]] = {
        "ari": lambda found, true: float(adjusted_rand_score(true, found)),
        "ami": lambda found, true: float(adjusted_mutual_info_score(true, found)),
        "precision": lambda found, true: _pairwise(found, true)[0],
        "recall": lambda found, true: _pairwise(found, true)[1],
        "purity": purity,
    }
    figures: dict[str, Any] = {name: _with_interval(measure, labels, truth) for name, measure in measures.items()}
    return {**figures, "found": len(set(labels.tolist())), "individuals": len(set(truth.tolist())), "photos": len(truth)}


def group_figures(discovery: Discovery, truth: Truth) -> dict[str, Any]:
    """Of a discovery, over the animals that are not known."""
    new = np.array([not each.name for each in discovery.seen])
    reading = discovery.reading()
    labels = labels_of(reading.grouping.groups(), len(truth))
    figures = figures_of(labels[new], truth[new])
    held = {each.name for each in discovery.seen if each.name}
    known = new & np.isin(truth, sorted(held))
    if held and new.any():
        named = _names(discovery, labels)
        figures["right_name"] = float(np.mean(named[known] == truth[known])) if known.any() else None
        figures["wrong_name"] = float(np.mean((named[new] != "") & (named[new] != truth[new])))
    report = reading.report()
    pure = [
        (each.probability, len({_truth_of(discovery, truth)[seen.key] for seen in each.members}) == 1) for each in report.groups
    ]
    figures["group_probability"] = float(np.mean([probability for probability, _ in pure])) if pure else None
    figures["group_pure"] = float(np.mean([one for _, one in pure])) if pure else None
    return figures


def questions_to_purity(compared: ComparedSet) -> dict[str, Any]:
    """How many questions a person who is always right answers, in the order offered, until 99 % of the photos stand with their like."""
    discovery, truth = compared.discovery, _truth_of(compared.discovery, compared.truth)
    answers: list[PersonsAnswer] = []
    asked: set[tuple[str, str]] = set()
    at_a_time = max(1, len(compared.truth) // 100)
    course = []
    while True:
        reading = discovery.reading(answers)
        labels = labels_of(reading.grouping.groups(), len(compared.truth))
        reached = purity(labels, compared.truth)
        rand = float(adjusted_rand_score(compared.truth, labels))
        course.append([len(answers), reached, rand])
        offered = [each.pair for each in reading.report().questions]
        new = [pair for pair in offered if (pair.first.key, pair.second.key) not in asked][:at_a_time]
        if reached >= _PURE or not new or len(answers) >= len(compared.truth):
            return {"questions": len(answers), "purity": reached, "ari": rand, "reached": reached >= _PURE, "course": course}
        for pair in new:
            asked.add((pair.first.key, pair.second.key))
            answers.append(PersonsAnswer(pair.first.key, pair.second.key, truth[pair.first.key] == truth[pair.second.key]))


def baselines(compared: ComparedSet) -> dict[str, Any]:
    """What simpler methods reach at the threshold that is best for this very set, in hindsight."""
    truth, rows, vectors = compared.truth, compared.discovery.rows(), compared.discovery.vectors
    shared = np.nan_to_num(rows[:, 1] + rows[:, 1].T)
    distance = 1 - np.clip(vectors @ vectors.T, -1, 1)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform((distance + distance.T) / 2, checks=False), "average")
    by_embedding = [fcluster(tree, height, "distance") for height in np.unique(tree[:, 2])]
    steps = np.quantile(shared[np.triu_indices(len(truth), 1)], np.linspace(0.5, 1, 200))
    by_counts = [connected_components(csr_matrix(shared >= step), directed=False)[1] for step in steps]
    rows_, columns = np.triu_indices(len(truth), 1)
    same = truth[rows_] == truth[columns]
    return {
        "embedding, agglomerative": _best(by_embedding, truth),
        "mutual-nearest counts, connected components": _best(by_counts, truth),
        "mutual-nearest counts, best pair F1": max(_f1(shared[rows_, columns] >= step, same) for step in steps),
    }


def purity(labels: Labels, truth: Truth) -> float:
    """Share of the photos whose individual is the most frequent one of their group."""
    right = 0
    for label in np.unique(labels):
        right += int(np.unique(truth[labels == label], return_counts=True)[1].max())
    return right / max(1, len(truth))


def _best(candidates: list[Labels], truth: Truth) -> dict[str, Any]:
    return figures_of(max(candidates, key=lambda labels: float(adjusted_rand_score(truth, labels))), truth)


def _pairwise(labels: Labels, truth: Truth) -> tuple[float, float]:
    rows, columns = np.triu_indices(len(truth), 1)
    together, same = labels[rows] == labels[columns], truth[rows] == truth[columns]
    both = int((together & same).sum())
    return both / together.sum() if together.any() else 1.0, both / same.sum() if same.any() else 1.0


def _f1(together: NDArray[np.bool_], same: NDArray[np.bool_]) -> float:
    both = int((together & same).sum())
    return 2 * both / max(1, int(together.sum()) + int(same.sum()))


def _with_interval(measure: Callable[[Labels, Truth], float], labels: Labels, truth: Truth) -> list[float]:
    random, individuals = np.random.default_rng(0), np.unique(truth)
    values = []
    for _ in range(_RESAMPLES):
        chosen = np.isin(truth, random.choice(individuals, len(individuals)))
        values.append(measure(labels[chosen], truth[chosen]))
    return [measure(labels, truth), *map(float, np.quantile(values, (0.025, 0.975)))]


def _names(discovery: Discovery, labels: Labels) -> NDArray[np.str_]:
    by_label = {labels[place]: each.name for place, each in enumerate(discovery.seen) if each.name}
    return np.array([by_label.get(label, "") for label in labels])


def _truth_of(discovery: Discovery, truth: Truth) -> dict[str, str]:
    return {each.key: str(name) for each, name in zip(discovery.seen, truth, strict=True)}
