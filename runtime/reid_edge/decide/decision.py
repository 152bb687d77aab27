"""The answer for one animal of one photo, and its form as plain data, which is what `--json` prints and a ledger stores.

Numbers are rounded on the way out: an answer that was read back is the one that was written, to the last byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from reid_edge.decide.facts import (
    PROBABILITY_DIGITS,
    AnimalFacts,
    EngineFacts,
    PackFacts,
    PhotoFacts,
    ReviewFacts,
    Thresholds,
    TrackFacts,
)
from reid_edge.decide.wording import wording_of
from reid_edge.errors import UsageError

SCHEMA = "reid-edge/decision/2"

Verdict = Literal["known", "new", "ask"]
Points = tuple[tuple[float, float], ...]
"""(x, y) pixels of an upright photo, x right, y down."""

_POINT_DIGITS, _CONFIDENCE_DIGITS, _TIMING_DIGITS = 1, 3, 2


@dataclass(frozen=True)
class PairEvidence:
    """One score of the query against the best photo of one identity.

    Attributes:
        name: the embedding's or matcher's.
        raw: a cosine or a count of matches; None where the matcher was not run.
        calibrated: probability that two photos with this score show the same individual; None as above.
    """

    name: str
    raw: float | None
    calibrated: float | None

    def as_json(self) -> dict[str, Any]:
        """Plain data, rounded."""
        return {"name": self.name, "raw": _rounded(self.raw), "calibrated": _rounded(self.calibrated)}


@dataclass(frozen=True)
class MatchedPoints:
    """Matched keypoints of one matcher: pixels of the query photo, pixels of the gallery photo, and how sure each match is."""

    matcher: str
    query_xy: Points
    candidate_xy: Points
    scores: tuple[float, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain data, rounded."""
        return {
            "matcher": self.matcher,
            "query_xy": [[round(x, _POINT_DIGITS), round(y, _POINT_DIGITS)] for x, y in self.query_xy],
            "candidate_xy": [[round(x, _POINT_DIGITS), round(y, _POINT_DIGITS)] for x, y in self.candidate_xy],
            "scores": [round(score, _CONFIDENCE_DIGITS) for score in self.scores],
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> MatchedPoints:
        """The inverse of `as_json`."""
        query_xy, candidate_xy = (tuple((x, y) for x, y in plain[name]) for name in ("query_xy", "candidate_xy"))
        return cls(plain["matcher"], query_xy, candidate_xy, tuple(plain["scores"]))


@dataclass(frozen=True)
class RankedIdentity:
    """One identity of the ranking.

    Attributes:
        identity: its name in the gallery.
        probability: that the animal is this individual, 0..1.
        evidence: how clearly it stands out from the gallery, which the thresholds are set on, 0..1; none above the best one's.
        fused: what ranks it, 0..1: its share of the belief in any of them, or the fused score of its photos, see `Evidence.shares`.
        sighting: the best photo's id in the gallery.
        photo: its file name.
        scores: per score, raw and calibrated.
        matches: matched points, only where they were asked for.
    """

    identity: str
    probability: float
    evidence: float
    fused: float
    sighting: int
    photo: str
    scores: tuple[PairEvidence, ...]
    matches: tuple[MatchedPoints, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain data, rounded."""
        plain: dict[str, Any] = {
            "identity": self.identity,
            "probability": _rounded(self.probability),
            "evidence": _rounded(self.evidence),
            "fused": _rounded(self.fused),
            "sighting": self.sighting,
            "photo": self.photo,
            "scores": [score.as_json() for score in self.scores],
        }
        if self.matches:
            plain["matches"] = [matched.as_json() for matched in self.matches]
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> RankedIdentity:
        """The inverse of `as_json`."""
        scores = tuple(PairEvidence(**score) for score in plain["scores"])
        matches = tuple(MatchedPoints.from_json(matched) for matched in plain.get("matches", ()))
        return cls(**{**plain, "scores": scores, "matches": matches})


@dataclass(frozen=True)
class Decision:
    """The answer for one animal of one photo; `as_json` is what ``--json`` prints.

    Attributes:
        verdict: ``known``, ``new`` (no individual of the gallery) or ``ask`` (a person should look).
        identity: the individual for ``known``, the best guess for ``ask``, None for ``new``.
        probability: that the verdict is right: for ``known`` and ``ask`` that the animal is `identity`, for ``new`` that it is none
            of the gallery's.
        unknown: the probability that the animal is none of the gallery's.
        reason: why, one or two sentences for a person.
        ranking: most likely first.
        thresholds: on the evidence for the best identity.
        calibration: ``species`` where the species has a calibration of its own in the pack, else ``generic``.
        photo: which photo was asked about.
        animal: where in it the animal is.
        recipe, pack, engine: what computed it.
        timings_ms: per stage, of the whole photo.
        warnings: what a person should know.
        same_as: names of the gallery that may be one animal, this one; empty where there is no such reason.
        review: what a person said of this animal; None where nobody did. Verdict, identity and probability then are the person's.
        track: of an animal that was followed through a video, whose frames this answer combines: `photo` is the frame that says most;
            None for a photo.
    """

    verdict: Verdict
    identity: str | None
    probability: float
    unknown: float
    reason: str
    ranking: tuple[RankedIdentity, ...]
    thresholds: Thresholds
    calibration: Literal["species", "generic"]
    photo: PhotoFacts
    animal: AnimalFacts
    recipe: str
    pack: PackFacts
    engine: EngineFacts
    timings_ms: Mapping[str, float]
    warnings: tuple[str, ...]
    same_as: tuple[str, ...] = ()
    review: ReviewFacts | None = None
    track: TrackFacts | None = None

    @property
    def headline(self) -> str:
        """The likeliest reading of the answer, such as ``Chipo, 98 %`` or ``possibly a new individual, 67 %``."""
        return wording_of(self).headline()

    def as_json(self) -> dict[str, Any]:
        """Plain data that follows docs/decision.schema.json."""
        return {
            "schema": SCHEMA,
            "headline": self.headline,
            "verdict": self.verdict,
            "identity": self.identity,
            "probability": _rounded(self.probability),
            "unknown": _rounded(self.unknown),
            "reason": self.reason,
            "ranking": [ranked.as_json() for ranked in self.ranking],
            "thresholds": self.thresholds.as_json(),
            "calibration": self.calibration,
            "photo": asdict(self.photo),
            "animal": self.animal.as_json(),
            "recipe": self.recipe,
            "pack": self.pack.as_json(),
            "engine": asdict(self.engine),
            "timings_ms": {stage: round(value, _TIMING_DIGITS) for stage, value in self.timings_ms.items()},
            "warnings": list(self.warnings),
            **({"same_as": list(self.same_as)} if self.same_as else {}),
            **({"review": self.review.as_json()} if self.review else {}),
            **({"track": self.track.as_json()} if self.track else {}),
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Decision:
        """The decision that `as_json` wrote: the inverse, but for the digits that were rounded off.

        Raises:
            UsageError: it is no decision, or one of another version.
        """
        try:
            fields = dict(plain)
            if fields.pop("schema") != SCHEMA:
                raise ValueError(plain["schema"])
            fields.pop("headline", None)  # made from the others; answers of earlier versions lack it
            fields["ranking"] = tuple(RankedIdentity.from_json(ranked) for ranked in plain["ranking"])
            fields["thresholds"] = Thresholds(**plain["thresholds"])
            fields["photo"] = PhotoFacts(**plain["photo"])
            fields["animal"] = AnimalFacts.from_json(plain["animal"])
            fields["pack"] = PackFacts(**plain["pack"])
            fields["engine"] = EngineFacts(**plain["engine"])
            fields["warnings"], fields["same_as"] = tuple(plain["warnings"]), tuple(plain.get("same_as", ()))
            fields["review"] = ReviewFacts(**plain["review"]) if "review" in plain else None
            fields["track"] = TrackFacts.from_json(plain["track"]) if "track" in plain else None
            return cls(**fields)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"This is not a decision of the format {SCHEMA}.", "Identify the photo again.") from error


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), PROBABILITY_DIGITS)
