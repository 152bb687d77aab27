"""`reid-edge pack` as a person uses it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from reid_edge.cli.pack import pack
from reid_edge.errors import PackError
from reid_edge.pack import bundled_packs


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("REID_EDGE_HOME", str(tmp_path / "home"))
    return lambda *arguments: CliRunner().invoke(pack, [str(argument) for argument in arguments])


def test_an_imported_pack_is_listed_shown_and_verified_by_the_name_that_import_prints(run, parts, tmp_path):
    name = run("import", parts().lay(tmp_path / "tiny")).stdout.strip()
    assert f"{name}  1" in run("list").stdout
    assert run("verify", name).stdout.startswith(f"tiny 1 ({name[-12:]}) is valid: 3 files")
    shown = run("show", name).stdout
    for text in ("A pack for tests.", "Apache-2.0", "embedding", "trained", "the tests", "max_difference 1e-06", "tiny.onnx"):
        assert text in shown


def test_show_as_json_is_the_whole_manifest(run, parts, tmp_path):
    made = parts()
    shown = json.loads(run("show", made.lay(tmp_path / "tiny"), "--json").stdout)
    assert shown["networks"]["embedder"]["preprocessing"]["mean"] == [0.5, 0.4, 0.3]
    assert shown["recipe"] == made.manifest.recipe
    assert len(shown["files"]) == 3
    assert len(shown["sha256"]) == 64


def test_a_packs_own_words_are_not_taken_as_markup(run, parts, tmp_path):
    made = parts(parameters={"note": "[red]loud[/red] [/]"})
    made = replace(made, manifest=replace(made.manifest, description="[bold]big[/bold] [/x]"))
    shown = run("show", made.lay(tmp_path / "tiny"))
    assert shown.exit_code == 0
    assert "[bold]big[/bold] [/x]" in shown.stdout
    assert "[red]loud[/red]" in shown.stdout.replace("\n", " ").replace("  ", "")


def test_a_random_pack_is_shown_but_not_verified(run, parts, network, tmp_path):
    directory = parts(network(stamp="random"), weights="random").lay(tmp_path / "tiny")
    assert "random" in run("show", directory).stdout
    assert isinstance(run("verify", directory).exception, PackError)


@pytest.mark.parametrize("command", ["show", "verify", "import"])
def test_a_missing_pack_is_a_pack_error(run, command, tmp_path):
    assert isinstance(run(command, tmp_path / "absent").exception, PackError)


def test_a_damaged_manifest_is_reported_while_the_others_are_listed(run, parts, tmp_path):
    made = parts()
    sound = run("import", made.lay(tmp_path / "a")).stdout.strip()
    damaged = run("import", replace(made, manifest=replace(made.manifest, version="2")).lay(tmp_path / "b")).stdout.strip()
    (tmp_path / "home/packs" / damaged / "pack.toml").write_text("format_version = 1\n")
    listed = run("list")
    assert listed.exit_code == 1
    assert sound in listed.stdout
    assert damaged in listed.stderr


def test_a_device_without_packs_says_how_to_get_one(run):
    listed = run("list")
    assert listed.exit_code == 0
    assert listed.stdout if bundled_packs() else "reid-edge pack import" in listed.stderr
