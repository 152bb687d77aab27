"""From what two photos share to the log odds that they show one animal."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from reid_edge.discover.pair_model import EVIDENCE, DiscoveryModel, standing_out_of
from reid_edge.errors import PackError


def rows(count: int = 8) -> np.ndarray:
    random = np.random.default_rng(0)
    table = random.uniform(0.1, 1, (count, 2, count)).astype(np.float32)
    table[0, :, 1] = table[1, :, 0] = 30
    for place in range(count):
        table[place, :, place] = np.nan
    return table


def test_a_pair_that_shares_more_than_others_stands_out_and_the_order_does_not_matter() -> None:
    comparable = ~np.eye(8, dtype=bool)
    out = standing_out_of(rows(), comparable)
    np.testing.assert_allclose(out, out.transpose(1, 0, 2))
    assert np.unravel_index(np.nanargmax(out[..., 0]), (8, 8)) in ((0, 1), (1, 0))
    order = np.random.default_rng(1).permutation(8)
    permuted = standing_out_of(rows()[np.ix_(order, range(2), order)], comparable)
    np.testing.assert_allclose(permuted, out[np.ix_(order, order)], rtol=1e-5)


def test_pairs_that_are_not_comparable_have_no_evidence() -> None:
    comparable = ~np.eye(8, dtype=bool)
    comparable[2, 3] = comparable[3, 2] = False
    log_odds = DiscoveryModel.default().pair_log_odds(standing_out_of(rows(), comparable))
    assert np.isnan(log_odds[2, 3])
    assert np.isnan(np.diag(log_odds)).all()
    assert np.isnan(log_odds).sum() == 10


def test_the_model_that_comes_along_trusts_more_evidence_more() -> None:
    model = DiscoveryModel.default()
    assert all(model.weights[name] > 0 for name in EVIDENCE)
    assert model.join_probability(model.least + 2) > model.join_probability(model.least)


def test_the_fewer_animals_there_are_the_likelier_each_pair_is_one() -> None:
    model = replace(DiscoveryModel.default(), size=0.5)
    ones = (np.where(np.eye(count, dtype=bool)[..., None], np.nan, np.ones(2)) for count in (10, 100))
    few, many = (model.pair_log_odds(each.astype(np.float32)) for each in ones)
    assert few[0, 1] - many[0, 1] == pytest.approx(0.5 * np.log(10))
    half = np.full((100, 100, 2), 1.0)
    half[:50, 50:] = half[50:, :50] = half[range(100), range(100)] = np.nan  # two sides, which are not compared
    assert model.pair_log_odds(half)[0, 1] - many[0, 1] == pytest.approx(0.5 * np.log(2))


@pytest.mark.parametrize(
    "change",
    [
        {"bias": "x"},
        {"weights": {}},
        {"weights": {"distinctive": 1, "matches": float("nan")}},
        {"join_weight": -1},
        {"size": float("inf")},
    ],
)
def test_a_broken_model_is_refused(change) -> None:
    model = DiscoveryModel.default()
    values = {"bias": model.bias, "weights": dict(model.weights), "least": -1, "join_bias": 1, "join_weight": 1}
    assert DiscoveryModel.read(json.dumps(values)).bias == model.bias
    with pytest.raises(PackError):
        DiscoveryModel.read(json.dumps({**values, **change}))
