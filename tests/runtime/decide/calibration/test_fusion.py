"""Every fusion is monotone, leaves out what was not learnt, and survives the pack's file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reid_edge.decide.calibration import FusionNetwork, Stacking, WeightedMean

TYPICAL = {"a": -2.0, "b": -3.0}
FUSIONS = [
    WeightedMean({"a": 1.0, "b": 3.0}),
    Stacking(-1.0, {"a": 0.5, "b": 1.5}, TYPICAL),
    FusionNetwork((0.0, -1.0), {"a": (1.0, 0.2), "b": (0.5, 2.0)}, -1.0, (1.0, 2.0), TYPICAL),
]
shares = arrays(np.float64, (4, 2), elements=st.floats(0, 1))
seen = np.array([True, True])


@pytest.mark.parametrize("fusion", FUSIONS, ids=lambda fusion: type(fusion).__name__)
@given(calibrated=shares, row=st.integers(0, 3), column=st.integers(0, 1), more=st.floats(0, 1))
def test_a_higher_score_never_lowers_the_fused_one(fusion, calibrated, row, column, more):
    raised = calibrated.copy()
    raised[row, column] = max(raised[row, column], more)
    before, after = fusion(calibrated, seen), fusion(raised, seen)
    assert after[row] >= before[row] - 1e-15
    assert ((after >= 0) & (after <= 1)).all()


@pytest.mark.parametrize("fusion", FUSIONS, ids=lambda fusion: type(fusion).__name__)
@given(calibrated=shares, other=shares)
def test_a_score_that_was_learnt_for_no_candidate_changes_nothing(fusion, calibrated, other):
    changed = np.column_stack((calibrated[:, 0], other[:, 1]))
    learnt = np.array([True, False])
    assert (fusion(calibrated, learnt) == fusion(changed, learnt)).all()


@pytest.mark.parametrize("fusion", FUSIONS[1:], ids=lambda fusion: type(fusion).__name__)
def test_what_is_unknown_counts_as_typical(fusion):
    typical = 1 / (1 + np.exp([2.0, 3.0]))
    assert fusion(typical[None], np.array([True, False])) == pytest.approx(fusion(typical[None], seen))
