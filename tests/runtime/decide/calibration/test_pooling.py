"""An individual's photos count together: the best one alone, or softly all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.decide.calibration import Pooling

scores = st.lists(st.floats(0, 1), min_size=1, max_size=6)


@given(scores, st.sampled_from([0.0, 1.0, 2.0, 4.0]))
def test_the_order_of_photos_changes_nothing_and_one_photo_is_itself(values, sharpness):
    pool = Pooling(sharpness)
    first = np.array([0])
    assert pool(np.array(values), first) == pytest.approx(pool(np.array(values[::-1]), first))
    assert pool(np.array(values[:1]), first) == pytest.approx(values[0], abs=1.1e-3)


@given(scores, st.floats(0, 1), st.sampled_from([0.0, 1.0, 2.0]))
def test_a_further_photo_never_lowers_the_score_which_is_never_below_the_best_photo(values, more, sharpness):
    pool, first = Pooling(sharpness), np.array([0])
    before, after = pool(np.array(values), first)[0], pool(np.array([*values, more]), first)[0]
    assert after >= before - 1e-12
    assert 1 >= after >= max(values)


def test_two_photos_that_look_alike_say_more_than_one_and_less_so_the_sharper():
    fused, first = np.array([0.6, 0.6, 0.6]), np.array([0, 1])
    for sharpness in (1.0, 2.0, 4.0):
        one, two = Pooling(sharpness)(fused, first)
        assert two > one
    assert Pooling(4.0)(fused, first)[1] < Pooling(1.0)(fused, first)[1]
    assert Pooling()(fused, first).tolist() == [0.6, 0.6]


def test_photos_that_do_not_count_are_left_out():
    counted = np.array([True, False, False])
    for sharpness in (0.0, 1.0):
        pooled = Pooling(sharpness)(np.array([0.3, 0.9, 0.9]), np.array([0, 2]), counted)
        assert pooled == pytest.approx([0.3, 0.0])
