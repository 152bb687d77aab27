"""The laws on made-up animals whose truth is known: a recipe that keeps them has no hits, and one that breaks them is found out.

The animals have keypoints with places and descriptors; the recipe has the stages of `field` that need no network; the galleries are real.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.decide.calibration import CalibrationModel, Entry, Evidence, Pooling, WeightedMean
from reid_edge.decide.calibration.calibrator import Calibrator
from reid_edge.describe.description import DescribedAnimal
from reid_edge.describe.features import Features, to_arrays
from reid_edge.describe.keypoints import Keypoints
from reid_edge.describe.segmentation import whole_frame
from reid_edge.gallery import Gallery, NewSighting
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.identifier import Identifier
from reid_edge.photo import Photo
from reid_edge.recipe import Match, Recipe
from reid_edge.recipe.stages import Retrieve
from reid_edge_benchmarks.trust.asking import AskedQuery
from reid_edge_benchmarks.trust.catalogue import Catalogue, arranged
from reid_edge_benchmarks.trust.counting import Observation
from reid_edge_benchmarks.trust.laws import LAWS
from reid_edge_calibration.labels.labelled_set import LabelledSet

POINTS, SHOWN, DIMENSIONS = 40, 28, 24
INDIVIDUALS, PHOTOS, COPIES = 14, 4, 30
SEEDS = (0, 1, 2)
PHOTO = Photo(np.full((64, 64, 3), 128, np.uint8), "f" * 64, "query.jpg")
BY_NAME = {law.name: law for law in LAWS}


def coat(individual: int, seed: int) -> Features:
    """A photo of an individual: most of its marks, a little moved and changed, at random places of a shared backdrop."""
    own, random = np.random.default_rng([1, individual]), np.random.default_rng([2, individual, seed])
    vector, marks, places = own.normal(size=16), own.normal(size=(POINTS, DIMENSIONS)), own.uniform(4, 60, (POINTS, 2))
    shown = random.permutation(POINTS)[:SHOWN]
    descriptors = np.vstack([marks[shown] + random.normal(0, 0.25, (SHOWN, DIMENSIONS)), random.normal(size=(12, DIMENSIONS))])
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    xy = np.vstack([places[shown] + random.normal(0, 0.3, (SHOWN, 2)), random.uniform(4, 60, (12, 2))])
    vector = vector + 4 + random.normal(0, 0.8, 16)
    keypoints = Keypoints(
        xy.astype(np.float32), np.ones(len(xy), np.float32), descriptors.astype(np.float32), np.float32([0, 0, 64, 64])
    )
    return Features({"cosine": (vector / np.linalg.norm(vector)).astype(np.float32)}, {"points": keypoints})


def line(low: float, high: float) -> Calibrator:
    return Calibrator("linear", (low, high), (0.0, 1.0))


def recipe_of(recipe: Recipe, unit: str) -> Recipe:
    (embed,), (extract,) = recipe.embed, recipe.extract
    first = Match("first", "points", "mutual-nearest", 0.5, points=20, count="distinctive")
    return replace(
        recipe,
        embed=(replace(embed, name="cosine"),),
        extract=(replace(extract, name="points"),),
        retrieve=Retrieve("cosine", 10, unit, 4 if unit == "individuals" else 0),
        match=(
            first,
            replace(first, name="fine", points=0, best=6, order="first"),
            Match("verified", "points", "mutual-nearest", 0.5, "", 4, "fine", 0, 0, "inliers", "similarity", 25.0),
        ),
        early_exit=None,
    )


NAMES = ("cosine", "first", "fine", "verified")
ENTRY = Entry(
    dict(zip(NAMES, (line(0.8, 1.0), line(0.0, 10.0), line(0.0, 14.0), line(3.0, 20.0)), strict=True)),
    WeightedMean({"cosine": 1.0, "first": 1.0, "fine": 2.0, "verified": 4.0}),
    Pooling(),
    Evidence(-1.0, 1.0, {"cosine": 0.0, "first": 0.0, "fine": 0.5, "verified": 1.0}, 0.0, {}, dict.fromkeys(NAMES, 2.2)),
    line(0.0, 1.0),
    line(0.0, 1.0),
    0.5,
    0.4,
    0.6,
)


@contextmanager
def herd(folder: Path, identifier: Identifier, seed: int, unit: str = "individuals") -> Iterator[tuple[Catalogue, Identifier]]:
    """A catalogue of made-up animals, and an identifier with a recipe that compares them."""
    asked = copy(identifier)
    asked.recipe = recipe_of(identifier.recipe, unit)
    asked.__dict__["calibration"] = CalibrationModel(NAMES, {}, ENTRY, {})
    path = folder / f"{unit}-{seed}.sqlite"
    rows, ids = [], []
    with Gallery.create(path) as gallery, gallery.transaction():
        batch = gallery.new_batch()
        for individual in range(INDIVIDUALS):
            for photo in range(PHOTOS + (individual == 0)):
                ids.append(_add(gallery, asked, batch, f"A{individual:02d}", coat(100 * seed + individual, photo), len(ids)))
                rows.append(Enrolment(Path(f"{len(ids)}.jpg"), f"A{individual:02d}"))
        copied = coat(100 * seed, 0)
        near = [_add(gallery, asked, batch, "A00", copied, 1000 + number) for number in range(COPIES)]
    labelled = LabelledSet("herd", "all", tuple(rows), (), "")
    with Gallery.open(path) as gallery, arranged(labelled, gallery, asked, ids, near) as catalogue:
        yield catalogue, asked


def _add(gallery: Gallery, identifier: Identifier, batch: str, name: str, features: Features, number: int) -> int:
    seen = NewSighting(photo_sha256=f"{number:064x}", identity=name, photo_name=f"{number}.jpg")
    return gallery.add_sighting(seen, to_arrays(features), identifier.feature_key, batch)


def query(catalogue: Catalogue, identifier: Identifier, seed: int, individual: int) -> AskedQuery:
    """A photo that the catalogue does not hold; from `INDIVIDUALS` on, of a stranger."""
    asked = AskedQuery(Enrolment(Path("query.jpg"), f"A{individual:02d}"), individual, catalogue, identifier)
    animal = replace(whole_frame(PHOTO), found=True)
    asked.__dict__.update(photo=PHOTO, animals=[DescribedAnimal(animal, coat(100 * seed + individual, 77), ())])
    return asked


def hits(asked: AskedQuery, law: str) -> dict[str, list[Observation]]:
    found: dict[str, list[Observation]] = {}
    for seen in BY_NAME[law].observe(asked):
        found.setdefault(seen.measure, []).append(seen)
    return found


@pytest.fixture(scope="module")
def herds(identifier, tmp_path_factory):
    """By seed, a herd with its identifier; and by ``photos`` one whose recipe counts photos."""
    folder = tmp_path_factory.mktemp("herds")
    with ExitStack() as opened:
        made = {seed: opened.enter_context(herd(folder, identifier, seed)) for seed in SEEDS}
        yield {**made, "photos": opened.enter_context(herd(folder, identifier, 0, "photos"))}


@pytest.mark.parametrize("law", BY_NAME)
@settings(max_examples=12)
@given(seed=st.sampled_from(SEEDS), individual=st.integers(0, INDIVIDUALS + 5))
def test_the_law_is_kept_on_made_up_animals(herds, law, seed, individual):
    found = hits(query(*herds[seed], seed, individual), law)
    forbidden = {measure.name for measure in BY_NAME[law].measures if measure.allowed == 0.0 or "became known" in measure.name}
    assert [name for name in forbidden for seen in found.get(name, ()) if seen.hit] == []
    assert set(found) <= {measure.name for measure in BY_NAME[law].measures}


def test_the_animals_are_told_apart_so_that_the_laws_are_about_something(herds):
    answers = [query(*herds[0], 0, individual).whole for individual in range(INDIVIDUALS + 3)]
    assert [answer.identity for answer in answers[:INDIVIDUALS]] == [f"A{number:02d}" for number in range(INDIVIDUALS)]
    assert {answer.verdict for answer in answers[:INDIVIDUALS]} == {"known"}
    assert {answer.verdict for answer in answers[INDIVIDUALS:]} == {"new"}


def test_a_recipe_that_counts_photos_is_found_out(herds):
    """Ten places for photos: thirty copies of one animal take the others' places."""
    found = [
        seen for individual in range(1, 5) for seen in hits(query(*herds["photos"], 0, individual), "near-copies")["pushed out"]
    ]
    assert any(seen.hit for seen in found)


