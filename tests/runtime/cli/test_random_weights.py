"""Packs with random weights are refused unless they are asked for, and then every answer says what it is worth."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import helper

from reid_edge.pack import NewFile, Pack, write_pack

NOTE = "Random weights (lighterglue): this answer means nothing."


@pytest.fixture(scope="session")
def random_pack(field_pack: Pack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled pack, its matching network stamped as random; its features are those of the bundled pack."""
    manifest = field_pack.manifest
    name = next(name for name, network in manifest.networks.items() if network.task == "matching")
    network = manifest.networks[name]
    model = onnx.load_from_string(field_pack.read_bytes(network.file))
    kept = {each.key: each.value for each in model.metadata_props}
    helper.set_model_props(model, {**kept, "weights": "random"})
    networks = {**manifest.networks, name: replace(network, weights="random", gpu_file=None)}
    files = [
        NewFile(
            each.path,
            model.SerializeToString() if each.path == network.file else field_pack.read_bytes(each.path),
            each.licence,
            each.origin,
        )
        for each in manifest.files
        if each.path != network.gpu_file
    ]
    folder = tmp_path_factory.mktemp("random") / "pack"
    write_pack(folder, replace(manifest, networks=networks), files, allow_random=True)
    return folder


@pytest.mark.parametrize("command", [("identify", "PHOTO"), ("gallery", "add", "PHOTO", "--identity", "Asha")])
def test_a_pack_with_random_weights_is_refused_and_the_option_that_accepts_it_named(
    command: tuple[str, ...],
    random_pack: Path,
    own_gallery: Path,
    samples: Path,
    run_main: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    photo = str(samples / "photos" / "trail_1.jpg")
    arguments = [photo if each == "PHOTO" else each for each in command]
    refused = run_main(*arguments, "--gallery", own_gallery, "--pack", random_pack, "--device", "cpu")
    assert refused.returncode == 3
    assert "--allow-random" in refused.stderr


@pytest.mark.parametrize("style", ["text", "--json", "--csv"])
def test_answers_by_random_weights_say_so_in_every_form(
    style: str,
    random_pack: Path,
    own_gallery: Path,
    samples: Path,
    run_main: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    styles = [] if style == "text" else [style]
    report = tmp_path / "report.html"
    options = ["--gallery", own_gallery, "--pack", random_pack, "--device", "cpu", "--allow-random", "--explain", report]
    answered = run_main("identify", samples / "photos" / "trail_1.jpg", *options, *styles)
    assert answered.returncode == 0, answered.stderr
    assert NOTE in report.read_text(encoding="utf-8")
    if style == "--json":
        answer = json.loads(answered.stdout)
        assert answer["pack"]["random_weights"] is True
        assert answer["warnings"][0] == NOTE
    elif style == "--csv":
        (row,) = csv.DictReader(io.StringIO(answered.stdout))
        assert row["notes"].startswith(NOTE)
    else:
        assert f"note: {NOTE}" in answered.stdout


def test_photos_are_enrolled_with_random_weights_that_were_accepted(
    random_pack: Path, own_gallery: Path, samples: Path, run_main: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    options = ["--gallery", own_gallery, "--pack", random_pack, "--device", "cpu", "--allow-random"]
    added = run_main("gallery", "add", samples / "photos" / "trail_1.jpg", "--identity", "Asha", *options)
    assert added.returncode == 0, added.stderr
