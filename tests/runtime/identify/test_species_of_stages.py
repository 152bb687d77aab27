"""A stage is run for its species only, several retrievals are united, and views matter only where the recipe says so."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reid_edge.compare.comparison import Comparer
from reid_edge.describe.query import Query
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.enrolment import enrol
from reid_edge.identify.identifier import Identifier
from reid_edge.photo import read_photo
from reid_edge.recipe import Recipe, Retrieve
from reid_edge.timings import Timings

OWN = "of-zebras"


@pytest.fixture(scope="module")
def recipe(identifier: Identifier) -> Recipe:
    """The bundled one with stages for zebras alone: the outline, another embedding, and the count of inliers."""
    recipe, (embed,) = identifier.recipe, identifier.recipe.embed
    assert recipe.segment
    matches = [match for match in recipe.match if not match.in_doubt]
    return replace(
        recipe,
        segment=replace(recipe.segment, species=("zebra",)),
        embed=(embed, replace(embed, name=OWN, crops=5, crop_share=0.8, species=("zebra",))),
        match=tuple(replace(match, species=("zebra",)) if match.count == "inliers" else match for match in matches),
        retrieve=Retrieve(embed.name, 1, "individuals", any_view=True),
        retrieve_also=(Retrieve(OWN, 2, "individuals"),),
    )


@pytest.fixture(scope="module")
def system(identifier: Identifier, recipe: Recipe) -> Identifier:
    made = copy(identifier)
    made.recipe = recipe
    return made


@pytest.fixture(scope="module")
def gallery_path(system: Identifier, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two zebras and two antelopes, each by one photo, all from the left."""
    path = tmp_path_factory.mktemp("species") / "gallery.sqlite"
    folders = sorted(folder for folder in (samples / "gallery").iterdir() if folder.is_dir())[:4]
    enrolments = [
        Enrolment(min(folder.glob("*.jpg")), folder.name, species="zebra" if place % 2 else "antelope", viewpoint="left")
        for place, folder in enumerate(folders)
    ]
    with Gallery.create(path) as gallery:
        assert enrol(gallery, system, enrolments).added == 4
    return path


@pytest.mark.parametrize("species", ["zebra", "antelope"])
def test_what_is_for_other_species_is_not_computed_and_not_compared(
    species: str, system: Identifier, recipe: Recipe, gallery_path: Path, samples: Path
) -> None:
    timings, of_zebras = Timings(), species == "zebra"
    with Gallery.open(gallery_path, writable=False) as gallery:
        candidates = system.candidates(gallery)
        selection = candidates.select(Query(species, viewpoint="right"))
        (animal,) = system.describe(read_photo(samples / "photos" / "trail_1.jpg"), selection.query, timings, largest_only=True)
        compared = Comparer(recipe, system.networks, candidates).compare(animal.features, selection, timings)
    assert (OWN in animal.features.vectors) == of_zebras
    assert animal.animal.found
    assert (animal.animal.area < 1) == of_zebras  # of others the whole frame is the animal
    assert not selection.warnings
    assert len(compared.sighting_ids) == (2 if of_zebras else 1)  # the second one by the zebras' own embedding
    verified = next(match.name for match in recipe.match if match.count == "inliers")
    assert (verified in timings.milliseconds) == of_zebras
    for name in (OWN, verified):
        computed = ~np.isnan(compared.raw[:, recipe.score_names.index(name)])
        assert computed.any() == of_zebras


def test_views_matter_where_the_recipe_does_not_say_otherwise(system: Identifier, recipe: Recipe, gallery_path: Path) -> None:
    by_view = copy(system)
    by_view.recipe = replace(recipe, retrieve=replace(recipe.retrieve, any_view=False))
    with Gallery.open(gallery_path, writable=False) as gallery:
        assert by_view.candidates(gallery).select(Query("zebra", viewpoint="right")).nothing_to_compare
        assert not system.candidates(gallery).select(Query("zebra", viewpoint="right")).nothing_to_compare


def test_animals_of_two_species_are_compared_by_what_both_have(
    system: Identifier, recipe: Recipe, gallery_path: Path, samples: Path
) -> None:
    with Gallery.open(gallery_path, writable=False) as gallery:
        candidates = system.candidates(gallery)
        selection = replace(candidates.select(Query()), query=Query("zebra"))
        (animal,) = system.describe(read_photo(samples / "photos" / "trail_1.jpg"), selection.query, largest_only=True)
        wide = replace(recipe, retrieve=replace(recipe.retrieve, candidates=10))
        compared = Comparer(wide, system.networks, candidates).compare(animal.features, selection, Timings())
        species = [candidates.species_of(int(sighting)) for sighting in compared.sighting_ids]
    assert sorted(species) == ["antelope", "antelope", "zebra", "zebra"]
    own = compared.raw[:, recipe.score_names.index(OWN)]
    assert [kind == "zebra" for kind in species] == [not np.isnan(cosine) for cosine in own]
