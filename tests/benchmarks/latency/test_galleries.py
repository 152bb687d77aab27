"""Galleries of any size: photos first, and made-up animals that change no answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reid_edge.describe.features import vector_array
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.gallery.search import VectorIndex
from reid_edge.identify.identifier import Identifier
from reid_edge.identify.session import Session
from reid_edge_benchmarks.latency import galleries
from reid_edge_benchmarks.latency.galleries import gallery_of, vector_gallery, whole_individuals
from reid_edge_benchmarks.latency.search_scaling import like_enrolled


def quietly(items: object, *_: object) -> object:
    return items


def test_a_gallery_that_is_smaller_than_the_photos_holds_some_of_them(
    few_gallery: Path, identifier: Identifier, tmp_path: Path
) -> None:
    made = gallery_of(3, few_gallery, identifier, tmp_path, quietly)
    assert (made.size, made.made_of) == (3, "3 enrolled photos")
    with Gallery.open(made.path, writable=False) as gallery:
        assert len({one.photo_name for one in gallery.sightings()}) == 3
        assert not any(one.identity.startswith("made up") for one in gallery.sightings())
        assert not gallery.sightings_without(identifier.feature_key)


@pytest.mark.parametrize("with_keypoints", [True, False])
def test_made_up_animals_change_no_answer(
    few_gallery: Path,
    identifier: Identifier,
    session: Session,
    queries: list[Enrolment],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    with_keypoints: bool,
) -> None:
    monkeypatch.setattr(galleries, "MOST_WITH_KEYPOINTS", 1000 if with_keypoints else 10)
    made = gallery_of(150, few_gallery, identifier, tmp_path, quietly)
    assert made.made_of.startswith("6 enrolled photos, 144 made-up animals")
    recipe = identifier.recipe
    with Session(Gallery.open(made.path, writable=False), identifier) as larger:
        assert len(larger.candidates) == 150
        (expected,) = session.identify(queries[0].path)
        vector = session.describe(queries[0].path)[0].features.vectors
        name = recipe.retrieve.embedding
        nearest = larger.candidates.nearest(name, vector[name], 6, None)
        assert {larger.candidates.identity_of(int(one)) for one in nearest} == {"Asha", "Chipo", "Imara"}
        if with_keypoints:  # the shortlist of this recipe is longer than the six photos
            (found,) = larger.identify(queries[0].path)
            assert found.ranking[0].identity == expected.ranking[0].identity == "Imara"
            assert found.verdict == expected.verdict


def test_photos_are_taken_with_all_others_of_their_individual() -> None:
    rows = [Enrolment(Path(f"{identity}-{number}.jpg"), identity) for identity in "abcdefgh" for number in range(3)]
    chosen = whole_individuals(rows, 9)
    assert len({row.identity for row in chosen}) == 3
    assert len(set(chosen)) == 9
    assert chosen == whole_individuals(rows, 12)[:9]
    assert sorted(row.path for row in whole_individuals(rows, 100)) == sorted(row.path for row in rows)


def test_a_gallery_that_is_there_is_taken_as_it_is(few_gallery: Path, identifier: Identifier, tmp_path: Path) -> None:
    made = gallery_of(8, few_gallery, identifier, tmp_path, quietly)
    stamp = made.path.stat().st_mtime_ns
    assert gallery_of(8, few_gallery, identifier, tmp_path, quietly) == made
    assert made.path.stat().st_mtime_ns == stamp


def test_vectors_alone_can_be_searched(identifier: Identifier, tmp_path: Path) -> None:
    real = np.random.default_rng(0).standard_normal((12, 1280), np.float32)
    real /= np.linalg.norm(real, axis=1, keepdims=True)
    queries, vectors = like_enrolled(real, 30)
    assert queries.shape == (3, 1280)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    path = vector_gallery(30, vectors, identifier, tmp_path, quietly)
    with Gallery.open(path, writable=False) as gallery:
        index = VectorIndex.open(gallery, identifier.feature_key, vector_array(identifier.recipe.retrieve.embedding))
        ids, cosines = index.search(vectors[7], 1)
    assert ids.tolist() == [8]  # the eighth that was stored
    assert cosines[0] == pytest.approx(1, abs=2e-3)  # in half precision where the index has it


def test_queries_of_a_made_up_gallery_are_none_of_its_models() -> None:
    real = np.eye(40, dtype=np.float32)
    queries, vectors = like_enrolled(real, 200)
    asked = queries.argmax(1)
    assert len(queries) == 10
    # Of a model the mixtures have a fifth at least, of what was not mixed the noise: 0.3 / sqrt(40) a component.
    assert np.abs(vectors[:, asked]).max() < 0.25  # measured: 0.2
    assert (vectors[:, np.setdiff1d(np.arange(40), asked)].max(0) > 0.3).all()
