"""`bench systems full-size`: from export to an answer by the command line, with random weights where others cannot be had."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from reid_edge.identify.identifier import Identifier
from reid_edge.recipe import Decide, Fuse, Group, Rerank
from reid_edge_benchmarks.cli import bench
from reid_edge_benchmarks.commands import measured_command
from reid_edge_benchmarks.systems.full_size import made_up_scores
from reid_edge_calibration.fit import fit_calibration

RECIPE = """
name = "tiny"
version = "1"
description = "One embedder and SIFT."
licence = "BSD-3-Clause"

[networks.tiny]
network = "torch:tiny_network:make"
size = 32
dimension = 8
licence = "BSD-3-Clause"

[[recipe.embed]]
name = "tiny"
network = "tiny"

[recipe.retrieve]
embedding = "tiny"
candidates = 4

[[recipe.extract]]
name = "sift"
detector = "sift"
keypoints = 64
size = 128
mask = false
mask_margin = 0.0

[[recipe.match]]
name = "nearest"
keypoints = "sift"
matcher = "mutual-nearest"
min_score = 0.8

[[recipe.rerank]]
name = "shared"
fusion = "mean"
k1 = 3
k2 = 2
species = ["lynx"]

[[recipe.fuse]]
name = "mean"
groups = [{ scores = ["tiny", "nearest"], weight = 1.0 }]

[recipe.decide]
"""
NETWORK = """
import torch
from torch import nn
def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 8))
"""


def test_every_command_from_export_to_identify_is_run_and_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tiny.toml").write_text(RECIPE, "utf-8")
    (tmp_path / "tiny_network.py").write_text(NETWORK, "utf-8")
    monkeypatch.chdir(tmp_path)
    figures = tmp_path / "full-size-tiny.json"
    arguments = ["systems", "full-size", "tiny.toml", "--species", "lynx", "--json", str(figures), "--keep", "kept"]
    result = CliRunner().invoke(bench, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = json.loads(figures.read_text("utf-8"))
    assert [step["step"] for step in found["steps"]] == ["export", "gallery add", "gallery pairs", "identify"]
    assert all(step["seconds"] > 0 and step["memory"] > 10_000_000 for step in found["steps"])
    assert found["answer"]["verdict"] in ("known", "new", "ask")
    assert found["pack"] > 1000
    assert (tmp_path / "kept" / "pack" / "pack.toml").is_file()


def test_a_folder_with_files_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x", "utf-8")
    result = CliRunner().invoke(bench, ["systems", "full-size", "field", "--json", "x.json", "--keep", str(tmp_path)])
    assert "is not empty" in str(result.exception)


def test_made_up_scores_fit_a_calibration_of_a_system_whose_stages_are_for_some_species(identifier: Identifier) -> None:
    (embed,), first = identifier.recipe.embed, identifier.recipe.match[0]
    recipe = replace(
        identifier.recipe,
        embed=(embed, replace(embed, name="cats", species=("tiger",))),
        match=(first,),
        rerank=(Rerank("shared", 3, 2, fusion="all"),),
        fuse=(Fuse("all", (Group((embed.name, first.name), 1.0),)),),
        decide=Decide(None),
    )
    table = made_up_scores(recipe, "lynx")
    gone = {name for name, column in zip(table.score_names, table.raw.T, strict=True) if np.isnan(column).all()}
    assert gone == {"cats", "shared"}
    model = fit_calibration([table], 0, None, recipe)
    assert model.scores == recipe.score_names
    assert "lynx" in model.species


def test_a_command_is_measured_by_its_own_process() -> None:
    done = measured_command(["--version"])
    assert done.output.startswith("reid-edge")
    assert 5_000_000 < done.memory < 1_000_000_000
    assert done.seconds > 0
