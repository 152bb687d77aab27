"""What a decision says beside its verdict: of the photo, the animal, the pack, the engine and the thresholds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from reid_edge.decide.calibration import Entry
from reid_edge.describe.description import DescribedAnimal
from reid_edge.describe.viewpoint import PredictedViewpoint
from reid_edge.engines import Provenance
from reid_edge.pack import Pack
from reid_edge.photo import Photo

_AREA_DIGITS = 4
PROBABILITY_DIGITS = 6
_SECOND_DIGITS = 2

UNREADABLE = "reid-edge/unreadable/1"
"""`schema` of the line of a file that could not be read."""

Polygon = tuple[tuple[int, int], ...]
"""(x, y) pixels of the upright photo, x right, y down."""


@dataclass(frozen=True)
class PhotoFacts:
    """The photo that was asked about.

    Attributes:
        path: as it was given or found; None of a photo that is no file.
        name: file name, for people.
        sha256: of the file's bytes, lowercase hexadecimal.
        width, height: pixels, upright.
        taken_at: by the camera's clock, YYYY-MM-DDTHH:MM:SS without a zone; None where the camera noted none.
    """

    path: str | None
    name: str
    sha256: str
    width: int
    height: int
    taken_at: str | None

    @classmethod
    def of(cls, photo: Photo) -> PhotoFacts:
        """The facts of a photo."""
        path = str(photo.path) if photo.path else None
        return cls(path, photo.name, photo.sha256, photo.width, photo.height, photo.taken_at)


def unreadable_as_json(path: Path | str, error: str, hint: str) -> dict[str, Any]:
    """What stands among decisions in JSON Lines for a file that could not be read; follows docs/unreadable.schema.json."""
    return {"schema": UNREADABLE, "photo": {"path": str(path), "name": Path(path).name}, "error": error, "hint": hint}


@dataclass(frozen=True)
class AnimalFacts:
    """Where the animal is in the photo, and from which side it is seen, where that was predicted.

    Attributes:
        index: 0 for the largest animal of the photo, 1 for the next.
        box: (x0, y0, x1, y1) pixels of the upright photo, x right, y down, end exclusive, margin included.
        area: share of the photo that the animal covers, 0..1.
        found: False where no animal stood out and the whole frame was used.
        outline: polygons around the animal; None where no evidence was asked for.
        viewpoint: predicted; None where it was stated, no animal stood out, or the pack predicts none.
    """

    index: int
    box: tuple[int, int, int, int]
    area: float
    found: bool
    outline: tuple[Polygon, ...] | None = None
    viewpoint: PredictedViewpoint | None = None

    @property
    def number(self) -> int:
        """Of the animal in its photo, from 1, as options and tables name it."""
        return self.index + 1

    @classmethod
    def of(cls, described: DescribedAnimal, with_outline: bool) -> AnimalFacts:
        """The facts of an animal."""
        animal = described.animal
        outline = tuple(tuple(polygon) for polygon in animal.outline()) if with_outline else None
        area = round(animal.area, _AREA_DIGITS)
        return cls(animal.index, animal.box, area, animal.found, outline, described.viewpoint)

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        plain: dict[str, Any] = {"index": self.index, "number": self.number, "box": list(self.box)}
        plain |= {"area": self.area, "found": self.found}
        if self.outline is not None:
            plain["outline"] = [[list(point) for point in polygon] for polygon in self.outline]
        if self.viewpoint is not None:
            plain["viewpoint"] = {**asdict(self.viewpoint), "probability": round(self.viewpoint.probability, PROBABILITY_DIGITS)}
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> AnimalFacts:
        """The inverse of `as_json`."""
        x0, y0, x1, y1 = plain["box"]
        outline = None
        if "outline" in plain:
            outline = tuple(tuple((x, y) for x, y in polygon) for polygon in plain["outline"])
        viewpoint = PredictedViewpoint(**plain["viewpoint"]) if "viewpoint" in plain else None
        return cls(plain["index"], (x0, y0, x1, y1), plain["area"], plain["found"], outline, viewpoint)


@dataclass(frozen=True)
class PackFacts:
    """The model pack that was used.

    Attributes:
        name, version: its own.
        sha256: of its pack.toml, which lists the hash of every file.
        random_weights: a network of it has random weights, so its answers mean nothing.
    """

    name: str
    version: str
    sha256: str
    random_weights: bool = False

    @classmethod
    def of(cls, pack: Pack) -> PackFacts:
        """The facts of a pack."""
        return cls(pack.manifest.name, pack.manifest.version, pack.sha256, bool(pack.manifest.random_networks))

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        plain: dict[str, Any] = {"name": self.name, "version": self.version, "sha256": self.sha256}
        return {**plain, "random_weights": True} if self.random_weights else plain


def random_warning(pack: Pack) -> str:
    """What every answer by a pack with random weights says; empty for any other pack."""
    names = ", ".join(pack.manifest.random_networks)
    return f"Random weights ({names}): this answer means nothing." if names else ""


@dataclass(frozen=True)
class EngineFacts:
    """What ran the networks: library with its version, execution provider, device as ``--device`` names it, CPU threads of one run."""

    library: str
    provider: str
    device: str
    threads: int

    @classmethod
    def of(cls, engine: Provenance) -> EngineFacts:
        """The facts of an engine."""
        return cls(engine.library, engine.provider, engine.device, engine.threads)


@dataclass(frozen=True)
class ReviewFacts:
    """What a person said of the animal, and what the answer was without it.

    Attributes:
        kind: `confirmed`, `new`, `rejected`, `skipped` or `not_an_animal`; `enrolled` where the gallery got the animal without a review.
        identity: the individual that it names; None where it names none.
        person: who said it; '' where not known.
        decided_at: ISO 8601 in UTC.
        verdict, answered_identity, probability: of the answer itself.
    """

    kind: str
    identity: str | None
    person: str
    decided_at: str
    verdict: str
    answered_identity: str | None
    probability: float

    @property
    def is_final(self) -> bool:
        """Whether it decides what the animal is."""
        return self.kind not in ("rejected", "skipped")

    def headline(self, name: Callable[[str], str] = str) -> str:
        """Such as `Asha, confirmed by Ana`; `name` writes a name, for instance escaped."""
        words = {"confirmed": "confirmed by", "new": "named by", "enrolled": "enrolled by", "not_an_animal": "according to"}
        what = "not an animal" if self.identity is None else name(self.identity)
        return f"{what}, {words[self.kind]} {name(self.person) if self.person else 'a person'}"

    def as_json(self) -> dict[str, Any]:
        """Plain data, rounded."""
        return {**asdict(self), "probability": round(float(self.probability), PROBABILITY_DIGITS)}


@dataclass(frozen=True)
class FrameAnswer:
    """The answer for one frame of a track, which the track's answer combines: seconds from the beginning of the video, and what it says."""

    seconds: float
    verdict: str
    identity: str | None
    probability: float


