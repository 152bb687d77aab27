"""The whole of ``reid-edge bench trust``: ask each query about each law, count, print and save."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from reid_edge.identify.identifier import Identifier
from reid_edge_benchmarks.latency.measuring import evenly
from reid_edge_benchmarks.trust.asking import AskedQuery
from reid_edge_benchmarks.trust.catalogue import Catalogue, open_catalogue
from reid_edge_benchmarks.trust.counting import Tally, rows
from reid_edge_benchmarks.trust.laws import LAWS
from reid_edge_benchmarks.trust.tables import trust_text
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.progress import Progress

_PROMISED = 0.05
"""The error rate of a calibration that does not name the one it was fitted for."""


@dataclass(frozen=True)
class TrustRequest:
    """What is to be measured.

    Attributes:
        sets: labelled photos.
        queries: how many of each set, taken evenly from the known ones and the strangers; None for all.
        copies: how many near-copies.
        folder: keeps galleries and near-copies.
    """

    sets: tuple[LabelledSet, ...]
    queries: int | None
    copies: int
    folder: Path


def measure_trust(
    request: TrustRequest, identifier: Identifier, progress: Progress, save: Callable[[dict[str, Any]], None]
) -> None:
    """Measure set by set; print the tables of all so far, and save them, after each.

    Args:
        request: what is to be measured.
        identifier: the pack.
        progress: wraps an iterable, a word for it and its length.
        save: gets the figures as plain data.

    Raises:
        UsageError, PhotoError, PackError, EngineError, GalleryError, StorageError: it cannot go on.
    """
    promised = float(identifier.calibration.data.get("most_wrong", _PROMISED))
    figures: dict[str, Any] = {
        "promised": promised,
        "copies": request.copies,
        "sets": {},
        "laws": {law.name: {"law": law.sentence, "how": law.how, "sets": {}} for law in LAWS},
    }
    for labelled in request.sets:
        for note in labelled.notes:
            click.echo(f"note: {note}", err=True)
        with open_catalogue(labelled, identifier, request.copies, request.folder, progress) as catalogue:
            queries = _chosen(catalogue, request.queries)
            figures["sets"][labelled.name] = _facts(catalogue, queries)
            for name, counted in _count(catalogue, queries, identifier, promised, progress).items():
                figures["laws"][name]["sets"][labelled.name] = counted
        save(figures)
    click.echo(trust_text(figures))


def _count(
    catalogue: Catalogue, queries: Sequence[int], identifier: Identifier, promised: float, progress: Progress
) -> dict[str, dict[str, Any]]:
    """By law, the rows of one set."""
    tallies: dict[str, dict[str, Tally]] = {law.name: {} for law in LAWS}
    for number in progress(queries, f"Asking {catalogue.labelled.name}"):
        asked = AskedQuery(catalogue.labelled.queries[number], number, catalogue, identifier)
        for law in LAWS:
            for seen in law.observe(asked):
                tallies[law.name].setdefault(seen.measure, Tally()).add(seen, number, asked.truth)
    return {law.name: rows(law.measures, tallies[law.name], promised) for law in LAWS}


def _chosen(catalogue: Catalogue, count: int | None) -> list[int]:
    """The numbers of the queries to ask: so many, known ones and strangers in proportion."""
    known = set(catalogue.whole.individuals)
    queries = catalogue.labelled.queries
    ordered = sorted(range(len(queries)), key=lambda number: queries[number].identity in known)
    return sorted(evenly(ordered, count or len(ordered)))


def _facts(catalogue: Catalogue, queries: Sequence[int]) -> dict[str, Any]:
    individuals = catalogue.whole.individuals
    asked = [catalogue.labelled.queries[number].identity for number in queries]
    return {
        "individuals": len(individuals),
        "photos": len(catalogue.whole),
        "queries": len(asked),
        "strangers": sum(identity not in individuals for identity in asked),
        "copied": catalogue.copied,
        "notes": list(catalogue.labelled.notes),
    }
