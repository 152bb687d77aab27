"""``reid-edge bench catalogue``: galleries of up to a million photos in a file and on a PostgreSQL server, and the ways to search them.

The photos are made up; of the product all is real: the tables, the copies of vectors, the index, the searches.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reid_edge.cli.progress import progress
from reid_edge.storage.address import ServerAddress, read_place
from reid_edge_benchmarks.options import PATH, Setup, keep_option, numbers_option, prepare_option, setup_options
from reid_edge_benchmarks.postgres_server import MEASURED, running_server
from reid_edge_benchmarks.results import ResultFile, kept_folder

if TYPE_CHECKING:
    from reid_edge.identify.identifier import Identifier
    from reid_edge_benchmarks.latency.command import Photos
    from reid_edge_benchmarks.scale.vectors import Models

_ENROLLED = 200  # photos that vectors are mixed from
_ROUNDS = 1


@click.command()
@numbers_option("--sizes", default="1000,10000,100000", help_text="Photos in the gallery.")
@click.option(
    "--like",
    "metadata",
    multiple=True,
    type=PATH,
    metavar="METADATA",
    help="Mix the vectors from those of these labelled photos; may be repeated. [default: from random vectors]",
)
@click.option("--dimension", type=click.IntRange(8, 4000), default=384, show_default=True, help="Length of a vector.")
@click.option("--queries", type=click.IntRange(2), default=50, show_default=True, help="Searches of each kind.")
@click.option(
    "--added",
    type=click.IntRange(2),
    default=200,
    show_default=True,
    help="Photos to add through the product, to measure that; they are taken out again. One in ten is of a new individual.",
)
@click.option(
    "--identify",
    "identify_size",
    type=click.IntRange(1),
    help="With --like: also answer photos, the whole way, with a gallery of this size in a file and on a server.",
)
@click.option(
    "--server",
    default=None,
    metavar="URL",
    help="A database to make schemas in, postgresql://USER@HOST/DATABASE. [default: a server that is started for it]",
)
@prepare_option
@setup_options(keep=keep_option("the galleries and the data of the server"))
def catalogue(
    sizes: tuple[int, ...],
    metadata: tuple[Path, ...],
    dimension: int,
    queries: int,
    added: int,
    identify_size: int | None,
    server: str | None,
    prepare: bool,
    setup: Setup,
) -> None:
    """Measure galleries on a PostgreSQL server beside ones in a file: filling, opening, and each way to search the vectors.

    Exact on the device, exact on the server, by the server's index (HNSW in half precision, compared exactly afterwards), within a species
    or a region, and by individual. Galleries are filled in bulk; adding through the product is measured on a few photos. A run that was
    stopped goes on with what is in the folder --keep.
    """
    from reid_edge.threads import default_threads
    from reid_edge_benchmarks.latency.galleries import open_identifier
    from reid_edge_benchmarks.scale.tables import catalogue_text
    from reid_edge_benchmarks.scale.vectors import made_up_models

    if identify_size and not metadata:
        raise click.BadParameter("--identify needs photos: --like METADATA.")
    if prepare and not setup.keep:
        raise click.BadParameter("--prepare needs a folder to prepare: --keep FOLDER.")
    results = ResultFile(setup.json_path)
    threads = setup.threads or default_threads()
    with kept_folder(setup.keep) as folder:
        identifier = photos = None
        if metadata:
            identifier = open_identifier(setup.pack_name, setup.device, setup.threads)
            photos, models = _models(metadata, identifier, folder, dimension, queries)
        else:
            models = made_up_models(queries, dimension)
        figures: dict[str, Any] = {"kind": "catalogue", "dimension": dimension, "queries": len(models.queries)}
        figures |= {"threads": threads, "added": added}
        figures |= {"vectors": models.what, "kept": models.kept, "likeness": models.likeness}
        with _server(server, setup.keep) as address:
            figures["server"] = "given" if server else {**MEASURED}
            figures["catalogue"] = []
            for row in _measure_sizes(sizes, models, folder, address, threads, None if prepare else added):
                figures["catalogue"].append(row)
                _compute(figures)
                results.save(figures)  # the next size takes long
            if identify_size and identifier and photos:
                figures["identify"] = _identify(identify_size, photos, identifier, folder, address, prepare)
    if not prepare:
        # Only now: once the server has ended, its time is not that of others.
        click.echo(catalogue_text(figures))
        results.save(figures)


def _measure_sizes(
    sizes: tuple[int, ...], models: Models, folder: Path, address: ServerAddress, threads: int, added: int | None
) -> Iterator[dict[str, Any]]:
    """Make the galleries of all sizes, and measure them one after another; None photos to add: only make them."""
    from reid_edge_benchmarks.scale.stores import Stores, caches_in, measure_stores, prepare_stores
    from reid_edge_benchmarks.scale.vectors import MadeUpPhotos

    photos = MadeUpPhotos(models)
    for size in sizes:
        stores = Stores.of(size, models, folder, address)
        with caches_in(folder):
            prepare_stores(stores, photos, progress, measuring=added is not None)
            if added is not None:
                yield measure_stores(stores, photos, threads, added)
        click.echo(f"{'Prepared' if added is None else 'Measured'} {size:,}.", err=True)


def _identify(
    size: int, photos: Photos, identifier: Identifier, folder: Path, address: ServerAddress, prepare: bool
) -> dict[str, Any] | None:
    from reid_edge_benchmarks.scale.identifying import measure_identification, prepare_identification
    from reid_edge_benchmarks.scale.stores import caches_in

    with caches_in(folder):
        places = prepare_identification(photos, size, identifier, folder, address, progress)
        if prepare:
            return None
        return {"size": size, **measure_identification(places, photos, identifier, _ROUNDS, progress)}


def _compute(figures: dict[str, Any]) -> None:
    """Add what follows from the measured sizes."""
    from reid_edge_benchmarks.scale.extrapolation import bytes_of_a_vector, extrapolated, laws

    rows, dimension = figures["catalogue"], figures["dimension"]
    figures |= {
        "laws": laws(rows),
        "bytes": bytes_of_a_vector(rows[-1], dimension),
        "extrapolated": extrapolated(rows, dimension),
    }


def _models(
    metadata: tuple[Path, ...], identifier: Identifier, folder: Path, dimension: int, queries: int
) -> tuple[Photos, Models]:
    from reid_edge.gallery import Gallery
    from reid_edge_benchmarks.latency.command import choose_photos
    from reid_edge_benchmarks.latency.galleries import enrol_photos
    from reid_edge_benchmarks.scale.vectors import models_of_photos, read_models, write_models

    photos = choose_photos(metadata, None, _ENROLLED, queries, folder, progress)
    enrolled = enrol_photos(folder, photos.database, identifier, progress)
    kept = folder / f"models-{enrolled.stem}-{dimension}-{len(photos.queries)}.npz"
    if kept.is_file():
        return photos, read_models(kept)
    with Gallery.open(enrolled, writable=False) as gallery:
        models = models_of_photos(gallery, photos, identifier, dimension, progress)
    write_models(models, kept)
    return photos, models


@contextlib.contextmanager
def _server(server: str | None, keep: Path | None) -> Iterator[ServerAddress]:
    place = None if server is None else read_place(server)
    if isinstance(place, ServerAddress):
        yield place
    elif place is None:
        with running_server(durable=True, keep=keep, settings=MEASURED) as address:
            yield address
    else:
        raise click.BadParameter("--server is postgresql://USER@HOST/DATABASE")
