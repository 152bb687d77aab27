"""Opening a pack: everything in it is verified before anything of it is returned."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reid_edge.errors import PackError
from reid_edge.pack.container import Container, open_container
from reid_edge.pack.manifest import Manifest, Network, PackedFile
from reid_edge.pack.manifest_toml import parse_manifest
from reid_edge.pack.members import EXPORT_AGAIN, MANIFEST, suffix
from reid_edge.pack.onnx_file import read_onnx
from reid_edge.suggestions import nearest


@dataclass(frozen=True)
class Pack:
    """A verified pack.

    Attributes:
        manifest: what pack.toml says.
        sha256: of pack.toml's bytes, hex. It lists the hash of every file, so it is the identity of the whole pack.
        source: the directory or zip it was opened from.
    """

    manifest: Manifest
    sha256: str
    source: Path

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The pack's recipe as plain nested data."""
        return self.manifest.recipe

    def read_bytes(self, path: str) -> bytes:
        """The bytes of one file, hashed again as they are read.

        Raises:
            PackError: the pack has no such file, or it has changed since the pack was opened.
        """
        wanted = self.sha256 if path == MANIFEST else self.manifest.file(path).sha256
        with _opened(self.source) as container:
            if path not in container.sizes:
                raise PackError(f"{path!r} is missing.", EXPORT_AGAIN)
            content = container.read(path)
            if hashlib.sha256(content).hexdigest() != wanted:
                raise PackError(f"{path!r} has changed since the pack was opened.", "Open the pack again.")
        return content

    def read_json(self, path: str) -> Any:
        """The data of one JSON file; errors as `read_bytes`."""
        return _strict_json(self.read_bytes(path), path)

    def feature_key(self, networks: Iterable[str], settings: Mapping[str, Any]) -> str:
        """What stored gallery features are tied to: a hex sha256 over all that can change them, and nothing else.

        A recalibrated pack gives the same key, so a gallery keeps its features; another network, preprocessing or setting
        gives another key.

        Args:
            networks: names of the networks that make the features.
            settings: further plain data that changes the features (a crop's margin, a mask's use).

        Raises:
            PackError: the pack has no such network.
        """
        described = {name: self._described(self.manifest.network(name)) for name in networks}
        canonical = json.dumps(
            {"networks": described, "settings": settings}, sort_keys=True, allow_nan=False, separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode()).hexdigest()

    def _described(self, network: Network) -> dict[str, Any]:
        return {
            "sha256": self.manifest.file(network.file).sha256,
            "preprocessing": asdict(network.preprocessing) if network.preprocessing else None,
            "parameters": dict(network.parameters),
        }


def open_pack(path: Path, allow_random: bool = False) -> Pack:
    """Open a directory or a zip as a pack, verifying every file of it.

    Args:
        path: the directory or the zip.
        allow_random: accept networks with random weights, whose answers mean nothing.

    Raises:
        PackError: anything wrong with it, in one sentence.
    """
    with _opened(path) as container:
        manifest, sha256 = _manifest(container)
        _check_files(container, manifest)
        for file in manifest.files:
            _check_file(file, container.read(file.path), manifest)
        for name, network in manifest.networks.items():
            if network.weights == "random" and not allow_random:
                raise PackError(
                    f"the network {name!r} has random weights, so its answers mean nothing.",
                    "Use a trained pack; or, to try the commands alone: --allow-random.",
                )
    return Pack(manifest, sha256, Path(path))


def read_manifest(path: Path) -> tuple[Manifest, str]:
    """The manifest of a pack and the sha256 of pack.toml, without verifying the other files: enough to list packs.

    Raises:
        PackError: no pack, an unsafe listing or a wrong manifest.
    """
    with _opened(path) as container:
        return _manifest(container)


@contextmanager
def _opened(path: Path) -> Iterator[Container]:
    """The files at this path; every PackError inside gets the name of the pack."""
    try:
        with open_container(Path(path)) as container:
            yield container
    except PackError as error:
        raise PackError(f"The pack {path} is refused: {error.message}", error.hint) from None


def _manifest(container: Container) -> tuple[Manifest, str]:
    content = container.read(MANIFEST)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise PackError(f"{MANIFEST} is not UTF-8 text.", EXPORT_AGAIN) from None
    return parse_manifest(text), hashlib.sha256(content).hexdigest()


def _check_files(container: Container, manifest: Manifest) -> None:
    """The files in the pack are those of the manifest, in paths and sizes."""
    for file in manifest.files:
        if file.path not in container.sizes:
            raise PackError(f"{file.path!r} is listed in {MANIFEST} but missing.", EXPORT_AGAIN)
        if container.sizes[file.path] != file.size:
            raise PackError(
                f"{file.path!r} has {container.sizes[file.path]} bytes, but {MANIFEST} lists {file.size}.", EXPORT_AGAIN
            )
    for path in container.sizes.keys() - {MANIFEST, *(file.path for file in manifest.files)}:
        raise PackError(
            f"{path!r} is not listed in {MANIFEST}; {nearest(path, (file.path for file in manifest.files))}.",
            "Remove the file, or export the pack again with it.",
        )


def _check_file(file: PackedFile, content: bytes, manifest: Manifest) -> None:
    """One file has the listed hash, and the format that its extension names."""
    if (found := hashlib.sha256(content).hexdigest()) != file.sha256:
        raise PackError(f"{file.path!r} has the sha256 {found[:12]}..., but {MANIFEST} lists {file.sha256[:12]}...", EXPORT_AGAIN)
    if suffix(file.path) == ".json":
        _strict_json(content, file.path)
    if suffix(file.path) == ".onnx":
        _check_network(content, file.path, manifest)


def _check_network(content: bytes, path: str, manifest: Manifest) -> None:
    onnx = read_onnx(content, path)
    for name, network in manifest.networks.items():
        if path not in network.files:
            continue
        if onnx.opset != network.opset:
            raise PackError(f"{path!r} has opset {onnx.opset}, but networks.{name}.opset is {network.opset}.", EXPORT_AGAIN)
        if onnx.stamped_random and network.weights != "random":
            raise PackError(f"{path!r} is stamped weights=random, but networks.{name} calls it trained.", "Use a trained pack.")


def _strict_json(content: bytes, path: str) -> Any:
    """JSON as RFC 8259 has it: UTF-8, no NaN, no key twice."""
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        raise PackError(f"{path!r} is not sound JSON: {error}.", EXPORT_AGAIN) from None


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not a JSON number")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("an object has a key twice")
    return data
