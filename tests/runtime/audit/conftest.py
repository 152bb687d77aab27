"""A pack with a verified score, and a catalogue of rendered animals with a double, a mixture and a photo under the wrong name."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from reid_edge.audit import Audit
from reid_edge.gallery import Gallery
from reid_edge.identify.identifier import CALIBRATION, Identifier
from reid_edge.pack import NewFile, open_pack, write_pack


@pytest.fixture(scope="session")
def verified_pack(field_pack, tmp_path_factory) -> Path:
    """The bundled networks, so that its features serve; the only matcher counts verified points. It is not calibrated."""
    match = {
        "name": "verified",
        "keypoints": "xfeat",
        "matcher": "mutual-nearest",
        "min_score": 0.5,
        "count": "inliers",
        "geometry": "similarity",
        "inlier_pixels": 25.0,
    }
    recipe = {**field_pack.recipe, "match": [match]}
    files = [
        NewFile(file.path, field_pack.read_bytes(file.path), file.licence, file.origin)
        for file in field_pack.manifest.files
        if file.path != CALIBRATION
    ]
    folder = tmp_path_factory.mktemp("packs") / "verified"
    write_pack(folder, replace(field_pack.manifest, name="verified", recipe=recipe), files)
    return folder


@pytest.fixture(scope="session")
def verified(verified_pack) -> Identifier:
    return Identifier(open_pack(verified_pack), "cpu")


@dataclass(frozen=True)
class Planted:
    """The mistakes of a catalogue.

    Attributes:
        double: two names of one animal.
        mixture: a name of two animals.
        wrong: the sighting that stands under the wrong name, that name, and the right one.
    """

    path: Path
    double: tuple[str, str] = ("Asha", "Zawadi")
    mixture: str = "Imara"
    wrong: tuple[int, str, str] = (0, "Jabari", "Farida")


@pytest.fixture(scope="session")
def planted(sample_gallery, tmp_path_factory) -> Planted:
    """For reading; a test that writes takes a copy."""
    path = Path(shutil.copy(sample_gallery.path, tmp_path_factory.mktemp("planted") / "gallery.sqlite"))
    with Gallery.open(path) as gallery:
        gallery.split("Asha", [gallery.sightings(individual="Asha")[0].id], "Zawadi")
        gallery.merge(["Baraka"], "Imara")
        stray = gallery.sightings(individual="Farida")[0].id
        gallery.reassign([stray], "Jabari")
    return Planted(path, wrong=(stray, "Jabari", "Farida"))


@pytest.fixture
def own_planted(planted, tmp_path) -> Path:
    """A copy to write to, without a cache."""
    return Path(shutil.copy(planted.path, tmp_path / "gallery.sqlite"))


@pytest.fixture
def audited(own_planted, verified) -> Iterator[Callable[..., Audit]]:
    """audited(species=...): the audit of the copy, all photos compared."""
    opened = []

    def audit(path: Path = own_planted, species: str = "") -> Audit:
        gallery = Gallery.open(path, writable=False)
        opened.append(gallery)
        made = Audit(gallery, verified, species)
        for sighting in made.remaining:
            made.compare(sighting)
        return made

    yield audit
    for gallery in opened:
        gallery.close()
