"""As many photos as one likes to measure with: sample animals, rendered into a folder."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2

from reid_edge.errors import StorageError
from reid_edge.processes import in_root_folder
from reid_edge_benchmarks.sample_animals import render_animal
from reid_edge_calibration.progress import Progress

_PHOTOS_EACH = 10
_QUALITY = 85
# Seeds far from those of the bundled samples, so that no photo is one of them.
_FIRST_INDIVIDUAL, _FIRST_PHOTO = 50_000, 60_000


def render_photos(folder: Path, count: int, progress: Progress) -> list[Path]:
    """Render photos, ten of each individual, 640 x 480 pixels; those that are in the folder already are kept.

    Args:
        folder: gets a sub-folder per individual.
        count: of photos.
        progress: wraps an iterable, a word for it and its length.

    Raises:
        StorageError: the folder cannot be written.
    """
    individuals = -(-count // _PHOTOS_EACH)
    counts = [min(_PHOTOS_EACH, count - _PHOTOS_EACH * individual) for individual in range(individuals)]
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=os.chdir, initargs=(Path.cwd(),)) as processes:
        with in_root_folder():
            rendered = processes.map(_render_individual, [folder] * individuals, range(individuals), counts)
        return [photo for photos in progress(rendered, "Rendering individuals", individuals) for photo in photos]


def _render_individual(folder: Path, individual: int, count: int) -> list[Path]:
    """Photos of one individual, by one process, which grows the coat once."""
    cv2.setNumThreads(1)  # the other cores render other individuals
    photos = [folder / f"animal-{individual:04d}" / f"{number}.jpg" for number in range(count)]
    for number, photo in enumerate(photos):
        if photo.exists():
            continue
        photo_seed = _FIRST_PHOTO + _PHOTOS_EACH * individual + number
        rgb, _ = render_animal(_FIRST_INDIVIDUAL + individual, photo_seed, "stripes" if individual % 2 else "spots")
        _, encoded = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        try:
            photo.parent.mkdir(parents=True, exist_ok=True)
            photo.write_bytes(encoded.tobytes())
        except OSError as error:
            raise StorageError(f"{photo} cannot be written ({error.strerror or error}).", "Free space there.") from error
    return photos
