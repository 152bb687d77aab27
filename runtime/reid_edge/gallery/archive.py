"""The zip of an exported gallery, read without trust: every name, size and value is checked before the gallery gets it."""

from __future__ import annotations

import io
import json
import math
from dataclasses import fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import GalleryError, ReidEdgeError
from reid_edge.gallery.arrays import check_feature_key, check_feature_name
from reid_edge.gallery.records import NewSighting, Observation, checked, identity_name
from reid_edge.gallery.review_records import NewReview, checked_review
from reid_edge.storage.errors import file_errors
from reid_edge.storage.zip_archive import ArchiveError, BoundedZip, ZipLimits

ARCHIVE_FORMAT = "reid-edge gallery"
ARCHIVE_VERSION = 1
INDEX = "gallery.json"
TABLE = "metadata.csv"
_LARGEST_INDEX = 512 * 2**20
_LARGEST_THUMBNAIL = 4 * 2**20
_LARGEST_ARRAY = 256 * 2**20
_LIMITS = ZipLimits(table_bytes=256 * 2**20, entries=10**6)  # 100,000 sightings with ten files each; an entry has about 230 bytes
NOTES = ("sex", "life_stage", "notes")
REVIEW_FIELDS = (*(field.name for field in fields(NewReview)), "decided_at")
_ENTRY_KEYS = {field.name for field in fields(Observation)} | {"thumbnail", "features"}
_EXPORT_AGAIN = "Export the gallery again and copy the new file."


class ArchiveReader:
    """An open archive; a context manager.

    Attributes:
        individuals: names, each one that an individual may have.
        entries: one per sighting, as in gallery.json; `sighting` and `features` convert it for the gallery.
        notes: sex, life stage and notes of individuals, by name.
        reviews: what people said of animals, with when they said it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with file_errors(path):
                self._zip = BoundedZip(path, _LIMITS)
        except ArchiveError as error:
            raise self._refused(error.message) from None
        try:
            index = self._index()
            self.individuals = [identity_name(_of(name, str)) for name in index["individuals"]]
            self.entries: list[dict[str, Any]] = index["sightings"]
            self.notes = {
                identity_name(_of(name, str)): {field: _of(noted[field], str) for field in NOTES}
                for name, noted in _of(index.get("notes", {}), dict).items()
            }
            self.reviews = [_reviewed(entry) for entry in _of(index.get("reviews", []), list)]
            self._check_members()
        except ReidEdgeError as error:
            self._zip.close()
            raise self._refused(error.message) from None
        except (KeyError, TypeError, ValueError, AttributeError):
            self._zip.close()
            raise self._refused(f"{INDEX} lacks what a gallery has") from None

    def __enter__(self) -> ArchiveReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._zip.close()

    def sighting(self, entry: dict[str, Any]) -> NewSighting:
        """The sighting of an entry, with its thumbnail."""
        seen = _observed(entry)
        return checked(seen) if not entry["thumbnail"] else _with(seen, self._read(thumbnail_member(seen), _LARGEST_THUMBNAIL))

    def features(self, entry: dict[str, Any]) -> dict[str, dict[str, NDArray[Any]]]:
        """Arrays of an entry by feature key and name."""
        seen = _observed(entry)
        found: dict[str, dict[str, NDArray[Any]]] = {}
        for key, name in entry["features"]:
            member = feature_member(seen, key, name)
            try:
                found.setdefault(key, {})[name] = _array(self._read(member, _LARGEST_ARRAY))
            except (ValueError, TypeError, KeyError, SyntaxError):
                raise self._refused(f"{member} is not an array") from None
        return found

    def _index(self) -> dict[str, Any]:
        if INDEX not in self._zip.sizes:
            raise self._refused(f"it holds no {INDEX}")
        try:
            index = json.loads(self._read(INDEX, _LARGEST_INDEX))
        except (ValueError, RecursionError):
            raise self._refused(f"{INDEX} is not JSON") from None
        if not isinstance(index, dict) or index.get("format") != ARCHIVE_FORMAT or type(index.get("format_version")) is not int:
            raise self._refused(f"{INDEX} is not that of a gallery")
        if index["format_version"] != ARCHIVE_VERSION:
            raise GalleryError(
                f"{self._path} has format_version {index['format_version']}; this reid-edge reads {ARCHIVE_VERSION}.",
                "Update reid-edge.",
            )
        return index

    def _check_members(self) -> None:
        """Refuse missing files, and files that gallery.json does not list: they show that somebody changed the archive."""
        expected = {INDEX, TABLE}
        for entry in self.entries:
            if _of(entry, dict).keys() != _ENTRY_KEYS or type(entry["thumbnail"]) is not bool:
                raise self._refused("a sighting has missing or unknown fields")
            seen = checked(_observed(entry))
            members = [feature_member(seen, check_feature_key(key), check_feature_name(name)) for key, name in entry["features"]]
            members += [thumbnail_member(seen)] if entry["thumbnail"] else []
            if len(set(members)) < len(members) or not expected.isdisjoint(members):
                raise self._refused("it holds a sighting twice")
            expected.update(members)
        for name in expected ^ self._zip.sizes.keys():
            raise self._refused(f"{name!r} is {'missing' if name in expected else 'not part of a gallery'}")

    def _read(self, member: str, most: int) -> bytes:
        if self._zip.sizes[member] > most:
            raise self._refused(f"{member} is larger than {most} bytes")
        try:
            with file_errors(self._path):
                return self._zip.read(member)
        except ArchiveError as error:
            raise self._refused(error.message) from None

    def _refused(self, reason: str) -> GalleryError:
        return GalleryError(f"{self._path} is not a complete export of a gallery: {reason.rstrip('.')}.", _EXPORT_AGAIN)


def thumbnail_member(seen: Observation) -> str:
    """Path of a thumbnail in the archive."""
    return f"thumbnails/{seen.photo_sha256}-{seen.animal_index}.jpg"


def feature_member(seen: Observation, feature_key: str, name: str) -> str:
    """Path of an array in the archive."""
    return f"features/{seen.photo_sha256}-{seen.animal_index}/{feature_key}/{name}.npy"


def _observed(entry: dict[str, Any]) -> NewSighting:
    facts = {key: value for key, value in entry.items() if key not in ("thumbnail", "features")}
    return NewSighting(**{**facts, "box": None if facts["box"] is None else tuple(facts["box"])})


def _reviewed(entry: dict[str, Any]) -> tuple[NewReview, str]:
    """A review of gallery.json, every field checked."""
    facts = {field: entry[field] for field in REVIEW_FIELDS}
    box, decided_at = facts["box"], _of(facts.pop("decided_at"), str)
    for field in ("person", "photo_name"):
        _of(facts[field], str)
    if facts["answer"] is not None:
        _of(facts["answer"], dict)
    if facts["identity"] is not None:
        _of(facts["identity"], str)
    return checked_review(NewReview(**{**facts, "box": None if box is None else tuple(box)})), decided_at[:40]


def _with(seen: NewSighting, thumbnail: bytes) -> NewSighting:
    return checked(replace(seen, thumbnail=thumbnail))


def _array(data: bytes) -> NDArray[Any]:
    """The array of a .npy file, its size checked against its header before it is used."""
    file = io.BytesIO(data)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("another version of npy")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    if fortran_order or dtype.hasobject or len(data) - file.tell() != math.prod(shape) * dtype.itemsize:
        raise ValueError("another size or type than its header gives")
    return np.frombuffer(data, dtype, offset=file.tell()).reshape(shape)


def _of(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError
    return value
