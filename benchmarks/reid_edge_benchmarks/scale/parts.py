"""Whether it pays to divide the vectors by species or by region: a search within a part by the product, by the whole index that skips what
is outside of the part, and by an index of the part alone.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.gallery import Gallery
from reid_edge.gallery.mapped_rows import RowForm
from reid_edge.gallery.search import ASKED_FOR_EACH, VectorIndex
from reid_edge.gallery.server_index import halfvec_text, vector_table
from reid_edge.storage.database import Database
from reid_edge_benchmarks.scale.filling import KEY, VECTOR
from reid_edge_benchmarks.scale.searching import SHORTLIST, Figures, Wanted, timed
from reid_edge_benchmarks.scale.vectors import Models

_ASKED = ASKED_FOR_EACH * SHORTLIST
PRODUCT, ITERATIVE, OWN = "product", "whole index, iterative", "own index"
_COLUMNS = {"species": "species", "region": "place"}


def build_parts(gallery: Gallery) -> Figures:
    """Make a table with an index of its own of species 0 and of region 0, where they are missing; seconds of the indexes that were made."""
    return {f"{what}_index_seconds": seconds for what in _COLUMNS if (seconds := _build_part(gallery.database, what)) is not None}


def measure_parts(gallery: Gallery, index: VectorIndex, models: Models) -> list[Figures]:
    """By species, whose vectors lie together, and by region, which says nothing of a vector: a row for each way to search a part.

    Args:
        gallery: on a server, with an index of its vectors and what `build_parts` made.
        index: of that gallery; its search uses the server's.
        models: the queries: those of species 0 are looked for in it, and all in region 0.
    """
    rows, exact = [], VectorIndex(gallery.mapped_rows(KEY, RowForm(VECTOR, VECTOR, "<f4", np.asarray)))  # the same copy
    for what, column in _COLUMNS.items():
        queries = models.queries[models.queried_species == 0] if what == "species" else models.queries
        allowed = _ids(gallery.database, f"SELECT id FROM sighting WHERE {column} = ? ORDER BY id", (f"{what} 0",))
        if len(allowed) < SHORTLIST or not len(queries):
            continue
        wanted = Wanted(tuple(exact.search(query, SHORTLIST, allowed)[0] for query in queries))
        ((size,),) = gallery.database.rows(f"SELECT pg_relation_size('part_{what}_hnsw')")
        for way, search in _ways(gallery, index, what, allowed).items():
            found, spread = timed(search, queries)
            row = {
                "part": what,
                "share": len(allowed) / len(index.ids),
                "way": way,
                "search": spread,
                "recall": wanted.recall(found),
            }
            rows.append({**row, **({"index_bytes": size} if way == OWN else {})})
    return rows


def _ways(gallery: Gallery, index: VectorIndex, what: str, allowed: NDArray[np.int64]) -> dict[str, Any]:
    database, whole = gallery.database, vector_table(KEY, VECTOR)
    inside = (
        f"SELECT v.sighting_id FROM {whole} v JOIN sighting s ON s.id = v.sighting_id AND s.{_COLUMNS[what]} = ? "
        "ORDER BY v.vector <#> ?::halfvec LIMIT ?"
    )
    alone = f"SELECT sighting_id FROM part_{what} ORDER BY vector <#> ?::halfvec LIMIT ?"

    def best(query: NDArray[np.float32], ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The nearest of these, compared exactly."""
        vectors = index.vectors[[index.row_of[int(each)] for each in ids]]
        return np.asarray(ids[np.argsort(-(vectors @ query), kind="stable")[:SHORTLIST]])

    def iterative(query: NDArray[np.float32]) -> NDArray[np.int64]:
        settings = ("hnsw.iterative_scan", "relaxed_order", "hnsw.ef_search", str(_ASKED))
        database.rows("SELECT set_config(?, ?, false), set_config(?, ?, false)", settings)
        return best(query, _ids(database, inside, (f"{what} 0", halfvec_text(query), _ASKED)))

    def of_part(query: NDArray[np.float32]) -> NDArray[np.int64]:
        database.rows(
            "SELECT set_config('hnsw.iterative_scan', 'off', false), set_config('hnsw.ef_search', ?, false)", (str(_ASKED),)
        )
        return best(query, _ids(database, alone, (halfvec_text(query), _ASKED)))

    return {
        PRODUCT: lambda query: index.search(query, SHORTLIST, allowed)[0],
        ITERATIVE: iterative,
        OWN: of_part,
    }


def _build_part(database: Database, what: str) -> float | None:
    """Seconds of building the index of a part; None where it is there."""
    whole = vector_table(KEY, VECTOR)
    if database.rows("SELECT 1 FROM pg_class WHERE oid = to_regclass(?)", (f"part_{what}_hnsw",)):
        return None
    with database.transaction():
        database.execute(
            f"CREATE TABLE part_{what} AS SELECT v.sighting_id, v.vector FROM {whole} v "
            f"JOIN sighting s ON s.id = v.sighting_id WHERE s.{_COLUMNS[what]} = '{what} 0'"
        )
        start = time.perf_counter()
        database.execute(f"CREATE INDEX part_{what}_hnsw ON part_{what} USING hnsw (vector halfvec_ip_ops)")
        seconds = time.perf_counter() - start
    database.execute(f"ANALYZE part_{what}")
    return seconds


def _ids(database: Database, sql: str, parameters: tuple[Any, ...]) -> NDArray[np.int64]:
    return np.array([row for (row,) in database.rows(sql, parameters)], np.int64)
