"""What the search for the shortlist costs as the gallery grows, exact and with usearch's index (HNSW), and what the index misses."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.features import vector_array
from reid_edge.gallery import Gallery
from reid_edge.gallery.search import VectorIndex
from reid_edge.identify.identifier import Identifier
from reid_edge_benchmarks.latency.galleries import vector_gallery
from reid_edge_benchmarks.latency.statistics import Spread, ratio_of_medians
from reid_edge_benchmarks.memory import memory_now
from reid_edge_calibration.progress import Progress

Vectors = NDArray[np.float32]

_QUERIES = 32
_NOISE = 0.3  # length of what is added to a made-up vector, before it is brought to length 1
# usearch's own defaults (its documentation, "Index"): connectivity, expansion while adding and while searching.
_CONNECTIVITY, _EXPANSION_ADD, _EXPANSION_SEARCH = 16, 128, 64


def measure_search(
    enrolled: Path, sizes: Sequence[int], identifier: Identifier, folder: Path, threads: int, rounds: int, progress: Progress
) -> list[dict[str, Any]]:
    """Search galleries of vectors that are like those of the enrolled photos.

    Args:
        enrolled: a gallery; some of its vectors are the queries, mixtures of two others and noise are what is searched.
        sizes: of the galleries.
        identifier: the pack that described it.
        folder: keeps the galleries of vectors.
        threads: that share an exact search, as in the runtime, and that usearch builds with.
        rounds: how often each query is searched.

    Returns:
        By size: ``exact`` (a `Spread`, milliseconds), ``memory`` of this process, ``bytes`` of a vector as it is searched, and with usearch
        installed ``usearch``: ``build_seconds``, ``milliseconds`` (a `Spread`), ``recall`` of the exact shortlist, ``file_bytes`` and the
        ``ratio`` of exact to it. ``candidates`` says how many are looked for.
    """
    count = identifier.recipe.retrieve.candidates
    queries, vectors = like_enrolled(_vectors_of(enrolled, identifier), max(sizes))
    found = []
    for size in progress(list(sizes), "Searching"):
        path = vector_gallery(size, vectors[:size], identifier, folder, lambda items, *_: items)
        with Gallery.open(path, writable=False) as gallery:
            index = VectorIndex.open(gallery, identifier.feature_key, vector_array(identifier.recipe.retrieve.embedding))
            ids = [index.search(query, count)[0] for query in queries]  # and warm: every page was touched
            exact = _milliseconds(partial(index.search, threads=threads), queries, count, rounds)
            row = {"size": size, "candidates": count, "exact": asdict(Spread.of(exact)), "memory": memory_now()}
            row["bytes"] = int(index.vectors[:1].nbytes)
            found.append(row | _usearch(vectors[:size], index.ids, ids, queries, exact, count, threads, rounds, folder, gallery))
    return found


def like_enrolled(real: Vectors, count: int, seed: int = 0) -> tuple[Vectors, Vectors]:
    """Queries [Q, D] and as many made-up vectors [count, D] as are wanted, all of length 1.

    Vectors that were drawn evenly from the sphere would all be equally far from a query, which no photos are, and which no index of
    neighbours can search. So a made-up one is a random mixture of two enrolled photos' and a little noise; queries are enrolled photos'
    that were not mixed.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(real))
    asked = max(1, min(_QUERIES, len(real) // 4))
    queries, models = real[order[:asked]], real[order[asked:]] if len(real) > asked else real
    share = random.uniform(0.2, 0.8, (count, 1)).astype(np.float32)
    first, second = (models[random.integers(0, len(models), count)] for _ in range(2))
    mixed = share * first + (1 - share) * second
    mixed += random.standard_normal(mixed.shape, np.float32) * np.float32(_NOISE / np.sqrt(mixed.shape[1]))
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    return queries, mixed


def _vectors_of(path: Path, identifier: Identifier) -> Vectors:
    name = vector_array(identifier.recipe.retrieve.embedding)
    with Gallery.open(path, writable=False) as gallery:
        ids = [sighting.id for sighting in gallery.sightings()]
        features = gallery.features(ids, identifier.feature_key, [name])
    return np.array([features[one][name] for one in ids if one in features], np.float32)


def _usearch(
    vectors: Vectors,
    ids: NDArray[np.int64],
    shortlists: Sequence[NDArray[np.int64]],
    queries: Vectors,
    exact: Sequence[float],
    count: int,
    threads: int,
    rounds: int,
    folder: Path,
    gallery: Gallery,
) -> dict[str, Any]:
    """The same with usearch's index in half precision, kept in a file and mapped; nothing where it is not installed."""
    try:
        from usearch.index import Index
    except ModuleNotFoundError:
        return {}
    file = folder / f"{gallery.path.stem}.usearch"
    settings = {"ndim": vectors.shape[1], "metric": "cos", "dtype": "f16", "connectivity": _CONNECTIVITY}
    note = file.with_suffix(".seconds")
    if not note.is_file():
        index = Index(**settings, expansion_add=_EXPANSION_ADD, expansion_search=_EXPANSION_SEARCH)
        # Keys are the sightings' ids; the gallery gives them in the order in which the vectors were added.
        keys = np.array(sorted(ids), np.int64)
        start = time.perf_counter()
        index.add(keys, vectors, threads=threads)
        seconds = time.perf_counter() - start
        index.save(str(file))
        note.write_text(str(seconds))  # written last, so it proves that the index is complete; a later run reads it again
    index = Index(**settings, expansion_search=max(_EXPANSION_SEARCH, count))
    index.view(str(file))
    found = [index.search(query, count).keys for query in queries]
    milliseconds = _milliseconds(index.search, queries, count, rounds)
    recall = [len(set(mine.tolist()) & set(its.tolist())) / len(its) for mine, its in zip(found, shortlists, strict=True)]
    ratio = ratio_of_medians(*(np.median(np.reshape(each, (rounds, -1)), 0).tolist() for each in (exact, milliseconds)))
    return {
        "usearch": {
            "build_seconds": float(note.read_text()),
            "milliseconds": asdict(Spread.of(milliseconds)),
            "recall": float(np.mean(recall)),
            "least recall": float(np.min(recall)),
            "file_bytes": file.stat().st_size,
            "ratio": ratio.as_json(),
        }
    }


def _milliseconds(search: Callable[[Vectors, int], Any], queries: Vectors, count: int, rounds: int) -> list[float]:
    """Of every search, query by query and round by round."""
    found = []
    for query in [*queries] * rounds:
        start = time.perf_counter()
        search(query, count)
        found.append((time.perf_counter() - start) * 1e3)
    return found
