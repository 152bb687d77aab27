"""How often a stranger is taken for somebody as the catalogue grows: measured in catalogues that are drawn from a labelled set, and by a
law beyond.

The best of n wrong individuals passes where any of them does. Were they independent, the distribution of the best of n would be that of
the best of m to the power n / m, and the share of wrong `known` in a catalogue of n would be 1 - (1 - w)^(n / m), where w is the share in
one of m. They are not quite: an answer weighs how far the best is ahead of the others, and photos differ. So the number of independent
individuals is also taken as a power of n, 1 - (1 - w)^((n / m)^a), and a is fitted to the measured sizes (a line of log(-log(1 - w)) over
log n); independence is a = 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reid_edge.gallery import Gallery
from reid_edge.identify.enrolment import enrol
from reid_edge.identify.identifier import Identifier
from reid_edge.markdown import markdown_table
from reid_edge_benchmarks.latency.measuring import evenly
from reid_edge_benchmarks.trust.asking import AskedQuery
from reid_edge_benchmarks.trust.catalogue import Catalogue
from reid_edge_benchmarks.trust.counting import wilson_interval
from reid_edge_benchmarks.trust.views import GalleryView
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.progress import Progress
from reid_edge_calibration.scoring import refuse_incomplete

Figures = dict[str, Any]

SIZES = (5, 10, 20, 40)
TIMES = (1, 10, 100, 1000)
"""How many times as many individuals as the set has."""

_DRAWS = 2
_NUMBER = 8  # of the chance of this measurement, beside those of the laws of `bench trust`
_MOST = 0.999


def measure_growth(labelled: LabelledSet, identifier: Identifier, queries: int, folder: Path, progress: Progress) -> Figures:
    """Ask so many queries of a set again and again, as strangers: of catalogues that do not hold their individual.

    Args:
        labelled: database and queries.
        identifier: the pack.
        queries: how many, taken evenly.
        folder: keeps the gallery, the one that `bench accuracy` and `bench trust` make.
        progress: wraps an iterable and a word for it.

    Returns:
        ``individuals``, ``queries``; ``measured``: by size ``size``, ``trials``, ``wrong`` (known), ``share`` with ``low`` and ``high``,
        and ``asked``; ``exponent``, None where it cannot be fitted; ``beyond``: by ``times`` and ``size``, ``independent`` and ``fitted``.

    Raises:
        UsageError, PhotoError, EngineError, GalleryError, StorageError: it cannot go on.
    """
    with Gallery.open_or_create(folder / f"{labelled.stem(identifier)}.sqlite") as gallery:
        refuse_incomplete(labelled, enrol(gallery, identifier, progress(labelled.database, f"Enrolling {labelled.name}")))
        whole = GalleryView(identifier.candidates(gallery))
        # Of the galleries that the laws of `bench trust` compare, growth needs the whole one alone.
        catalogue = Catalogue(labelled, whole, whole, "", whole, {}, whole)
        most = len(whole.individuals) - 1  # the query's own individual is left out
        sizes = sorted({size for size in SIZES if size < most} | {most})
        verdicts: dict[int, list[str]] = {size: [] for size in sizes}
        numbers = {id(query): number for number, query in enumerate(labelled.queries)}
        chosen = evenly(labelled.queries, queries)
        for query in progress(chosen, f"Asking {labelled.name}"):
            asked = AskedQuery(query, numbers[id(query)], catalogue, identifier)
            for size in sizes:
                verdicts[size] += _verdicts(asked, size, _DRAWS if size < most else 1)
    measured = [_row(size, each, len(chosen)) for size, each in verdicts.items()]
    return {"individuals": most + 1, "queries": len(chosen), "measured": measured, **growth_law(measured)}


def growth_law(measured: Sequence[Figures]) -> Figures:
    """The exponent that fits the measured sizes, what both laws say at each of them from the smallest one with a wrong answer, and beyond.

    Args:
        measured: by ascending size, ``size`` and ``share``.

    Returns:
        ``base``: the size whose share the laws start from, None where nothing was wrong at any; ``exponent``; ``check``: what the laws say
        of the measured sizes; ``beyond``.
    """
    wrong = [(row["size"], min(row["share"], _MOST)) for row in measured if row["share"] > 0]
    most = measured[-1]["size"]
    if not wrong:
        return {"base": None, "exponent": None, "check": [], "beyond": []}
    size, share = wrong[0]
    exponent = None
    if len(wrong) > 1:
        levels = np.log(-np.log1p([-each for _, each in wrong]))
        exponent = float(np.polyfit(np.log([each for each, _ in wrong]), levels, 1)[0])

    def both(n: int, start: int, base: float) -> Figures:
        fitted = None if exponent is None else _law(base, n / start, max(0.0, exponent))
        return {"size": n, "independent": _law(base, n / start, 1.0), "fitted": fitted}

    check = [both(row["size"], size, share) for row in measured]
    last = wrong[-1]
    return {
        "base": size,
        "exponent": exponent,
        "check": check,
        "beyond": [{"times": times, **both(times * most, *last)} for times in TIMES],
    }


def growth_text(figures: Figures) -> str:
    """The tables of all sets.

    Args:
        figures: ``sets``: by name, as `measure_growth` returns them.
    """
    measured, beyond = [], []
    for name, one in figures["sets"].items():
        laws = {row["size"]: row for row in one["check"]}
        for row in one["measured"]:
            law = laws.get(row["size"], {})
            share = f"{row['share']:.3f} ({row['low']:.3f}–{row['high']:.3f})"
            cells = (_number(law.get("independent")), _number(law.get("fitted")))
            measured.append([name, str(row["size"]), f"{row['wrong']} of {row['trials']}", share, *cells, f"{row['asked']:.2f}"])
        for row in one["beyond"]:
            exponent = "–" if one["exponent"] is None else f"{one['exponent']:.2f}"
            cells = (f"{row['times']:,}", f"{row['size']:,}", _number(row["independent"]), _number(row["fitted"]), exponent)
            beyond.append([name, *cells])
    header = ("set", "individuals", "known, wrongly", "share (95 %)", "independent", "fitted", "asked")
    text = markdown_table(header, measured)
    if beyond:
        table = markdown_table(("set", "times", "individuals", "independent", "fitted", "exponent"), beyond)
        text = f"{text}\n\nBeyond the measured sizes, from the largest one:\n\n{table}"
    return text


def _verdicts(asked: AskedQuery, size: int, draws: int) -> list[str]:
    """What the runtime answers from catalogues of so many individuals, drawn by chance, without the query's own."""
    others = sorted(set(asked.catalogue.whole.individuals) - {asked.truth})
    random = asked.random(_NUMBER * 1000 + size)
    drawn = [random.permutation(others)[:size] for _ in range(draws)]
    return [asked.answer(asked.catalogue.of_individuals([str(name) for name in names])).verdict for names in drawn]


def _row(size: int, verdicts: Sequence[str], queries: int) -> Figures:
    wrong = verdicts.count("known")
    share = wrong / len(verdicts)
    low, high = wilson_interval(share, queries)
    counted = {"size": size, "trials": len(verdicts), "wrong": wrong, "share": share, "low": low, "high": high}
    return {**counted, "asked": verdicts.count("ask") / len(verdicts)}


def _law(share: float, times: float, exponent: float) -> float:
    return -math.expm1(times**exponent * math.log1p(-share))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
