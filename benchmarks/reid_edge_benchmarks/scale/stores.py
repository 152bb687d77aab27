"""Galleries of one size in a file and on a server, kept from run to run, and what each costs beside the other."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from reid_edge.gallery import Gallery
from reid_edge.storage.address import Place, ServerAddress
from reid_edge_benchmarks.latency.statistics import Spread
from reid_edge_benchmarks.scale.filling import KEY, VECTOR, WITH_KEYPOINTS, fill, measure_adding, remove_added
from reid_edge_benchmarks.scale.parts import build_parts, measure_parts
from reid_edge_benchmarks.scale.searching import (
    SHORTLIST,
    Figures,
    build_index,
    index_sizes,
    measure_device,
    measure_individuals,
    measure_individuals_by_index,
    measure_server,
)
from reid_edge_benchmarks.scale.vectors import MadeUpPhotos, Models
from reid_edge_calibration.progress import Progress

_NEW = 10  # of so many photos that are added one is of an individual that the gallery has not

_BUILT_AGAIN = 100_000  # the index of a gallery of no more is built again for each measurement; that of a larger one is kept


@dataclass(frozen=True)
class Stores:
    """The two galleries of one size.

    Attributes:
        size: photos of each.
        file, server: where they are.
        note: a file with what building the index took.
    """

    size: int
    file: Path
    server: ServerAddress
    note: Path

    @classmethod
    def of(cls, size: int, models: Models, folder: Path, address: ServerAddress) -> Stores:
        """Those of these vectors, in a folder and in a schema of their own."""
        stem = f"catalogue_{size}_{models.dimension}_{models.name}"
        return cls(size, folder / f"{stem}.sqlite", replace(address, schema=stem), folder / f"{stem}.json")


def prepare_stores(stores: Stores, photos: MadeUpPhotos, progress: Progress, measuring: bool) -> None:
    """Fill both galleries, build the index and those of the parts; what is there stays, and a run that was stopped is continued.

    Args:
        stores: where the galleries are to be.
        photos: that they hold.
        progress: wraps an iterable and a word for it.
        measuring: build an index that takes little time again.

    Raises:
        GalleryError, StorageError, UsageError: see `fill`.
    """
    for place in (stores.file, stores.server):
        with Gallery.open_or_create(place) as gallery:
            fill(gallery, photos, stores.size, f"Filling {stores.size:,}, {_name(place)}", progress)
    with Gallery.open(stores.server) as gallery:
        noted = _noted(stores)
        again = "index_seconds" not in noted or (measuring and stores.size <= _BUILT_AGAIN)
        built = build_index(gallery, again)
        _note(stores, {**noted, **built, "built_now": bool(built)})
        _note(stores, {**_noted(stores), **build_parts(gallery)})


def measure_stores(stores: Stores, photos: MadeUpPhotos, threads: int, added: int) -> Figures:
    """Measure what `prepare_stores` made.

    Args:
        stores: where the galleries are.
        photos: that they hold.
        threads: that share an exact search.
        added: photos that are added through the product to measure that, and taken out again.

    Returns:
        ``file`` and ``server``: ``add`` (a `Spread` of milliseconds by kind), ``copy_seconds``, ``refresh_seconds``, ``open_seconds``,
        ``keypoints`` (a `Spread`); ``device``, ``individuals`` and ``index``, see `reid_edge_benchmarks.scale.searching`; ``parts``.

    Raises:
        GalleryError, StorageError: they cannot be read or written.
    """
    models = photos.models
    figures: Figures = {"size": stores.size, "file": _measure_store(stores.file, photos, stores.size, added)}
    figures["file"]["bytes"] = stores.file.stat().st_size
    with Gallery.open(stores.file, writable=False) as file:
        figures["device"], wanted = measure_device(file, models, threads)
        figures["individuals"], individuals = measure_individuals(file, models, threads)
    shutil.rmtree(file.cache, ignore_errors=True)  # the disk may not hold the copies of both
    figures["server"] = _measure_store(stores.server, photos, stores.size, added)
    with Gallery.open(stores.server) as gallery:
        index = gallery.vector_index(KEY, VECTOR)
        figures["index"] = {**_noted(stores), **index_sizes(gallery), **measure_server(gallery, index, models, wanted)}
        figures["individuals"]["by_index"] = measure_individuals_by_index(gallery, index, models, individuals)
        figures["parts"] = measure_parts(gallery, index, models)
    shutil.rmtree(gallery.cache, ignore_errors=True)
    return figures


@contextmanager
def caches_in(folder: Path) -> Iterator[None]:
    """What is copied of galleries on servers lies in this folder meanwhile, and is gone afterwards."""
    earlier = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder / "copies")
    try:
        yield
    finally:
        shutil.rmtree(folder / "copies", ignore_errors=True)
        del os.environ["XDG_CACHE_HOME"]
        if earlier is not None:
            os.environ["XDG_CACHE_HOME"] = earlier


def _measure_store(place: Place, photos: MadeUpPhotos, size: int, added: int) -> Figures:
    with Gallery.open(place) as gallery:
        new = max(1, added // _NEW)
        milliseconds = measure_adding(gallery, photos, size, known=max(1, added - new), new=new)
        shutil.rmtree(gallery.cache, ignore_errors=True)
    seconds = {"copy_seconds": _seconds_to_open(place)}
    with Gallery.open(place) as gallery:
        remove_added(gallery, size)
    seconds |= {"refresh_seconds": _seconds_to_open(place), "open_seconds": _seconds_to_open(place)}
    with Gallery.open(place, writable=False) as gallery:
        keypoints = _milliseconds_of_keypoints(gallery, min(size, WITH_KEYPOINTS))
    return {"add": {kind: asdict(Spread.of(each)) for kind, each in milliseconds.items()}, **seconds, "keypoints": keypoints}


def _seconds_to_open(place: Place) -> float:
    start = time.perf_counter()
    with Gallery.open(place, writable=False) as gallery:
        gallery.vector_index(KEY, VECTOR)
        return time.perf_counter() - start


def _milliseconds_of_keypoints(gallery: Gallery, described: int) -> Figures:
    random, found = np.random.default_rng(1), []
    for turn in range(31):
        ids = (1 + random.choice(described, min(SHORTLIST, described), replace=False)).tolist()
        start = time.perf_counter()
        gallery.features(ids, KEY, ["keypoints/xy", "keypoints/descriptors"])
        if turn:  # the first is for warming up
            found.append(1000 * (time.perf_counter() - start))
    return asdict(Spread.of(found))


def _noted(stores: Stores) -> Figures:
    """What building took, in this run or in an earlier one."""
    return json.loads(stores.note.read_text("utf-8")) if stores.note.is_file() else {}


def _note(stores: Stores, built: Figures) -> None:
    stores.note.write_text(json.dumps(built), "utf-8")


def _name(place: Place) -> str:
    return "file" if isinstance(place, Path) else "server"
