"""LoFTR on pictures of the samples: batches change nothing, a copy matches cell by cell, and a limit leaves what is above it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from reid_edge.compare.comparison import Comparer
from reid_edge.compare.matching import Matches, match_loftr
from reid_edge.compare.selection import Selection
from reid_edge.describe.features import Features
from reid_edge.engines.contract import Provenance
from reid_edge.engines.networks import LoadedNetwork
from reid_edge.pack.manifest import Preprocessing
from reid_edge.photo import read_photo
from reid_edge.recipe import Extract, Match
from reid_edge.timings import Timings

torch = pytest.importorskip("torch", reason="the network is built here, which takes torch")

GREY = Preprocessing("stretch", 96, 96, "grey", 1 / 255, (0.0,), (1.0,), "area")


@pytest.fixture(scope="module")
def pictures(samples: Path) -> list[np.ndarray]:
    names = ("Asha/asha_1", "Asha/asha_2", "Baraka/baraka_1", "Chipo/chipo_1", "Duma/duma_1", "Enzi/enzi_1")
    photos = [read_photo(samples / "gallery" / f"{name}.jpg").rgb for name in names]
    return [cv2.resize(rgb.mean(axis=2).astype(np.uint8), (96, 96), interpolation=cv2.INTER_AREA) for rgb in photos]


class TorchEngine:
    """The layout of the distilled network in PyTorch, with weights that match by the backbone's features."""

    inputs = outputs = ()
    provenance = Provenance("torch", "", "cpu", 1)

    def __init__(self) -> None:
        from reid_edge_export.catalogue import network_named
        from reid_edge_export.networks import build_network

        self._network = build_network(network_named("loftr-distilled"), {"size": 96}, None)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            matches, scores = self._network(*(torch.from_numpy(inputs[name]) for name in ("image0", "image1")))
        return {"matches0": matches.numpy(), "scores0": scores.numpy()}


@pytest.fixture(scope="module")
def engine() -> TorchEngine:
    return TorchEngine()


def pairs(matches: Matches) -> list[tuple[int, int]]:
    return list(zip(matches.query.tolist(), matches.candidate.tolist(), strict=True))


def test_candidates_in_a_batch_have_the_matches_that_they_have_alone(engine, pictures):
    query, *candidates = pictures
    together = match_loftr(query, candidates, LoadedNetwork(engine, GREY), 0.0)
    alone = [match_loftr(query, [candidate], LoadedNetwork(engine, GREY), 0.0)[0] for candidate in candidates]
    backwards = match_loftr(query, candidates[::-1], LoadedNetwork(engine, GREY), 0.0)[::-1]
    assert sum(map(len, together)) > 10
    for one, two, three in zip(together, alone, backwards, strict=True):
        assert pairs(one) == pairs(two) == pairs(three)
        assert np.allclose(one.scores, two.scores, atol=1e-5)


def test_a_copy_matches_cell_by_cell_and_a_higher_limit_leaves_fewer(engine, pictures):
    found = {
        limit: match_loftr(pictures[0], pictures[:1], LoadedNetwork(engine, GREY), limit)[0] for limit in (0.0, 0.05, 0.2, 1.0)
    }
    assert all(row == column for row, column in pairs(found[0.0]))
    counts = [len(matches) for matches in found.values()]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 30  # of 36 cells; measured 36
    assert counts[-1] == 0
    assert all((matches.scores > limit).all() for limit, matches in found.items())


def test_pixels_become_the_numbers_that_the_network_was_trained_on(engine, pictures):
    """Outputs are those of the graph on pictures from 0 to 1."""
    inputs = {f"image{side}": (pictures[side] / np.float32(255))[None, None].astype(np.float32) for side in (0, 1)}
    outputs = engine.run(inputs)
    (found,) = match_loftr(pictures[0], [pictures[1]], LoadedNetwork(engine, GREY), 0.0)
    expected = np.flatnonzero((outputs["matches0"][0] >= 0) & (outputs["scores0"][0] > 0))
    assert found.query.tolist() == expected.tolist()
    assert np.allclose(found.scores, outputs["scores0"][0][expected], atol=1e-4)


def test_no_candidates_no_matches(engine, pictures):
    assert match_loftr(pictures[0], [], LoadedNetwork(engine, GREY), 0.0) == []


class Pictures:
    """A gallery of pictures, whose sighting ids are their places."""

    def __init__(self, pictures: list[np.ndarray]) -> None:
        self._pictures = pictures

    def nearest(self, embedding, vector, count, allowed):
        return np.arange(len(self._pictures))

    def identity_of(self, sighting_id):
        return str(sighting_id)

    def vectors(self, embedding, ids):
        return np.ones((len(ids), 1), np.float32)

    def pictures(self, extraction, ids):
        assert extraction == "small"
        return [self._pictures[place] for place in ids]


def test_a_recipe_scores_pictures_by_the_count_of_matches_above_its_limit(engine, pictures, identifier):
    recipe = replace(
        identifier.recipe,
        retrieve=replace(identifier.recipe.retrieve, unit="photos", photos=0),
        extract=(Extract("small", False, 0.0, detector="picture", size=96),),
        match=(Match("loftr", "small", "loftr", 0.1, "net", 2, identifier.recipe.embed[0].name),),
    )
    vectors = {name: np.ones(1, np.float32) for name in recipe.embedding_names}
    networks = {"net": LoadedNetwork(engine, GREY)}
    query = Features(vectors, {}, {"small": pictures[0]})
    comparison = Comparer(recipe, networks, Pictures(pictures[:3])).compare(query, Selection(), Timings())
    column = comparison.raw[:, comparison.score_names.index("loftr")]
    expected = [len(matches) for matches in match_loftr(pictures[0], pictures[:2], LoadedNetwork(engine, GREY), 0.1)]
    assert column[:2].tolist() == expected
    assert np.isnan(column[2])
    assert expected[0] > expected[1]
    assert set(comparison.matches["loftr"]) == {0, 1}
