"""The first half of the way of a photo: find its animals and describe each by vectors and keypoints."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reid_edge.embedding import embed
from reid_edge.features import Features
from reid_edge.keypoints import extract_keypoints
from reid_edge.networks import Networks
from reid_edge.photo import Photo
from reid_edge.photo.quality import quality_of
from reid_edge.recipe import Recipe
from reid_edge.segmentation import NO_ANIMAL, Animal, find_animals, whole_frame
from reid_edge.timings import Timings


@dataclass(frozen=True)
class DescribedAnimal:
    """One animal of a photo with its features, and the quality of its picture (float32 [K], see `reid_edge.photo.quality`)."""

    animal: Animal
    features: Features
    quality: NDArray[np.float32]
    warnings: tuple[str, ...]


def describe(
    photo: Photo, recipe: Recipe, networks: Networks, timings: Timings, largest_only: bool = False
) -> list[DescribedAnimal]:
    """Describe the animals of a photo, largest first; at least one, the whole frame where none stands out.

    Args:
        photo: upright.
        recipe: which networks and parameters.
        networks: the pack's.
        timings: gets the stages ``segment``, ``embed`` and ``extract``.
        largest_only: describe the largest animal only, as enrolment does, where a photo stands for one individual.

    Raises:
        EngineError: a network failed.
    """
    with timings.stage("segment"):
        animals = _animals(photo, recipe, networks)
    return [_describe_animal(animal, recipe, networks, timings) for animal in animals[: 1 if largest_only else None]]


def _animals(photo: Photo, recipe: Recipe, networks: Networks) -> list[Animal]:
    if recipe.segment is None:
        return [replace(whole_frame(photo), found=True)]  # the recipe says that the frame is the animal
    network = networks[recipe.segment.network]
    return find_animals(photo, network.engine, network.preprocessing, recipe.segment)


def _describe_animal(animal: Animal, recipe: Recipe, networks: Networks, timings: Timings) -> DescribedAnimal:
    vectors, keypoints = {}, {}
    with timings.stage("embed"):
        for embedding in recipe.embed:
            network = networks[embedding.network]
            projection = networks[embedding.projection].engine if embedding.projection else None
            vectors[embedding.name] = embed(animal.crop, network.engine, network.preprocessing, projection)
    with timings.stage("extract"):
        for extraction in recipe.extract:
            network = networks[extraction.network]
            keypoints[extraction.name] = extract_keypoints(animal, network.engine, network.preprocessing, extraction)
    return DescribedAnimal(
        animal, Features(vectors, keypoints), quality_of(animal.crop, animal.mask), () if animal.found else (NO_ANIMAL,)
    )
