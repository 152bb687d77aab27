"""A pack with a verified score, and catalogues of rendered animals with one mistake each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
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


@pytest.fixture
def doubled(own_gallery) -> Path:
    """The sample gallery, one animal under two names: Asha and Zawadi."""
    with Gallery.open(own_gallery) as gallery:
        gallery.split("Asha", [sighting_of(gallery, "asha_1.jpg")], "Zawadi")
    return own_gallery


@pytest.fixture
def mixed(own_gallery) -> Path:
    """The sample gallery, two animals under one name: Baraka is Asha, too."""
    with Gallery.open(own_gallery) as gallery:
        gallery.merge(["Asha"], "Baraka")
    return own_gallery


@pytest.fixture
def strayed(own_gallery) -> Path:
    """The sample gallery, farida_1.jpg under Jabari."""
    with Gallery.open(own_gallery) as gallery:
        gallery.reassign([sighting_of(gallery, "farida_1.jpg")], "Jabari")
    return own_gallery


def sighting_of(gallery: Gallery, photo_name: str) -> int:
    (found,) = [each.id for each in gallery.sightings() if each.photo_name == photo_name]
    return found


@pytest.fixture
def audited(verified) -> Iterator[Callable[..., Audit]]:
    """audited(path, species=...): the audit of a gallery, all photos compared."""
    opened = []

    def audit(path: Path, species: str = "") -> Audit:
        gallery = Gallery.open(path, writable=False)
        opened.append(gallery)
        made = Audit(gallery, verified, species)
        for sighting in made.remaining:
            made.compare(sighting)
        return made

    yield audit
    for gallery in opened:
        gallery.close()
