"""The vectors of a gallery on a server, in half precision with an HNSW index (pgvector), to look for the nearest of very many.

`reid-edge gallery index` makes one table for each kind of vector, and brings it up to date. It is a copy: the features stay the truth, a
search takes from it only which vectors to compare, and compares those that it lacks as well.
"""

from __future__ import annotations

import hashlib
import json
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import UsageError
from reid_edge.gallery.features import StoredFeatures
from reid_edge.storage.address import ServerAddress
from reid_edge.storage.database import Database

LEAST_VECTORS = 100_000
"""From how many vectors on an index is made; fewer are compared one by one, by every machine in its own copy. Where the index is faster
depends on machine and vectors: `reid-edge bench catalogue` measures it, and docs/scale.md has the figures."""

MOST_ASKED = 1000  # pgvector's largest hnsw.ef_search
_AT_A_TIME = 2000


@dataclass(frozen=True)
class IndexedVectors:
    """What was done for one kind of vector.

    Attributes:
        feature_key, name: which kind.
        vectors: how many there are.
        added: how many of them its index lacked.
        indexed: whether it has an index.
        copying, indexing: seconds of copying those that it lacked, and of building the index; 0 where there was one.
    """

    feature_key: str
    name: str
    vectors: int
    added: int
    indexed: bool
    copying: float = 0.0
    indexing: float = 0.0


class ServerIndex:
    """The index of one kind of vector, open for searching.

    Attributes:
        lacking: int64, the sightings whose vector it does not have, or has as it was before.
    """

    def __init__(self, database: Database, table: str, feature_key: str, name: str) -> None:
        self._database = database
        self._table = table
        rows = database.rows(
            f"SELECT f.sighting_id FROM feature f LEFT JOIN {table} v ON v.sighting_id = f.sighting_id AND v.crc32 = f.crc32 "
            "WHERE f.feature_key = ? AND f.name = ? AND v.sighting_id IS NULL",
            (feature_key, name),
        )
        self.lacking = np.array([row for (row,) in rows], np.int64)

    def near(self, query: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """About the nearest `count` sightings, at most MOST_ASKED, in no order."""
        ef_search = max(40, count)
        self._database.rows("SELECT set_config('hnsw.ef_search', ?, false)", (str(ef_search),))
        rows = self._database.rows(
            f"SELECT sighting_id FROM {self._table} ORDER BY vector <#> ?::halfvec LIMIT ?", (halfvec_text(query), count)
        )
        return np.array([row for (row,) in rows], np.int64)


def server_index(gallery: StoredFeatures, feature_key: str, name: str) -> ServerIndex | None:
    """The index of a kind of vector; None where nobody made one, and for a gallery that is a file."""
    database = gallery.database
    if not isinstance(database.path, ServerAddress):
        return None
    table = vector_table(feature_key, name)
    return ServerIndex(database, table, feature_key, name) if _has_index(database, table) else None


def update_server_index(
    gallery: StoredFeatures, least: int = LEAST_VECTORS, tell: Callable[[str], None] = lambda text: None
) -> list[IndexedVectors]:
    """Bring the vectors of a gallery on a server up to date, and index those kinds of which there are enough.

    Args:
        gallery: writable; whoever runs this owns it.
        least: index from this many vectors on.
        tell: is told what takes long.

    Raises:
        UsageError: the gallery is a file, which needs no index.
        GalleryError: the server lacks the extension vector, or the user may not make tables.
    """
    database = gallery.database
    if not isinstance(database.path, ServerAddress):
        raise UsageError(f"{database.path} is a file, which is searched without an index.", "Name a gallery on a server.")
    kinds = database.rows(
        "SELECT feature_key, name, min(shape), max(shape), count(*) FROM feature WHERE name LIKE 'embedding/%' "
        "GROUP BY feature_key, name ORDER BY feature_key, name"
    )
    done = []
    for key, name, shape, other, number in kinds:
        if shape == other and number >= least:
            tell(f"Copying and indexing {number} vectors {name}.")
            start = time.perf_counter()
            added = _copied(gallery, key, name, json.loads(shape)[0])
            copying = time.perf_counter() - start
            indexing = _indexed(database, vector_table(key, name))
            done.append(IndexedVectors(key, name, number, added, True, copying, indexing))
        else:
            done.append(IndexedVectors(key, name, number, 0, False))
    return done


def _copied(gallery: StoredFeatures, key: str, name: str, length: int) -> int:
    """How many vectors the table of this kind lacked; it has all of them afterwards."""
    database, table = gallery.database, vector_table(key, name)
    with database.transaction():
        database.execute("CREATE EXTENSION IF NOT EXISTS vector")
        database.execute(
            f"CREATE TABLE IF NOT EXISTS {table} (sighting_id BIGINT PRIMARY KEY REFERENCES sighting (id), crc32 BIGINT NOT NULL, "
            f"vector halfvec({length}) NOT NULL)"
        )
    added = 0
    index = ServerIndex(database, table, key, name)
    for start in range(0, len(index.lacking), _AT_A_TIME):
        ids = index.lacking[start : start + _AT_A_TIME].tolist()
        with database.transaction():
            crcs = dict(
                database.rows(
                    "SELECT sighting_id, crc32 FROM feature WHERE feature_key = ? AND name = ? AND sighting_id IN (?)",
                    (key, name, ids),
                )
            )
            database.execute(f"DELETE FROM {table} WHERE sighting_id IN (?)", (ids,))
            _copy(database, table, _halves(gallery.features(ids, key, [name]), name, crcs))
        added += len(ids)
    return added


def _indexed(database: Database, table: str) -> float:
    """Seconds of building the index; 0 where it is there."""
    if _has_index(database, table):
        return 0.0
    start = time.perf_counter()
    with database.transaction():
        database.execute(f"CREATE INDEX {table}_hnsw ON {table} USING hnsw (vector halfvec_ip_ops)")
    return time.perf_counter() - start


def _copy(database: Database, table: str, rows: Iterator[tuple[Any, ...]]) -> None:
    from reid_edge.storage.postgres import PostgresDatabase

    types = ("int8", "int8", "bytea")
    cast("PostgresDatabase", database).copy_rows(table, ("sighting_id", "crc32", "vector"), rows, types)


def _halves(arrays: dict[int, dict[str, NDArray[Any]]], name: str, crcs: dict[int, int]) -> Iterator[tuple[int, int, bytes]]:
    for sighting, named in arrays.items():
        yield sighting, crcs[sighting], _halfvec_bytes(named[name])


def _halfvec_bytes(vector: NDArray[Any]) -> bytes:
    """A vector as pgvector sends and receives it: its length, two bytes of nothing, and its values in half precision, big-endian."""
    return struct.pack(">HH", len(vector), 0) + vector.astype(">f2").tobytes()


def halfvec_text(vector: NDArray[Any]) -> str:
    """A vector as pgvector reads it, rounded to half precision."""
    return f"[{','.join(map(str, vector.astype(np.float16).tolist()))}]"


def vector_table(feature_key: str, name: str) -> str:
    """The table of the vectors of one kind; its index has the same name with `_hnsw` behind it."""
    return f"vector_{hashlib.sha256(f'{feature_key} {name}'.encode()).hexdigest()[:16]}"


def _has_index(database: Database, table: str) -> bool:
    return bool(database.rows("SELECT 1 FROM pg_class WHERE oid = to_regclass(?)", (f"{table}_hnsw",)))
