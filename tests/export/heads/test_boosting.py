"""Gradient boosting, and its trees as plain ONNX operators."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("xgboost", reason="xgboost trains the boosting heads: pip install xgboost-cpu")

from reid_edge.pack.onnx_file import read_onnx
from reid_edge_export.heads.boosting import features_of, fit_boosting, labels_of, predict_boosting
from reid_edge_export.heads.network_file import network_file, run_network
from reid_edge_export.heads.photos import LabelledPhotos
from reid_edge_export.heads.training import TrainingOptions, train_head
from reid_edge_export.heads.tree_network import tree_graph, tree_table

ROUNDS = 6


def test_the_network_answers_as_xgboost_also_with_strange_neighbours_and_missing_ones(photos):
    # Vectors that hardly tell anybody, so that the trees ask for the neighbours too.
    gallery = photos(individuals=8, spread=0.35)
    labels = labels_of(gallery)
    booster = fit_boosting(gallery, None, labels, ROUNDS, seed=0).model
    table = tree_table(booster, len(labels.identities))
    assert len(table.members) > 5  # splits by category took part: measured 31
    rows = features_of(gallery, gallery, labels)
    random = np.random.default_rng(1)
    who = slice(labels.dimension + 10, labels.dimension + 20)
    strange = np.repeat(rows, 10, axis=0)
    strange[:, who] = random.integers(-1, 8, (len(strange), 10))
    strange[:, labels.dimension : labels.dimension + 10][random.random((len(strange), 10)) < 0.3] = np.nan
    content = network_file("trees", "head", *tree_graph(table, labels), (rows.shape[1], 8), {}, "Apache-2.0")
    for some in (rows, strange):
        found, expected = run_network(content, "head", some), predict_boosting(booster, some, labels)
        assert np.abs(found - expected).max() < 1e-6  # measured 3e-8
    assert read_onnx(content, "trees").opset == 18  # ONNX's own operators, as a pack asks for


def test_a_photo_is_no_neighbour_of_its_own_nor_of_its_encounter_nor_of_another_side():
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 0, 0]]
    gallery = LabelledPhotos(
        vectors, ("a", "b"), np.array([0, 0, 0, 1]), np.array([0, 0, 1, 2]), ("left", "left", "right", ""), ("zebra",) * 4
    )
    labels = labels_of(gallery)
    who = features_of(gallery, gallery, labels)[:, labels.dimension + 10 : labels.dimension + 20]
    assert [sorted(set(row[row >= 0])) for row in who.tolist() for row in [np.array(row)]] == [[1], [1], [1], [0]]
    assert (who >= 0).sum(axis=1).tolist() == [1, 1, 1, 3]


def test_the_same_seed_gives_the_same_bytes_and_held_out_photos_end_it_early(photos):
    gallery = photos()
    heads = [train_head(gallery, TrainingOptions("boosting", "trees", "Apache-2.0", epochs=ROUNDS)) for _ in range(2)]
    assert heads[0].content == heads[1].content
    report = heads[0].report
    assert report["held_out"]["photos"] == 6
    assert report["held_out"]["accuracy"] >= 0.8  # measured 1.0; by chance 1 of 6
    assert 1 <= report["steps"] <= ROUNDS == len(report["curves"]["held_out"])
    assert heads[0].parity["difference_max"] < 1e-6
