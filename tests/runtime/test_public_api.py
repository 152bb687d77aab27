"""The public interface is what docs/api.md says, its examples run, and it takes a photo in any form."""

from __future__ import annotations

import ast
import doctest
import shutil
from pathlib import Path

import numpy as np
import pytest

import reid_edge
from reid_edge.cli.api_reference import examples, reference
from reid_edge.photo import read_photo

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def session(own_gallery, identifier):
    with reid_edge.Session(reid_edge.Gallery.open(own_gallery, writable=False), identifier) as opened:
        yield opened


def test_the_committed_page_is_what_the_docstrings_say_now():
    committed = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
    assert reference() == committed, "run: python -m reid_edge.cli.api_reference > docs/api.md"


def test_the_examples_of_the_page_print_what_they_show(session, samples, own_gallery, tmp_path, monkeypatch):
    shutil.copy(own_gallery, tmp_path / "catalogue.sqlite")
    shutil.copy(samples / "photos" / "trail_2.jpg", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    shown = dict(examples())
    assert len(shown) >= 5
    runner = doctest.DocTestRunner()
    for name, text in shown.items():
        example = doctest.DocTestParser().get_doctest(text, {"reid_edge": reid_edge, "session": session}, name, None, None)
        failures: list[str] = []
        assert runner.run(example, out=failures.append).failed == 0, "".join(failures)


def test_every_exported_name_is_found_documented_and_declared():
    for name in reid_edge.__all__:
        assert getattr(reid_edge, name).__doc__, name
    assert set(reid_edge.__all__) <= set(dir(reid_edge))
    stub = ast.parse(Path(reid_edge.__file__).with_suffix(".pyi").read_text("utf-8"))
    declared = {each.asname for node in stub.body if isinstance(node, ast.ImportFrom) for each in node.names}
    assert declared == set(reid_edge.__all__)
    with pytest.raises(AttributeError, match="no attribute 'identify_all'"):
        _ = reid_edge.identify_all


def test_a_path_as_text_bytes_and_pixels_of_one_photo_get_one_answer(session, samples):
    path = samples / "photos" / "trail_2.jpg"
    query = reid_edge.Query(viewpoint="left", top=2)
    given = [str(path), path, path.read_bytes(), read_photo(path).rgb]
    answers = [session.identify(photo, query) for photo in given]
    assert {(one.verdict, one.identity, one.probability, one.ranking, one.animal) for (one,) in answers} == {
        (answers[0][0].verdict, "Chipo", answers[0][0].probability, answers[0][0].ranking, answers[0][0].animal)
    }
    assert [one.photo.name for (one,) in answers] == ["trail_2.jpg", "trail_2.jpg", "photo", "photo"]


@pytest.mark.parametrize("pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)])
def test_pixels_of_another_type_or_shape_are_refused(session, pixels):
    with pytest.raises(reid_edge.PhotoError, match="is not a photo") as refused:
        session.identify(pixels)
    assert "uint8 [height, width, 3]" in refused.value.hint


def test_an_enrolled_animal_is_compared_from_then_on_and_only_those_that_are_asked_for(session, samples):
    path = samples / "photos" / "trail_4.jpg"
    assert session.enrol(path, identity="Nuru", viewpoint="left").added == 1
    (decision,) = session.identify(path, reid_edge.Query(viewpoint="left"))
    assert decision.ranking[0].identity == "Nuru"
    (narrow,) = session.identify(path, reid_edge.Query(viewpoint="left", individuals=["Asha", "Chipo"]))
    assert {ranked.identity for ranked in narrow.ranking} == {"Asha", "Chipo"}
    (nobody,) = session.identify(path, reid_edge.Query(individuals=["Nobody"]))
    assert (nobody.verdict, nobody.ranking) == ("ask", ())
