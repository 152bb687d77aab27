"""Made-up vectors, as many as are wanted, that are like those of photos: mixtures of the vectors of real photos where these are named.

Vectors that were drawn evenly from the sphere would all be equally far from a query, which those of photos are not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.features import vector_array
from reid_edge.describe.query import Query
from reid_edge.gallery import Gallery, Sighting
from reid_edge.identify.identifier import Identifier
from reid_edge.photo import read_photo
from reid_edge.storage.durable import replacing
from reid_edge_benchmarks.latency.command import Photos
from reid_edge_calibration.progress import Progress

Vectors = NDArray[np.float32]

PHOTOS_OF_ONE = 50  # a programme of 20,000 animals has a million photos
REGIONS = 10
_BLOCK = 20  # individuals
_NOISE = 0.3  # length of what is added to a mixture, before it is brought to length 1
_MADE_UP_MODELS, _MADE_UP_SPECIES, _MADE_UP_LIKENESS = 1000, 4, 0.8
_QUERY_BLOCK = 2**40  # beyond every gallery


@dataclass(frozen=True)
class Models:
    """What vectors are made of, and what is looked for among them.

    Attributes:
        vectors: float32 [M, D], each of length 1; of photos, or drawn.
        species: int64 [M], which species each shows, from 0 on.
        likeness: the cosine of two photos of one individual, 0..1.
        queries: float32 [Q, D], of photos that are in no mixture.
        queried_species: int64 [Q].
        what: they are, for a reader.
        kept: the share of the photos' vectors that is left in `dimension` values, as the mean of squared lengths; 1 of drawn ones.
        name: of the photos, a few hex digits; those of other photos differ.
    """

    vectors: Vectors
    species: NDArray[np.int64]
    likeness: float
    queries: Vectors
    queried_species: NDArray[np.int64]
    what: str
    kept: float = 1.0
    name: str = "random"

    @property
    def dimension(self) -> int:
        """Of a vector."""
        return int(self.vectors.shape[1])


@dataclass(frozen=True)
class MadeUpPhotos:
    """The photos of a gallery of any size: a larger one begins with those of a smaller one.

    An individual's vector is a random mixture of two models of its species, and a little noise; each of its photos is that and noise again,
    so much that two of its photos are as like each other as two of a real individual.
    """

    models: Models

    def individual(self, photo: int) -> int:
        """Whom a photo shows, from 0 on."""
        return photo // PHOTOS_OF_ONE

    def species(self, photo: int) -> int:
        """The species of that individual."""
        return self.individual(photo) % (int(self.models.species.max()) + 1)

    def region(self, photo: int) -> int:
        """Where that individual lives, which has nothing to do with how it looks."""
        return self.individual(photo) // (int(self.models.species.max()) + 1) % REGIONS

    def vectors(self, first: int, last: int) -> Vectors:
        """Float32 [last - first, D], of the photos with these numbers, of which there is one or more."""
        size = _BLOCK * PHOTOS_OF_ONE
        blocks = range(first // size, -(-last // size))
        made = np.concatenate([self._block(block) for block in blocks])
        return made[first - blocks.start * size :][: last - first]

    def _block(self, block: int) -> Vectors:
        models, random = self.models, np.random.default_rng((1, block))
        parents = [np.flatnonzero(models.species == species) for species in range(int(models.species.max()) + 1)]
        species = [self.species((block * _BLOCK + number) * PHOTOS_OF_ONE) for number in range(_BLOCK)]
        pairs = np.array([random.choice(parents[each], 2) for each in species])
        share = random.uniform(0.2, 0.8, (_BLOCK, 1)).astype(np.float32)
        mixed = share * models.vectors[pairs[:, 0]] + (1 - share) * models.vectors[pairs[:, 1]]
        individuals = np.repeat(_unit(mixed + _noise(random, mixed.shape, _NOISE)), PHOTOS_OF_ONE, axis=0)
        # Two photos u + a and u + b, where noise of length t is at right angles to everything: their cosine is 1 / (1 + t²).
        length = float(np.sqrt(1 / models.likeness - 1))
        return _unit(individuals + _noise(random, individuals.shape, length))


def made_up_models(queries: int, dimension: int, seed: int = 0) -> Models:
    """Models that are drawn from the sphere, where no photos are named; a query is a further individual's photo."""
    random = np.random.default_rng(seed)
    vectors = _unit(random.standard_normal((_MADE_UP_MODELS, dimension), np.float32))
    species = np.arange(_MADE_UP_MODELS) % _MADE_UP_SPECIES
    nothing = np.empty((0, dimension), np.float32)
    models = Models(vectors, species, _MADE_UP_LIKENESS, nothing, np.empty(0, np.int64), "mixtures of random vectors")
    photos, first = MadeUpPhotos(models), _QUERY_BLOCK * PHOTOS_OF_ONE * _BLOCK
    numbers = [first + number * PHOTOS_OF_ONE for number in range(queries)]
    asked = np.concatenate([photos.vectors(number, number + 1) for number in numbers])
    return Models(vectors, species, models.likeness, asked, np.array([photos.species(each) for each in numbers]), models.what)


