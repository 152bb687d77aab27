"""The sample set: which individuals there are, which photos of them, and how they lie in a folder.

``gallery/<identity>/*.jpg`` holds the known animals, ``photos/*.jpg`` the photos to identify, two of animals that the
gallery does not know. ``metadata.csv`` says who is who, in the columns of AnimalCLEF.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge_benchmarks.sample_animals.coat import Kind
from reid_edge_benchmarks.sample_animals.scene import Viewpoint, render_animal

_COLUMNS = ("image_id", "identity", "path", "date", "orientation", "species", "split", "dataset")
_SPECIES: dict[Kind, str] = {"spots": "spotted sample animal", "stripes": "striped sample animal"}
_JPEG_QUALITY = 85


@dataclass(frozen=True)
class SamplePhoto:
    """One photo of the set; everything in it follows from the two seeds, the kind and the viewpoint."""

    path: str  # within the set
    identity: str
    kind: Kind
    individual_seed: int
    photo_seed: int
    date: str
    split: Literal["database", "query"]
    viewpoint: Viewpoint = "left"

    def render(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """The photo before JPEG, sRGB uint8 [480, 640, 3], and the animal's mask, bool [480, 640]."""
        return render_animal(self.individual_seed, self.photo_seed, self.kind, viewpoint=self.viewpoint)

    def metadata(self) -> dict[str, str]:
        """The photo's row of metadata.csv."""
        row = (Path(self.path).stem, self.identity, self.path, self.date, self.viewpoint, _SPECIES[self.kind], self.split)
        return dict(zip(_COLUMNS, (*row, "reid-edge samples"), strict=True))


_KINDS: dict[str, Kind] = {
    "Asha": "spots",
    "Baraka": "spots",
    "Chipo": "spots",
    "Duma": "spots",
    "Enzi": "stripes",
    "Farida": "stripes",
    "Imara": "stripes",
    "Jabari": "stripes",
    "Kito": "spots",
    "Lulu": "stripes",
}
_SEEDS = {identity: seed for seed, identity in enumerate(_KINDS, start=1)}
_NEW = ("Kito", "Lulu")  # never in the gallery
_QUERIES = ("Imara", "Chipo", "Kito", "Asha", "Lulu", "Farida")


def _gallery_photo(identity: str, number: int) -> SamplePhoto:
    seed = _SEEDS[identity]
    path = f"gallery/{identity}/{identity.lower()}_{number}.jpg"
    return SamplePhoto(
        path, identity, _KINDS[identity], seed, 400 + 10 * seed + number, f"2025-06-{seed + 8 * number - 7:02d}", "database"
    )


def _query_photo(number: int, identity: str) -> SamplePhoto:
    path = f"photos/trail_{number}.jpg"
    return SamplePhoto(path, identity, _KINDS[identity], _SEEDS[identity], 5000 + number, f"2025-09-{3 * number:02d}", "query")


SAMPLE_PHOTOS: tuple[SamplePhoto, ...] = (
    *(_gallery_photo(identity, number) for identity in _KINDS if identity not in _NEW for number in (1, 2, 3)),
    *(_query_photo(number, identity) for number, identity in enumerate(_QUERIES, start=1)),
)


def write_sample_set(out: Path, photos: Iterable[SamplePhoto] = SAMPLE_PHOTOS) -> None:
    """Render ``photos`` into the folder ``out`` as JPEG files, with a metadata.csv that lists them.

    Raises:
        OSError: the folder cannot be written.
    """
    photos = tuple(photos)
    for photo in photos:
        file = out / photo.path
        file.parent.mkdir(parents=True, exist_ok=True)
        rgb, _ = photo.render()
        _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        file.write_bytes(jpeg.tobytes())
    with (out / "metadata.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(photo.metadata() for photo in photos)
