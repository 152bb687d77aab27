"""The packs of this device: bundled with reid-edge, or imported into the store."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from reid_edge.errors import PackError, StorageError
from reid_edge.pack.members import MANIFEST
from reid_edge.pack.reading import open_pack
from reid_edge.pack.writing import lay_down
from reid_edge.storage.durable import replace_folder
from reid_edge.storage.errors import storage_errors
from reid_edge.storage.locks import only_writer
from reid_edge.suggestions import nearest

_BUNDLED = Path(__file__).parent.parent / "packs"
_IMPORTED = re.compile(r"(?P<name>[a-z0-9][a-z0-9-]*)-[0-9a-f]{12}")
_UNFINISHED = ".importing-"


def default_store() -> Path:
    """Where imported packs lie: $REID_EDGE_HOME/packs, or ~/.local/share/reid-edge/packs."""
    if home := os.environ.get("REID_EDGE_HOME"):
        return Path(home) / "packs"
    try:
        return Path.home() / ".local/share/reid-edge/packs"
    except RuntimeError:
        raise StorageError("This user has no home directory to keep packs in.", "Set REID_EDGE_HOME to a directory.") from None


def bundled_packs() -> dict[str, Path]:
    """The packs that came with reid-edge, by name."""
    return {path.parent.name: path.parent for path in sorted(_BUNDLED.glob(f"*/{MANIFEST}"))}


def imported_packs(store: Path | None = None) -> dict[str, Path]:
    """The packs in the store, by the name of their folder, which ends in the first 12 digits of their sha256."""
    found = sorted((store or default_store()).glob(f"*/{MANIFEST}"))
    return {path.parent.name: path.parent for path in found if _IMPORTED.fullmatch(path.parent.name)}


def find_pack(name_or_path: str, store: Path | None = None) -> Path:
    """The path of a pack, given the name of a bundled pack, of an imported one (with or without its digits), or a path.

    A name goes before a path, so that `field` means the same in every folder; `./field` is the path.

    Raises:
        PackError: no such pack (the error names the nearest), or more than one imported pack of this name.
    """
    packs = {**imported_packs(store), **bundled_packs()}
    if name_or_path in packs:
        return packs[name_or_path]
    versions = [folder for folder in packs if (match := _IMPORTED.fullmatch(folder)) and match["name"] == name_or_path]
    if len(versions) == 1:
        return packs[versions[0]]
    if versions:
        raise PackError(f"There are {len(versions)} imported packs {name_or_path!r}.", f"Say which: {', '.join(versions)}.")
    with suppress(OSError):
        if name_or_path and Path(name_or_path).exists():
            return Path(name_or_path)
    short_names = {match["name"] for folder in packs if (match := _IMPORTED.fullmatch(folder))}
    raise PackError(
        f"There is no pack {name_or_path[:80]!r}, neither a name nor a path; {nearest(name_or_path, {*packs, *short_names})}.",
        "`reid-edge pack list` shows the packs of this device.",
    )


def import_pack(zip_or_dir: Path, store: Path | None = None) -> Path:
    """Verify a pack and copy it into the store; after a kill or on a full disk nothing that looks like a pack is left.

    Importing a pack that the store has already changes nothing, unless the stored copy is damaged: then it is replaced.

    Returns:
        The copy's directory, `<name>-<first 12 digits of its sha256>`.

    Raises:
        PackError: the pack is refused.
        StorageError: the disk is full or read-only.
    """
    store = store or default_store()
    pack = open_pack(zip_or_dir)
    target = store / f"{pack.manifest.name}-{pack.sha256[:12]}"
    paths = [MANIFEST, *(file.path for file in pack.manifest.files)]
    with storage_errors(f"import the pack {zip_or_dir} into {store}"):
        store.mkdir(parents=True, exist_ok=True)
        with only_writer(store, f"{_UNFINISHED}*"):
            if _is_intact(target, pack.sha256):
                return target
            with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=store) as workplace:
                copy = Path(workplace) / "copy"
                lay_down(copy, ((path, pack.read_bytes(path)) for path in paths))
                open_pack(copy)
                replace_folder(copy, target, aside=Path(workplace) / "damaged")
    return target


def _is_intact(directory: Path, sha256: str) -> bool:
    try:
        return open_pack(directory).sha256 == sha256
    except PackError:
        return False
