"""Time and place in an answer: they count where both are known and the model is on, and change nothing otherwise."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.decide.decision import Decision
from reid_edge.describe.query import Query
from reid_edge.gallery import Gallery
from reid_edge.photo import Photo, read_photo

HERE = {"latitude": -1.29, "longitude": 36.82}
FORTY_KM_NORTH = {"latitude": -0.93, "longitude": 36.82}
NOW = "2025-06-01T08:00:00"


@pytest.fixture
def dated(own_gallery: Path, identifier) -> Iterator[GalleryCandidates]:
    """The sample gallery, Imara seen at 8:20 at one place."""
    with closing(sqlite3.connect(own_gallery)) as database, database:
        database.execute(
            "UPDATE sighting SET taken_at = '2025-06-01T08:20:00', latitude = ?, longitude = ? "
            "WHERE individual_id = (SELECT id FROM individual WHERE name = 'Imara')",
            tuple(HERE.values()),
        )
    with Gallery.open(own_gallery, writable=False) as gallery:
        yield GalleryCandidates(gallery, identifier.feature_key)


@pytest.fixture
def photo(samples: Path) -> Photo:
    return replace(read_photo(samples / "photos" / "trail_1.jpg"), taken_at=None, latitude=None, longitude=None)


def told(decision: Decision) -> tuple[Any, ...]:
    """What the answer says, bit for bit."""
    ranking = [(each.identity, each.probability, each.evidence, each.fused) for each in decision.ranking]
    return decision.verdict, decision.identity, decision.probability, decision.unknown, decision.reason, ranking


def test_time_and_place_change_an_answer_only_where_both_are_known_and_the_model_is_on(identifier, dated, photo) -> None:
    query = Query(viewpoint="left")

    def answer(**facts: Any) -> Decision:
        stated = {name: facts.pop(name) for name in ("max_speed",) if name in facts}
        (decision,) = identifier.identify(replace(photo, **facts), dated, replace(query, **stated))
        return decision

    plain = answer()
    name = plain.ranking[0].identity
    assert name == "Imara"
    far = {"taken_at": NOW, **FORTY_KM_NORTH}
    assert told(answer(**far)) == told(plain)  # off in the bundled pack
    assert told(answer(**far, max_speed=0.0)) == told(plain)
    for known in ({}, {"taken_at": NOW}, FORTY_KM_NORTH):
        missing = answer(**known, max_speed=30.0)
        assert told(missing) == told(plain)
        assert any("so that time and place say nothing" in warning for warning in missing.warnings)
    assert told(answer(taken_at=NOW, **HERE, max_speed=30.0)) == told(plain)  # near enough
    away = answer(**far, max_speed=30.0)
    assert "Imara was seen 40 km away 20 minutes apart: less likely one animal." in away.warnings
    (of_imara,) = [each for each in away.ranking if each.identity == name]
    assert of_imara.probability < plain.ranking[0].probability
    assert away.unknown >= plain.unknown
