"""Scoring a labelled set that was stopped continues with the next query photo, and another fusion of the same scores costs nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reid_edge
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.identifier import Identifier
from reid_edge.pack import open_pack
from reid_edge.recipe import Decide, Fuse, Group, Rerank
from reid_edge_benchmarks.reliability.light_pack import make_light_pack
from reid_edge_calibration import scoring
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.scoring import kept_table

ANIMALS = Path(reid_edge.__file__).parent / "samples" / "gallery"


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Identifier:
    return Identifier(open_pack(make_light_pack(tmp_path_factory.mktemp("light") / "pack")), "cpu", 1)


@pytest.fixture
def labelled() -> LabelledSet:
    photos = [Enrolment(path, path.parent.name) for path in sorted(ANIMALS.rglob("*.jpg"))][:12]
    asked = [photo for photo in photos if photo.path.stem.endswith("3")]
    return LabelledSet("animals", "all", tuple(photo for photo in photos if photo not in asked), tuple(asked), "")


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The query photos that were described, in order."""
    seen: list[Path] = []
    real = scoring.describe_query

    def noting(query: Enrolment, *others: Any) -> Any:
        seen.append(query.path)
        return real(query, *others)

    monkeypatch.setattr(scoring, "describe_query", noting)
    return seen


def everything(items: Iterable[Any], title: str) -> Iterator[Any]:
    yield from items


def stopped(items: Iterable[Any], title: str) -> Iterator[Any]:
    for place, item in enumerate(items):
        if place == 2 and title.startswith("Scoring"):
            raise KeyboardInterrupt
        yield item


def test_scoring_that_was_stopped_continues_and_gives_the_same_table(
    light: Identifier, labelled: LabelledSet, described: list[Path], tmp_path: Path
) -> None:
    for folder in ("straight", "resumed"):
        (tmp_path / folder).mkdir()
    straight = kept_table(labelled, light, tmp_path / "straight", everything)
    described.clear()
    with pytest.raises(KeyboardInterrupt):
        kept_table(labelled, light, tmp_path / "resumed", stopped)
    assert len(list((tmp_path / "resumed").glob("*.queries/*.npz"))) == 2
    resumed = kept_table(labelled, light, tmp_path / "resumed", everything)
    assert described == [query.path for query in labelled.queries]  # each once
    assert list((tmp_path / "resumed").glob("*.queries")) == []
    for name in ("query", "candidate", "raw", "raw_without", "photo", "quality"):
        np.testing.assert_array_equal(getattr(straight, name), getattr(resumed, name))


def test_what_was_kept_of_a_photo_that_changed_since_or_is_damaged_is_scored_again(
    light: Identifier, labelled: LabelledSet, described: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        kept_table(labelled, light, tmp_path, stopped)
    first, second = sorted(tmp_path.glob("*.queries/*.npz"))
    os.utime(first, (0, 0))
    second.write_bytes(second.read_bytes()[:100])
    described.clear()
    kept_table(labelled, light, tmp_path, everything)
    assert described == [query.path for query in labelled.queries]


def test_another_fusion_of_the_same_scores_finds_the_table(
    light: Identifier, labelled: LabelledSet, described: list[Path], tmp_path: Path
) -> None:
    kept_table(labelled, light, tmp_path, everything)
    described.clear()
    other = Identifier(light.pack, "cpu", 1)
    other.recipe = replace(light.recipe, fuse=(Fuse("all", (Group(("colours",), 1.0),)),), decide=Decide(0.4))
    kept_table(labelled, other, tmp_path, everything)
    assert described == []


def test_a_recipe_that_reranks_by_a_fusion_gets_the_scores_of_pairs_of_database_photos(
    light: Identifier, labelled: LabelledSet, tmp_path: Path
) -> None:
    other = Identifier(light.pack, "cpu", 1)
    fuse, rerank = Fuse("all", (Group(("colours",), 1.0),)), Rerank("shared", 3, 2, fusion="all")
    other.recipe = replace(light.recipe, fuse=(fuse,), rerank=(rerank,), decide=Decide(0.4))
    table = kept_table(labelled, other, tmp_path, everything)
    photos = len(labelled.database)
    assert len(table.gallery_query) == photos * (photos - 1)
    assert table.gallery_raw.shape == (photos * (photos - 1), 1)
    assert np.isnan(table.raw[:, table.score_names.index("shared")]).all()  # found when it is calibrated
    again = kept_table(labelled, other, tmp_path, everything)
    np.testing.assert_array_equal(again.gallery_raw, table.gallery_raw)
