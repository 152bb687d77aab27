"""A gallery: the catalogue of known individuals in one SQLite file, which is the only truth.

`Gallery` is all that the rest of reid-edge sees of a gallery: nothing outside this package knows that SQL is behind it, so that another
store takes its place by the same methods.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from types import TracebackType
from typing import Any

from numpy.typing import NDArray

from reid_edge.errors import GalleryError
from reid_edge.gallery.catalogue import stored_facts
from reid_edge.gallery.changes import Position
from reid_edge.gallery.history import recording
from reid_edge.gallery.mapped_rows import MappedRows, RowForm
from reid_edge.gallery.records import NewSighting, Sighting, checked, identity_name
from reid_edge.gallery.reviews import Reviews
from reid_edge.gallery.schema import GALLERY
from reid_edge.gallery.search import VectorIndex
from reid_edge.storage.address import Place, read_place
from reid_edge.storage.database import Database
from reid_edge.storage.opening import create, exists, open_place


class DuplicateSighting(GalleryError):
    """The animal of that photo is in the gallery already, as `sighting`."""

    def __init__(self, sighting: Sighting) -> None:
        super().__init__(
            f"The photo {sighting.photo_name or sighting.photo_sha256[:12]} is already in the gallery, as {sighting.identity}.",
            f"To say that it shows another animal, remove sighting {sighting.id} first.",
        )
        self.sighting = sighting


class Gallery(Reviews):
    """An open gallery; a context manager. Made by `create` or `open`.

    Reading is in Catalogue, arrays in StoredFeatures, decisions and undo in Decisions, what people said of animals in Reviews.

    Attributes:
        path: of the SQLite file, or the address of the server.
        title: a short name of it.
        cache: the folder for what can be made again from it; it need not exist.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.path = database.path
        self.title = database.title
        self.cache = database.cache

    @classmethod
    def create(cls, path: str | Place) -> Gallery:
        """A new, empty gallery.

        Raises:
            GalleryError: the path is taken, or its folder is missing; the server cannot be reached, or the user may not.
            StorageError: the disk is full or read-only.
            UsageError: an address that is none, or the package for servers is not installed.
        """
        create(GALLERY, read_place(path))
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Place, writable: bool = True) -> Gallery:
        """The gallery at `path`; `writable=False` also opens one on a read-only disk or server.

        Raises:
            GalleryError: missing, no gallery, of a newer version, damaged, or locked; the server cannot be reached, or refuses the user.
            StorageError: it must be written and its disk or server is read-only.
            UsageError: an address that is none, or the package for servers is not installed.
        """
        return cls(open_place(GALLERY, read_place(path), writable))

    @classmethod
    def exists(cls, path: str | Place) -> bool:
        """Whether something is at `path`; errors of a server as `open`."""
        return exists(GALLERY, read_place(path))

    @classmethod
    def open_or_create(cls, path: str | Place) -> Gallery:
        """The gallery at `path`, made where it is missing; errors as `create` and `open`."""
        if not cls.exists(path):
            try:
                return cls.create(path)
            except GalleryError:  # another process made it meanwhile
                if not cls.exists(path):
                    raise
        return cls.open(path)

    def replaced(self) -> bool:
        """Whether another file is at `path` by now, such as a restored backup."""
        return self.database.replaced()

    def state(self) -> tuple[str, Position]:
        """What changes whenever an answer may: the revision, which leaves out who is who, and the newest event."""
        return self.revision(), self.position()

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def transaction(self) -> AbstractContextManager[None]:
        """All changes inside reach the disk together or not at all."""
        return self.database.transaction()

    def snapshot(self) -> AbstractContextManager[None]:
        """All reads inside see the same state of the gallery."""
        return self.database.snapshot()

    def vector_index(self, feature_key: str, name: str) -> VectorIndex:
        """An index to search the vectors of the feature `name` with; errors as `VectorIndex.open`."""
        return VectorIndex.open(self, feature_key, name)

    def mapped_rows(self, feature_key: str, form: RowForm) -> MappedRows:
        """A feature of all sightings, mapped from a cache; errors as `MappedRows.open`."""
        return MappedRows.open(self, feature_key, form)

    def add_individual(self, name: str, batch: str) -> None:
        """Add an individual without sightings; does nothing where the gallery has that name in any spelling."""
        name = identity_name(name)
        with self.database.transaction():
            if self.stored_name(name) is None:
                with recording(self.database, batch, "add", {"identity": name}) as record:
                    record.insert("individual", name=name)

    def add_sighting(self, sighting: NewSighting, features: Mapping[str, NDArray[Any]], feature_key: str, batch: str) -> int:
        """Add one animal of one photo, and its individual where that is new; once this returns, both are on the disk.

        An individual whose name the gallery spells otherwise, by case, Unicode form or blanks, is that one.

        Args:
            sighting: what the photo shows, and which individual.
            features: arrays by name, as `put_features` takes them.
            feature_key: of the pack that made them.
            batch: of the command, from `new_batch`: one undo takes the whole command back.

        Returns:
            The id of the sighting.

        Raises:
            DuplicateSighting: this animal of this photo is in the gallery.
            UsageError: a field of the sighting has an invalid value.
            GalleryError: an array that cannot be stored, or a locked gallery.
            StorageError: the disk is full or read-only.
        """
        new = checked(sighting)
        with self.database.transaction():
            present = self.has_photo(new.photo_sha256, new.animal_index)
            if present:
                raise DuplicateSighting(present)
            found = self._find(new.identity)
            payload = {key: getattr(new, key) for key in ("photo_name", "photo_sha256", "animal_index")}
            payload = {"identity": found[1] if found else new.identity, **payload}
            with recording(self.database, batch, "add", payload) as record:
                individual = found[0] if found else record.insert("individual", name=new.identity)
                sighting_id = record.insert(
                    "sighting",
                    individual_id=individual,
                    added_at=self.database.now(),
                    thumbnail=new.thumbnail,
                    **stored_facts(new),
                )
                if features:
                    self.write_features(sighting_id, feature_key, features)
        return sighting_id

    def content_hash(self) -> str:
        """SHA-256 (hex) of the live individuals, sightings, features and reviews.

        Row ids, times of addition and events do not count: equal catalogues have equal hashes, and undo restores the hash.
        """
        digest = hashlib.sha256()
        with self.snapshot():
            for row in self.database.rows("SELECT name, sex, life_stage, notes FROM individual WHERE live = 1 ORDER BY name"):
                _add_to(digest, row if any(row[1:]) else row[:1])
            for sighting in self.sightings():
                thumbnail = hashlib.sha256(self.thumbnail(sighting.id) or b"").hexdigest()
                features = self.database.rows(
                    "SELECT feature_key, name, dtype, shape, crc32 FROM feature WHERE sighting_id = ? ORDER BY feature_key, name",
                    (sighting.id,),
                )
                _add_to(digest, (sighting.identity, stored_facts(sighting), thumbnail, features))
            reviews = [asdict(review) for review in self.reviews()]
            for facts in reviews:
                for name in ("sequence", "batch", "decided_at", "sighting"):
                    del facts[name]
            for text in sorted(json.dumps([facts], sort_keys=True) for facts in reviews):
                digest.update(text.encode() + b"\n")
        return digest.hexdigest()


def _add_to(digest: Any, values: tuple[Any, ...]) -> None:
    digest.update(json.dumps(values, sort_keys=True).encode() + b"\n")
