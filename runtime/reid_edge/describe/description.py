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
from reid_edge.describe.query import Query
from reid_edge.describe.segmentation import NO_ANIMAL, Animal, Box, animals_in_boxes, find_animals, whole_frame
from reid_edge.describe.sift import extract_sift
from reid_edge.engines import Engine
from reid_edge.engines.networks import Networks
from reid_edge.errors import PhotoError
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


@dataclass(frozen=True)
class Describer:
    """Describes the animals of photos.

    Attributes:
        recipe: which networks and parameters.
        networks: the pack's.
    """

    recipe: Recipe
    networks: Networks

    def describe(
        self, photo: Photo, query: Query, timings: Timings, largest_only: bool = False, skip_empty: bool = False
    ) -> list[DescribedAnimal]:
        """Describe the animals of a photo, largest first; at least one, the whole frame where none stands out.

        Args:
            photo: upright.
            query: its boxes, where somebody else found the animals; its viewpoint and species, by which some recipes turn them.
            timings: gets the stages ``segment``, ``embed`` and ``extract``.
            largest_only: describe the largest animal only, as enrolment does, where a photo stands for one individual.
            skip_empty: describe nothing, at no further cost, and return no animal where none stands out.

        Raises:
            PhotoError: `query` asks about an animal that the photo does not show.
            EngineError: a network failed.
        """
        with timings.stage("segment"):
            animals = self._animals(photo, query.boxes)
        if query.animal is not None:
            animals = _chosen(photo, animals, query.animal)
        if skip_empty:
            animals = [animal for animal in animals if animal.found]
        orient = self.recipe.orient
        turn = turn_of(orient, query.viewpoint, query.species)
        warnings = (NOT_TURNED,) if lacks_viewpoint(orient, query.viewpoint, query.species) else ()
        return [self._described(animal, turn, warnings, timings) for animal in animals[: 1 if largest_only else None]]

    def _animals(self, photo: Photo, boxes: Sequence[Box] | None) -> list[Animal]:
        segment = self.recipe.segment
        network = self.networks[segment.network] if segment else None
        if boxes is not None:
            outlining = (network.engine, network.preprocessing) if network else None
            return animals_in_boxes(photo, boxes, outlining, segment) or [whole_frame(photo)]
        if network is None or segment is None:
            return [replace(whole_frame(photo), found=True)]  # the recipe says that the frame is the animal
        return find_animals(photo, network.engine, network.preprocessing, segment)

    def _described(self, animal: Animal, turn: int, warnings: tuple[str, ...], timings: Timings) -> DescribedAnimal:
        chip = Chip.of(animal, turn)
        with timings.stage("embed"):
            vectors = self._vectors(chip)
        keypoints, pictures = {}, {}
        with timings.stage("extract"):
            for extraction in self.recipe.extract:
                if extraction.detector == "picture":
                    pictures[extraction.name] = take_picture(chip, extraction)
                elif extraction.detector == "sift":
                    keypoints[extraction.name] = extract_sift(chip, extraction)
                else:
                    network = self.networks[extraction.network]
                    keypoints[extraction.name] = extract_keypoints(chip, network.engine, network.preprocessing, extraction)
        features = Features(vectors, keypoints, pictures)
        return DescribedAnimal(animal, features, warnings if animal.found else (NO_ANIMAL, *warnings))

    def _vectors(self, chip: Chip) -> dict[str, NDArray[np.float32]]:
        vectors: dict[str, NDArray[np.float32]] = {}
        for each in self.recipe.embed:
            network, projection = self.networks[each.network], self._projection(each.projection)
            vectors[each.name] = embed(chip.rgb, network.engine, network.preprocessing, projection, each.crop_share)
        for joined in self.recipe.concatenate:
            parts = [vectors[name] for name in joined.of]
            vectors[joined.name] = concatenate(parts, self._projection(joined.projection))
        return vectors

    def _projection(self, name: str) -> Engine | None:
        return self.networks[name].engine if name else None


def _chosen(photo: Photo, animals: Sequence[Animal], number: int) -> list[Animal]:
    found = sum(animal.found for animal in animals)
    if not 1 <= number <= len(animals) or (number > 1 and not found):
        raise PhotoError(
            f"{photo.name} has no animal {number}: {found or 'no'} {'was' if found == 1 else 'were'} found in it.",
            "Animals are numbered from 1, largest first; `reid-edge identify` lists them. A table can give the box instead (bbox).",
        )
    return [animals[number - 1]]
