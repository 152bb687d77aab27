"""One row per sighting of a stored feature, memory-mapped from a cache; delete the cache and nothing is lost.

A changed gallery keeps the rows whose stored bytes did not change, so that one more photo costs one more row, not all of them again.
"""

from __future__ import annotations

import contextlib
import json
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import GalleryError
from reid_edge.gallery.arrays import check_feature_key
from reid_edge.gallery.features import StoredFeatures
from reid_edge.storage.durable import TEMPORARY, replacing

_ROWS = 512  # rows made or copied at a time
_CHECKED_ROWS = 16384
_ABANDONED_SECONDS = 3600.0


@dataclass(frozen=True)
class RowForm:
    """What a row of a feature is.

    Attributes:
        name: of the feature.
        label: names this form in the cache.
        dtype: of a row, little-endian.
        make: the row of one stored array; all rows of a gallery have one shape, or `make` raises GalleryError.
    """

    name: str
    label: str
    dtype: str
    make: Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class MappedRows:
    """The rows of all live sightings that have the feature, ordered by photo hash and animal: not by the order in which they were added.

    Attributes:
        ids: int64 [N], the sighting of each row.
        rows: [N, ...], memory-mapped where the cache could be written.
        revision: of the gallery when it was read; stale once `gallery.revision()` differs.
    """

    ids: NDArray[np.int64]
    rows: NDArray[Any]
    revision: str

    @cached_property
    def row_of(self) -> Mapping[int, int]:
        """The row of each sighting."""
        return {int(sighting): row for row, sighting in enumerate(self.ids)}

    @classmethod
    def open(cls, gallery: StoredFeatures, feature_key: str, form: RowForm) -> MappedRows:
        """The rows, from the cache where that is fresh and whole, else made again as far as the gallery changed.

        The cache is the folder `<gallery>.cache`, or one of this user where the gallery is on a server; where it cannot be written,
        the rows are held in memory.

        Raises:
            GalleryError: a stored array is damaged, or has no row of this form.
        """
        files = _CacheFiles(gallery.database.cache, check_feature_key(feature_key), form)
        with gallery.database.snapshot():
            revision = gallery.revision()
            kept = files.read()
            if kept is None or kept.revision != revision:
                kept = _renewed(gallery, feature_key, form, files, revision, kept)
        return cls(kept.keys[:, 0].copy(), kept.rows, revision)


@dataclass(frozen=True)
class _Kept:
    """Rows with their keys, int64 [N, 2]: the sighting and the CRC-32 of the stored array that the row was made of."""

    revision: str
    keys: NDArray[np.int64]
    rows: NDArray[Any]


