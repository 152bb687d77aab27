"""What answering a photo takes with the gallery on a server beside the same gallery in a file, networks and all."""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

from reid_edge.gallery import Gallery
from reid_edge.identify.identifier import Identifier
from reid_edge.identify.session import Session
from reid_edge.storage.address import Place, ServerAddress
from reid_edge_benchmarks.latency.command import Photos
from reid_edge_benchmarks.latency.galleries import enrol_photos, gallery_of
from reid_edge_benchmarks.latency.statistics import Spread, ratio_of_medians
from reid_edge_benchmarks.scale.filling import copy_content
from reid_edge_benchmarks.scale.searching import Figures
from reid_edge_calibration.progress import Progress


def prepare_identification(
    photos: Photos, size: int, identifier: Identifier, folder: Path, address: ServerAddress, progress: Progress
) -> dict[str, Place]:
    """A gallery of so many photos in a file, those that were enrolled and made-up ones, and the same on the server: by store its place.

    Raises:
        EngineError, GalleryError, StorageError, UsageError: see `gallery_of`.
    """
    made = gallery_of(size, enrol_photos(folder, photos.database, identifier, progress), identifier, folder, progress)
    server = replace(address, schema=f"identify_{made.path.stem.replace('-', '_')}")
    with Gallery.open(made.path, writable=False) as source, Gallery.open_or_create(server) as target:
        ((present,),) = target.database.rows("SELECT count(*) FROM feature")
        ((wanted,),) = source.database.rows("SELECT count(*) FROM feature")
        if present != wanted:
            target.database.execute("TRUNCATE individual, sighting, feature CASCADE")
            copy_content(source, target, f"Copying {size:,} to the server", progress)
    return {"file": made.path, "server": server}


def measure_identification(
    places: dict[str, Place], photos: Photos, identifier: Identifier, rounds: int, progress: Progress
) -> Figures:
    """Answer each photo from both in turns; who is first changes with every photo.

    Returns:
        by store ``open_seconds`` of the session and ``whole``, a `Spread` of milliseconds from file to decision; ``ratio`` of the server's
        time to the file's; ``same`` is the share of photos with the same verdict and identity.

    Raises:
        PhotoError, EngineError, GalleryError: a photo cannot be answered.
    """
    milliseconds: dict[str, list[float]] = {store: [] for store in places}
    figures: Figures = {}
    same = 0
    with ExitStack() as stack:
        sessions = {}
        for store, place in places.items():
            start = time.perf_counter()
            sessions[store] = stack.enter_context(Session(Gallery.open(place, writable=False), identifier))
            figures[store] = {"open_seconds": time.perf_counter() - start}
            _answer(sessions[store], photos.queries[0].path)  # makes the copies, and is for warming up
        asked = [query.path for query in photos.queries] * rounds
        for number, path in enumerate(progress(asked, "Identifying")):
            answers = {}
            for store in list(sessions) if number % 2 else list(sessions)[::-1]:
                start = time.perf_counter()
                answers[store] = _answer(sessions[store], path)
                milliseconds[store].append(1000 * (time.perf_counter() - start))
            same += len(set(answers.values())) == 1
    shutil.rmtree(sessions["file"].gallery.cache, ignore_errors=True)
    for store, each in milliseconds.items():
        figures[store]["whole"] = asdict(Spread.of(each))
    figures["ratio"] = ratio_of_medians(milliseconds["server"], milliseconds["file"]).as_json()
    return {**figures, "same": same / len(asked), "photos": photos.what, "queries": len(photos.queries), "rounds": rounds}


def _answer(session: Session, path: Path) -> tuple[tuple[str, str | None], ...]:
    return tuple((each.verdict, each.identity) for each in session.identify(path))
