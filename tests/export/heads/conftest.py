"""A gallery of drawn vectors and a pack that they could be of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reid_edge.describe.features import vector_array
from reid_edge.gallery import Gallery, NewSighting
from reid_edge.pack import Pack
from reid_edge.recipe import parse_recipe
from reid_edge_export.heads.photos import LabelledPhotos

WIDTH = 16
EMBEDDING = "efficientnet-lite0"


def drawn(individuals: int = 6, encounters: int = 5, spread: float = 0.15, seed: int = 0) -> LabelledPhotos:
    """One photo of each encounter; the vectors of an individual lie about a direction of its own."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(individuals, WIDTH))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    individual = np.repeat(np.arange(individuals), encounters)
    vectors = centres[individual] + spread * random.normal(size=(len(individual), WIDTH))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    count = len(individual)
    names = tuple(f"animal {number}" for number in range(individuals))
    return LabelledPhotos(vectors.astype(np.float32), names, individual, np.arange(count), ("left",) * count, ("zebra",) * count)


@pytest.fixture(scope="session")
def photos() -> Callable[..., LabelledPhotos]:
    return drawn


@pytest.fixture
def gallery(tmp_path: Path, field_pack: Pack) -> Path:
    """30 photos of 6 individuals, described with the pack `field` by drawn vectors of its width."""
    photos = drawn()
    recipe = parse_recipe(field_pack.recipe, field_pack.manifest)
    key = field_pack.feature_key(recipe.feature_networks, recipe.feature_settings())
    path = tmp_path / "gallery.sqlite"
    with Gallery.create(path) as opened:
        batch = opened.new_batch()
        for row in range(len(photos)):
            seen = NewSighting(
                identity=photos.identities[photos.individual[row]],
                photo_sha256=hashlib.sha256(bytes([row])).hexdigest(),
                species="zebra",
                viewpoint="left",
            )
            vector = np.zeros(1280, np.float32)
            vector[:WIDTH] = photos.vectors[row]
            opened.add_sighting(seen, {vector_array(EMBEDDING): vector}, key, batch)
    return path
