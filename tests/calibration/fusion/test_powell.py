"""Powell's method moves every weight, whatever their number, and says whether it converged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from reid_edge_calibration.fusion import powell
from reid_edge_calibration.fusion.powell import powell as minimise
from reid_edge_calibration.fusion.powell import search_weights
from reid_edge_calibration.score_table import ScoreTable
from reid_edge_calibration.trials import Pairs, TrialPlan


@pytest.mark.parametrize("count", [2, 16])
def test_every_weight_is_moved_whatever_their_number(count: int) -> None:
    wanted = np.linspace(0.1, 0.9, count)
    found, evaluations, converged = minimise(lambda weights: float(((weights - wanted) ** 2).sum()), count, seed=0)
    assert converged
    assert np.abs(found - wanted).max() < 0.02
    assert evaluations <= powell.STARTS * (powell.EVALUATIONS_PER_WEIGHT * count + 1)


def test_a_search_that_meets_its_limit_says_so(synthetic: Callable[..., ScoreTable], monkeypatch: pytest.MonkeyPatch) -> None:
    table = synthetic(known=6, photos=2, queries=2)
    pairs = Pairs.of([table])
    filled = pairs.with_stand_ins(1 / (1 + np.exp(-pairs.raw / 20)))
    everybody = np.ones(pairs.individual.max() + 1, bool)
    assert search_weights(table.score_names, pairs, TrialPlan(pairs), filled, everybody).converged
    monkeypatch.setattr(powell, "EVALUATIONS_PER_WEIGHT", 2)
    assert not search_weights(table.score_names, pairs, TrialPlan(pairs), filled, everybody).converged
