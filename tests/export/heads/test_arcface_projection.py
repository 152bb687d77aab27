"""The batch norm that ArcFace trains behind a concatenation."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from reid_edge_export.heads.photos import LabelledPhotos
from reid_edge_export.heads.projection import _with_margin
from reid_edge_export.heads.training import TrainingOptions, train_head


def test_it_finds_the_values_that_tell_individuals_apart():
    # 4 of 32 values tell the individual, the others are louder and tell nothing.
    random = np.random.default_rng(0)
    who = np.repeat(np.arange(12), 5)
    vectors = np.hstack([random.normal(size=(12, 4))[who] + random.normal(0, 0.2, (60, 4)), random.normal(0, 1.5, (60, 28))])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = tuple(f"animal {number:02}" for number in range(12))
    gallery = LabelledPhotos(vectors.astype(np.float32), names, who, np.arange(60), ("",) * 60, ("",) * 60)
    head = train_head(gallery, TrainingOptions("projection", "bn", "Apache-2.0"))
    held = head.report["held_out"]
    assert held["accuracy"] >= held["nearest_photo_accuracy"] + 0.15  # measured 0.50 and 0.17, of 12 photos
    assert head.parity["difference_max"] < 1e-5  # measured 1e-7
    assert head.content == train_head(gallery, TrainingOptions("projection", "bn", "Apache-2.0")).content


def test_the_margin_is_added_to_the_angle_of_the_own_centre_alone():
    import torch

    cosine = torch.tensor([[0.5, 0.2], [0.1, 0.9]])
    changed = _with_margin(cosine, torch.tensor([0, 1]), 0.35)
    expected = np.cos(np.arccos([0.5, 0.9]) + 0.35)
    assert np.allclose(changed.diagonal().numpy(), expected, atol=1e-6)
    assert changed[0, 1] == cosine[0, 1]
    assert changed[1, 0] == cosine[1, 0]
