"""One stored answer in the few facts that a queue of thousands needs, and what every store of answers offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from reid_edge.decide.decision import Decision, Verdict


@dataclass(frozen=True)
class StoredAnswer:
    """The answer for one animal of one photo, without its evidence.

    Attributes:
        sha256: of the photo, lowercase hexadecimal.
        index: of the animal in its photo, 0 for the largest.
        verdict: of the answer.
        candidate: the likeliest individual; None where there was nobody to compare with.
        probability: that the animal is `candidate`, 0..1.
        unknown: the probability that it is none of the gallery's.
        sighting: the candidate's best photo in the gallery; None where there is no candidate.
        box: x0, y0, x1, y1 of the animal, pixels of the upright photo.
        photo: file name, for people.
        camera: which camera took it; '' where not known.
        taken_at: by the camera's clock, ISO 8601 without a zone; None where not known.
        event: photos taken together have the same one; '' for a photo that belongs to none.
        group: animals of one event that are probably one individual have the same one.
    """

    sha256: str
    index: int
    verdict: Verdict
    candidate: str | None
    probability: float
    unknown: float
    sighting: int | None
    box: tuple[int, int, int, int]
    photo: str
    camera: str = ""
    taken_at: str | None = None
    event: str = ""
    group: str = ""

    @property
    def key(self) -> tuple[str, int]:
        """Photo and animal."""
        return self.sha256, self.index

    @property
    def id(self) -> str:
        """Names the answer in addresses."""
        return f"{self.sha256}-{self.index}"

    @property
    def picture(self) -> str:
        """The address of its picture; another one after the box was moved."""
        return f"/pictures/answer/{self.id}.jpg?box={','.join(map(str, self.box))}"

    @property
    def lead(self) -> float:
        """The probability of the likeliest reading, that individual or a new one."""
        return max(self.probability, self.unknown)


class AnswerSource(Protocol):
    """A store of answers that may grow while it is read. Threads may share it."""

    def refresh(self) -> int:
        """Look for what is new; returns a number that differs from the last one where something is."""

    def answers(self) -> Sequence[StoredAnswer]:
        """All answers, in the order in which they were stored."""

    def decision(self, answer: StoredAnswer) -> Decision:
        """The whole answer, with its evidence where that is stored.

        Raises:
            UsageError: it is an answer of another version.
            GalleryError, StorageError: the store cannot be read.
        """

    def paths(self, answer: StoredAnswer) -> Sequence[Path]:
        """The files that may hold the photo now, likeliest first."""

    def thumbnail(self, answer: StoredAnswer) -> bytes | None:
        """A JPEG of the animal that stands in for a photo that is gone; None where there is none."""

    def close(self) -> None:
        """Release the store."""


def summarised(plain: Mapping[str, Any], **facts: Any) -> StoredAnswer:
    """The summary of a decision as plain data; `facts` are fields that the decision does not hold or that replace its own.

    Raises:
        KeyError, TypeError: it is no decision.
    """
    photo, ranking = plain["photo"], plain["ranking"]
    best = ranking[0] if ranking else None
    fields: dict[str, Any] = {
        "sha256": photo["sha256"],
        "index": int(plain["animal"]["index"]),
        "verdict": plain["verdict"],
        "candidate": best["identity"] if best else None,
        "probability": float(best["probability"]) if best else 0.0,
        "unknown": float(plain["unknown"]),
        "sighting": best["sighting"] if best else None,
        "box": tuple(plain["animal"]["box"]),
        "photo": str(photo["name"]),
        "taken_at": photo["taken_at"],
    }
    return StoredAnswer(**{**fields, **facts})
