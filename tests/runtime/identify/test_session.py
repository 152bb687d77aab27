"""Photo files one after another: the next is described while one is compared, and nobody can tell from the answers."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from reid_edge.describe.query import Query
from reid_edge.errors import EngineError, PhotoError
from reid_edge.gallery import Gallery
from reid_edge.identify.identifier import Identifier
from reid_edge.identify.session import Session


@pytest.fixture
def session(sample_gallery, identifier):
    with Session(Gallery.open(sample_gallery.path, writable=False), identifier) as opened:
        yield opened


def told(decision):
    """A decision without what differs from run to run."""
    return replace(decision, timings_ms={})


def test_what_another_process_changes_counts_from_the_next_photo_on(own_gallery, identifier, samples):
    photo = samples / "photos" / "trail_1.jpg"
    with Session(Gallery.open(own_gallery, writable=False), identifier) as session, Gallery.open(own_gallery) as other:
        best = session.identify(photo)[0].ranking[0].identity
        other.rename(best, "Zoe")
        assert session.identify(photo)[0].ranking[0].identity == "Zoe"
        other.undo()
        ((_, answered),) = session.identify_each([photo])
        assert answered[1][0].ranking[0].identity == best


def test_each_photo_is_answered_in_its_turn_as_it_is_alone(session, samples, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    good = sorted((samples / "photos").glob("*.jpg"))[:3]
    paths = [good[0], broken, *good[1:], tmp_path / "missing.jpg"]
    query = Query(viewpoint="left")
    answered = list(session.identify_each(paths, query))
    assert [path for path, _ in answered] == paths
    for path, answer in answered:
        if path in good:
            photo, decisions = answer
            assert photo.path == path
            assert [told(one) for one in decisions] == [told(one) for one in session.identify(path, query)]
            assert list(decisions[0].timings_ms)[:2] == ["decode", "segment"]
        else:
            assert isinstance(answer, PhotoError)
            with pytest.raises(PhotoError, match=str(path.name)):
                session.identify(path, query)
    assert list(session.identify_each([], query)) == []


def test_one_photo_is_described_ahead_and_none_is_once_the_answers_are_left(session, samples):
    (path, *_) = (samples / "photos").glob("*.jpg")
    asked = []

    def endless():
        while True:
            asked.append(path)
            yield path

    answers = session.identify_each(endless())
    next(answers)
    assert len(asked) == 2
    next(answers)
    assert len(asked) == 3
    answers.close()
    assert len(asked) == 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("describe")]


def test_a_network_that_fails_is_told_and_leaves_nobody_waiting(session, samples, monkeypatch):
    def fail(*_, **__):
        raise EngineError("The network u2netp failed.", "Run: reid-edge doctor")

    monkeypatch.setattr(session.identifier, "describe", fail)
    with pytest.raises(EngineError, match="u2netp failed"):
        list(session.identify_each([samples / "photos" / "trail_1.jpg"] * 3))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("describe")]


@pytest.fixture(scope="module")
def with_two_threads(field_pack):
    return Identifier(field_pack, "cpu", 2)


def test_on_two_cores_two_photos_are_described_at_once_and_answered_in_order_as_alone(sample_gallery, samples, with_two_threads):
    paths = sorted((samples / "photos").glob("*.jpg"))[:3]
    asked = []
    with Session(Gallery.open(sample_gallery.path, writable=False), with_two_threads) as session:
        alone = [session.identify(path)[0] for path in paths]
        answers = session.identify_each(asked.append(path) or path for path in [*paths, *paths])
        (path, (_, decisions)) = next(answers)
        assert len(asked) == 3  # one that is answered, two that are described meanwhile
        together = [(path, decisions), *((path, decisions) for path, (_, decisions) in answers)]
    assert [path for path, _ in together] == [*paths, *paths]
    for (_, decisions), expected in zip(together, [*alone, *alone], strict=True):
        assert decisions[0].engine.threads == 1
        assert told(replace(decisions[0], engine=expected.engine)) == told(expected)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("describe")]


def test_a_stop_leaves_after_the_photos_that_are_being_described(sample_gallery, samples, with_two_threads, monkeypatch):
    begun = []

    def describe(*_, **__):
        begun.append(threading.current_thread().name)
        raise KeyboardInterrupt

    monkeypatch.setattr(with_two_threads, "describe", describe)
    monkeypatch.setattr(with_two_threads, "_for_many_photos", None)
    with (
        Session(Gallery.open(sample_gallery.path, writable=False), with_two_threads) as session,
        pytest.raises(KeyboardInterrupt),
    ):
        list(session.identify_each([samples / "photos" / "trail_1.jpg"] * 50))
    assert len(begun) <= 4
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("describe")]
