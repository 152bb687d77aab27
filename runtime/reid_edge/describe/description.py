"""The first half of the way of a photo: find its animals, turn each, and describe it by vectors, keypoints and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.embedding import concatenate, embed
from reid_edge.describe.features import Features
from reid_edge.describe.keypoints import extract_keypoints
from reid_edge.describe.orientation import NOT_TURNED, Chip, lacks_viewpoint, turn_of
from reid_edge.describe.picture import take_picture
from reid_edge.describe.quality import quality_of
from reid_edge.describe.segmentation import NO_ANIMAL, Animal, Box, animals_in_boxes, find_animals, whole_frame
from reid_edge.describe.sift import extract_sift
from reid_edge.engines import Engine
from reid_edge.engines.networks import Networks
from reid_edge.photo import Photo
from reid_edge.recipe import Recipe
from reid_edge.timings import Timings


@dataclass(frozen=True)
class DescribedAnimal:
    """One animal of a photo with its features."""

    animal: Animal
    features: Features
    warnings: tuple[str, ...]

    @property
    def quality(self) -> NDArray[np.float32]:
        """Of its picture: float32 [K], see `reid_edge.describe.quality`; measured when asked, because enrolment does not ask."""
        return quality_of(self.animal.crop, self.animal.mask)


def describe(
    photo: Photo,
    recipe: Recipe,
    networks: Networks,
    timings: Timings,
    largest_only: bool = False,
    viewpoint: str = "",
    species: str = "",
    skip_empty: bool = False,
    boxes: Sequence[Box] | None = None,
) -> list[DescribedAnimal]:
    """Describe the animals of a photo, largest first; at least one, the whole frame where none stands out.

    Args:
        photo: upright.
        recipe: which networks and parameters.
        networks: the pack's.
        timings: gets the stages ``segment``, ``embed`` and ``extract``.
        largest_only: describe the largest animal only, as enrolment does, where a photo stands for one individual.
        viewpoint, species: what people know of the animals, in any case of letters; empty where unknown. Recipes that turn animals
            go by them, see `reid_edge.recipe.Orient`.
        skip_empty: describe nothing, at no further cost, and return no animal where none stands out.
        boxes: of the animals, where a detector found them: the segmentation network looks only inside each of them, see
            `reid_edge.describe.segmentation.given_boxes`. Empty: no animal. None: the network finds the animals in the whole photo.

    Raises:
        EngineError: a network failed.
    """
    with timings.stage("segment"):
        animals = _animals(photo, recipe, networks, boxes)
    if skip_empty:
        animals = [animal for animal in animals if animal.found]
    turn = turn_of(recipe.orient, viewpoint, species)
    warnings = (NOT_TURNED,) if lacks_viewpoint(recipe.orient, viewpoint, species) else ()
    return [
        _describe_animal(animal, turn, warnings, recipe, networks, timings) for animal in animals[: 1 if largest_only else None]
    ]


def _animals(photo: Photo, recipe: Recipe, networks: Networks, boxes: Sequence[Box] | None) -> list[Animal]:
    network = networks[recipe.segment.network] if recipe.segment else None
    if boxes is not None:
        outlining = (network.engine, network.preprocessing) if network else None
        return animals_in_boxes(photo, boxes, outlining, recipe.segment) or [whole_frame(photo)]
    if network is None or recipe.segment is None:
        return [replace(whole_frame(photo), found=True)]  # the recipe says that the frame is the animal
    return find_animals(photo, network.engine, network.preprocessing, recipe.segment)


def _describe_animal(
    animal: Animal, turn: int, warnings: tuple[str, ...], recipe: Recipe, networks: Networks, timings: Timings
) -> DescribedAnimal:
    chip = Chip.of(animal, turn)
    with timings.stage("embed"):
        vectors = _vectors(chip, recipe, networks)
    keypoints, pictures = {}, {}
    with timings.stage("extract"):
        for extraction in recipe.extract:
            if extraction.detector == "picture":
                pictures[extraction.name] = take_picture(chip, extraction)
            elif extraction.detector == "sift":
                keypoints[extraction.name] = extract_sift(chip, extraction)
            else:
                network = networks[extraction.network]
                keypoints[extraction.name] = extract_keypoints(chip, network.engine, network.preprocessing, extraction)
    return DescribedAnimal(
        animal,
        Features(vectors, keypoints, pictures),
        (*(() if animal.found else (NO_ANIMAL,)), *warnings),
    )


def _vectors(chip: Chip, recipe: Recipe, networks: Networks) -> dict[str, NDArray[np.float32]]:
    def projection(name: str) -> Engine | None:
        return networks[name].engine if name else None

    vectors: dict[str, NDArray[np.float32]] = {}
    for each in recipe.embed:
        network = networks[each.network]
        vectors[each.name] = embed(chip.rgb, network.engine, network.preprocessing, projection(each.projection), each.crop_share)
    for joined in recipe.concatenate:
        vectors[joined.name] = concatenate([vectors[name] for name in joined.of], projection(joined.projection))
    return vectors
