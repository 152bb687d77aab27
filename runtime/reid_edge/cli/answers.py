"""Answers on stdout: readable text, JSON Lines or CSV."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Protocol

import click

from reid_edge.cli.printing import printable
from reid_edge.decide.decision import Decision, RankedIdentity
from reid_edge.errors import PhotoError

_COLOURS = {"known": "green", "new": "cyan", "ask": "yellow"}
_COLUMNS = (
    "photo",
    "animal",
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
)


class Answers(Protocol):
    """Prints answers and failures, one after another, as they come."""

    def answer(self, decision: Decision) -> None:
        """Print one animal's answer."""

    def failure(self, path: Path, error: PhotoError) -> None:
        """Report that a photo could not be read."""


def answers_for(style: str, timings: bool) -> Answers:
    """The printer of a style: ``text``, ``json`` or ``csv``."""
    if style == "json":
        return _JsonAnswers()
    if style == "csv":
        return _CsvAnswers()
    return _TextAnswers(timings)


class _JsonAnswers:
    def answer(self, decision: Decision) -> None:
        _write(json.dumps(decision.as_json(), ensure_ascii=sys.stdout.encoding.lower() != "utf-8"))

    def failure(self, path: Path, error: PhotoError) -> None:
        _print_failure(error)


class _CsvAnswers:
    def __init__(self) -> None:
        self._row(_COLUMNS)

    def answer(self, decision: Decision) -> None:
        other = _best_other(decision)
        self._row(
            (
                decision.photo.path,
                decision.animal.number,
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
            )
        )

    def failure(self, path: Path, error: PhotoError) -> None:
        self._row((str(path), *[""] * (len(_COLUMNS) - 2), error.message))
        _print_failure(error)

    def _row(self, values: tuple[object, ...]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(values)
        _write(line.getvalue())


class _TextAnswers:
    def __init__(self, timings: bool) -> None:
        self._timings = timings

    def answer(self, decision: Decision) -> None:
        which = f", animal {decision.animal.number}" if decision.animal.index else ""
        _write(printable(f"{decision.photo.name}{which}"))
        verdict = click.style(f"{decision.verdict:<5}", fg=_COLOURS[decision.verdict], bold=True)
        guess = f"{decision.identity}  {_percent(decision.probability)}"
        if decision.verdict == "known":
            _write(f"  {verdict} {guess}")
        elif decision.verdict == "new":
            _write(f"  {verdict} a new individual  {_percent(decision.probability)}")
        elif decision.identity is None:
            _write(f"  {verdict} nobody to compare with")
        elif decision.unknown > decision.probability:
            _write(f"  {verdict} perhaps a new individual  {_percent(decision.unknown)}, or {guess}")
        else:
            _write(f"  {verdict} perhaps {guess}, or a new individual  {_percent(decision.unknown)}")
        other = _best_other(decision)
        if other:
            place = "nearest" if decision.verdict == "new" else "runner-up"
            _write(f"        {place} {other.identity}  {_percent(other.probability)}")
        _write(printable(f"        {decision.reason}"))
        for warning in decision.warnings:
            _write(printable(f"        note: {warning}"))
        if self._timings:
            stages = ", ".join(f"{stage} {milliseconds:.0f}" for stage, milliseconds in decision.timings_ms.items())
            _write(f"        {sum(decision.timings_ms.values()):.0f} ms: {stages} ({decision.engine.provider})")

    def failure(self, path: Path, error: PhotoError) -> None:
        _print_failure(error)


def _best_other(decision: Decision) -> RankedIdentity | None:
    """The first of the ranking that is not the answer: the runner-up, or the nearest individual where the answer is `new`."""
    return next((ranked for ranked in decision.ranking if ranked.identity != decision.identity), None)


def _percent(probability: float) -> str:
    """A whole percent that never claims certainty."""
    return "> 99 %" if probability > 0.99 else "< 1 %" if probability < 0.01 else f"{probability * 100:.0f} %"


def _write(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()


def _print_failure(error: PhotoError) -> None:
    message = printable(error.message + (f" {error.hint}" if error.hint else ""))
    # By its file, not err=True: a progress bar that stands there moves out of the way then.
    click.echo(click.style("failed ", fg="red") + message, file=sys.stderr)
