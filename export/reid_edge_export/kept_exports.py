"""Networks that an export which was stopped, or failed at another network, has already made: they are not exported again.

Beside each file lies a JSON file with all that was asked for when it was made. It is used again only where the same is asked for.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import reid_edge
from reid_edge.errors import StorageError
from reid_edge.pack import manifest
from reid_edge.plain_data import InvalidValue, Scalar, decode, encode
from reid_edge_export.export import EXPORTERS, ExportedNetwork, write_whole
from reid_edge_export.precision.calibration import Calibration
from reid_edge_export.weight_files import sha256_of


@dataclass(frozen=True)
class _Record:
    """An `ExportedNetwork` without its path, and `asked`: the hash of what was asked for."""

    asked: str
    name: str
    sha256: str
    size: int
    entry: manifest.Network
    licence: str
    origin: str
    provenance: Mapping[str, str]
    parity: Mapping[str, float]
    rounding: str
    facts: Mapping[str, Scalar]


class KeptExports:
    """The folder beside a pack that is being exported; it is removed once the pack is written."""

    def __init__(self, out: Path) -> None:
        """For a pack that will be the folder `out`."""
        self.folder = out.absolute().with_name(f".{out.absolute().name}.exporting")

    def find(self, path: Path, asked: str) -> ExportedNetwork | None:
        """What lies at this path, if it is whole and was made of the same facts, see `hash_of`; None where it has to be exported."""
        with suppress(OSError, ValueError, InvalidValue):
            record = decode(_Record, json.loads(_record_of(path).read_text(encoding="utf-8")))
            if record.asked == asked and sha256_of(path) == record.sha256:
                values = {each.name: getattr(record, each.name) for each in fields(record) if each.name != "asked"}
                return ExportedNetwork(**values, path=path)
        return None

    def keep(self, exported: ExportedNetwork, asked: str) -> None:
        """Note what a file that was written was made of.

        Raises:
            StorageError: it cannot be written.
        """
        values = {each.name: getattr(exported, each.name) for each in fields(exported) if each.name != "path"}
        text = json.dumps(encode(_Record(asked=asked, **values)), indent=1, sort_keys=True)
        write_whole({_record_of(exported.path): text.encode("utf-8")})

    def remove(self) -> None:
        """Delete the folder; the pack holds all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def remove_if_empty(self) -> None:
        """Delete the folder where no network lies in it."""
        with suppress(OSError):
            self.folder.rmdir()

    def make(self) -> None:
        """Make the folder.

        Raises:
            StorageError: it cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"{self.folder}: cannot be made ({error.strerror or error}).", "Free space there or choose another folder."
            ) from error


def hash_of(
    network: str,
    options: Mapping[str, Any],
    weights: Path | None,
    images: Sequence[NDArray[np.uint8]],
    calibration: Calibration | None,
) -> str:
    """The sha256 of all that decides what an export makes.

    Args:
        network: of the catalogue.
        options: precision, storage, parameters and whether weights are random, as plain data.
        weights: the user's own; None for the catalogue's, which are pinned.
        images: of the comparison.
        calibration: photos for int8.
    """
    photos = hashlib.sha256()
    for image in images:
        photos.update(str(image.shape).encode())
        photos.update(np.ascontiguousarray(image).tobytes())
    asked = {
        "network": network,
        "options": dict(options),
        "weights": sha256_of(weights) if weights else "",
        "photos": photos.hexdigest(),
        "calibration": calibration.sha256 if calibration else "",
        "versions": {"reid-edge": reid_edge.__version__, **{package: version(package) for package in EXPORTERS}},
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.asked.json")