def models_of_photos(gallery: Gallery, photos: Photos, identifier: Identifier, dimension: int, progress: Progress) -> Models:
    """Models that are the vectors of the photos of a gallery; the queries are other photos. Where the pack's vectors have more values, they
    are projected on the axes on which those of the gallery are longest (principal axes, not centred).

    Args:
        gallery: of the photos that are enrolled, with this pack; several photos of some individual.
        photos: those, and the queries, of species that the gallery holds.
        identifier: the pack.
        dimension: of the vectors.
        progress: wraps an iterable and a word for it.

    Raises:
        PhotoError, EngineError, GalleryError: a photo cannot be described.
    """
    embedding = identifier.recipe.retrieve.embedding
    name = vector_array(embedding)
    seen = gallery.sightings()
    stored = gallery.features([one.id for one in seen], identifier.feature_key, [name])
    seen = [one for one in seen if one.id in stored]
    vectors = np.array([stored[one.id][name] for one in seen], np.float32)
    digest = hashlib.sha256(vectors.tobytes()).hexdigest()[:8]
    names = sorted({one.species for one in seen})
    species = np.array([names.index(one.species) for one in seen])
    described = [
        identifier.describe(read_photo(row.path), Query(), largest_only=True)[0].features.vectors[embedding]
        for row in progress(photos.queries, "Describing queries")
    ]
    axes = np.linalg.svd(vectors)[2][:dimension].T
    asked = _unit(np.array(described, np.float32) @ axes)
    kept = float(np.mean(np.square(vectors @ axes).sum(axis=1)))
    vectors = _unit(vectors @ axes)
    # A query's species is that of the photo most like it: the labels of queries are left out, as where several species are in a gallery.
    asked_species = species[(asked @ vectors.T).argmax(axis=1)]
    return Models(
        vectors, species, _likeness(seen, vectors), asked, asked_species, f"mixtures of photos: {photos.what}", kept, digest
    )


def write_models(models: Models, path: Path) -> None:
    """Keep models in a file; it holds vectors of photos, so it is as private as these."""
    with replacing(path, durable=False) as file:
        np.savez(file, **vars(models))


def read_models(path: Path) -> Models:
    """What `write_models` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        return Models(**{name: stored[name] if stored[name].ndim else stored[name].item() for name in stored.files})


def _likeness(seen: Sequence[Sighting], vectors: Vectors) -> float:
    """The median cosine of two photos of one individual."""
    of_each: dict[str, list[int]] = {}
    for row, one in enumerate(seen):
        of_each.setdefault(one.identity, []).append(row)
    pairs = [(vectors[rows] @ vectors[rows].T)[np.triu_indices(len(rows), 1)] for rows in of_each.values()]
    return float(np.clip(np.median(np.concatenate(pairs)), 0.05, 0.999))


def _noise(random: np.random.Generator, shape: tuple[int, ...], length: float) -> Vectors:
    return random.standard_normal(shape, np.float32) * np.float32(length / np.sqrt(shape[1]))


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