class _CacheFiles:
    """The three files of one cache. The stamp is written last and proves the other two."""

    def __init__(self, folder: Path, feature_key: str, form: RowForm) -> None:
        self.folder = folder
        stem = f"{feature_key[:16]}-{form.label.replace('/', '+')}"
        self.rows, self.keys, self.stamp = (self.folder / f"{stem}{end}" for end in (".npy", ".ids.npy", ".json"))
        self._dtype = np.dtype(form.dtype)
        self._of = {"feature_key": feature_key, "name": form.name, "form": form.label}

    def read(self) -> _Kept | None:
        """What lies there, of whichever revision; None where it is missing or damaged."""
        try:
            stamp = json.loads(self.stamp.read_text("utf-8"))
            keys = np.load(self.keys, allow_pickle=False)
            rows = np.load(self.rows, mmap_mode="r", allow_pickle=False)
            revision = str(stamp["revision"])
        except (OSError, ValueError, EOFError, KeyError, TypeError):
            return None
        if keys.dtype != np.int64 or keys.ndim != 2 or keys.shape[1] != 2 or rows.dtype != self._dtype or len(rows) != len(keys):
            return None
        return _Kept(revision, keys, rows) if stamp == self._stamp(revision, _checksum(keys), _checksum(rows)) else None

    def write(
        self, revision: str, keys: NDArray[np.int64], shape: tuple[int, ...], block: Callable[[int], NDArray[Any]]
    ) -> NDArray[Any]:
        """Write all three and map the rows; `block(row)` gives the rows from `row` on. OSError where the disk refuses."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._remove_abandoned()
        checksum = 0
        with replacing(self.rows, durable=False) as file:
            # Written, not mapped: on a full disk a write fails, but touching a mapped page kills the process.
            header = {"descr": self._dtype.str, "fortran_order": False, "shape": (len(keys), *shape)}
            np.lib.format.write_array_header_1_0(file, header)
            for row in range(0, len(keys), _ROWS):
                data = block(row).tobytes()
                checksum = zlib.crc32(data, checksum)
                file.write(data)
            file.flush()
            rows: NDArray[Any] = np.load(file.name, mmap_mode="r", allow_pickle=False)
        with replacing(self.keys, durable=False) as file:
            np.save(file, keys)
        with replacing(self.stamp, durable=False) as file:
            file.write(json.dumps(self._stamp(revision, _checksum(keys), checksum)).encode())
        return rows

    def _stamp(self, revision: str, keys: int, rows: int) -> dict[str, Any]:
        return {**self._of, "revision": revision, "ids": keys, "rows": rows}

    def _remove_abandoned(self) -> None:
        """Half-written files that a kill left behind."""
        for file in self.folder.glob(f"*{TEMPORARY}"):
            if time.time() - file.stat().st_mtime > _ABANDONED_SECONDS:
                file.unlink(missing_ok=True)


def _renewed(
    gallery: StoredFeatures, feature_key: str, form: RowForm, files: _CacheFiles, revision: str, kept: _Kept | None
) -> _Kept:
    """The rows of the gallery as it is: those kept whose stored array is the same, and the others made anew."""
    found = gallery.database.rows(
        "SELECT s.id, f.crc32 FROM sighting s JOIN feature f ON f.sighting_id = s.id AND f.feature_key = ? AND f.name = ? "
        "WHERE s.live = 1 ORDER BY s.photo_sha256, s.animal_index",
        (feature_key, form.name),
    )
    keys = np.array(found, np.int64).reshape(-1, 2)
    if not len(keys):
        return _Kept(revision, keys, np.empty((0, 0), form.dtype))
    place = {(int(sighting), int(crc)): row for row, (sighting, crc) in enumerate(kept.keys)} if kept else {}
    (first,) = gallery.features([int(keys[0, 0])], feature_key, [form.name]).values()
    shape = form.make(first[form.name]).shape
    if kept and kept.rows.shape[1:] != shape:
        place = {}

    def block(row: int) -> NDArray[Any]:
        chunk = [(int(sighting), int(crc)) for sighting, crc in keys[row : row + _ROWS]]
        made = np.empty((len(chunk), *shape), form.dtype)
        old = [(number, place[key]) for number, key in enumerate(chunk) if key in place]
        if kept and old:
            made[[number for number, _ in old]] = kept.rows[[at for _, at in old]]
        new = {number: key[0] for number, key in enumerate(chunk) if key not in place}
        arrays = gallery.features(list(new.values()), feature_key, [form.name]) if new else {}
        for number, sighting in new.items():
            made[number] = _checked(form.make(arrays[sighting][form.name]), shape, form.name, sighting)
        return made

    with contextlib.suppress(OSError):
        return _Kept(revision, keys, files.write(revision, keys, shape, block))
    return _Kept(revision, keys, np.concatenate([block(row) for row in range(0, len(keys), _ROWS)]))


def _checked(row: NDArray[Any], shape: tuple[int, ...], name: str, sighting: int) -> NDArray[Any]:
    if row.shape != shape:
        raise GalleryError(
            f"The feature {name} of sighting {sighting} has shape {row.shape}, others {shape}.",
            "Embed the gallery again with one pack.",
        )
    return row


def _checksum(array: NDArray[Any]) -> int:
    checksum = 0
    for start in range(0, len(array), _CHECKED_ROWS):
        checksum = zlib.crc32(np.ascontiguousarray(array[start : start + _CHECKED_ROWS]).data, checksum)
    return checksum
