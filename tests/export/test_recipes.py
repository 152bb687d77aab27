"""The recipes that come with the toolchain, and what `reid-edge recipe` says of them."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result

from reid_edge.recipe import Agree, Gate
from reid_edge_export.recipe_check import check_recipe
from reid_edge_export.recipe_cli import recipe as command
from reid_edge_export.recipe_file import read_recipe_file, read_recipe_text, recipe_names
from reid_edge_export.toml_lines import key_lines
from reid_edge_export.untrained import without_heads

PERMISSIVE = {"Apache-2.0", "BSD-3-Clause", "MIT"}
SYSTEMS = ("hybrid", "wildfusion-cascade", "global-local-semantic", "classifier-fusion", "arcface-lightglue")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_sound_with_its_heads_and_without(name: str) -> None:
    checked = check_recipe(name)
    assert set(checked.heads) <= set(checked.recipe.networks)
    assert not set(checked.heads) & set(checked.untrained.networks)
    assert set(checked.untrained.networks) == set(checked.networks)
    assert checked.data["name"] == name.replace("@", "-")


def test_the_five_systems_are_there_each_with_a_variant_that_anybody_may_use() -> None:
    assert {*SYSTEMS, *(f"{name}@open" for name in SYSTEMS), "field", "station"} <= set(recipe_names())


@pytest.mark.parametrize("name", ["field", "station", *(name for name in recipe_names() if name.endswith("@open"))])
def test_default_and_open_recipes_use_weights_that_anybody_may_use(name: str) -> None:
    for named in check_recipe(name).networks.values():
        assert not named.network.terms
        assert named.network.licence in PERMISSIVE


@pytest.mark.parametrize("name", ["field", "station", "global-local-semantic@open", "classifier-fusion@open"])
def test_what_is_said_to_be_in_packages_is(name: str) -> None:
    for named in check_recipe(name).networks.values():
        assert named.network.source.address.startswith("pypi:")


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_value_of_a_system_stands_beside_its_source(name: str) -> None:
    """Parameters that a reader could doubt have a comment in their line or in the comment above their table."""
    lines = read_recipe_text(name).splitlines()
    wanted = ("candidates", "crop", "k1", "k2", "turn", "threshold", "margin", "min_area", "min_contrast", "size")
    for path, line in key_lines(read_recipe_text(name)).items():
        if path[0] == "recipe" and str(path[-1]).startswith(wanted):
            above = next(i for i in range(line - 1, -1, -1) if not lines[i].strip())
            assert any("#" in each for each in lines[above:line]), f"{name} line {line}: {lines[line - 1]}"


def test_hybrid_compares_two_embedders_and_fourteen_pairs_of_extractor_and_matcher() -> None:
    checked = check_recipe("hybrid")
    assert len(checked.recipe.embed) == 2
    assert len(checked.recipe.match) == 14
    assert {(n.parameters["keypoints"], n.parameters["size"]) for n in checked.networks.values() if n.network.name == "disk"} == {
        (512, 512),
        (1024, 512),
        (1024, 1024),
    }
    assert {score for group in checked.recipe.fuse[0].groups for score in group.scores} == set(checked.recipe.score_names)


def test_before_its_heads_are_trained_the_cascade_is_wildfusion_and_its_dual_backbones() -> None:
    checked = check_recipe("wildfusion-cascade")
    sources = [step.source for step in checked.untrained.step if isinstance(step, Gate)]
    assert "xgboost" in checked.recipe.score_names
    assert "xgboost" not in checked.untrained.score_names
    assert sources == [step.source for step in checked.recipe.step if step.source != "xgboost"]
    assert checked.untrained.fuse == checked.recipe.fuse


def test_before_its_classifier_is_trained_only_the_wildfusions_agree() -> None:
    checked = check_recipe("classifier-fusion")
    agreed = [step.source for step in checked.untrained.step if isinstance(step, Agree)]
    assert agreed == ["wildfusion-2"]


def test_what_listens_to_a_head_goes_with_it_and_an_embedder_stays_without_its_projection() -> None:
    recipe = {
        "embed": [{"name": "a", "network": "x", "projection": "p"}, {"name": "b", "network": "y"}],
        "concatenate": [{"name": "ab", "of": ["a", "b"], "projection": "q"}, {"name": "abb", "of": ["ab", "b"]}],
        "rerank": [{"name": "r", "embedding": "abb"}],
        "head": [{"name": "h", "network": "n", "embedding": "b"}, {"name": "i", "network": "m", "embedding": "ab"}],
        "fuse": [
            {"name": "f", "groups": [{"scores": ["r", "b"], "weight": 1.0}, {"scores": ["h"], "weight": 1.0}]},
            {"name": "g", "groups": [{"scores": ["i"], "weight": 1.0}]},
        ],
        "step": [{"source": "g"}, {"source": "f"}, {"source": "h"}],
    }
    assert without_heads(recipe, ["q"]) == {
        "embed": recipe["embed"],
        "head": [recipe["head"][0]],
        "fuse": [{"name": "f", "groups": [{"scores": ["b"], "weight": 1.0}, {"scores": ["h"], "weight": 1.0}]}],
        "step": [{"source": "f"}, {"source": "h"}],
    }
    assert without_heads(recipe, ["p"])["embed"][0] == {"name": "a", "network": "x"}
    assert without_heads(recipe, []) == recipe


def test_list_names_licences_and_where_weights_come_from() -> None:
    done = run("list")
    assert done.exit_code == 0, done.output
    for name in recipe_names():
        assert f"{name}  " in done.stdout
    assert "superpoint-1024 (superpoint): LicenseRef-SuperPoint-noncommercial, needs --accept-terms" in done.stdout
    assert "yolo11m-seg: AGPL-3.0, needs --accept-terms; weights to be downloaded by you" in done.stdout
    assert "dual-backbone: projection, to be trained on your animals" in done.stdout


def test_show_prints_the_file_and_resolved_every_value() -> None:
    assert run("show", "hybrid").stdout == read_recipe_text("hybrid")
    resolved = run("show", "field", "--resolved").stdout
    assert '[networks.efficientnet-lite0]\nnetwork = "efficientnet-lite0"\nstorage = "fp16"\nprecision = "fp32"' in resolved
    assert 'pool = "mean"' in resolved
    assert "#" not in resolved


def test_check_says_what_has_to_be_trained() -> None:
    done = run("check", "--all")
    assert done.exit_code == 0, done.output
    assert done.stdout.count(" is valid: ") == len(recipe_names())
    assert "to be trained after the export: xgboost, dual-backbone." in done.stdout


def test_check_goes_on_after_a_wrong_recipe(tmp_path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(read_recipe_text("field").replace("threshold", "treshold", 1).replace("margin = 0.06", "margin = 6"))
    done = run("check", str(path), "field")
    assert done.exit_code == 2
    assert "field is valid" in done.stdout
    assert "recipe.segment.treshold is an unknown key" in done.stderr
    assert "recipe.segment.margin must be a finite number from 0 to 1, not 6" in done.stderr


@pytest.mark.parametrize("arguments", [["check"], ["check", "field", "--all"]])
def test_check_wants_names_or_all(arguments: list[str]) -> None:
    assert run(*arguments).exit_code


def test_a_user_reads_a_recipe_from_a_file(tmp_path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(read_recipe_text("field"))
    assert read_recipe_file(str(path)) == read_recipe_file("field")
    assert check_recipe(str(path)).recipe == check_recipe("field").recipe


def test_what_an_account_does_for_one_species_is_done_for_it_alone() -> None:
    hybrid, cascade = check_recipe("hybrid").recipe, check_recipe("wildfusion-cascade").recipe
    assert hybrid.segment is not None
    assert hybrid.segment.species == ("salamander",)
    assert {each.name: each.species for each in cascade.embed if each.species} == {
        "dual-backbone-lynx": ("lynx",),
        "dual-backbone-salamander": ("salamander",),
        "dual-backbone-turtle": ("loggerhead turtle",),
    }


def test_each_retrieval_of_the_cascade_is_that_of_its_account() -> None:
    recipe = check_recipe("wildfusion-cascade").recipe
    found = {each.embedding: each.candidates for each in (recipe.retrieve, *recipe.retrieve_also)}
    assert found == {
        "megadescriptor": 300,
        "both": 10,
        "dual-backbone-lynx": 50,
        "dual-backbone-salamander": 50,
        "dual-backbone-turtle": 50,
    }
    assert {match.best for match in recipe.match} == {300}


@pytest.mark.parametrize("name", [*SYSTEMS, *(f"{name}@open" for name in SYSTEMS)])
def test_the_systems_compare_with_photos_of_every_side(name: str) -> None:
    assert check_recipe(name).recipe.retrieve.any_view


def test_the_systems_are_calibrated_as_their_accounts_say() -> None:
    assert check_recipe("classifier-fusion").recipe.calibrations == ("second",)
    semantic = check_recipe("global-local-semantic").recipe
    assert semantic.fuse[0].grid == (0.3, 0.4, 0.5, 0.6)
    assert semantic.decide is not None
    assert semantic.decide.pairs == 1000
    assert {match.count for match in check_recipe("hybrid").recipe.match} == {"sum"}
    assert {step.fit for step in check_recipe("wildfusion-cascade@open").recipe.step[1:]} == {"geomean"}


def test_ablations_of_the_accounts_are_recipes_too() -> None:
    ablations = ("sam", "loftr", "dinov2", "late-fusion", "fusion-mlp")
    assert {*(f"global-local-semantic@{each}" for each in ablations), "arcface-lightglue@resnet50"} <= set(recipe_names())
    assert check_recipe("global-local-semantic@fusion-mlp").recipe.fuse[0].fit == "network"


def test_a_further_retrieval_by_vectors_of_a_head_waits_for_the_head() -> None:
    checked = check_recipe("wildfusion-cascade@open")
    assert [each.embedding for each in checked.recipe.retrieve_also] == ["both", "dual-backbone"]
    assert [each.embedding for each in checked.untrained.retrieve_also] == ["both"]
    assert checked.untrained.retrieve == checked.recipe.retrieve
