"""The runtime answers the query photos of a labelled set, and its answers become figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reid_edge.decide.decision import Decision
from reid_edge.describe.query import Query
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.enrolment import enrol
from reid_edge.identify.identifier import Identifier
from reid_edge.photo import read_photo
from reid_edge.timings import Timings
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.metrics import (
    NEW,
    auroc,
    baks,
    baks_interval,
    baus,
    baus_interval,
    brier,
    calibration_error,
    coverage_at_error,
    geomean,
    geomean_interval,
    mean_average_precision,
    rank_k,
    rank_k_interval,
)
from reid_edge_calibration.progress import Progress
from reid_edge_calibration.scoring import refuse_incomplete

ERRORS = (0.01, 0.02, 0.05)


@dataclass(frozen=True)
class QueryAnswer:
    """What the runtime answered to one query photo, and what is true.

    Attributes:
        query: the photo.
        truth: whom it shows.
        verdict: ``known``, ``new`` or ``ask``.
        answered: the identity, or NEW; for a question to a person what the threshold would have given, so that GeoMean stays comparable.
        confidence: the probability that the runtime gives to `answered`.
        ranking: all identities that were compared, best first.
        probability: that the first of them is right; 0 where there is none.
        evidence: for the first of them; 0 where there is none.
        reason: the runtime's sentence.
        costly: whether the score that is computed in doubt only was computed; None where the recipe has no such score.
    """

    query: Enrolment
    truth: str
    verdict: str
    answered: str
    confidence: float
    ranking: tuple[str, ...]
    probability: float
    evidence: float
    reason: str
    costly: bool | None = None

    @property
    def top(self) -> str:
        """The identity ranked first, NEW where there is none."""
        return self.ranking[0] if self.ranking else NEW

    def right(self, known: frozenset[str]) -> bool:
        """Whether `answered` is true, where these are the identities of the gallery."""
        return self.answered == (self.truth if self.truth in known else NEW)


@dataclass(frozen=True)
class QueryAnswers:
    """The answers to the queries of one labelled set, or of several.

    Attributes:
        each: one per query.
        known: the identities of the gallery.
        in_hindsight: what the threshold that is best for GeoMean on these very queries would have answered to each.
    """

    each: tuple[QueryAnswer, ...]
    known: frozenset[str]
    in_hindsight: tuple[str, ...]

    @classmethod
    def of(cls, each: Sequence[QueryAnswer], known: frozenset[str]) -> QueryAnswers:
        """The answers of one set, whose threshold is one."""
        truth = [answer.truth for answer in each]
        thresholds = np.unique([*(answer.evidence for answer in each), np.inf])
        variants = [tuple(answer.top if answer.evidence >= least else NEW for answer in each) for least in thresholds]
        best = max(variants, key=lambda answered: np.nan_to_num(geomean(truth, answered, known)))
        return cls(tuple(each), known, best)

    @classmethod
    def together(cls, sets: Iterable[tuple[str, QueryAnswers]]) -> QueryAnswers:
        """Several sets as one, in which every individual counts the same; each set keeps its own best threshold in hindsight."""
        each: list[QueryAnswer] = []
        known: set[str] = set()
        in_hindsight: list[str] = []
        for name, answers in sets:
            each += [_within(name, answer) for answer in answers.each]
            known.update(_qualified(name, identity) for identity in answers.known)
            in_hindsight += [_qualified(name, answered) for answered in answers.in_hindsight]
        return cls(tuple(each), frozenset(known), tuple(in_hindsight))

    @property
    def right(self) -> tuple[bool, ...]:
        """Per query, whether the answer is true."""
        return tuple(answer.right(self.known) for answer in self.each)

    @property
    def top_right(self) -> tuple[bool, ...]:
        """Per query, whether the identity ranked first is the true one."""
        return tuple(answer.top == answer.truth for answer in self.each)

    def figures(self) -> dict[str, float]:
        """By name; see docs/benchmarks.md and `reid_edge_calibration.metrics` for their meaning. NaN where one is not defined, such as BAUS
        of a set that has no unknown individual; `costly matcher` is lacking where the recipe has none.
        """
        truth, known = [answer.truth for answer in self.each], self.known
        answered, ranking = [answer.answered for answer in self.each], [answer.ranking for answer in self.each]
        confidence, probability = ([getattr(answer, name) for answer in self.each] for name in ("confidence", "probability"))
        figures: dict[str, float] = {
            "queries": len(truth),
            "queries of new individuals": sum(true not in known for true in truth),
            "R-1": rank_k(truth, ranking, 1, known),
            **_limits("R-1", rank_k_interval(truth, ranking, 1, known)),
            "R-5": rank_k(truth, ranking, 5, known),
            "R-20": rank_k(truth, ranking, 20, known),
            "R-25": rank_k(truth, ranking, 25, known),
            "mAP": mean_average_precision(truth, ranking, known),
            "BAKS": baks(truth, answered, known),
            **_limits("BAKS", baks_interval(truth, answered, known)),
            "BAUS": baus(truth, answered, known),
            **_limits("BAUS", baus_interval(truth, answered, known)),
            "GeoMean": geomean(truth, answered, known),
            **_limits("GeoMean", geomean_interval(truth, answered, known)),
            "GeoMean in hindsight": geomean(truth, self.in_hindsight, known),
            "AUROC": auroc([true in known for true in truth], [answer.evidence for answer in self.each]),
            "asked": _share(answer.verdict == "ask" for answer in self.each),
            "wrong unattended": _share(
                answer.verdict != "ask" and not right for answer, right in zip(self.each, self.right, strict=True)
            ),
            **{f"coverage at {error:.0%} error": coverage_at_error(confidence, self.right, error) for error in ERRORS},
            "ECE": calibration_error(probability, self.top_right),
            "Brier": brier(probability, self.top_right),
            "ECE of the answer": calibration_error(confidence, self.right),
        }
        figures["regret"] = figures["GeoMean in hindsight"] - figures["GeoMean"]
        if computed := [answer.costly for answer in self.each if answer.costly is not None]:
            figures["costly matcher"] = _share(computed)
        return figures


@dataclass(frozen=True)
class Measured:
    """One labelled set, answered.

    Attributes:
        labelled: the photos.
        gallery: the file with its database photos.
        answers: to its queries.
        milliseconds: per stage, the median over the queries; ``whole`` from file to decision.
    """

    labelled: LabelledSet
    gallery: Path
    answers: QueryAnswers
    milliseconds: dict[str, float]


def measure(labelled: LabelledSet, identifier: Identifier, gallery_path: Path, progress: Progress) -> Measured:
    """Enrol the database photos, identify the query photos, and compare with the truth.

    Args:
        labelled: which photos.
        identifier: the pack.
        gallery_path: where they are enrolled; an existing gallery is continued.

    Raises:
        UsageError: a database photo cannot be read, or two rows contradict each other.
        PhotoError: a query photo cannot be read.
        EngineError, GalleryError, StorageError: it cannot go on.
    """
    answers, decisions = [], []
    with Gallery.open_or_create(gallery_path) as gallery:
        refuse_incomplete(labelled, enrol(gallery, identifier, progress(labelled.database, f"Enrolling {labelled.name}")))
        candidates = identifier.candidates(gallery)
        known = frozenset(individual.name for individual in gallery.individuals())
        for query in progress(labelled.queries, f"Identifying {labelled.name}"):
            timings = Timings()
            with timings.stage("decode"):
                photo = read_photo(query.path)
            query_facts = Query(species=labelled.species, viewpoint=query.viewpoint, top=len(known))
            decision = identifier.identify(photo, candidates, query_facts, timings)[0]
            answers.append(_answer(query, decision, identifier.recipe.costly_score))
            decisions.append(decision.timings_ms)
    return Measured(labelled, gallery_path, QueryAnswers.of(answers, known), _medians(decisions))


def _answer(query: Enrolment, decision: Decision, costly_score: str) -> QueryAnswer:
    ranking = tuple(ranked.identity for ranked in decision.ranking)
    evidence, probability = (decision.ranking[0].evidence, decision.ranking[0].probability) if decision.ranking else (0.0, 0.0)
    is_known = bool(ranking) and evidence >= decision.thresholds.known_from
    confidence = probability if is_known else decision.unknown
    return QueryAnswer(
        query=query,
        truth=query.identity,
        verdict=decision.verdict,
        answered=ranking[0] if is_known else NEW,
        confidence=confidence,
        ranking=ranking,
        probability=probability,
        evidence=evidence,
        reason=decision.reason,
        costly=_computed(costly_score, decision) if costly_score else None,
    )


def _computed(score: str, decision: Decision) -> bool:
    return any(each.name == score and each.raw is not None for ranked in decision.ranking for each in ranked.scores)


def _within(name: str, answer: QueryAnswer) -> QueryAnswer:
    return replace(
        answer,
        truth=_qualified(name, answer.truth),
        answered=_qualified(name, answer.answered),
        ranking=tuple(_qualified(name, identity) for identity in answer.ranking),
    )


def _qualified(name: str, identity: str) -> str:
    """Individuals of two sets never share a name."""
    return identity if identity == NEW else f"{name}/{identity}"


def _limits(name: str, interval: tuple[float, float]) -> dict[str, float]:
    return {f"{name} low": interval[0], f"{name} high": interval[1]}


def _share(flags: Iterable[bool]) -> float:
    values = [*flags]
    return float(np.mean(values)) if values else math.nan


def _medians(timings: Sequence[Any]) -> dict[str, float]:
    stages = dict.fromkeys(stage for each in timings for stage in each)
    medians = {stage: float(np.median([each.get(stage, 0.0) for each in timings])) for stage in stages}
    return {**medians, "whole": float(np.median([sum(each.values()) for each in timings]))}
