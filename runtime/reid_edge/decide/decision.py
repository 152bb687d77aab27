"""The answer: a ranking becomes `known`, `new` or `ask`, with a probability, a reason and the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

SCHEMA = "reid-edge/decision/2"

Verdict = Literal["known", "new", "ask"]


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


@dataclass(frozen=True)
class MatchedPoints:
    """Matched keypoints of one matcher: pixels of the query photo, pixels of the gallery photo, and how sure each match is."""

    matcher: str
    query_xy: Sequence[tuple[float, float]]
    candidate_xy: Sequence[tuple[float, float]]
    scores: Sequence[float]


@dataclass(frozen=True)
class RankedIdentity:
    """One identity of the ranking.

    Attributes:
        identity: its name in the gallery.
        probability: that the animal is this individual, 0..1.
        evidence: how clearly it stands out from the gallery, which the thresholds are set on, 0..1; none above the best one's.
        fused: the fused score of its photos, which ranks, 0..1.
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


@dataclass(frozen=True)
class Decision:
    """The answer for one animal of one photo; `as_json` is what ``--json`` prints.

    Attributes:
        verdict: ``known``, ``new`` (no individual of the gallery) or ``ask`` (a person should look).
        identity: the individual for ``known``, the best guess for ``ask``, None for ``new``.
        probability: that the verdict is right: for ``known`` and ``ask`` that the animal is `identity`, for ``new`` that it is none
            of the gallery's.
        unknown: the probability that the animal is none of the gallery's.
        reason: one sentence for a person.
        ranking: best first.
        thresholds: on the evidence for the best identity: ``known_from``, and the band ``ask_from`` to ``ask_to`` that goes first.
        calibration: ``species`` where the species has a calibration of its own in the pack, else ``generic``.
        photo: path, name, sha256, width, height, taken_at of the photo.
        animal: index, box (x0, y0, x1, y1 pixels), area (share of the frame), found; outline (polygons, pixels) where it was asked for.
        recipe, pack, engine: what computed it.
        timings_ms: per stage, of the whole photo.
        warnings: what a person should know.
    """

    verdict: Verdict
    identity: str | None
    probability: float
    unknown: float
    reason: str
    ranking: tuple[RankedIdentity, ...]
    thresholds: Mapping[str, float]
    calibration: str
    photo: Mapping[str, Any]
    animal: Mapping[str, Any]
    recipe: str
    pack: Mapping[str, str]
    engine: Mapping[str, Any]
    timings_ms: Mapping[str, float]
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain data that follows docs/decision.schema.json."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "identity": self.identity,
            "probability": _rounded(self.probability),
            "unknown": _rounded(self.unknown),
            "reason": self.reason,
            "ranking": [_ranked_as_json(ranked) for ranked in self.ranking],
            "thresholds": {name: _rounded(value) for name, value in self.thresholds.items()},
            "calibration": self.calibration,
            "photo": dict(self.photo),
            "animal": dict(self.animal),
            "recipe": self.recipe,
            "pack": dict(self.pack),
            "engine": dict(self.engine),
            "timings_ms": {stage: round(value, 2) for stage, value in self.timings_ms.items()},
            "warnings": list(self.warnings),
        }


def _ranked_as_json(ranked: RankedIdentity) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "identity": ranked.identity,
        "probability": _rounded(ranked.probability),
        "evidence": _rounded(ranked.evidence),
        "fused": _rounded(ranked.fused),
        "sighting": ranked.sighting,
        "photo": ranked.photo,
        "scores": [
            {"name": score.name, "raw": _rounded(score.raw), "calibrated": _rounded(score.calibrated)} for score in ranked.scores
        ],
    }
    if ranked.matches:
        plain["matches"] = [
            {
                "matcher": matched.matcher,
                "query_xy": [[round(x, 1), round(y, 1)] for x, y in matched.query_xy],
                "candidate_xy": [[round(x, 1), round(y, 1)] for x, y in matched.candidate_xy],
                "scores": [round(score, 3) for score in matched.scores],
            }
            for matched in ranked.matches
        ]
    return plain


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 6)
