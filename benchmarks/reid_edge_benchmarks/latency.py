"""How long the runtime takes from file to decision, stage by stage, and how long PyTorch takes for the same work beside it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reid_edge.decision import Decision
from reid_edge.gallery.sources import Enrolment
from reid_edge.identification import Question
from reid_edge.session import Session
from reid_edge.timings import Timings
from reid_edge_benchmarks.markdown_table import markdown_table

if TYPE_CHECKING:
    from reid_edge_benchmarks.torch_reference import ReferenceAnswer, TorchReference

Progress = Callable[..., Any]
Stages = dict[str, float]

WHOLE = "whole"
TARGET_MILLISECONDS = 1000.0
TARGET_RATIO = 3.0

# Photos that both answer first, uncounted: networks load, memory is taken, caches fill.
_WARM_UP = 2
# Two implementations round differently, so a match at the threshold may fall on either side.
_SAME_MATCHES, _SAME_SHARE = 2, 0.02


@dataclass(frozen=True)
class Agreement:
    """Do both give the same answers?

    Attributes:
        animals: compared, of all photos.
        same_animals: share of photos in which both see the same number of animals.
        same_identity: share of animals with the same identity ranked first.
        same_verdict: share of animals with the same verdict.
        counts: match counts compared: of the runtime's ranking, each matcher.
        same_counts: share of them that differ by at most 2 matches or 2 %.
        largest_difference: in matches.
        largest_cosine_difference: of the embeddings' scores.
    """

    animals: int
    same_animals: float
    same_identity: float
    same_verdict: float
    counts: int
    same_counts: float
    largest_difference: float
    largest_cosine_difference: float


@dataclass(frozen=True)
class Latency:
    """Milliseconds of every photo by stage, ``whole`` from file to decision; PyTorch's where it was asked for."""

    runtime: tuple[Stages, ...]
    reference: tuple[Stages, ...] = ()
    agreement: Agreement | None = None

    @property
    def stages(self) -> list[str]:
        """All stages in the order in which they run, the whole last."""
        ordered = dict.fromkeys(stage for photo in (*self.runtime, *self.reference) for stage in photo)
        return [*(stage for stage in ordered if stage != WHOLE), WHOLE]

    def figures(self) -> dict[str, dict[str, float]]:
        """By stage: p50 and p95 of the runtime, and of PyTorch, with the ratio of the medians and the spread of photos' ratios."""
        return {stage: self._figures(stage) for stage in self.stages}

    def _figures(self, stage: str) -> dict[str, float]:
        ours = np.array([photo.get(stage, 0.0) for photo in self.runtime])
        figures = {"p50": _percentile(ours, 50), "p95": _percentile(ours, 95)}
        theirs = np.array([photo.get(stage, 0.0) for photo in self.reference])
        if theirs.any():
            figures |= {"torch p50": _percentile(theirs, 50), "torch p95": _percentile(theirs, 95)}
        if theirs.any() and ours.all():
            low, high = np.percentile(theirs / ours, (10, 90))
            figures |= {
                "ratio": figures["torch p50"] / figures["p50"],
                "ratio p10": float(low),
                "ratio p90": float(high),
            }
        return figures

    def as_json(self) -> dict[str, Any]:
        """Plain data: the figures, and every photo's milliseconds behind them."""
        return {
            "photos": len(self.runtime),
            "milliseconds": self.figures(),
            "agreement": asdict(self.agreement) if self.agreement else None,
            "targets": {"whole p50, ms": TARGET_MILLISECONDS, "ratio": TARGET_RATIO},
            "each": {"runtime": self.runtime, "torch": self.reference},
        }

    def as_text(self) -> str:
        """The table and, in sentences, whether the targets are met and whether both agree."""
        figures = self.figures()
        header = ("stage, ms", "p50", "p95")
        if self.reference:
            header += ("PyTorch p50", "PyTorch p95", "PyTorch / runtime", "photos p10 to p90")  # type: ignore[assignment]
        lines = [markdown_table(header, [_row(stage, figures[stage], len(header)) for stage in self.stages]), ""]
        whole = figures[WHOLE]
        lines.append(
            f"A photo takes {whole['p50']:.0f} ms (median of {len(self.runtime)}, warm); "
            f"the target of {TARGET_MILLISECONDS:.0f} ms is {_met(whole['p50'] <= TARGET_MILLISECONDS)}."
        )
        if self.agreement:
            lines.append(
                f"PyTorch takes {whole['ratio']:.2f} times as long; the target of {TARGET_RATIO:g} times is "
                f"{_met(whole['ratio'] >= TARGET_RATIO)}."
            )
            lines.append(_agreement_text(self.agreement))
        return "\n".join(lines)


