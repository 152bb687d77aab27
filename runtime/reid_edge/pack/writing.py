"""Making a pack: the exporter's and the calibrator's side."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from reid_edge.errors import StorageError
from reid_edge.pack.manifest import Manifest, PackedFile
from reid_edge.pack.manifest_toml import parse_manifest, write_manifest
from reid_edge.pack.members import MANIFEST, check_path
from reid_edge.pack.reading import Pack, open_pack
from reid_edge.storage.durable import replace_folder, replacing, sync_folder, write_synced
from reid_edge.storage.errors import storage_errors

_FIRST_DAY = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class NewFile:
    """A file to put into a pack: its path there, its bytes, its licence (SPDX) and its origin (a sentence)."""

    path: str
    content: bytes
    licence: str
    origin: str


def write_pack(directory: Path, manifest: Manifest, files: Iterable[NewFile], allow_random: bool = False) -> Pack:
    """Write a pack as a directory. It is written under a temporary name, verified, and then replaces an old one.

    Args:
        directory: of the pack; a pack that has that name is replaced.
        manifest: all but `files`, which is made here from the next argument.
        files: the contents. To recalibrate a pack, pass its own files read with `Pack.read_bytes` and the new JSON.
        allow_random: as for `open_pack`.

    Raises:
        PackError: the result would not open.
        StorageError: the disk is full or read-only, or the directory holds something else than a pack.
    """
    directory = directory.absolute()
    files = tuple(files)
    packed = tuple(PackedFile(f.path, hashlib.sha256(f.content).hexdigest(), len(f.content), f.licence, f.origin) for f in files)
    text = write_manifest(replace(manifest, files=packed))
    parse_manifest(text)
    if directory.exists() and not (directory / MANIFEST).is_file() and (not directory.is_dir() or any(directory.iterdir())):
        raise StorageError(f"{directory} exists already and is not a pack.", "Choose a new or empty directory.")
    with storage_errors(f"write the pack {directory}"):
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as workplace:
            fresh = Path(workplace) / "fresh"
            lay_down(fresh, {MANIFEST: text.encode("utf-8"), **{file.path: file.content for file in files}}.items())
            pack = open_pack(fresh, allow_random)
            replace_folder(fresh, directory, aside=Path(workplace) / "former")
    return replace(pack, source=directory)


def lay_down(directory: Path, contents: Iterable[tuple[str, bytes]]) -> None:
    """Write paths and bytes into a new directory, all on the disk when this returns."""
    directory.mkdir()
    folders = {directory}
    for path, content in contents:
        target = directory / check_path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_synced(target, content)
        folders.update(directory / parent for parent in Path(path).parents)
    for folder in folders:
        sync_folder(folder)


def write_zip(pack_directory: Path, zip_path: Path, allow_random: bool = False) -> None:
    """Write a pack as one zip; the same pack always gives the same bytes (sorted, stored, without dates).

    Raises:
        PackError: the pack does not open.
        StorageError: the disk is full or read-only.
    """
    pack = open_pack(pack_directory, allow_random)
    paths = sorted([MANIFEST, *(file.path for file in pack.manifest.files)])
    with (
        storage_errors(f"write {zip_path}"),
        replacing(zip_path) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        for path in paths:
            archive.writestr(_entry(path), pack.read_bytes(path))


def _entry(path: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(path, _FIRST_DAY)
    info.create_system = 3  # always Unix: the bytes must not depend on this machine
    info.external_attr = 0o100644 << 16
    return info
