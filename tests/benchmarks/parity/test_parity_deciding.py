"""Fusions and steps of the reference, written candidate by candidate, against the accounts' figures and against the runtime."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reid_edge.compare.reranking import jaccard_distances
from reid_edge.decide.calibration import Calibrator, Entry, Evidence, Pooling, WeightedMean
from reid_edge.decide.consensus import score_by_recipe
from reid_edge.recipe import Embed, Extract, Match, Recipe, Retrieve
from reid_edge.recipe.stages import Agree, Decide, Fuse, Gate, Group, Head

pytest.importorskip("kornia")

from reid_edge_benchmarks.parity.deciding import decide
from reid_edge_benchmarks.parity.reranking import jaccard_similarities

LINE = Calibrator("linear", (0.0, 1.0), (0.0, 1.0))
COUNT = Calibrator("linear", (0.0, 100.0), (0.05, 0.9))
NAMES = ("near", "far", "count", "head")


def recipe(*fuses: Fuse, steps: tuple[Agree | Gate, ...] = ()) -> Recipe:
    return Recipe(
        segment=None,
        embed=(Embed("near", "network"), Embed("far", "network")),
        retrieve=Retrieve("near", 100),
        extract=(Extract("points", False, 0.0, "network"),),
        match=(Match("count", "points", "mutual-nearest", 0.5),),
        head=(Head("head", "classifier", "network", "near"),),
        fuse=fuses,
        step=steps,
        decide=Decide(0.5),
    )


ENTRY = Entry(
    {"near": LINE, "far": LINE, "count": COUNT, "head": LINE},
    WeightedMean({"near": 0.2, "far": 0.1, "count": 0.7, "head": 0.0}),
    Pooling(),
    Evidence(0.0, 1.0, dict.fromkeys(NAMES, 0.0), 0.0, {}, dict.fromkeys(NAMES, 0.0)),
    LINE,
    LINE,
    0.5,
    0.5,
    0.5,
)
ONE = Fuse("one", (Group(("near", "count"), 1.0),))
TWO = Fuse("two", (Group(("far", "count"), 0.6), Group(("head",), 0.4, calibrated=False)))
FITTED = Fuse("fitted", (Group(("near",), 1.0), Group(("far",), 1.0), Group(("count",), 1.0)), fit="powell")
SHORT = Fuse("short", (Group(("far",), 1.0),), candidates=4)
# The sixth system: 0.45 and 0.55, 1.2 together, 1.82 for the second apart; then 0.25, 1.7 and 1.2.
CLASSIFIERS = (
    Agree("two", (0.45, 0.55), 1.2, "source", 1.82),
    Agree("head", (1.0, 0.25), 1.7, "higher", 1.2),
)
# The second: sure enough, its boosting overrules; the backbone calls new below 64 % and overrules above 89.3 %.
GATES = (
    Gate("head", "take", 0.9),
    Gate("far", "new", 0.64, cosine=True, species=("lynx",)),
    Gate("far", "take", 0.893, cosine=True),
)
# The second with limits on what calibrators say.
CALIBRATED = (Gate("count", "new", 0.2, calibrated=True), Gate("far", "take", 0.6, calibrated=True))


def both(raw: np.ndarray, owners: list[str], system: Recipe, species: str) -> tuple[tuple, tuple]:
    """Identity, confidence and fused scores of the reference, and of the runtime."""
    raw = raw[np.argsort(-raw[:, 0], kind="stable")]
    there = [{name: float(value) for name, value in zip(NAMES, row, strict=True) if value == value} for row in raw]
    filled = np.where(np.isnan(raw), -np.inf, raw)
    columns = [ENTRY.calibrators[name](filled[:, place]) for place, name in enumerate(NAMES)]
    calibrated = [dict(zip(NAMES, map(float, row), strict=True)) for row in zip(*columns, strict=True)]
    weights = ENTRY.fusion.weights
    mine = decide(there, calibrated, owners, system, weights, species)
    its = score_by_recipe(raw, owners, system, ENTRY, species)
    fused = dict(zip(its.identities, its.fused, strict=True))
    return (mine.identity, mine.confidence, mine.fused), (its.identities[0], float(its.evidence[0]), fused)


@pytest.mark.parametrize("steps", [(), CLASSIFIERS, GATES, CALIBRATED, (*CLASSIFIERS, *GATES)])
@pytest.mark.parametrize("first", [ONE, TWO, FITTED, SHORT], ids=lambda fuse: fuse.name)
def test_the_runtime_decides_as_the_plain_reading_of_the_accounts(first: Fuse, steps: tuple[Agree | Gate, ...]) -> None:
    rng = np.random.default_rng(0)
    fuses = (first, *(fuse for fuse in (TWO,) if fuse is not first))
    for _ in range(200):
        rows = int(rng.integers(1, 9))
        raw = np.column_stack([rng.uniform(-0.2, 1, (rows, 2)), rng.integers(0, 100, rows), rng.random(rows)])
        raw[rng.random(rows) < 0.3, 2] = np.nan
        if rng.random() < 0.3:
            raw[:, 3] = np.nan  # the head has no opinion
        owners = [str(name) for name in rng.choice(list("ABCD"), rows)]
        species = str(rng.choice(["lynx", "turtle", ""]))
        mine, its = both(raw, owners, recipe(*fuses, steps=steps), species)
        assert mine[1] == pytest.approx(its[1], abs=1e-9)
        assert mine[2] == pytest.approx(its[2], abs=1e-9)
        assert mine[0] == its[0] or mine[1] == 0  # of nobody it does not matter who would have been


def test_the_sixth_system_by_hand() -> None:
    """Both name A: (0.45 x 0.6 + 0.55 x 0.8) / 2 x 1.2 = 0.426. The classifier says B with 0.25 x 0.9: less, so A stays."""
    raw = [{"near": 0.6, "far": 0.8, "head": 0.1}, {"near": 0.3, "far": 0.2, "head": 0.9}]
    steps = (replace(CLASSIFIERS[0], source="far alone"), CLASSIFIERS[1])
    system = recipe(Fuse("near alone", (Group(("near",), 1.0),)), Fuse("far alone", (Group(("far",), 1.0),)), steps=steps)
    answer = decide(raw, raw, ["A", "B"], system, None, "")
    assert (answer.identity, answer.confidence) == ("A", pytest.approx(0.426))
    apart = [{"near": 0.6, "far": 0.2, "head": 0.1}, {"near": 0.3, "far": 0.5, "head": 0.9}]
    answer = decide(apart, apart, ["A", "B"], system, None, "")
    first = 0.55 * 0.5 * 1.82  # B, the second model's
    assert (answer.identity, answer.confidence) == ("B", pytest.approx((first + 0.25 * 0.9) / 2 * 1.7))


@pytest.mark.parametrize(("count", "k1", "k2"), [(40, 20, 6), (12, 5, 3), (7, 20, 6), (25, 7, 1), (1, 4, 2)])
def test_neighbours_in_common_are_counted_as_the_runtime_counts_them(count: int, k1: int, k2: int) -> None:
    rng = np.random.default_rng(count)
    people = rng.normal(size=(5, 16))
    vectors = people[rng.integers(5, size=count + 1)] + 0.4 * rng.normal(size=(count + 1, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = jaccard_similarities(vectors, k1, k2)
    np.testing.assert_allclose(found, 1 - jaccard_distances(vectors[0], vectors[1:], k1, k2), atol=1e-9)
