"""How long a search among the vectors of a gallery takes and how much it finds: exact on the device, exact on the server, by its index."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.compare.shortlist import shortlist
from reid_edge.gallery import Gallery
from reid_edge.gallery.search import ASKED_FOR_EACH, VectorIndex
from reid_edge.gallery.server_index import MOST_ASKED, halfvec_text, update_server_index, vector_table
from reid_edge.recipe.stages import Retrieve
from reid_edge.storage.database import Database
from reid_edge_benchmarks.latency.statistics import Spread
from reid_edge_benchmarks.memory import memory_now, peak_memory_of
from reid_edge_benchmarks.scale.filling import EMBEDDING, KEY, VECTOR
from reid_edge_benchmarks.scale.vectors import PHOTOS_OF_ONE, Models

SHORTLIST = 50
_ASKED = (1, 2, 4, 8, 16)  # vectors that the index is asked for, for each that is wanted
_SLOW = 10  # searches of a kind that reads every vector on the server
# As the bundled recipe `field` has it.
_INDIVIDUALS = Retrieve(EMBEDDING, 100, "individuals", 8, True)

Figures = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What an exact search on the device finds: ids, best first, of each query."""

    ids: tuple[NDArray[np.int64], ...]

    def recall(self, found: Sequence[NDArray[np.int64]]) -> float:
        """The mean share of it that was found."""
        pairs = zip(found, self.ids, strict=False)
        return float(np.mean([np.isin(its, mine).mean() for mine, its in pairs if len(its)]))


def measure_device(gallery: Gallery, models: Models, threads: int) -> tuple[Figures, Wanted]:
    """An exact search in the copy of the vectors that the device maps: its figures, and what is found."""
    before = memory_now()
    index = gallery.vector_index(KEY, VECTOR)
    found, spread = timed(lambda query: index.search(query, SHORTLIST, threads=threads)[0], models.queries)
    return {"search": spread, "memory": _grown(before), "copy_bytes": int(index.vectors.nbytes)}, Wanted(tuple(found))


def measure_individuals(gallery: Gallery, models: Models, threads: int) -> tuple[Figures, Wanted]:
    """The shortlist by individual, as the bundled recipe asks for it: what it takes, and what to open the gallery for it takes; and the ids
    of the individuals of each shortlist."""
    before, start = memory_now(), time.perf_counter()
    candidates = GalleryCandidates(gallery, KEY, any_view=True, threads=threads)
    opened = time.perf_counter() - start
    found, spread = timed(lambda query: shortlist(candidates, _INDIVIDUALS, query, None), models.queries[:_SLOW])
    figures = {
        "search": spread,
        "open_seconds": opened,
        "memory": _grown(before),
        "photos": float(np.mean([len(ids) for ids in found])),
        "individuals": _INDIVIDUALS.candidates,
    }
    return figures, Wanted(tuple(np.unique(_individual(ids)) for ids in found))


def measure_individuals_by_index(gallery: Gallery, index: VectorIndex, models: Models, wanted: Wanted) -> Figures:
    """The same individuals, sought by the server's index alone: pgvector's iterative scan goes on beyond the nearest thousand until there
    are individuals enough, and all photos of these are compared exactly. The product does not do this."""
    database, table = gallery.database, vector_table(KEY, VECTOR)
    sql = f"SELECT sighting_id FROM {table} ORDER BY vector <#> ?::halfvec LIMIT ?"
    most = 2 * _INDIVIDUALS.candidates * PHOTOS_OF_ONE
    settings = {"iterative_scan": "relaxed_order", "ef_search": str(MOST_ASKED), "max_scan_tuples": str(2 * most)}
    for name, value in settings.items():
        database.rows("SELECT set_config(?, ?, false)", (f"hnsw.{name}", value))

    def individuals(query: NDArray[np.float32]) -> NDArray[np.int64]:
        found = _individual(_ids(database, sql, (halfvec_text(query), most)))
        chosen = np.array(list(dict.fromkeys(found.tolist()))[: _INDIVIDUALS.candidates], np.int64)
        photos = (chosen[:, None] * PHOTOS_OF_ONE + np.arange(1, PHOTOS_OF_ONE + 1)).ravel()
        index.search(query, len(photos), photos)
        return chosen

    found, spread = timed(individuals, models.queries[:_SLOW])
    database.rows("SELECT set_config('hnsw.iterative_scan', 'off', false)")
    return {"search": spread, "recall": wanted.recall(found)}


