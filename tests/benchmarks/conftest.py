"""A few of the sample photos as a labelled set, and a gallery of them, made once."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import reid_edge
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import read_source
from reid_edge.identify.enrolment import enrol
from reid_edge.identify.identifier import Identifier
from reid_edge.identify.session import Session

SAMPLES = Path(reid_edge.__file__).parent / "samples"
# Three individuals by two photos, and queries of two of them and of Kito, whom the gallery does not know.
FEW = ("asha_1", "asha_2", "chipo_1", "chipo_2", "imara_1", "imara_2", "trail_1", "trail_2", "trail_3")


@pytest.fixture(scope="session")
def few_samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A metadata.csv of 6 database and 3 query photos of the bundled samples."""
    with (SAMPLES / "metadata.csv").open(newline="", encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if row["image_id"] in FEW]
    path = tmp_path_factory.mktemp("few-samples") / "metadata.csv"
    with path.open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "path": str(SAMPLES / row["path"])} for row in rows)
    return path


@pytest.fixture(scope="session")
def few_gallery(
    few_samples: Path, identifier: Identifier, made_once: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The gallery of the 6 database photos."""

    def make(folder: Path) -> None:
        with Gallery.create(folder / "gallery.sqlite") as gallery:
            enrol(gallery, identifier, read_source(few_samples, split="database"))

    return Path(shutil.copy(made_once("few-gallery", make) / "gallery.sqlite", tmp_path_factory.mktemp("few-gallery")))


@pytest.fixture(scope="session")
def session(few_gallery: Path, identifier: Identifier) -> Iterator[Session]:
    """The bundled pack and that gallery."""
    with Session(Gallery.open(few_gallery, writable=False), identifier) as opened:
        yield opened
