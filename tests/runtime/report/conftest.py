"""A gallery of drawn animals, decisions about drawn photos, and a reader of the page that knows HTML only."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from reid_edge.decide.decision import Decision, MatchedPoints, PairEvidence, RankedIdentity
from reid_edge.decide.facts import AnimalFacts, EngineFacts, PackFacts, PhotoFacts, Thresholds
from reid_edge.gallery import Gallery, NewSighting
from reid_edge.identify.new_sighting import thumbnail
from reid_edge.photo import Photo

VOID = {"meta", "link", "input", "br"}


@dataclass
class Element:
    """One element of a parsed page."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None = None
    contents: list[Element | str] = field(default_factory=list)

    @property
    def children(self) -> list[Element]:
        return [part for part in self.contents if isinstance(part, Element)]

    def all(self, tag: str, **wanted: str) -> list[Element]:
        """The elements inside with this tag and these attributes; `data_x` is `data-x`, `class_` one of the classes."""
        found = []
        for child in self.children:
            if child.tag == tag and all(child._has(key, value) for key, value in wanted.items()):
                found.append(child)
            found += child.all(tag, **wanted)
        return found

    def one(self, tag: str, **wanted: str) -> Element:
        (found,) = self.all(tag, **wanted)
        return found

    def _has(self, key: str, value: str) -> bool:
        if key == "class_":
            return value in self.attributes.get("class", "").split()
        return self.attributes.get(key.replace("_", "-")) == value

    @property
    def text(self) -> str:
        """What a reader sees, runs of white space as one space."""
        return " ".join(self._letters().split())

    def _letters(self) -> str:
        return "".join(part if isinstance(part, str) else part._letters() for part in self.contents)

    def number(self, attribute: str) -> float:
        return float(self.attributes[attribute])


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.here = self.root = Element("", {})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {key: value or "" for key, value in attrs}, self.here)
        self.here.contents.append(element)
        if tag not in VOID:
            self.here = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.here.contents.append(Element(tag, {key: value or "" for key, value in attrs}, self.here))

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.here.tag, f"</{tag}> closes <{self.here.tag}>"
        assert self.here.parent is not None
        self.here = self.here.parent

    def handle_data(self, data: str) -> None:
        self.here.contents.append(data)


def _read_page(path: Path) -> Element:
    reader = _Reader()
    reader.feed(path.read_text("utf-8"))
    reader.close()
    assert reader.here is reader.root
    return reader.root


def _image_of(page: Element, picture_id: str) -> np.ndarray:
    """The pixels of an embedded picture, RGB."""
    prefix, encoded = page.one("image", id=picture_id).attributes["href"].split(",")
    assert prefix == "data:image/jpeg;base64"
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _photo(name: str = "trap_1.jpg", width: int = 1600, height: int = 1200, taken_at: str | None = None) -> Photo:
    """A smooth picture: a gradient, so that JPEG keeps it well."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 0] = np.linspace(40, 120, width)
    rgb[..., 1] = np.linspace(120, 60, height)[:, None]
    rgb[..., 2] = 90
    return Photo(rgb, "ab" * 32, name, Path("/cards") / name, taken_at)


def _decision(photo: Photo, *ranking: RankedIdentity, verdict: str = "known", **changes: object) -> Decision:
    """A decision about one animal in the middle of the photo."""
    box = (photo.width // 4, photo.height // 4, photo.width * 3 // 4, photo.height * 3 // 4)
    fields: dict[str, object] = {
        "verdict": verdict,
        "identity": ranking[0].identity if ranking and verdict != "new" else None,
        "probability": 0.93,
        "unknown": 0.05,
        "reason": "It is said so.",
        "ranking": ranking,
        "thresholds": Thresholds(0.4, 0.3, 0.5),
        "calibration": "generic",
        "photo": PhotoFacts.of(photo),
        "animal": AnimalFacts(0, box, 0.2, True, ((box[:2], (box[2], box[1]), box[2:]),)),
        "recipe": "field",
        "pack": PackFacts("field", "3", "cd" * 32),
        "engine": EngineFacts("onnxruntime 1.20", "CPUExecutionProvider", "cpu", 2),
        "timings_ms": {"decode": 12.0},
        "warnings": (),
    }
    return Decision(**{**fields, **changes})


def _candidate(sighting: int, identity: str, *matches: MatchedPoints, **changes: object) -> RankedIdentity:
    """One identity of a ranking, with an embedding's score and one for each matcher."""
    scores = (PairEvidence("embedding", 0.8125, 0.71), *(PairEvidence(m.matcher, float(len(m.scores)), 0.64) for m in matches))
    fields = {
        "probability": 0.93,
        "evidence": 0.875,
        "fused": 0.75,
        "photo": f"{identity}.jpg",
        "scores": scores,
        "matches": matches,
    }
    return RankedIdentity(**{**fields, **changes}, identity=identity, sighting=sighting)


def _points(count: int, matcher: str = "lighterglue", seed: int = 0) -> MatchedPoints:
    """Matches at random places inside the boxes of `_decision` and `enrol`."""
    dice = np.random.default_rng(seed)
    query = [(float(x), float(y)) for x, y in dice.uniform((400, 300), (1199, 899), (count, 2))]
    gallery = [(float(x), float(y)) for x, y in dice.uniform((100, 50), (899, 449), (count, 2))]
    return MatchedPoints(matcher, query, gallery, [float(score) for score in dice.uniform(0.2, 1.0, count)])


@pytest.fixture(scope="session")
def drawn() -> SimpleNamespace:
    """Makers of photos, decisions, candidates and matched points."""
    return SimpleNamespace(photo=_photo, decision=_decision, candidate=_candidate, points=_points)


@pytest.fixture(scope="session")
def read_page() -> Callable[[Path], Element]:
    """Reads a page as a tree of elements; a tag that is not closed properly fails."""
    return _read_page


@pytest.fixture(scope="session")
def image_of() -> Callable[[Element, str], np.ndarray]:
    """The pixels, RGB, of the embedded picture with this id."""
    return _image_of


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.create(tmp_path / "gallery.sqlite") as opened:
        yield opened


@pytest.fixture
def enrol(gallery: Gallery) -> Callable[..., int]:
    """Adds one sighting whose box is (100, 50, 900, 450) of a photo of 1000 x 500; returns its id."""

    def add(identity: str, photo: Photo | None = None, **changes: object) -> int:
        shown = photo or _photo(width=1000, height=500)
        count = len(gallery.sightings())
        fields: dict[str, object] = {
            "photo_sha256": f"{count:064x}",
            "photo_name": f"{identity[:20]}.jpg",
            "box": (100, 50, 900, 450),
            "thumbnail": thumbnail(shown.rgb[50:450, 100:900]),
            "viewpoint": "left",
            "taken_at": "2024-05-06",
        }
        return gallery.add_sighting(NewSighting(identity=identity, **{**fields, **changes}), {}, "key", "batch")

    return add
