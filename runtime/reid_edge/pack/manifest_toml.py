"""The manifest to pack.toml and back: every key checked on the way in, the same text for the same manifest on the way out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reid_edge.errors import PackError
from reid_edge.pack.manifest import Manifest
from reid_edge.pack.members import EXPORT_AGAIN, MANIFEST, check_collisions, check_sizes, suffix
from reid_edge.pack.toml_text import toml_text
from reid_edge.plain_data import InvalidValue, decode, encode
from reid_edge.suggestions import nearest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMAT_VERSION = 1


def parse_manifest(text: str) -> Manifest:
    """The manifest of this TOML text, checked in every key.

    Raises:
        PackError: not TOML, another format version, or a key that is unknown, missing or wrong.
    """
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise PackError(f"{MANIFEST} is not TOML: {error}.", EXPORT_AGAIN) from None
    version = data.pop("format_version", None)
    if type(version) is not int or version != FORMAT_VERSION:
        raise PackError(
            f"{MANIFEST} has format_version {version!r}; this reid-edge reads {FORMAT_VERSION}.",
            "Update reid-edge, or export the pack again with this version.",
        )
    try:
        manifest = decode(Manifest, data)
    except InvalidValue as error:
        raise PackError(f"{MANIFEST} {error}.", error.hint or EXPORT_AGAIN) from None
    manifest = replace(manifest, files=tuple(sorted(manifest.files, key=lambda file: file.path)))
    _check_whole(manifest)
    return manifest


def write_manifest(manifest: Manifest) -> str:
    """The TOML text of a manifest; equal manifests give equal text. `parse_manifest` reads it back to an equal manifest."""
    data = encode(manifest)
    document: dict[str, Any] = {"format_version": FORMAT_VERSION}
    document |= {key: data[key] for key in ("name", "version", "description", "licence")}
    document |= {key: _sorted(data[key]) for key in ("provenance",) if data[key]}
    document["networks"] = {name: _network_document(network) for name, network in sorted(data["networks"].items())}
    document |= {key: _sorted(data[key]) for key in ("recipe", "parity") if data[key]}
    document["files"] = sorted(data["files"], key=lambda file: file["path"])
    return toml_text(document)


def _network_document(network: dict[str, Any]) -> dict[str, Any]:
    present = {key: value for key, value in network.items() if value not in (None, {})}
    return {key: _sorted(value) if key == "parameters" else value for key, value in present.items()}


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, (list, tuple)) else value


def _check_whole(manifest: Manifest) -> None:
    """What only the whole can tell: files listed once, every network's file listed, every ONNX file some network's."""
    for name in manifest.parity:
        if name not in manifest.networks:
            raise PackError(
                f"{MANIFEST} parity.{name} is an unknown key; {nearest(name, manifest.networks)}.", "Correct or remove the key."
            )
    paths = [file.path for file in manifest.files]
    check_collisions([MANIFEST, *paths])
    check_sizes({file.path: file.size for file in manifest.files})
    for name, network in manifest.networks.items():
        for key, file in zip(("file", "gpu_file"), network.files, strict=False):
            if suffix(file) != ".onnx" or file not in paths:
                onnx_files = [path for path in paths if suffix(path) == ".onnx"]
                raise PackError(
                    f"{MANIFEST} networks.{name}.{key} is {file!r}, which is not an ONNX file listed in files; "
                    f"{nearest(file, onnx_files)}.",
                    EXPORT_AGAIN,
                )
    used = {file for network in manifest.networks.values() for file in network.files}
    for path in paths:
        if suffix(path) == ".onnx" and path not in used:
            raise PackError(f"{path!r} is an ONNX file that no network of {MANIFEST} uses.", EXPORT_AGAIN)
