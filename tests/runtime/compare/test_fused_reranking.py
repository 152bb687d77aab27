"""Re-ranking by a fusion: neighbours are found by the fused score, between gallery photos by scores that were computed beforehand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.compare.comparison import Comparer
from reid_edge.compare.fused_reranking import GalleryNeighbours, fused_neighbours
from reid_edge.compare.gallery_pairs import pair_score_count, score_gallery_pairs
from reid_edge.compare.reranking import rerank
from reid_edge.compare.selection import Selection
from reid_edge.describe.features import Features, to_arrays
from reid_edge.errors import PackError
from reid_edge.gallery import Gallery, NewSighting
from reid_edge.gallery.pair_scores import PairScoreFile, PhotoPairs
from reid_edge.identify.identifier import Identifier
from reid_edge.recipe import Decide, Fuse, Group, Recipe, Rerank
from reid_edge.recipe.checking import check_references
from reid_edge.timings import Timings

KEY = "0123456789abcdef" * 4
STAGE = Rerank("shared", 3, 2, fusion="all")


def vector(number: int) -> NDArray[np.float32]:
    """Photos 0 to 3 are of one animal, 4 to 7 of another."""
    made = np.random.default_rng(number).normal(0, 0.25, 6) + 2 * np.eye(6)[number // 4]
    return (made / np.linalg.norm(made)).astype(np.float32)


def cosines_alone(_: str, raw: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(raw[:, 0], 0, 1)


@pytest.fixture(scope="module")
def recipe(identifier: Identifier) -> Recipe:
    (embed,) = identifier.recipe.embed
    return replace(
        identifier.recipe,
        embed=(replace(embed, name="cosine"),),
        extract=(),
        match=(),
        retrieve=replace(identifier.recipe.retrieve, embedding="cosine", candidates=6, unit="photos", photos=0),
        fuse=(Fuse("all", (Group(("cosine",), 1.0, calibrated=False),)),),
        rerank=(STAGE,),
        decide=Decide(None),
    )


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    opened = Gallery.create(tmp_path / "gallery.sqlite")
    for number in range(8):
        seen = NewSighting(photo_sha256=f"{number:064x}", identity="AB"[number // 4], photo_name=f"{number}.jpg")
        opened.add_sighting(seen, to_arrays(Features({"cosine": vector(number)}, {})), KEY, opened.new_batch())
    return opened


def scored(gallery: Gallery, recipe: Recipe, identifier: Identifier, stop_after: int = 100) -> PairScoreFile:
    file = PairScoreFile(gallery.path, KEY, pair_score_count(recipe))
    score_gallery_pairs(
        recipe, identifier.networks, GalleryCandidates(gallery, KEY), file, lambda photos, _: iter(photos[:stop_after])
    )
    return file


def test_each_photo_is_scored_against_its_shortlist_without_itself(
    gallery: Gallery, recipe: Recipe, identifier: Identifier
) -> None:
    records = scored(gallery, recipe, identifier).read()
    assert len(records) == 8
    for sighting, record in records.items():
        assert sighting not in record.candidates
        assert len(record.candidates) == 6
        own = vector(sighting - 1)
        assert record.raw[:, 0] == pytest.approx([float(own @ vector(int(other) - 1)) for other in record.candidates], abs=1e-6)


def test_a_run_that_was_stopped_in_the_middle_of_a_record_continues(
    gallery: Gallery, recipe: Recipe, identifier: Identifier
) -> None:
    file = scored(gallery, recipe, identifier, stop_after=3)
    file.path.write_bytes(file.path.read_bytes()[:-5])
    assert list(file.read()) == [1, 2]
    whole = scored(gallery, recipe, identifier).read()
    assert list(whole) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_neighbours_are_those_of_the_published_algorithm_on_fused_distances(
    gallery: Gallery, recipe: Recipe, identifier: Identifier
) -> None:
    wide = replace(recipe, retrieve=replace(recipe.retrieve, candidates=8))
    neighbours = GalleryNeighbours(scored(gallery, wide, identifier).read(), cosines_alone)
    query = (vector(0) + vector(9)) / np.linalg.norm(vector(0) + vector(9))
    comparer = Comparer(wide, identifier.networks, GalleryCandidates(gallery, KEY), neighbours=neighbours)
    found = comparer.compare(Features({"cosine": query}, {}), Selection(), Timings())
    photos = np.stack([query, *(vector(int(each) - 1) for each in found.sighting_ids)]).astype(np.float64)
    distances = np.sqrt(1 - np.clip(photos @ photos.T, 0, 1))
    np.fill_diagonal(distances, 0)
    expected = 1 - rerank(distances, 1, STAGE.k1, STAGE.k2, 0.0)[0]
    assert found.raw[:, found.score_names.index("shared")] == pytest.approx(expected, abs=1e-5)
    assert found.warnings == ()


def test_photos_that_were_never_scored_are_counted_and_a_gallery_without_scores_has_no_such_score(
    gallery: Gallery, recipe: Recipe, identifier: Identifier
) -> None:
    candidates = GalleryCandidates(gallery, KEY)
    some = GalleryNeighbours(scored(gallery, recipe, identifier, stop_after=4).read(), cosines_alone)
    for neighbours, warned in (
        (some, "gallery photos have no scores for shared"),
        (GalleryNeighbours({}, cosines_alone), "6 of 6"),
    ):
        comparer = Comparer(recipe, identifier.networks, candidates, neighbours=neighbours)
        found = comparer.compare(Features({"cosine": vector(0)}, {}), Selection(), Timings())
        assert warned in found.warnings[0]
        assert np.isnan(found.raw[:, 1]).all() == (not neighbours.pairs)
    assert np.isnan(Comparer(recipe, identifier.networks, candidates).compare(
        Features({"cosine": vector(0)}, {}), Selection(), Timings()
    ).raw[:, 1]).all()  # fmt: skip


def test_candidates_that_the_fusion_does_not_look_at_have_no_such_score() -> None:
    pairs = {1: PhotoPairs(np.array([2]), np.float32([[0.9]])), 2: PhotoPairs(np.array([1]), np.float32([[0.9]]))}
    neighbours = GalleryNeighbours(pairs, lambda _, raw: np.where(raw[:, 0] > 0.5, raw[:, 0], np.nan))
    shared = fused_neighbours(STAGE, np.array([[0.8, np.nan], [0.7, np.nan], [0.1, np.nan]]), np.array([1, 2, 3]), neighbours)
    assert np.isnan(shared).tolist() == [False, False, True]


def test_a_recipe_reranks_by_an_embedding_or_by_a_fusion_with_written_weights(recipe: Recipe, identifier: Identifier) -> None:
    with pytest.raises(PackError, match="by an embedding or by a fusion"):
        Rerank("shared", 3, 2)
    learnt = replace(recipe.fuse[0], fit="powell", groups=(Group(("cosine",), 1.0),))
    with pytest.raises(PackError, match=r"recipe.rerank\[0\].fusion"):
        check_references(replace(recipe, fuse=(learnt,)), identifier.pack.manifest)
