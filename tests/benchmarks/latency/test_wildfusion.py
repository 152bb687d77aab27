"""The common pipeline as it is measured: features anew in each call, forced keypoints, all candidates through LightGlue."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from reid_edge.errors import UsageError
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.session import Session
from reid_edge.timings import Timings
from reid_edge_benchmarks.latency.torch_reference import TorchReference
from reid_edge_benchmarks.latency.wildfusion import WildFusion, _database


@pytest.fixture(scope="module")
def pipeline(session: Session, weights: None) -> WildFusion:
    return WildFusion(session)


def asked(queries: list[Enrolment]) -> list[dict[str, str]]:
    return [{"path": str(query.path), "species": "", "viewpoint": ""} for query in queries]


def test_it_finds_the_individuals_that_the_runtime_finds(
    pipeline: WildFusion, queries: list[Enrolment], monkeypatch: pytest.MonkeyPatch
) -> None:
    described: list[int] = []
    describe = pipeline._describe
    monkeypatch.setattr(pipeline, "_describe", lambda crops: described.append(len(crops)) or describe(crops))
    for _ in range(2):
        answers, stages = pipeline.ask(asked(queries[:2]))
        assert [answer["ranking"][0]["identity"] for answer in answers] == ["Imara", "Chipo"]
    assert described == [2, 6, 2, 6]  # the queries, and the whole database again in each call
    assert list(stages) == [
        *("features of the queries", "features of the database", "shortlist", "xfeat-lighterglue", "calibrate and rank"),
    ]
    assert all(milliseconds > 0 for milliseconds in stages.values())


def test_every_image_has_exactly_the_number_of_keypoints_and_is_a_square(pipeline: WildFusion) -> None:
    plain = np.full((40, 90, 3), 127, np.uint8)  # no detector finds 1024 keypoints on a wall
    described = pipeline._describe([lambda: plain])
    assert described.descriptors["xfeat"].shape == (1, 1024, 64)
    assert described.places["xfeat"].abs().max() <= 1
    assert pipeline._squares("xfeat", [plain]).shape == (1, 1, 768, 768)


def test_all_candidates_of_the_shortlist_go_through_lightglue_and_no_others(
    session: Session, weights: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = session.identifier.recipe
    monkeypatch.setattr(session.identifier, "recipe", replace(recipe, retrieve=replace(recipe.retrieve, candidates=4)))
    few = WildFusion(session)
    with torch.inference_mode():
        database = few._describe([_database(sighting) for sighting in few._sightings])
        scores = few._score(database, database, Timings())
    assert list(scores) == ["efficientnet-lite0", "xfeat-lighterglue"]
    for matrix in scores.values():
        assert matrix.shape == (6, 6)
        assert (~np.isnan(matrix)).sum(1).tolist() == [4] * 6
    assert np.nanmin(np.diag(scores["xfeat-lighterglue"])) > 200  # measured: 390 to 480 of 512 for an image beside itself


def test_a_gallery_of_made_up_animals_is_refused(session: Session, weights: None, monkeypatch: pytest.MonkeyPatch) -> None:
    sightings = [replace(one, photo_path=str(Path("nowhere.jpg"))) for one in session.gallery.sightings()]
    monkeypatch.setattr(session.gallery, "sightings", lambda: sightings)
    with pytest.raises(UsageError, match="not at hand"):
        WildFusion(session)


def test_a_recipe_without_lightglue_is_refused(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = session.identifier.recipe
    monkeypatch.setattr(session.identifier, "recipe", replace(recipe, match=recipe.match[:1]))
    with pytest.raises(UsageError, match="LightGlue"):
        WildFusion(session)


def test_it_takes_as_many_threads_as_the_runtime(session: Session, reference: TorchReference, pipeline: WildFusion) -> None:
    assert torch.get_num_threads() == session.identifier.networks.device.threads


def test_a_gallery_with_one_photo_of_each_individual_gives_no_calibrators(
    session: Session, weights: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_each = {sighting.identity: sighting for sighting in session.gallery.sightings()}
    monkeypatch.setattr(session.gallery, "sightings", lambda: list(one_each.values()))
    with pytest.raises(UsageError, match="same and of different individuals"):
        WildFusion(session)
