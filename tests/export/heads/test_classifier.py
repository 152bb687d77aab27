"""The classifier of standardised main components."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from reid_edge_export.heads.classifier import _standardised
from reid_edge_export.heads.training import TrainingOptions, train_head


def test_it_learns_individuals_and_its_file_answers_as_pytorch(photos):
    head = train_head(photos(), TrainingOptions("classifier", "mlp", "Apache-2.0", epochs=25))
    assert head.report["held_out"]["accuracy"] >= 0.8  # measured 1.0; by chance 1 of 6
    assert head.parity["difference_max"] < 1e-5  # measured 4e-7
    assert head.parity["top1_agreement"] == 1.0


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(photos):
    heads = [
        train_head(photos(), TrainingOptions("classifier", "mlp", "Apache-2.0", epochs=2, seed=seed)).content
        for seed in (0, 0, 1)
    ]
    assert heads[0] == heads[1] != heads[2]


def test_the_components_are_those_of_scikit_learn(photos):
    decomposition = pytest.importorskip("sklearn.decomposition")
    scaler = pytest.importorskip("sklearn.preprocessing").StandardScaler()
    gallery = photos()
    network = _standardised(gallery)
    own = ((gallery.vectors - network.mean.numpy()) / network.deviation.numpy()) @ network.components.numpy()
    theirs = decomposition.PCA(0.99, svd_solver="full").fit_transform(scaler.fit_transform(gallery.vectors.astype(float)))
    assert own.shape == theirs.shape
    assert np.abs(np.abs(own) - np.abs(theirs)).max() < 1e-4  # a component may have either sign
