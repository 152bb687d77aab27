"""Describing photos in a worker: what the gallery and the results hold of a photo, without its pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from reid_edge.bulk.hashes import PhotoHashes
from reid_edge.bulk.opening import PackRecipe
from reid_edge.bulk.worker import Failed
from reid_edge.describe.description import DescribedAnimal
from reid_edge.describe.features import to_arrays
from reid_edge.describe.query import Query
from reid_edge.errors import PhotoError
from reid_edge.gallery import NewSighting, Sighting
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.describing_again import features_or_reason
from reid_edge.identify.describing_ahead import described_in_turn
from reid_edge.identify.enrolment import describe_enrolment
from reid_edge.identify.identifier import Identifier
from reid_edge.identify.new_sighting import new_sighting
from reid_edge.photo import Photo, read_photo, read_photo_bytes


@dataclass(frozen=True)
class PhotoToDescribe:
    """A photo, and what is known of it.

    Attributes:
        enrolment: which animal, and whom it shows; an identity of '' stands for all animals, of nobody known.
        even_if_known: describe it although its content is known.
    """

    enrolment: Enrolment
    even_if_known: bool = False


@dataclass(frozen=True)
class DescribedSighting:
    """An animal as the gallery stores it.

    Attributes:
        sighting: its facts and thumbnail.
        features: arrays by name.
        found: whether it stood out; else it is the whole frame.
    """

    sighting: NewSighting
    features: Mapping[str, NDArray[Any]]
    found: bool


@dataclass(frozen=True)
class DescribedPhoto:
    """What a worker found in a photo.

    Attributes:
        sha256: of the photo's bytes.
        animals: largest first; empty where its content is known, so that it was not described.
    """

    sha256: str
    animals: tuple[DescribedSighting, ...] = ()


@dataclass(frozen=True)
class DescribeRecipe:
    """How a worker that describes is made.

    Attributes:
        pack: that describes.
        enrolled: photos that the gallery has features of by this pack; they need no description to be enrolled.
        described: photos of nobody known of which there are results.
    """

    pack: PackRecipe
    enrolled: PhotoHashes
    described: PhotoHashes

    def open(self) -> DescribeWorker:
        """Load the pack; errors as of `PackRecipe.open`."""
        return DescribeWorker(self.pack.open(), self)


class DescribeWorker:
    """Describes photos, several at a time where it has several threads."""

    def __init__(self, identifier: Identifier, recipe: DescribeRecipe) -> None:
        self._identifier, self._recipe = identifier, recipe

    def process(self, values: Sequence[PhotoToDescribe | Sighting]) -> list[DescribedPhoto | Failed]:
        """Of a `Sighting` of the gallery, the features alone are made; errors as of `Worker.process`."""
        results: list[DescribedPhoto | Failed] = []
        with closing(described_in_turn(self._identifier, values, self._describe)) as turns:
            for _, described, _ in turns:
                try:
                    results.append(described())
                except PhotoError as error:
                    results.append(Failed.of(error))
        return results

    def _describe(self, identifier: Identifier, value: PhotoToDescribe | Sighting) -> DescribedPhoto | Failed:
        if isinstance(value, Sighting):
            return _described_again(identifier, value)
        enrolment = value.enrolment
        sha256 = hashlib.sha256(read_photo_bytes(enrolment.path)).hexdigest()
        if not value.even_if_known and sha256 in (self._recipe.enrolled if enrolment.identity else self._recipe.described):
            return DescribedPhoto(sha256)
        photo = read_photo(enrolment.path)
        if enrolment.identity:
            found = [describe_enrolment(identifier, enrolment, photo)]
        else:
            found = identifier.describe(photo, Query(enrolment.species, enrolment.viewpoint))
        return DescribedPhoto(photo.sha256, tuple(_as_sighting(enrolment, photo, each) for each in found))


def _as_sighting(enrolment: Enrolment, photo: Photo, described: DescribedAnimal) -> DescribedSighting:
    new = new_sighting(enrolment, photo, described, described.animal.index)
    return DescribedSighting(new, to_arrays(described.features), described.animal.found)


def _described_again(identifier: Identifier, sighting: Sighting) -> DescribedPhoto | Failed:
    features = features_or_reason(identifier, sighting)
    if isinstance(features, str):
        return Failed(features)
    facts = {name: getattr(sighting, name) for name in NewSighting.__dataclass_fields__ if name != "thumbnail"}
    return DescribedPhoto(sighting.photo_sha256, (DescribedSighting(NewSighting(**facts), to_arrays(features), True),))
