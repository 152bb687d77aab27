"""Galleries of made-up photos of any size, written straight into the tables: what the product reads is the same, the history is left out.

The first photos have keypoints too. A run that was stopped is continued.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import UsageError
from reid_edge.gallery import Gallery, NewSighting
from reid_edge.gallery.arrays import to_stored
from reid_edge.gallery.catalogue import stored_facts
from reid_edge.storage.address import ServerAddress
from reid_edge.storage.database import Database
from reid_edge_benchmarks.scale.vectors import PHOTOS_OF_ONE, MadeUpPhotos
from reid_edge_calibration.progress import Progress

KEY, EMBEDDING = "c" * 32, "made-up"
VECTOR = f"embedding/{EMBEDDING}"
WITH_KEYPOINTS = 500  # photos; keypoints of all of them would fill the disk and are never read
_TOGETHER = 2000
_POINTS, _LENGTH = 1024, 64
_CONTENT = ("individual", "sighting", "feature")
_FACTS = tuple(stored_facts(NewSighting(photo_sha256="", identity="")))
_COLUMNS = {
    "individual": ("id", "name", "sex", "life_stage", "notes", "live"),
    "sighting": ("id", "individual_id", "added_at", "live", "thumbnail", *_FACTS),
    "feature": ("sighting_id", "feature_key", "name", "dtype", "shape", "crc32", "data"),
}


def fill(gallery: Gallery, photos: MadeUpPhotos, size: int, title: str, progress: Progress) -> None:
    """Make a gallery one of the first `size` photos. Those that are there stay; what a stopped run added to measure adding goes.

    Raises:
        UsageError: it holds other photos.
        GalleryError, StorageError: it cannot be written.
    """
    ((present,),) = gallery.database.rows("SELECT coalesce(max(id), 0) FROM sighting")
    if gallery.database.rows("SELECT 1 FROM sighting WHERE photo_sha256 <> ? AND id = 1", (_digest(0),)):
        raise UsageError(f"{gallery.path} is another gallery than the one to be filled.", "Name another folder to keep it in.")
    if present > size:
        remove_added(gallery, size)
    for start in progress(list(range(present, size, _TOGETHER)), title):
        numbers = range(start, min(start + _TOGETHER, size))
        with gallery.transaction():
            new = [number // PHOTOS_OF_ONE for number in numbers if number % PHOTOS_OF_ONE == 0]
            _write(gallery.database, "individual", [(each + 1, _name(each), "", "", "", 1) for each in new])
            _write(gallery.database, "sighting", [_sighting_row(number, photos, gallery.database.now()) for number in numbers])
            _write(gallery.database, "feature", _feature_rows(numbers, photos))
    if present < size:
        _finish(gallery.database)


def copy_content(source: Gallery, target: Gallery, title: str, progress: Progress) -> None:
    """Give an empty gallery the individuals, sightings and features of another one, under the same numbers.

    Raises:
        GalleryError, StorageError: it cannot be read or written.
    """
    for table in _CONTENT:
        ((count,),) = source.database.rows(f"SELECT coalesce(max(id), 0) FROM {table}")
        sql = f"SELECT {', '.join(_COLUMNS[table])} FROM {table} WHERE id > ? AND id <= ? ORDER BY id"
        for start in progress(list(range(0, count, _TOGETHER)), f"{title}: {table}"):
            with target.transaction():
                _write(target.database, table, source.database.rows(sql, (start, start + _TOGETHER)))
    _finish(target.database)


def measure_adding(gallery: Gallery, photos: MadeUpPhotos, size: int, known: int, new: int) -> dict[str, list[float]]:
    """Milliseconds of adding a photo through the product, each in a transaction of its own, to a gallery that `fill` made; of an individual
    that the gallery has (``known``), and of one that it has not (``new``). What was added has to be taken out again: `remove_added`.
    """
    found: dict[str, list[float]] = {"known": [], "new": []}
    batch, vectors = gallery.new_batch(), photos.vectors(size, size + known + new)
    for number, vector in enumerate(vectors, size):
        kind = "known" if number < size + known else "new"
        name = _name((number - size) % -(-size // PHOTOS_OF_ONE)) if kind == "known" else f"new {number}"
        sighting = NewSighting(photo_sha256=_digest(number), identity=name, species="species 0")
        arrays = {VECTOR: vector, **_keypoints(number)}
        start = time.perf_counter()
        gallery.add_sighting(sighting, arrays, KEY, batch)
        found[kind].append(1000 * (time.perf_counter() - start))
    return found


def remove_added(gallery: Gallery, size: int) -> None:
    """Take out what `measure_adding` added: the gallery is as `fill` made it."""
    with gallery.transaction():
        for table, column, last in (
            ("feature", "sighting_id", size),
            ("sighting", "id", size),
            ("individual", "id", -(-size // PHOTOS_OF_ONE)),
            ("event", "id", 0),
        ):
            gallery.database.execute(f"DELETE FROM {table} WHERE {column} > ?", (last,))


def _write(database: Database, table: str, rows: Iterable[Sequence[Any]]) -> None:
    columns = _COLUMNS[table]
    if isinstance(database.path, ServerAddress):
        from reid_edge.storage.postgres import PostgresDatabase

        cast("PostgresDatabase", database).copy_rows(table, columns, iter(rows))
        return
    sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    for row in rows:
        database.execute(sql, row)


def _finish(database: Database) -> None:
    """Whoever adds next gets the next number, and the planner knows the tables."""
    if isinstance(database.path, ServerAddress):
        for table in ("individual", "sighting"):
            database.rows(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), greatest(1, max(id))) FROM {table}")
        database.execute("VACUUM ANALYZE")


def _name(individual: int) -> str:
    return f"animal {individual}"


def _digest(number: int) -> str:
    return hashlib.sha256(f"made-up photo {number}".encode()).hexdigest()


def _sighting_row(number: int, photos: MadeUpPhotos, now: str) -> tuple[Any, ...]:
    seen = NewSighting(
        photo_sha256=_digest(number),
        identity="",
        photo_name=f"made-up-{number}.jpg",
        species=f"species {photos.species(number)}",
        place=f"region {photos.region(number)}",
    )
    return (number + 1, photos.individual(number) + 1, now, 1, None, *stored_facts(seen).values())


def _feature_rows(numbers: range, photos: MadeUpPhotos) -> Iterable[tuple[Any, ...]]:
    for number, vector in zip(numbers, photos.vectors(numbers.start, numbers.stop), strict=True):
        arrays = {VECTOR: vector, **(_keypoints(number) if number < WITH_KEYPOINTS else {})}
        for name, array in arrays.items():
            yield number + 1, KEY, name, *asdict(to_stored(name, array)).values()


def _keypoints(number: int) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng((2, number))
    return {
        "keypoints/xy": random.uniform(0, 999, (_POINTS, 2)).astype(np.float32),
        "keypoints/descriptors": random.standard_normal((_POINTS, _LENGTH), np.float32).astype(np.float16),
    }