def build_index(gallery: Gallery, again: bool) -> Figures:
    """Copy the vectors into the table of the index and build it, or build it once more; empty where it is there and is not built again."""
    table = vector_table(KEY, VECTOR)
    if again:
        gallery.database.execute(f"DROP INDEX IF EXISTS {table}_hnsw")
    (done,) = [each for each in update_server_index(gallery, least=1) if each.name == VECTOR]
    gallery.database.execute(f"ANALYZE {table}")
    if not done.indexing:
        return {}
    ((process,),) = gallery.database.rows("SELECT pg_backend_pid()")
    return {
        **({"copy_seconds": done.copying} if done.added else {}),
        "index_seconds": done.indexing,
        "peak_bytes": peak_memory_of(process),
    }


def index_sizes(gallery: Gallery) -> Figures:
    """Bytes of the vectors in half precision, of their index, and of all that the gallery has on the server."""
    table = vector_table(KEY, VECTOR)
    ((vectors, index, features, everything),) = gallery.database.rows(
        f"SELECT pg_table_size('{table}'), pg_relation_size('{table}_hnsw'), pg_total_relation_size('feature'), "
        "(SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c "
        "WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname NOT LIKE 'part%')"
    )
    return {"vector_bytes": vectors, "index_bytes": index, "feature_bytes": features, "all_bytes": everything}


def measure_server(gallery: Gallery, index: VectorIndex, models: Models, wanted: Wanted) -> Figures:
    """The product's search by the index, with several numbers of vectors that the index is asked for; and the server's exact search."""
    asked = []
    for each in _ASKED:
        if each * SHORTLIST > MOST_ASKED:
            continue
        index.asked_for_each = each
        found, spread = timed(lambda query: index.search(query, SHORTLIST)[0], models.queries)
        asked.append({"asked": each * SHORTLIST, "search": spread, "recall": wanted.recall(found)})
    index.asked_for_each = ASKED_FOR_EACH
    table, database = vector_table(KEY, VECTOR), gallery.database
    ((process,),) = database.rows("SELECT pg_backend_pid()")
    peak = peak_memory_of(process)
    sql = f"SELECT sighting_id FROM {table} ORDER BY vector <#> ?::halfvec LIMIT ?"
    with database.snapshot():
        database.rows("SELECT set_config('enable_indexscan', 'off', true)")
        found, spread = timed(lambda query: _ids(database, sql, (halfvec_text(query), SHORTLIST)), models.queries[:_SLOW])
    return {
        "asked": asked,
        "chosen": ASKED_FOR_EACH * SHORTLIST,
        "search_peak_bytes": peak,
        "scan": {"search": spread, "recall": wanted.recall(found), "peak_bytes": peak_memory_of(process)},
    }


def timed(
    search: Callable[[NDArray[np.float32]], NDArray[np.int64]], queries: Sequence[NDArray[np.float32]] | NDArray[np.float32]
) -> tuple[list[NDArray[np.int64]], Figures]:
    """What is found for each query, and the milliseconds of a second search for it: what the first one reads from the disk is in memory."""
    found = [search(query) for query in queries]
    milliseconds = []
    for query in queries:
        start = time.perf_counter()
        search(query)
        milliseconds.append(1000 * (time.perf_counter() - start))
    return found, asdict(Spread.of(milliseconds))


def _individual(sightings: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whom sightings of a made-up gallery show."""
    return (sightings - 1) // PHOTOS_OF_ONE


def _ids(database: Database, sql: str, parameters: Sequence[Any]) -> NDArray[np.int64]:
    return np.array([row for (row,) in database.rows(sql, parameters)], np.int64)


def _grown(before: dict[str, int]) -> dict[str, int]:
    """By how much resident memory has grown, bytes, see `memory_now`."""
    return {kind: max(0, value - before.get(kind, 0)) for kind, value in memory_now().items()}
