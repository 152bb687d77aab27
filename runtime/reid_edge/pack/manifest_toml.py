"""The manifest to pack.toml and back: every key checked on the way in, the same text for the same manifest on the way out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal, cast

from reid_edge.errors import PackError
from reid_edge.pack.manifest import Manifest, Network, PackedFile, Precision, Preprocessing, Resize, Task
from reid_edge.pack.members import (
    EXPORT_AGAIN,
    LARGEST_PACK,
    MANIFEST,
    check_collisions,
    check_path,
    check_sizes,
    nearest,
    suffix,
)
from reid_edge.pack.tables import Scalar, Table
from reid_edge.pack.toml_text import toml_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMAT_VERSION = 1
_NETWORK_NAME = r"[a-z0-9][a-z0-9_-]{0,63}"
_PACK_NAME = r"[a-z0-9][a-z0-9-]{0,63}"
_VERSION = r"[A-Za-z0-9][A-Za-z0-9.+-]{0,31}"
_SPDX = r"[A-Za-z0-9][A-Za-z0-9.+() -]*"
_SHA256 = r"[0-9a-f]{64}"
_LONGEST_SIDE = 16384


def parse_manifest(text: str) -> Manifest:
    """The manifest of this TOML text, checked in every key.

    Raises:
        PackError: not TOML, another format version, or a key that is unknown, missing or wrong.
    """
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise PackError(f"{MANIFEST} is not TOML: {error}.", EXPORT_AGAIN) from None
    if type(data.get("format_version")) is not int or data["format_version"] != FORMAT_VERSION:
        raise PackError(
            f"{MANIFEST} has format_version {data.get('format_version')!r}; this reid-edge reads {FORMAT_VERSION}.",
            "Update reid-edge, or export the pack again with this version.",
        )
    top = Table(
        data,
        "",
        required=("format_version", "name", "version", "description", "licence", "networks", "files"),
        optional=("provenance", "parity", "recipe"),
    )
    networks = {name: _network(f"networks.{name}", item) for name, item in _named_tables(top, "networks").items()}
    manifest = Manifest(
        name=top.text("name", _PACK_NAME),
        version=top.text("version", _VERSION),
        description=top.text("description"),
        licence=top.text("licence", _SPDX),
        networks=networks,
        files=tuple(sorted((_file(f"files[{i}]", item) for i, item in enumerate(top.table_list("files"))), key=lambda f: f.path)),
        provenance=top.texts("provenance"),
        parity=_parity(top, networks),
        recipe=top.plain("recipe"),
    )
    _check_whole(manifest)
    return manifest


def write_manifest(manifest: Manifest) -> str:
    """The TOML text of a manifest; equal manifests give equal text. `parse_manifest` reads it back to an equal manifest."""
    document: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "name": manifest.name,
        "version": manifest.version,
        "description": manifest.description,
        "licence": manifest.licence,
        "provenance": _sorted(manifest.provenance),
        "networks": {name: _network_document(network) for name, network in sorted(manifest.networks.items())},
        "recipe": _sorted(manifest.recipe),
        "parity": _sorted(manifest.parity),
        "files": [asdict(file) for file in sorted(manifest.files, key=lambda file: file.path)],
    }
    for key in ("provenance", "recipe", "parity"):
        if not document[key]:
            del document[key]
    return toml_text(document)


def _network_document(network: Network) -> dict[str, Any]:
    document = {key: value for key, value in asdict(network).items() if value not in (None, {})}
    if "parameters" in document:
        document["parameters"] = _sorted(network.parameters)
    return document


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, (list, tuple)) else value


def _named_tables(top: Table, key: str) -> dict[str, dict[str, Any]]:
    tables = top.table(key)
    names = Table(tables, key, required=tables.keys())
    for name in tables:
        Table({"name": name}, f"the name in {key}", required=("name",)).text("name", _NETWORK_NAME)
    return {name: names.table(name) for name in tables}


def _network(where: str, data: dict[str, Any]) -> Network:
    table = Table(
        data,
        where,
        required=("file", "task", "opset", "precision", "storage", "weights"),
        optional=("preprocessing", "parameters"),
    )
    return Network(
        file=check_path(table.text("file")),
        task=cast(Task, table.choice("task", "segmentation", "embedding", "projection", "keypoints", "matching", "head")),
        opset=table.integer("opset", 1, 100),
        precision=cast(Precision, table.choice("precision", "fp32", "fp16", "int8")),
        storage=cast(Precision, table.choice("storage", "fp32", "fp16", "int8")),
        weights=cast(Literal["trained", "random"], table.choice("weights", "trained", "random")),
        preprocessing=_preprocessing(f"{where}.preprocessing", table.table("preprocessing")) if "preprocessing" in data else None,
        parameters=table.scalars("parameters"),
    )


def _preprocessing(where: str, data: dict[str, Any]) -> Preprocessing:
    table = Table(
        data,
        where,
        required=("resize", "width", "height", "colour", "scale", "mean", "std", "interpolation"),
        optional=("multiple",),
    )
    pre = Preprocessing(
        resize=cast(Resize, table.choice("resize", "stretch", "long-side", "letterbox")),
        width=table.integer("width", 1, _LONGEST_SIDE),
        height=table.integer("height", 1, _LONGEST_SIDE),
        multiple=table.integer("multiple", 1, 1024, default=1),
        colour=cast(Literal["rgb", "grey"], table.choice("colour", "rgb", "grey")),
        scale=table.number("scale"),
        mean=table.numbers("mean"),
        std=table.numbers("std"),
        interpolation=cast(Literal["linear", "area", "cubic"], table.choice("interpolation", "linear", "area", "cubic")),
    )
    problem = ""
    if pre.resize == "long-side" and pre.width != pre.height:
        problem = f"resizes to the long side, so width and height must be equal, not {pre.width} and {pre.height}"
    elif pre.resize != "long-side" and pre.multiple != 1:
        problem = "gives an exact size, so it has no use for multiple"
    elif len(pre.mean) != len(pre.std) or len(pre.mean) not in ((1,) if pre.colour == "grey" else (1, 3)):
        problem = f"has {len(pre.mean)} values of mean and {len(pre.std)} of std; both must have one (or, for rgb, three)"
    elif pre.scale <= 0 or min(pre.std) <= 0:
        problem = "must have a scale and a std above 0"
    if problem:
        raise PackError(f"{MANIFEST} {where} {problem}.", EXPORT_AGAIN)
    return pre


def _file(where: str, data: dict[str, Any]) -> PackedFile:
    table = Table(data, where, required=("path", "sha256", "size", "licence", "origin"))
    return PackedFile(
        path=check_path(table.text("path")),
        sha256=table.text("sha256", _SHA256),
        size=table.integer("size", 0, LARGEST_PACK),
        licence=table.text("licence", _SPDX),
        origin=table.text("origin"),
    )


def _parity(top: Table, networks: Mapping[str, Network]) -> dict[str, dict[str, Scalar]]:
    names = Table(top.table("parity"), "parity", required=(), optional=networks.keys())
    return {name: names.scalars(name) for name in top.table("parity")}


def _check_whole(manifest: Manifest) -> None:
    """What only the whole can tell: files listed once, every network's file listed, every ONNX file some network's."""
    paths = [file.path for file in manifest.files]
    check_collisions([MANIFEST, *paths])
    check_sizes({file.path: file.size for file in manifest.files})
    for name, network in manifest.networks.items():
        if suffix(network.file) != ".onnx" or network.file not in paths:
            onnx_files = [path for path in paths if suffix(path) == ".onnx"]
            raise PackError(
                f"{MANIFEST} networks.{name}.file is {network.file!r}, which is not an ONNX file listed in files; "
                f"{nearest(network.file, onnx_files)}.",
                EXPORT_AGAIN,
            )
    used = {network.file for network in manifest.networks.values()}
    for path in paths:
        if suffix(path) == ".onnx" and path not in used:
            raise PackError(f"{path!r} is an ONNX file that no network of {MANIFEST} uses.", EXPORT_AGAIN)
