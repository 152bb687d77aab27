"""The labelled photos that a head is trained on: the vectors of a gallery, who they show, and which of them were taken together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.features import vector_array
from reid_edge.errors import UsageError
from reid_edge.gallery import Gallery, Sighting
from reid_edge.pack import Pack
from reid_edge.recipe import Recipe

FEWEST_INDIVIDUALS = 2
Parts = Mapping[str, Sequence[str]]
"""By the name of a concatenation: the embeddings that it consists of."""


@dataclass(frozen=True)
class LabelledPhotos:
    """N photos of C individuals.

    Attributes:
        vectors: float32 [N, D] of length 1.
        identities: C names, sorted.
        individual: int64 [N], place in `identities`.
        encounter: int64 [N]; photos of one number were taken together. One whose encounter is not known has a number of its own.
        viewpoints, species: N words in lower case; empty where not known.
        left_out: photos of the gallery without a vector that could be used.
    """

    vectors: NDArray[np.float32]
    identities: tuple[str, ...]
    individual: NDArray[np.int64]
    encounter: NDArray[np.int64]
    viewpoints: tuple[str, ...]
    species: tuple[str, ...]
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.vectors)

    def part(self, chosen: NDArray[np.bool_]) -> LabelledPhotos:
        """The chosen photos, bool [N], of the same C individuals."""
        rows = np.flatnonzero(chosen)
        return replace(
            self,
            vectors=self.vectors[rows],
            individual=self.individual[rows],
            encounter=self.encounter[rows],
            viewpoints=tuple(self.viewpoints[row] for row in rows),
            species=tuple(self.species[row] for row in rows),
        )

    def comparable(self, other: LabelledPhotos) -> NDArray[np.bool_]:
        """bool [N, M]: the pairs that the runtime compares, neither of two species nor of two sides, and that were not taken together."""
        apart = self.encounter[:, None] != other.encounter
        return np.asarray(apart & _agree(self.species, other.species) & _agree(self.viewpoints, other.viewpoints))

    def hold_out(self, seed: int) -> tuple[LabelledPhotos, LabelledPhotos]:
        """Photos to fit on and photos to validate on: of each individual with two encounters or more, one of its smallest ones.

        Where no encounters are known, that is a single photo of each individual (AnimalCLEF 2025, second place, section 4, step 4).

        Raises:
            UsageError: fewer than 2 individuals have two encounters.
        """
        random = np.random.default_rng(seed)
        held = np.zeros(len(self), bool)
        several = 0
        for number in range(len(self.identities)):
            encounters, sizes = np.unique(self.encounter[self.individual == number], return_counts=True)
            if len(encounters) > 1:
                held |= self.encounter == random.choice(encounters[sizes == sizes.min()])
                several += 1
        if several < FEWEST_INDIVIDUALS:
            raise UsageError(
                f"A head is validated on a photo from another encounter; {several} of {len(self.identities)} individuals have one.",
                f"Enrol photos from a second encounter of {FEWEST_INDIVIDUALS} individuals or more.",
            )
        return self.part(~held), self.part(held)


def read_photos(path: Path, pack: Pack, recipe: Recipe, embedding: str, parts: Parts, species: Sequence[str]) -> LabelledPhotos:
    """Read the vectors that a pack made of the photos of a gallery.

    Args:
        path: the gallery.
        pack: whose features they are.
        recipe: of the pack.
        embedding: an embedding of the recipe, or a concatenation in `parts`.
        parts: concatenations; one whose vectors are not stored is laid together of its parts.
        species: those to read, in lower case; all where empty.

    Raises:
        UsageError: the gallery has no photo of the species, none described with this pack, or fewer than 2 individuals.
        GalleryError, StorageError: it cannot be read.
    """
    key = pack.feature_key(recipe.feature_networks, recipe.feature_settings())
    with Gallery.open(path, writable=False) as gallery:
        there = gallery.sightings()
        chosen = [seen for seen in there if not species or seen.species.casefold() in species]
        if there and not chosen:
            known = ", ".join(sorted({seen.species for seen in there if seen.species})) or "no photo with a species"
            raise UsageError(f"The gallery {path} holds no {' or '.join(species)}.", f"It holds: {known}.")
        names = sorted({vector_array(name) for name in _leaves(embedding, parts)} | {vector_array(embedding)})
        arrays = gallery.features([seen.id for seen in chosen], key, names)
    vectors = {seen.id: _vector(arrays.get(seen.id, {}), embedding, parts) for seen in chosen}
    usable = [seen for seen in chosen if vectors[seen.id] is not None]
    if not usable:
        raise UsageError(
            f"None of the {len(chosen)} photos of the gallery {path} is described with the pack {pack.manifest.name}.",
            "Enrol them with it: reid-edge gallery add --pack PACK PHOTOS.",
        )
    individuals = {seen.identity for seen in usable}
    if len(individuals) < FEWEST_INDIVIDUALS:
        raise UsageError(
            f"A head needs {FEWEST_INDIVIDUALS} individuals; the gallery {path} has {len(individuals)} with {len(usable)} photos.",
            f"Enrol {FEWEST_INDIVIDUALS} individuals or more.",
        )
    stacked = np.stack([vectors[seen.id] for seen in usable])  # type: ignore[misc]
    return _labelled(stacked, usable, len(chosen) - len(usable))


def _labelled(vectors: NDArray[np.float32], seen: Sequence[Sighting], left_out: int) -> LabelledPhotos:
    identities = tuple(sorted({each.identity for each in seen}))
    together = [(each.identity, each.encounter or f"photo {each.id}") for each in seen]
    number = {encounter: place for place, encounter in enumerate(dict.fromkeys(together))}
    return LabelledPhotos(
        vectors,
        identities,
        np.array([identities.index(each.identity) for each in seen], np.int64),
        np.array([number[encounter] for encounter in together], np.int64),
        tuple(each.viewpoint.casefold() for each in seen),
        tuple(each.species.casefold() for each in seen),
        left_out,
    )


def _leaves(embedding: str, parts: Parts) -> list[str]:
    """The names under which vectors may be stored."""
    return [embedding, *(leaf for part in parts.get(embedding, ()) for leaf in _leaves(part, parts))]


def _vector(arrays: Mapping[str, NDArray[np.generic]], embedding: str, parts: Parts) -> NDArray[np.float32] | None:
    """float32 [D] of length 1, or None where it is not there, is zero or no number; see `reid_edge.describe.embedding.concatenate`."""
    stored = arrays.get(vector_array(embedding))
    if stored is None:
        found = [_vector(arrays, part, parts) for part in parts.get(embedding, ())]
        if not found or any(each is None for each in found):
            return None
        stored = np.concatenate([each for each in found if each is not None])
    length = float(np.linalg.norm(np.asarray(stored, np.float64)))
    return np.asarray(np.asarray(stored, np.float64) / length, np.float32) if np.isfinite(length) and length > 0 else None


def _agree(one: Sequence[str], other: Sequence[str]) -> NDArray[np.bool_]:
    """bool [N, M]: where two words are the same, or one is not known."""
    words, others = np.array(one, object)[:, None], np.array(other, object)
    return np.asarray((words == others) | (words == "") | (others == ""), bool)
