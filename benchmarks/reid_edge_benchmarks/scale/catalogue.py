"""``reid-edge bench catalogue``: what a gallery on a PostgreSQL server costs beside one in a file, of any size, with made-up photos.

What the networks take is the same for both and is not measured: opening, the search for the shortlist, reading the shortlist's keypoints,
and adding photos are all that an identification and an enrolment ask of a gallery.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from reid_edge.cli.progress import progress
from reid_edge.gallery import Gallery, NewSighting
from reid_edge.gallery.server_index import update_server_index
from reid_edge.markdown import markdown_table
from reid_edge.storage.address import Place, ServerAddress, read_place
from reid_edge_benchmarks.latency.statistics import Spread
from reid_edge_benchmarks.options import json_option, keep_option, numbers_option
from reid_edge_benchmarks.postgres_server import running_server
from reid_edge_benchmarks.results import ResultFile, kept_folder

KEY, VECTOR = "c" * 32, "embedding/made-up"
SHORTLIST, WITH_KEYPOINTS = 50, 500  # photos; keypoints of all of them would fill the disk and are never read
_TOGETHER, _PHOTOS_OF_ONE = 1000, 10
_POINTS, _LENGTH = 1024, 64
_LIKENESS = 0.8  # share of its individual in a photo's vector

Vectors = NDArray[np.float32]


@click.command()
@numbers_option("--sizes", default="1000,10000,100000", help_text="Photos in the gallery.")
@click.option("--dimension", type=click.IntRange(8, 4000), default=384, show_default=True, help="Length of a vector.")
@click.option("--queries", type=click.IntRange(1), default=50, show_default=True, help="Searches of each kind.")
@click.option(
    "--server",
    default=None,
    metavar="URL",
    help="A database to make schemas in, postgresql://USER@HOST/DATABASE. [default: a server that is started for it]",
)
@keep_option("the galleries that are files")
@json_option
def catalogue(
    sizes: tuple[int, ...], dimension: int, queries: int, server: str | None, keep: Path | None, json_path: Path | None
) -> None:
    """Measure a gallery on a PostgreSQL server beside one in a file, and the index of its vectors beside an exact search."""
    results = ResultFile(json_path)
    rows = []
    with kept_folder(keep) as folder, _server(server) as address:
        for size in sizes:
            vectors, asked = made_up(size, queries, dimension)
            places: dict[str, Place] = {
                "file": folder / f"catalogue-{size}-{dimension}.sqlite",
                "server": dataclasses.replace(address, schema=f"catalogue_{size}_{dimension}"),
            }
            for store, place in places.items():
                rows.append({"size": size, "store": store, **_measured(place, vectors, asked, f"Filling {size}, {store}")})
            rows.append({"size": size, "store": "server, indexed", **_indexed(places["server"], asked)})
    click.echo(catalogue_table(rows))
    results.save({"catalogue": rows, "dimension": dimension, "shortlist": SHORTLIST})


def catalogue_table(rows: Sequence[dict[str, Any]]) -> str:
    """A row for each size and store: milliseconds of adding a photo, of a search and of reading the keypoints of a shortlist; seconds of
    opening and of building the index; and the share of the exact shortlist that the index finds.
    """
    header = ("photos", "store", "add ms", "open s", "search ms", "p95", "keypoints ms", "index s", "recall")
    return markdown_table(header, [_row(row) for row in rows])


def made_up(size: int, queries: int, dimension: int, seed: int = 0) -> tuple[Vectors, Vectors]:
    """Vectors of length 1, of several photos of each individual, and those of further photos of the same individuals.

    Vectors that were drawn evenly from the sphere would all be equally far from a query, which those of photos are not.
    """
    random = np.random.default_rng(seed)
    individuals = random.standard_normal((max(1, size // _PHOTOS_OF_ONE), dimension), np.float32)

    def photos(owners: NDArray[np.int64]) -> Vectors:
        noise = random.standard_normal((len(owners), dimension), np.float32)
        mixed: Vectors = _LIKENESS * individuals[owners] + (1 - _LIKENESS) * 2 * noise
        return mixed / np.linalg.norm(mixed, axis=1, keepdims=True)

    return photos(np.arange(size) % len(individuals)), photos(random.integers(0, len(individuals), queries))


@contextlib.contextmanager
def _server(server: str | None) -> Iterator[ServerAddress]:
    place = None if server is None else read_place(server)
    if isinstance(place, ServerAddress):
        yield place
    elif place is None:
        with running_server(durable=True) as address:
            yield address
    else:
        raise click.BadParameter("--server is postgresql://USER@HOST/DATABASE")


def _measured(place: Place, vectors: Vectors, asked: Vectors, title: str) -> dict[str, Any]:
    with Gallery.open_or_create(place) as gallery:
        add = _filled(gallery, vectors, title)
    with Gallery.open(place, writable=False) as gallery:
        gallery.vector_index(KEY, VECTOR)  # makes the mapped copy, which is kept
    start = time.perf_counter()
    with Gallery.open(place, writable=False) as gallery:
        index = gallery.vector_index(KEY, VECTOR)
        opened = time.perf_counter() - start
        search = _milliseconds(lambda query: index.search(query, SHORTLIST), asked)
        described = [seen.id for seen in gallery.sightings(viewpoint="left")]
        random = np.random.default_rng(1)
        shortlists = [random.choice(described, min(SHORTLIST, len(described)), replace=False).tolist() for _ in asked]
        read = _milliseconds(lambda ids: gallery.features(ids, KEY, ["keypoints/xy", "keypoints/descriptors"]), shortlists)
    return {"add": add, "open_seconds": opened, "search": asdict(Spread.of(search)), "keypoints": asdict(Spread.of(read))}


def _filled(gallery: Gallery, vectors: Vectors, title: str) -> float | None:
    """Milliseconds of adding one photo, a thousand in one transaction; None where a run before filled the gallery."""
    present, start = len(gallery.sightings()), time.perf_counter()
    random, batch = np.random.default_rng(2), gallery.new_batch()
    individuals = max(1, len(vectors) // _PHOTOS_OF_ONE)
    for begin in progress(list(range(present, len(vectors), _TOGETHER)), title):
        with gallery.transaction():
            for number in range(begin, min(begin + _TOGETHER, len(vectors))):
                arrays: dict[str, NDArray[Any]] = {VECTOR: vectors[number]}
                if number < WITH_KEYPOINTS:
                    arrays["keypoints/xy"] = random.uniform(0, 999, (_POINTS, 2)).astype(np.float32)
                    arrays["keypoints/descriptors"] = random.standard_normal((_POINTS, _LENGTH), np.float32).astype(np.float16)
                name, side = f"animal {number % individuals}", "left" if number < WITH_KEYPOINTS else "right"
                gallery.add_sighting(
                    NewSighting(photo_sha256=f"{number:064x}", identity=name, viewpoint=side), arrays, KEY, batch
                )
    added = len(vectors) - present
    return 1000 * (time.perf_counter() - start) / added if added > 0 else None


def _indexed(place: Place, asked: Vectors) -> dict[str, Any]:
    with Gallery.open(place) as gallery:
        exact = gallery.vector_index(KEY, VECTOR)
        wanted = [set(exact.search(query, SHORTLIST)[0].tolist()) for query in asked]
        start = time.perf_counter()
        update_server_index(gallery, least=1)
        built = time.perf_counter() - start
        start = time.perf_counter()
        index = gallery.vector_index(KEY, VECTOR)
        opened = time.perf_counter() - start
        found = [set(index.search(query, SHORTLIST)[0].tolist()) for query in asked]
        search = _milliseconds(lambda query: index.search(query, SHORTLIST), asked)
    recall = float(np.mean([len(have & want) / len(want) for have, want in zip(found, wanted, strict=True)]))
    return {"open_seconds": opened, "search": asdict(Spread.of(search)), "index_seconds": built, "recall": recall}


def _milliseconds(call: Callable[[Any], object], values: Sequence[Any] | Vectors) -> list[float]:
    call(values[0])  # what is first touched is not measured
    found = []
    for value in values:
        start = time.perf_counter()
        call(value)
        found.append(1000 * (time.perf_counter() - start))
    return found


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    def number(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    keypoints = row.get("keypoints", {}).get("p50")
    return (
        *(f"{row['size']:,}", row["store"], number(row.get("add"), ".2f"), number(row["open_seconds"], ".2f")),
        *(number(row["search"]["p50"], ".1f"), number(row["search"]["p95"], ".1f"), number(keypoints, ".1f")),
        *(number(row.get("index_seconds"), ".1f"), number(row.get("recall"), ".3f")),
    )
