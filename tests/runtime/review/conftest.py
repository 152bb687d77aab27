"""A page over the sample animals: stored answers with evidence, a gallery of one's own, and a client without a network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reid_edge.decide.decision import Decision
from reid_edge.discover import Discovery

pytest.importorskip("fastapi", reason="the page is the extra `review`")

from fastapi.testclient import TestClient

from reid_edge.review import reading
from reid_edge.review.identification import PackChoice
from reid_edge.review.services import PERSON_COOKIE, Services, Sources
from reid_edge.review.web.application import application
from reid_edge.review.web.security import Access
from reid_edge.storage.address import Place


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's name is stored on this computer."""
    monkeypatch.setenv("REID_EDGE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("REID_EDGE_PERSON", raising=False)


@pytest.fixture(autouse=True)
def _patient_decoders(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine takes longer to start a decoder than a page waits for a photo."""
    monkeypatch.setattr(reading, "_SECONDS", 600.0)


@pytest.fixture
def answers_file(answers: dict[str, Decision], tmp_path: Path) -> Path:
    """The answers for the sample photos, with evidence, as `identify --json` prints them. Chipo, Asha and Farida are known, of the others
    two are uncertain."""
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(decision.as_json()) + "\n" for decision in answers.values()), encoding="utf-8")
    return path


@pytest.fixture
def bring_back(answers_file: Path, tmp_path: Path) -> Callable[[], object]:
    """The file of answers has one answer alone, whose photo is not where it was until this is called."""
    stored = json.loads(answers_file.read_text(encoding="utf-8").splitlines()[0])
    photo = Path(stored["photo"]["path"])
    stored["photo"]["path"] = str(tmp_path / photo.name)
    answers_file.write_text(json.dumps(stored) + "\n", encoding="utf-8")
    return lambda: shutil.copy(photo, tmp_path / photo.name)


class Page:
    """The services of a page, and a browser's part played by a client.

    Attributes:
        client: sends what it is given; `get` and `post` add nothing but the token of the forms.
    """

    def __init__(self, services: Services, person: str) -> None:
        self.services = services
        self.client = TestClient(application(services), base_url="http://localhost")
        if person:
            self.client.cookies.set(PERSON_COOKIE, person)

    def get(self, address: str) -> str:
        answered = self.client.get(address)
        assert answered.status_code == 200, answered.text
        return answered.text

    def post(self, address: str, code: int = 200, **fields: Any) -> str:
        """As a form that was made now, where the test does not give the state that it was made from."""
        if address.startswith(("/individual/", "/questions/")):
            fields.setdefault("seen", str(self.services.gallery.position()))
        token = {"X-Form-Token": self.services.access.form_token}
        answered = self.client.post(address, data=fields, headers=token, follow_redirects=False)
        assert answered.status_code == code, answered.text
        return answered.text

    def decide(self, answer_id: str, kind: str, code: int = 200, **fields: Any) -> str:
        return self.post(f"/question/{answer_id}/decide", code, kind=kind, **fields)

    def id_of(self, photo: str) -> str:
        """The id of the largest animal of a photo."""
        self.services.queue.refresh()
        return next(each.id for each in self.services.source.answers() if each.photo == photo and each.index == 0)


@pytest.fixture
def open_page(own_gallery: Path, answers_file: Path) -> Iterator[Callable[..., Page]]:
    """open_page(person="Ana", access=..., gallery=..., answers=FILE, ...): a page; several share it. Nothing runs in the background."""
    opened: list[Services] = []

    def make(person: str = "Ana", access: Access | None = None, gallery: Place | None = None, **sources: Any) -> Page:
        given = Sources(**(sources or {"answers": answers_file}))
        services = Services(gallery or own_gallery, PackChoice("field", "cpu", 1), given, access or Access())
        opened.append(services)
        return Page(services, person)

    yield make
    for services in opened:
        services.close()


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """A page that Ana uses."""
    return open_page()


@pytest.fixture
def burst(answers: dict[str, Decision], tmp_path: Path) -> Path:
    """A file with three uncertain answers of one camera within a minute, and a fourth an hour later."""
    decision = answers["trail_3.jpg"]
    lines = []
    for number, time in enumerate(("06:20:01", "06:20:21", "06:20:41", "07:20:41")):
        path = f"/cards/gate/IMG_{number}.jpg"
        photo = replace(decision.photo, sha256=f"{number:064x}", name=Path(path).name, path=path, taken_at=f"2026-03-09T{time}")
        lines.append(json.dumps(replace(decision, photo=photo).as_json()) + "\n")
    written = tmp_path / "burst.jsonl"
    written.write_text("".join(lines), encoding="utf-8")
    return written


@pytest.fixture
def work(discovered: Discovery, compared: Path, tmp_path: Path) -> Path:
    """A working file of one's own with the 24 gallery photos of the samples, compared: eight groups of three."""
    for suffix in (".run.json", ""):
        shutil.copy(f"{compared}{suffix}", tmp_path / f"work.sqlite{suffix}")
    shutil.copytree(f"{compared}.cache", tmp_path / "work.sqlite.cache")
    return tmp_path / "work.sqlite"


@pytest.fixture
def open_groups(work: Path, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """open_groups(person="Ana"): a page over these groups and a new gallery; several share both."""
    opened: list[Services] = []

    def make(person: str = "Ana") -> Page:
        services = Services(tmp_path / "new.sqlite", PackChoice("field", "cpu", 1), Sources(discovery=work), Access())
        opened.append(services)
        return Page(services, person)

    yield make
    for services in opened:
        services.close()
