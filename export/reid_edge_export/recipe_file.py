"""Recipe files (TOML): the networks to export, the heads to train, and the stages that the runtime runs with them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from reid_edge.errors import UsageError, raise_together
from reid_edge_export.catalogue import Network, is_own, network_named, resolve_parameters
from reid_edge_export.catalogue.own import Row, own_network
from reid_edge_export.precision import precision_named
from reid_edge_export.toml_lines import key_lines, line_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_Read = TypeVar("_Read")

HeadKind = Literal["classifier", "boosting", "projection"]

FILE_KEYS: tuple[Row, ...] = (
    ("name", "lower-case letters, digits, `-`", "required", "the pack's name."),
    ("version", "text", "required", "the pack's version."),
    ("description", "text", "required", "one sentence for `reid-edge pack list`."),
    ("licence", "SPDX expression", "required", "of the pack; it names the licence of every network's weights."),
    ("networks", "tables", "required", "`[networks.NAME]`, see there."),
    ("recipe", "tables", "required", "the stages, see there."),
    ("heads", "tables", "none", "`[heads.NAME]`, see there."),
)
NETWORK_KEYS: tuple[Row, ...] = (
    ("network", "name of a network", "NAME", "which one; with it, one network can be used twice with other parameters."),
    (
        "storage",
        '`"fp32"`, `"fp16"`',
        "fp32",
        'how the weights of `precision = "fp32"` are stored; they compute in single precision.',
    ),
    ("precision", "see `reid-edge export --precision`", "fp32", "how it computes."),
    ("gpu_precision", '`"fp16"`', "none", "a second file in half precision, for NVIDIA GPUs alone."),
)
HEAD_KEYS: tuple[Row, ...] = (
    (
        "kind",
        '`"classifier"`, `"boosting"`, `"projection"`',
        "required",
        "a classifier and boosting name individuals; a projection makes a vector of a vector.",
    ),
    ("input_dimension", "whole number", "that of the vectors it is given", "width of the vectors that it takes."),
    ("dimension", "whole number", "required of a projection", "width of the vectors that a projection makes."),
    ("training", "table", "none", "`[heads.NAME.training]`, see there."),
)
TRAINING_KEYS: tuple[Row, ...] = (
    ("epochs", "whole number", "chosen by the command", "passes over the photos, or rounds of boosting, at most."),
    ("scale", "number above 0", "chosen by the command", "s of ArcFace; of a projection."),
    ("margin", "number above 0", "chosen by the command", "m of ArcFace, in radians; of a projection."),
)

TRAINING = tuple(row[0] for row in TRAINING_KEYS)
"""The numbers that a head's table `training` may give."""

_KEYS = tuple(row[0] for row in FILE_KEYS)
_REQUIRED = tuple(row[0] for row in FILE_KEYS if row[2] == "required")
_HEAD_KINDS = ("classifier", "boosting", "projection")
_HEAD_KEYS = tuple(row[0] for row in HEAD_KEYS)
_STORAGES = ("fp32", "fp16")
_OWN_KEYS = tuple(row[0] for row in NETWORK_KEYS)


@dataclass(frozen=True)
class NamedNetwork:
    """A network of a recipe: one of the catalogue with parameters of its own.

    Attributes:
        name: in the recipe and in the pack.
        network: of the catalogue.
        parameters: the network's, resolved.
        storage: how the weights of fp32 are stored.
        precision: how it computes.
        gpu_precision: how it computes on NVIDIA GPUs; None where as everywhere.
        given: the parameters as the recipe writes them.
    """

    name: str
    network: Network
    parameters: Mapping[str, Any]
    storage: str
    precision: str
    gpu_precision: str | None = None
    given: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HeadToTrain:
    """A network that is trained on the user's own animals, after the export.

    Attributes:
        name: in the recipe and in the pack.
        kind: `classifier` or `boosting`, which name individuals; or `projection`, which makes a vector of a vector.
        input_dimension: width of the vectors that it takes; None where it is that of the vectors that it is given.
        dimension: width of the vectors that a projection makes; None for the others.
        training: how it is trained, the numbers of `TRAINING`.
    """

    name: str
    kind: HeadKind
    input_dimension: int | None
    dimension: int | None
    training: Mapping[str, Any]


