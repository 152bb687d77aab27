"""bench discovery: a model is fitted on labelled photos, and groups are counted against the truth."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import adjusted_rand_score

from reid_edge.discover.constraints import Constraints
from reid_edge.discover.pair_model import DiscoveryModel
from reid_edge_benchmarks.cli import bench
from reid_edge_benchmarks.discovery.counting import figures_of, purity
from reid_edge_benchmarks.discovery.methods import BUILT_IN, Pairs, methods
from reid_edge_benchmarks.discovery.plots import plot_discovery

TRUTH = np.array(["a", "a", "a", "b", "b", "c"])


def test_groups_that_are_the_individuals_are_perfect() -> None:
    figures = figures_of(np.array([5, 5, 5, 1, 1, 0]), TRUTH)
    for measure in ("ari", "ami", "precision", "recall", "purity"):
        assert figures[measure] == pytest.approx([1, 1, 1])
    assert (figures["found"], figures["individuals"], figures["photos"]) == (3, 3, 6)


def test_one_group_of_all_has_full_recall_and_the_precision_of_chance() -> None:
    figures = figures_of(np.zeros(6, np.int64), TRUTH)
    assert figures["recall"][0] == 1
    assert figures["precision"][0] == pytest.approx(4 / 15)
    assert figures["purity"][0] == 0.5
    assert figures["ari"][0] == pytest.approx(0)


def test_photos_alone_are_pure() -> None:
    assert purity(np.arange(6), TRUTH) == 1


def test_a_model_is_fitted_and_measured(few_samples: Path, tmp_path: Path) -> None:
    table = re.sub("(spotted|striped|blotched) sample animal", "sample animal", few_samples.read_text("utf-8")).splitlines()
    labels = tmp_path / "metadata.csv"
    labels.write_text("\n".join([f"{table[0]},fold", *(f"{line},f" for line in table[1:])]) + "\n", "utf-8")
    model, results = tmp_path / "model.json", tmp_path / "discovery.json"
    arguments = [str(labels), "--fold", "f", "--fit-fold", "f", "--fit", str(model), "--json", str(results), "--methods"]
    done = CliRunner().invoke(
        bench, ["discovery", *arguments, "--device", "cpu", "--keep", str(tmp_path)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    assert DiscoveryModel.read(model.read_text("utf-8")).weights["distinctive"] > 0
    (measured,) = json.loads(results.read_text("utf-8"))["sets"].values()
    assert measured["nobody known"]["photos"] == 9
    assert measured["all known"]["photos"] < 9
    assert measured["questions"]["course"][0][0] == 0
    tried = json.loads(results.read_text("utf-8"))["methods"]
    assert all(one["difference"] == [0, 0, 0] for one in tried[BUILT_IN]["sets"].values())
    assert max(one["mean"] for one in tried.values()) > 0.5
    assert plot_discovery(json.loads(results.read_text("utf-8")), tmp_path)[0].stat().st_size > 1000
    assert "| nobody known |" in " ".join(done.output.split())


def test_all_methods_find_what_is_clear_and_hold_what_is_certain() -> None:
    truth = np.array(["a"] * 4 + ["b"] * 4 + ["c"])
    log_odds = np.where(truth[:, None] == truth, 6, -6).astype(np.float32)
    log_odds[3, 4] = log_odds[4, 3] = 9  # one false edge
    different = np.zeros(log_odds.shape, bool)
    different[3, 4] = different[4, 3] = True
    pairs = Pairs("clear", log_odds, Constraints(((0, 1),), different, ~np.eye(9, dtype=bool)), truth)
    for name, (method, numbers) in methods().items():
        best = max(float(adjusted_rand_score(truth, method(pairs, float(number)))) for number in numbers)
        assert best > 0.5, name


def test_a_model_cannot_be_written_without_photos_to_fit_on(few_samples: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(bench, ["discovery", str(few_samples), "--fit", str(tmp_path / "model.json")])
    assert "needs photos to fit on" in str(done.exception)