def measure_latency(
    session: Session,
    queries: Sequence[Enrolment],
    photos: int,
    progress: Progress,
    load_reference: Callable[[Session], TorchReference] | None = None,
) -> Latency:
    """Measure on photos taken evenly from the queries, one after another, warm.

    Args:
        session: the runtime and a gallery.
        queries: photos whose species and viewpoint are known, as their table says; each is answered once.
        photos: how many, all of the queries where they are fewer.
        progress: wraps a list and a word for it.
        load_reference: makes the PyTorch reference; it answers each photo directly before or after the runtime, in turns, so that
            whatever else the machine does falls on both.

    Raises:
        PhotoError: a photo cannot be read.
        EngineError, GalleryError, UsageError: see `Session.identify` and `load_reference`.
    """
    chosen = [queries[int(place)] for place in np.linspace(0, len(queries) - 1, min(photos, len(queries))).round()]
    reference = load_reference(session) if load_reference else None
    for query in chosen[:_WARM_UP]:
        _by_runtime(session, query)
        if reference:
            _by_reference(reference, query)
    ours, theirs, answers = [], [], []
    for turn, query in enumerate(progress(chosen, "Measuring")):
        if reference and turn % 2:
            expected, expected_stages = _by_reference(reference, query)
        decisions, stages = _by_runtime(session, query)
        if reference and not turn % 2:
            expected, expected_stages = _by_reference(reference, query)
        ours.append(stages)
        if reference:
            theirs.append(expected_stages)
            answers.append((decisions, expected))
    return Latency(tuple(ours), tuple(theirs), compare_answers(answers) if reference else None)


def _by_runtime(session: Session, query: Enrolment) -> tuple[list[Decision], Stages]:
    start = time.perf_counter()
    _, decisions = session.identify(query.path, Question(query.species, query.viewpoint))
    whole = (time.perf_counter() - start) * 1e3
    return decisions, {**decisions[0].timings_ms, WHOLE: whole}


def _by_reference(reference: TorchReference, query: Enrolment) -> tuple[list[ReferenceAnswer], Stages]:
    timings = Timings()
    start = time.perf_counter()
    answers = reference.identify(query.path, Question(query.species, query.viewpoint), timings)
    whole = (time.perf_counter() - start) * 1e3
    return answers, {**timings.milliseconds, WHOLE: whole}


def compare_answers(answers: Sequence[tuple[Sequence[Decision], Sequence[ReferenceAnswer]]]) -> Agreement:
    """Compare the runtime's decisions with the reference's answers, photo by photo, on the photos that the runtime ranked."""
    pairs = [pair for decisions, expected in answers for pair in zip(decisions, expected, strict=False)]
    counts: list[tuple[float, float]] = []
    cosines: list[tuple[float, float]] = []
    for decision, expected in pairs:
        comparison = expected.ranking.comparison
        rows = {int(sighting): row for row, sighting in enumerate(comparison.sighting_ids)}
        for ranked in decision.ranking:
            row = rows.get(ranked.sighting)
            for score in ranked.scores:
                theirs = np.nan if row is None else float(comparison.raw[row, comparison.score_names.index(score.name)])
                if score.raw is not None:
                    (counts if score.name in comparison.matches else cosines).append((score.raw, theirs))
    differences = [abs(ours - theirs) for ours, theirs in counts]
    same = [
        difference <= max(_SAME_MATCHES, _SAME_SHARE * ours) for difference, (ours, _) in zip(differences, counts, strict=True)
    ]
    return Agreement(
        animals=len(pairs),
        same_animals=_share(len(decisions) == len(expected) for decisions, expected in answers),
        same_identity=_share(_first(decision) == expected.ranking.scores.identities[:1] for decision, expected in pairs),
        same_verdict=_share(decision.verdict == expected.verdict.verdict for decision, expected in pairs),
        counts=len(counts),
        same_counts=_share(same),
        largest_difference=float(np.nanmax(differences, initial=0.0)),
        largest_cosine_difference=float(np.nanmax([abs(ours - theirs) for ours, theirs in cosines], initial=0.0)),
    )


def _first(decision: Decision) -> tuple[str, ...]:
    return tuple(ranked.identity for ranked in decision.ranking[:1])


def _share(answers: Iterable[bool]) -> float:
    values = [*answers]
    return float(np.mean(values)) if values else math.nan


def _row(stage: str, figures: dict[str, float], columns: int) -> list[str]:
    cells = [stage, *(f"{figures[name]:.1f}" if name in figures else "-" for name in ("p50", "p95", "torch p50", "torch p95"))]
    cells.append(f"{figures['ratio']:.2f}" if "ratio" in figures else "-")
    cells.append(f"{figures['ratio p10']:.2f} to {figures['ratio p90']:.2f}" if "ratio" in figures else "-")
    return cells[:columns]


def _agreement_text(agreement: Agreement) -> str:
    return (
        f"Of {agreement.animals} animals both give the same identity for {agreement.same_identity:.1%} and the same verdict for "
        f"{agreement.same_verdict:.1%}; of {agreement.counts} match counts {agreement.same_counts:.1%} agree within "
        f"{_SAME_MATCHES} matches or {_SAME_SHARE:.0%} (largest difference {agreement.largest_difference:.0f}); cosines differ by "
        f"{agreement.largest_cosine_difference:.4f} at most; both see the same number of animals in {agreement.same_animals:.1%} of photos."
    )


def _percentile(values: np.ndarray, percent: float) -> float:
    return float(np.percentile(values, percent))


def _met(met: bool) -> str:
    return "met" if met else "missed"
