"""Answers on stdout: readable text, JSON Lines or CSV."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from reid_edge.cli.printing import printable
from reid_edge.decide.decision import Decision, RankedIdentity
from reid_edge.decide.facts import ReviewFacts, unreadable_as_json
from reid_edge.decide.wording import in_percent, wording_of
from reid_edge.errors import PhotoError

if TYPE_CHECKING:
    from reid_edge.cli.truth import Truth

_COLOURS = {"known": "green", "new": "cyan", "ask": "yellow"}
_COLUMNS = (
    "photo",
    "animal",
    "headline",
    "verdict",
    "identity",
    "probability",
    "unknown_probability",
    "runner_up",
    "runner_up_probability",
    "reason",
    "notes",
    "sha256",
    "error",
    "review",
    "reviewed_by",
    "reviewed_at",
    "answer_verdict",
    "answer_identity",
    "track",
    "begin",
    "end",
)
_TRUTH_COLUMNS = ("truth", "result")
_RESULT_COLOURS = {"right": "green", "wrong": "red", "asked": "yellow"}
_INDENT = " " * 8


class Answers(Protocol):
    """Prints answers and failures, one after another, as they come."""

    def answer(self, decision: Decision) -> None:
        """Print one animal's answer."""

    def failure(self, path: Path, error: PhotoError) -> None:
        """Report that a photo could not be read."""

    def end(self) -> None:
        """Print what follows the last answer."""


def answers_for(style: str, timings: bool, truth: Truth | None = None) -> Answers:
    """The printer of a style: ``text``, ``json`` (which has no truth) or ``csv``."""
    if style == "json":
        return _JsonAnswers()
    if style == "csv":
        return _CsvAnswers(truth)
    return _TextAnswers(timings, truth)


class _JsonAnswers:
    def answer(self, decision: Decision) -> None:
        self._line(decision.as_json())

    def failure(self, path: Path, error: PhotoError) -> None:
        self._line(unreadable_as_json(path, error.message, error.hint))
        _print_failure(error)

    def _line(self, plain: Mapping[str, Any]) -> None:
        _write(json.dumps(plain, ensure_ascii=sys.stdout.encoding.lower() != "utf-8"))

    def end(self) -> None:
        pass


class _CsvAnswers:
    def __init__(self, truth: Truth | None) -> None:
        self._truth = truth
        self._row(_COLUMNS, _TRUTH_COLUMNS)

    def answer(self, decision: Decision) -> None:
        other = _best_other(decision)
        outcome = self._truth.outcome(decision) if self._truth else None
        self._row(
            (
                decision.photo.path,
                decision.animal.number,
                decision.headline,
                decision.verdict,
                decision.identity or "",
                f"{decision.probability:.4f}",
                f"{decision.unknown:.4f}",
                other.identity if other else "",
                f"{other.probability:.4f}" if other else "",
                decision.reason,
                " ".join(decision.warnings),
                decision.photo.sha256,
                "",
                *_review_cells(decision.review),
                *((track.number, f"{track.begin:.2f}", f"{track.end:.2f}") if (track := decision.track) else ("", "", "")),
            ),
            (outcome.identity, outcome.result) if outcome else ("", ""),
        )

    def failure(self, path: Path, error: PhotoError) -> None:
        cells = {"photo": str(path), "error": error.message}
        self._row(tuple(cells.get(column, "") for column in _COLUMNS), ("", ""))
        _print_failure(error)

    def end(self) -> None:
        if self._truth:
            click.echo(self._truth.summary(), err=True)

    def _row(self, values: tuple[object, ...], of_truth: tuple[str, str]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow((*values, *of_truth) if self._truth else values)
        _write(line.getvalue())


class _TextAnswers:
    def __init__(self, timings: bool, truth: Truth | None) -> None:
        self._timings = timings
        self._truth = truth

    def answer(self, decision: Decision) -> None:
        _write(printable(_title(decision)))
        wording = wording_of(decision)
        verdict = click.style(f"{decision.verdict:<5}", fg=_COLOURS[decision.verdict], bold=True)
        _write(f"  {verdict} {printable(wording.headline())}")
        if decision.review:
            _write(printable(f"{_INDENT}{_review_sentence(decision.review)}"))
        if wording.others:
            _write(printable(f"{_INDENT}{wording.rest()}"))
        _write(printable(f"{_INDENT}{decision.reason}"))
        for warning in decision.warnings:
            _write(printable(f"{_INDENT}note: {warning}"))
        outcome = self._truth.outcome(decision) if self._truth else None
        if outcome:
            _write(_INDENT + click.style(printable(str(outcome)), fg=_RESULT_COLOURS[outcome.result]))
        if self._timings:
            stages = ", ".join(f"{stage} {milliseconds:.0f}" for stage, milliseconds in decision.timings_ms.items())
            _write(f"{_INDENT}{sum(decision.timings_ms.values()):.0f} ms: {stages} ({decision.engine.provider})")

    def failure(self, path: Path, error: PhotoError) -> None:
        _print_failure(error)

    def end(self) -> None:
        if self._truth:
            _write(self._truth.summary())


def _title(decision: Decision) -> str:
    """Which animal of which photo, or of which part of a video."""
    track = decision.track
    if track is None:
        return decision.photo.name + (f", animal {decision.animal.number}" if decision.animal.index else "")
    frames = f"{track.frames} frame{'' if track.frames == 1 else 's'}"
    video = Path(decision.photo.path or decision.photo.name).name
    return f"{video}, animal {track.number}, from {track.begin:.1f} to {track.end:.1f} s ({frames})"


def _review_cells(review: ReviewFacts | None) -> tuple[str, ...]:
    if review is None:
        return ("",) * 5
    return review.kind, review.person, review.decided_at, review.verdict, review.answered_identity or ""


def _review_sentence(review: ReviewFacts) -> str:
    """Who said what and when, and the answer without it."""
    person, when = review.person or "a person", review.decided_at[:10]
    said = {
        "confirmed": f"{person} confirmed it on {when}",
        "new": f"{person} named it on {when}",
        "rejected": f"{person} rejected {review.identity} on {when}",
        "skipped": f"{person} skipped it on {when}",
        "not_an_animal": f"{person} said so on {when}",
    }.get(review.kind, review.kind)
    if not review.is_final:
        return f"{said}."
    who = f" {review.answered_identity}" if review.answered_identity else ""
    return f"{said}. The answer without that: {review.verdict}{who}, {in_percent(review.probability)}."


def _best_other(decision: Decision) -> RankedIdentity | None:
    """The first of the ranking that is not the answer: the runner-up, or the nearest individual where the answer is `new`."""
    return next((ranked for ranked in decision.ranking if ranked.identity != decision.identity), None)


def _write(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()


def _print_failure(error: PhotoError) -> None:
    message = printable(error.message + (f" {error.hint}" if error.hint else ""))
    # By its file, not err=True: a progress bar that stands there moves out of the way then.
    click.echo(click.style("failed ", fg="red") + message, file=sys.stderr)