def recipe_names() -> list[str]:
    """The recipes that come with the toolchain."""
    return sorted(entry.name.removesuffix(".toml") for entry in files("reid_edge_export").joinpath("recipes").iterdir())


def read_recipe_text(name_or_path: str) -> str:
    """The TOML text of a recipe by its name, or of a file.

    Raises:
        UsageError: there is none, or it cannot be read.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml":
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise UsageError(f"There is no recipe file {path}.", f"Recipes by name: {', '.join(recipe_names())}.") from error
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"The recipe {path} cannot be read ({error}).", "Give a TOML file in UTF-8.") from error
    if name_or_path not in recipe_names():
        raise UsageError(
            f"There is no recipe called {name_or_path!r}.", f"Recipes: {', '.join(recipe_names())}, or a .toml file."
        )
    return files("reid_edge_export").joinpath("recipes").joinpath(f"{name_or_path}.toml").read_text(encoding="utf-8")


def read_recipe_file(name_or_path: str) -> dict[str, Any]:
    """A recipe by its name, or from a TOML file.

    Raises:
        UsageError: there is none, it is not TOML, or a part is missing or unknown.
    """
    return parse_recipe_text(read_recipe_text(name_or_path), name_or_path)


def parse_recipe_text(text: str, title: str) -> dict[str, Any]:
    """The data of a recipe's TOML text; `title` is what errors call it.

    Raises:
        UsageError: it is not TOML, or a part is missing or unknown; the first one, with the others as `further`.
    """
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"The recipe {title} is not TOML: {error}.", "Correct the line that it names.") from error
    wrong = list(_wrong_parts(data, text, title))
    if wrong:
        wrong[0].further = tuple(wrong[1:])
        raise wrong[0]
    return data


def _wrong_parts(data: Mapping[str, Any], text: str, title: str) -> Iterator[UsageError]:
    for key in data:
        if key not in _KEYS:
            line = line_of((key,), key_lines(text))
            yield UsageError(f"{title} line {line}: {key!r} is an unknown key.", f"A recipe may have: {', '.join(_KEYS)}.")
    for key in _REQUIRED:
        if key not in data:
            yield UsageError(f"The recipe {title} lacks {key!r}.", "See the recipes that come with reid-edge for an example.")
    for key in ("networks", "recipe", "heads"):
        tables = data.get(key, {})
        if not isinstance(tables, dict) or not (key == "recipe" or all(isinstance(each, dict) for each in tables.values())):
            line = line_of((key,), key_lines(text))
            header = f"[{key}]" if key == "recipe" else f"[{key}.NAME]"
            yield UsageError(f"{title} line {line}: {key} must be a table.", f"Write {header}.")


def networks_of(data: Mapping[str, Any]) -> dict[str, NamedNetwork]:
    """The networks of a recipe by their names in it; errors begin with the dotted name of the key.

    A table [networks.NAME] is the catalogue's network of that name, or the one that its key `network` names; `storage` and `precision` say
    how it is stored and computes, `gpu_precision = "fp16"` adds a file for NVIDIA GPUs, every other key is a parameter of the network.

    Raises:
        UsageError: the catalogue has no such network, or a parameter, storage or precision is not to be had.
    """
    return _each(_network, data["networks"])


def _network(name: str, options: Mapping[str, Any]) -> NamedNetwork:
    where = f"networks.{name}"
    known = str(options.get("network", name))
    parameters = {key: value for key, value in options.items() if key not in _OWN_KEYS}
    try:
        network = own_network(known, parameters) if is_own(known) else network_named(known)
    except UsageError as error:
        key = f"{where}.network" if "network" in options else where
        raise UsageError(f"{key}: {error.message}", error.hint) from error
    if not is_own(known):
        raise_together(partial(_check_parameter, f"{where}.{key}", network, key, value) for key, value in parameters.items())
    storage, precision = options.get("storage", "fp32"), options.get("precision", "fp32")
    if storage not in _STORAGES:
        raise UsageError(f"{where}.storage is {storage!r}.", f"Choose one of {', '.join(_STORAGES)}.")
    try:
        precision_named(precision)
    except UsageError as error:
        raise UsageError(f"{where}.precision: {error.message}", error.hint) from error
    gpu_precision = options.get("gpu_precision")
    if gpu_precision not in (None, "fp16") or (gpu_precision and precision != "fp32"):
        raise UsageError(f"{where}.gpu_precision is {gpu_precision!r}.", 'It may be "fp16", beside the precision fp32.')
    resolved = dict(network.parameters) if is_own(known) else resolve_parameters(network, parameters)
    return NamedNetwork(name, network, resolved, storage, precision, gpu_precision, parameters)


def _check_parameter(where: str, network: Network, key: str, value: Any) -> None:
    try:
        resolve_parameters(network, {key: value})
    except UsageError as error:
        raise UsageError(f"{where}: {error.message}", error.hint) from error


def heads_of(data: Mapping[str, Any]) -> dict[str, HeadToTrain]:
    """The heads that a recipe wants trained, by name; errors begin with the dotted name of the key.

    Raises:
        UsageError: an unknown key or kind, a width that is none, or a name that a network has already.
    """
    return _each(partial(_head, networks=data["networks"]), data.get("heads", {}))


def _each(read: Callable[[str, Mapping[str, Any]], _Read], tables: Mapping[str, Mapping[str, Any]]) -> dict[str, _Read]:
    """What each table is read as; the errors of all of them together."""
    found: dict[str, _Read] = {}
    raise_together(lambda name=name: found.update({name: read(name, tables[name])}) for name in tables)
    return found


def _head(name: str, table: Mapping[str, Any], networks: Mapping[str, Any]) -> HeadToTrain:
    where = f"heads.{name}"
    if name in networks:
        raise UsageError(f"{where}: a network is called {name!r} already.", "Name one of them differently.")
    for key in table:
        if key not in _HEAD_KEYS:
            raise UsageError(f"{where}.{key} is an unknown key.", f"It may have: {', '.join(_HEAD_KEYS)}.")
    kind = table.get("kind")
    if kind not in _HEAD_KINDS:
        raise UsageError(f"{where}.kind is {kind!r}.", f"Choose one of {', '.join(_HEAD_KINDS)}.")
    widths = {key: table.get(key) for key in ("input_dimension", "dimension")}
    for key, width in widths.items():
        if width is not None and (type(width) is not int or width <= 0):
            raise UsageError(f"{where}.{key} is {width!r}.", "Give a positive whole number.")
    if (kind == "projection") != (widths["dimension"] is not None):
        needs = "needs a" if kind == "projection" else "takes no"
        raise UsageError(f"{where}: a {kind} {needs} dimension.", "It is the width of the vectors that a projection makes.")
    training = table.get("training", {})
    if not isinstance(training, dict):
        raise UsageError(f"{where}.training must be a table.", f"Write [{where}.training].")
    for key, value in training.items():
        if key not in TRAINING:
            raise UsageError(f"{where}.training.{key} is an unknown key.", f"It may have: {', '.join(TRAINING)}.")
        if isinstance(value, bool) or not isinstance(value, int if key == "epochs" else (int, float)) or value <= 0:
            kind_of_number = "whole number" if key == "epochs" else "number"
            raise UsageError(f"{where}.training.{key} is {value!r}.", f"Give a {kind_of_number} above 0.")
    return HeadToTrain(name, cast(HeadKind, kind), widths["input_dimension"], widths["dimension"], training)
