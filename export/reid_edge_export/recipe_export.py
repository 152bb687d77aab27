"""A recipe becomes a pack: every network it names is exported with a parity report, and all of it is written as one verified folder."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import UsageError
from reid_edge.pack import Manifest, NewFile, Pack, write_pack
from reid_edge.recipe import parse_recipe
from reid_edge_export.catalogue import network_named, resolve_parameters
from reid_edge_export.export import ExportedNetwork, check_precision, export_network
from reid_edge_export.precision.calibration import Calibration
from reid_edge_export.sources import weights_in

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_KEYS = ("name", "version", "description", "licence", "networks", "recipe")


def recipe_names() -> list[str]:
    """The recipes that come with the toolchain."""
    return sorted(entry.name.removesuffix(".toml") for entry in files("reid_edge_export").joinpath("recipes").iterdir())


def read_recipe_file(name_or_path: str) -> dict[str, Any]:
    """A recipe by its name, or from a TOML file.

    Raises:
        UsageError: there is none, it is not TOML, or a part is missing or unknown.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml":
        if not path.is_file():
            raise UsageError(f"There is no recipe file {path}.", f"Recipes by name: {', '.join(recipe_names())}.")
        text = path.read_text(encoding="utf-8")
    elif name_or_path in recipe_names():
        text = files("reid_edge_export").joinpath("recipes", f"{name_or_path}.toml").read_text(encoding="utf-8")
    else:
        raise UsageError(
            f"There is no recipe called {name_or_path!r}.", f"Recipes: {', '.join(recipe_names())}, or a .toml file."
        )
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The recipe {name_or_path} is not TOML: {error}.", "Correct the line that it names.") from error
    for key in data:
        if key not in _KEYS:
            raise UsageError(f"The recipe {name_or_path} has the unknown key {key!r}.", f"It may have: {', '.join(_KEYS)}.")
    for key in _KEYS:
        if key not in data:
            raise UsageError(
                f"The recipe {name_or_path} lacks {key!r}.", "See the recipes that come with reid-edge for an example."
            )
    return data


def recipe_precisions(name_or_path: str) -> list[str]:
    """What the networks of a recipe compute in.

    Raises:
        UsageError: see `read_recipe_file`.
    """
    return [options.get("precision", "fp32") for options in read_recipe_file(name_or_path)["networks"].values()]


def export_recipe(
    name_or_path: str,
    out: Path,
    images: Sequence[NDArray[np.uint8]],
    say: Callable[[str], None],
    weights: Path | None = None,
    accept_terms: bool = False,
    calibration: Calibration | None = None,
) -> Pack:
    """Export every network of a recipe and write the pack.

    Args:
        name_or_path: a recipe's name or TOML file.
        out: the pack's folder; replaced as a whole, only once all is verified.
        images: uint8 [H, W, 3] RGB photos for the parity reports.
        say: told what happens, one line at a time.
        weights: a folder with weights to take instead of the catalogue's source, see `sources.weights_in`.
        accept_terms: the user agrees to the terms of the weights that have some.
        calibration: photos for the networks that the recipe asks for in int8.

    Raises:
        UsageError, EngineError: a network cannot be exported or differs from its reference.
        PackError, StorageError: the pack is not sound or cannot be written.
    """
    recipe = read_recipe_file(name_or_path)
    for network, options in recipe["networks"].items():  # before the first of them takes its minutes
        check_precision(network, options.get("precision", "fp32"), options.get("storage", "fp32"), calibration)
    exported = []
    with tempfile.TemporaryDirectory() as folder:
        for network, options in recipe["networks"].items():
            say(f"Exporting {network}")
            file = Path(folder) / f"{network}.onnx"
            # A recipe says how a network computes and is stored and gives its parameters; it cannot agree to terms or ask for
            # random weights.
            parameters = {key: value for key, value in options.items() if key not in ("storage", "precision")}
            resolve_parameters(network_named(network), parameters)
            local = weights_in(weights, network_named(network)) if weights else None
            given: dict[str, Any] = {"weights": local, "accept_terms": accept_terms, **options}
            exported.append(export_network(network, file, images=images, calibration=calibration, say=say, **given))
            say("  " + ", ".join(f"{measure} {value:.6g}" for measure, value in exported[-1].parity.items()))
        manifest = _manifest(recipe, exported)
        parse_recipe(manifest.recipe, manifest)
        files = [NewFile(network.path.name, network.path.read_bytes(), network.licence, network.origin) for network in exported]
        return write_pack(out, manifest, files)


def _manifest(recipe: Mapping[str, Any], exported: Sequence[ExportedNetwork]) -> Manifest:
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
        recipe=recipe["recipe"],
    )
