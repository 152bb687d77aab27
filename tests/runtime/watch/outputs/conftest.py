"""A ledger with messages like the daemon's, made without a network: photos of two cameras with bursts, empty frames and odd names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reid_edge.decide.decision import Decision, RankedIdentity
from reid_edge.decide.facts import AnimalFacts, EngineFacts, PackFacts, PhotoFacts, Thresholds
from reid_edge.photo import Photo
from reid_edge.watch.answer.answering import PhotoAnswer
from reid_edge.watch.answer.committing import commit_answer
from reid_edge.watch.answer.events import close_event
from reid_edge.watch.answer.following import GalleryFollower
from reid_edge.watch.ledger.ledger import Ledger, shown
from reid_edge.watch.ledger.records import FileStamp

NAMES = ("IMG_0001.JPG", "Löwe am Wasser.jpg", 'a,"b"\\nc;=1+1.jpg', "ohne\\xff.jpg", "a\nb\u2028c.jpg")


def sha256(number: int) -> str:
    return hashlib.sha256(f"photo {number}".encode()).hexdigest()


def decision(index: int, identity: str | None, probability: float = 0.97) -> dict[str, Any]:
    """One animal's answer, as `Decision.as_json` gives it, as far as the outputs look."""
    verdict = "new" if identity is None else "known" if probability > 0.9 else "ask"
    ranking = [{"identity": name, "probability": p} for name, p in ((identity, probability), ("Bela", 0.02)) if name]
    return {
        "verdict": verdict,
        "identity": identity,
        "probability": probability,
        "unknown": 0.01,
        "reason": "Two scores agree,\nclearly.",
        "ranking": ranking,
        "animal": {"index": index, "box": [10 + index, 20, 110 + index, 220], "area": 0.1, "found": True},
        "pack": {"name": "field", "version": "1", "sha256": "0" * 64},
        "warnings": ["This very photo is in the gallery."] if index else [],
    }


def photo_body(number: int, animals: int, camera: str = "waterhole", event: int | None = 1, **facts: Any) -> dict[str, Any]:
    names = ("Asha", None, "Cleo")
    answers = [decision(index, names[(number + index) % 3], 0.5 if number % 5 == 4 else 0.97) for index in range(animals)]
    photo = {
        "sha256": sha256(number),
        "path": f"/cards/{camera}/{NAMES[number % len(NAMES)]}",
        "camera": camera,
        "taken_at": f"2024-05-06T07:{number // 60 % 60:02d}:{number % 60:02d}",
        "width": 640,
        "height": 480,
        "latitude": None,
        "longitude": None,
        **facts,
    }
    verdict = answers[0]["verdict"] if answers else "empty"
    return {"photo": photo, "event": event, "verdict": verdict, "animals": answers}


def event_body(
    event: int, numbers: list[int], revision: int = 1, camera: str = "waterhole", identity: str = "Asha"
) -> dict[str, Any]:
    times = [f"2024-05-06T07:{number // 60 % 60:02d}:{number % 60:02d}" for number in numbers]
    return {
        "event": event,
        "camera": camera,
        "first_taken_at": min(times),
        "last_taken_at": max(times),
        "revision": revision,
        "closed": True,
        "animals": [
            {
                "index": 0,
                "verdict": "known",
                "identity": identity,
                "probability": 0.98,
                "unknown": 0.01,
                "ranking": [{"identity": identity, "probability": 0.98}],
                "photos": [sha256(number) for number in numbers],
            }
        ],
    }


@pytest.fixture
def ledger(memory_folder: Path) -> Iterator[Ledger]:
    with Ledger.open(memory_folder / "ledger.sqlite") as opened:
        yield opened


@pytest.fixture(scope="session")
def post_photos() -> Callable[..., None]:
    """post_photos(ledger, count): photos in the outbox with 1, 2, 0 and 3 animals in turn, and events and a quarantined file between."""

    def post(ledger: Ledger, count: int, start: int = 0) -> None:
        for number in range(start, start + count):
            animals = (1, 2, 0, 3)[number % 4]
            with ledger.transaction():
                ledger.post("photo", f"photo:{sha256(number)}", "waterhole", photo_body(number, animals, event=1 + number // 4))
                if number % 4 == 3:
                    body = event_body(1 + number // 4, list(range(number - 3, number + 1)))
                    ledger.post("event", f"event:{1 + number // 4}:1", "waterhole", body)
                if number % 7 == 6:
                    ledger.post(
                        "quarantine", f"quarantine:{number}:1:1", "", {"path": "x.jpg", "reason": "It is cut off.", "tries": 1}
                    )

    return post


def answered(
    index: int, identity: str | None, probability: float, box: tuple[int, int, int, int], found: bool = True
) -> Decision:
    verdict = "new" if identity is None else "known" if probability > 0.9 else "ask"
    names = ((identity, probability), ("Bela", 0.02))
    ranking = tuple(RankedIdentity(name, p, p, p, 1, "1.jpg", ()) for name, p in names if name)
    return Decision(
        verdict,
        identity,
        probability,
        0.01 if identity else probability,
        "Two scores agree.",
        ranking,
        Thresholds(0.5, 0.4, 0.6),
        "generic",
        PhotoFacts(None, "x.jpg", "0" * 64, 640, 480, None),
        AnimalFacts(index, box, 0.1, found),
        "field",
        PackFacts("field", "1", "0" * 64),
        EngineFacts("onnxruntime", "CPUExecutionProvider", "cpu", 1),
        {},
        (),
    )


@pytest.fixture(scope="session")
def answer_for() -> Callable[..., Decision]:
    """answer_for(index, identity, probability, box): one animal's decision; identity None is a new individual."""
    return answered


@pytest.fixture(scope="session")
def commit() -> Callable[..., Photo]:
    """commit(ledger, path, decisions, camera=..., taken_at=..., latitude=..., longitude=...): a photo answered as the daemon does it."""

    def do(
        ledger: Ledger,
        path: bytes | Path,
        decisions: list[Decision],
        camera: str = "waterhole",
        close: bool = False,
        follower: GalleryFollower | None = None,
        **facts: Any,
    ) -> Photo:
        place = Path(os.fsdecode(path))
        path, parent, name = os.fsencode(place), os.fsencode(place.parent), os.fsencode(place.name)
        with ledger.transaction():
            number = ledger.add_file(ledger.folder_id(parent), path, FileStamp(1, 1, 1))
            ledger.settle_file(number, FileStamp(1, 1, 1), camera, None)
        photo = Photo(np.zeros((480, 640, 3), np.uint8), hashlib.sha256(path).hexdigest(), shown(name), **facts)
        file = ledger.settled_file(number)
        assert file is not None
        answer = PhotoAnswer(
            decisions[0].verdict if decisions else "empty", tuple(decisions), (None,) * len(decisions), (), "field 1", "0"
        )
        committed = commit_answer(ledger, file, photo, answer, 60.0, None, follower=follower)
        if close and committed.event is not None:
            close_event(ledger, committed.event, None, False)
        return photo

    return do
