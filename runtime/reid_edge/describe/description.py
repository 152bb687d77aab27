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
from reid_edge.describe.segmentation import NO_ANIMAL, Animal, Box, animals_in_boxes, find_animals, locate_animals, whole_frame
from reid_edge.describe.sift import extract_sift
from reid_edge.describe.viewpoint import PredictedViewpoint, ViewpointPredictor, completed
from reid_edge.engines import Engine
from reid_edge.engines.networks import Networks
from reid_edge.errors import PhotoError
from reid_edge.pack.manifest import Preprocessing
from reid_edge.photo import Photo
from reid_edge.recipe import Embed, Recipe
from reid_edge.recipe.species import applies_to
from reid_edge.timings import Timings


@dataclass(frozen=True)
class DescribedAnimal:
    """One animal of a photo with its features.

    Attributes:
        viewpoint: predicted; None where the query states one, no animal stands out, or the recipe predicts none.
    """

    animal: Animal
    features: Features
    warnings: tuple[str, ...]
    viewpoint: PredictedViewpoint | None = None

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
            query: its boxes, where somebody else found the animals; its viewpoint and species, by which some recipes turn them. Where it
                states no viewpoint, some recipes predict it.
            timings: gets the stages ``segment``, ``viewpoint`` where one is predicted, ``embed`` and ``extract``.
            largest_only: describe the largest animal only, as enrolment does, where a photo stands for one individual.
            skip_empty: describe nothing, at no further cost, and return no animal where none stands out.

        Raises:
            PhotoError: `query` asks about an animal that the photo does not show.
            EngineError: a network failed.
        """
        with timings.stage("segment"):
            animals = self.animals(photo, query.boxes, query.species)
        if query.animal is not None:
            animals = _chosen(photo, animals, query.animal)
        if skip_empty:
            animals = [animal for animal in animals if animal.found]
        return [self.describe_animal(animal, query, timings) for animal in animals[: 1 if largest_only else None]]

    def animals(self, photo: Photo, boxes: Sequence[Box] | None = None, species: str = "") -> list[Animal]:
        """The animals of a photo, largest first, see `describe`; the whole frame where none stands out.

        Raises:
            EngineError: a network failed.
        """
        segment = self.recipe.segment
        if segment and not applies_to(segment.species, species):
            segment = None
        if boxes is not None:
            outlining = self._network(segment.network) if segment and segment.outline_given else None
            return animals_in_boxes(photo, boxes, outlining, segment) or [whole_frame(photo)]
        if segment is None:
            return [replace(whole_frame(photo), found=True)]  # the recipe says that the frame is the animal
        if segment.locator:
            return locate_animals(photo, self._network(segment.locator), self._network(segment.network), segment)
        return find_animals(photo, *self._network(segment.network), segment)

    def _network(self, name: str) -> tuple[Engine, Preprocessing]:
        network = self.networks[name]
        return network.engine, network.preprocessing

    def describe_animal(self, animal: Animal, query: Query, timings: Timings) -> DescribedAnimal:
        """Describe one animal that `animals` found; arguments and errors as of `describe`."""
        viewpoint, halves = self._viewpoint(animal, query, timings)
        query, orient = completed(query, viewpoint), self.recipe.orient
        chip = Chip.of(animal, turn_of(orient, query.viewpoint, query.species))
        with timings.stage("embed"):
            vectors = self._vectors(chip, query.species)
        keypoints, pictures = {}, {}
        with timings.stage("extract"):
            for extraction in self.recipe.extract:
                if not applies_to(extraction.species, query.species):
                    continue
                if extraction.detector == "picture":
                    pictures[extraction.name] = take_picture(chip, extraction)
                elif extraction.detector == "sift":
                    keypoints[extraction.name] = extract_sift(chip, extraction)
                else:
                    network = self.networks[extraction.network]
                    keypoints[extraction.name] = extract_keypoints(chip, network.engine, network.preprocessing, extraction)
        warnings = [] if animal.found else [NO_ANIMAL]
        warnings += [NOT_TURNED] if lacks_viewpoint(orient, query.viewpoint, query.species) else []
        warnings += [viewpoint.warning] if viewpoint else []
        return DescribedAnimal(animal, Features(vectors, keypoints, pictures, halves), tuple(warnings), viewpoint)

    def _viewpoint(
        self, animal: Animal, query: Query, timings: Timings
    ) -> tuple[PredictedViewpoint | None, dict[str, NDArray[np.float32]]]:
        """The predicted viewpoint, and the vectors it is predicted from; neither where one is stated, no animal stands out, or the recipe
        predicts none.
        """
        predictor = ViewpointPredictor.of(self.recipe, self.networks)
        if predictor is None or query.viewpoint.strip() or not animal.found:
            return None, {}
        with timings.stage("viewpoint"):
            vector = self.halves(Chip.of(animal), predictor.stage.embedding)
            (viewpoint,) = predictor.predict(vector[None])
        return viewpoint, {predictor.stage.embedding: vector}

    def halves(self, chip: Chip, embedding: str) -> NDArray[np.float32]:
        """The vectors of the left and the right half of a chip, laid end to end.

        Args:
            chip: not turned.
            embedding: the name of an embedder of the recipe.

        Returns:
            float32 [2 D] of length 1. Of the mirrored chip: of the mirrored right half, then of the mirrored left half.

        Raises:
            EngineError: a network failed.
        """
        stage = next(each for each in self.recipe.embed if each.name == embedding)
        half = (chip.size[0] + 1) // 2
        return concatenate([self._embed(side, stage) for side in (chip.rgb[:, :half], chip.rgb[:, -half:])])

    def _vectors(self, chip: Chip, species: str) -> dict[str, NDArray[np.float32]]:
        """Those that are computed of the species."""
        vectors = {each.name: self._embed(chip.rgb, each) for each in self.recipe.embed if applies_to(each.species, species)}
        for joined in self.recipe.concatenate:
            if any(name not in vectors for name in joined.of):
                continue
            parts = [vectors[name] for name in joined.of]
            vectors[joined.name] = concatenate(parts, self._projection(joined.projection))
        return vectors

    def _embed(self, rgb: NDArray[np.uint8], stage: Embed) -> NDArray[np.float32]:
        network = self.networks[stage.network]
        return embed(rgb, network.engine, network.preprocessing, self._projection(stage.projection), stage.crop_share)

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