def test_a_view_shows_some_photos_under_other_names_and_leaves_the_gallery_as_it_is(herds):
    catalogue, identifier = herds[0]
    asked = query(catalogue, identifier, 0, 3)
    renamed = {sighting: "B" for sighting, name in catalogue.whole.owners.items() if name in ("A03", "A04")}
    answer = asked.answer(catalogue.whole.showing(renamed))
    assert [ranked.identity for ranked in answer.ranking] == ["B"]
    assert catalogue.of_individuals(["A03", "A05"]).individuals == ["A03", "A05"]
    assert len(catalogue.whole) == INDIVIDUALS * PHOTOS + 1
    assert len(catalogue.with_copies) == len(catalogue.whole) + COPIES
    assert catalogue.copied == "A00"
    assert asked.whole.identity == "A03"


def test_a_query_of_the_copied_individual_says_nothing_of_its_copies(herds):
    assert hits(query(*herds[0], 0, 0), "near-copies") == {}


def test_growth_is_not_measured_where_a_tenth_of_the_individuals_is_too_few(herds):
    assert hits(query(*herds[0], 0, 1), "growth") == {}


def test_a_hidden_individual_is_not_looked_at_in_that_stage_alone(herds):
    catalogue, identifier = herds[0]
    asked = query(catalogue, identifier, 0, 3)
    scores = {score.name: score.raw for score in asked.answer(catalogue.whole, {"verified": {"A03"}}).ranking[0].scores}
    assert asked.expensive_stages == ["fine", "verified"]
    assert scores["verified"] is None
    assert scores["fine"] is not None
