"""The layout of a boosted head's features, which training and running share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.compare.heads import Labels, boosting_features
from reid_edge.describe.query import Query

LABELS = Labels(("Asha", "Baraka", "Chipo"), 2, 3, ("left", "right"), ("lynx", "nyala"))
VECTOR = np.float32([0.6, 0.8])


def test_the_columns_are_vector_distances_places_viewpoint_and_species():
    features = boosting_features(
        VECTOR, [0.3, 0.1, 0.2, 0.4], ["Asha", "Chipo", "Zola", "Asha"], Query(" lynx ", "Right"), LABELS
    )
    assert features.dtype == np.float32
    assert features == pytest.approx([0.6, 0.8, 0.1, 0.2, 0.3, 2, -1, 0, 0, 1, 1, 0])


def test_what_is_not_known_is_not_a_number_minus_one_or_zero():
    features = boosting_features(VECTOR, [0.3], ["Baraka"], Query("zebra"), LABELS)
    assert np.isnan(features[[3, 4]]).all()
    assert np.delete(features, [3, 4]) == pytest.approx([0.6, 0.8, 0.3, 1, -1, -1, 0, 0, 0, 0])
    assert np.isnan(boosting_features(VECTOR, [], [], Query(), LABELS)[2:5]).all()


@given(
    photos=st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3]), st.sampled_from(["Asha", "Chipo", "Zola"])), max_size=8),
    shuffle=st.randoms(use_true_random=False),
)
def test_the_order_of_the_gallery_changes_no_feature_even_of_equally_near_photos(photos, shuffle):
    other = photos[:]
    shuffle.shuffle(other)
    one, two = (
        boosting_features(VECTOR, [distance for distance, _ in each], [who for _, who in each], Query(viewpoint="left"), LABELS)
        for each in (photos, other)
    )
    assert np.array_equal(one, two, equal_nan=True)
    assert len(one) == 2 + 3 + 3 + 2 + 2


def test_features_of_another_width_are_refused():
    with pytest.raises(ValueError, match=r"\(3,\) of 2"):
        boosting_features(np.ones(3, np.float32), [], [], Query(), LABELS)
    with pytest.raises(ValueError, match=r"\(1,\) of 2"):
        boosting_features(VECTOR, [0.1], ["Asha", "Zola"], Query(), LABELS)