@dataclass(frozen=True)
class TrackFacts:
    """The part of a video in which one animal was followed.

    Attributes:
        number: of the track in its video, from 1, in the order in which they begin.
        begin, end: seconds from the beginning of the video: the first and the last frame that shows it.
        frames: how many of the frames that were looked at show it.
        answers: of its best frames, in the order of time.
    """

    number: int
    begin: float
    end: float
    frames: int
    answers: tuple[FrameAnswer, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain data, rounded."""
        span = {"begin": round(self.begin, _SECOND_DIGITS), "end": round(self.end, _SECOND_DIGITS)}
        rounded = (
            replace(
                each,
                seconds=round(each.seconds, _SECOND_DIGITS),
                probability=round(float(each.probability), PROBABILITY_DIGITS),
            )
            for each in self.answers
        )
        return {"number": self.number, **span, "frames": self.frames, "answers": list(map(asdict, rounded))}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> TrackFacts:
        """The inverse of `as_json`."""
        return cls(**{**plain, "answers": tuple(FrameAnswer(**each) for each in plain["answers"])})


@dataclass(frozen=True)
class Thresholds:
    """On the evidence for the best identity, 0..1.

    Attributes:
        known_from: from this evidence on the individual is known.
        ask_from, ask_to: the band in which a person is asked; it goes before `known_from`.
    """

    known_from: float
    ask_from: float
    ask_to: float

    @classmethod
    def of(cls, entry: Entry) -> Thresholds:
        """Those of a calibration."""
        return cls(entry.threshold, entry.ask_low, entry.ask_high)

    def as_json(self) -> dict[str, float]:
        """Plain data, rounded."""
        return {name: round(float(value), PROBABILITY_DIGITS) for name, value in asdict(self).items()}
