"""How often a stranger is taken for somebody as the catalogue grows: measured in catalogues that are drawn from a labelled set, and by a
law beyond.

The best of n wrong individuals passes where any of them does. Were they independent, the distribution of the best of n would be that of
the best of m to the power n / m, and the share of wrong `known` in a catalogue of n would be 1 - (1 - w)^(n / m), where w is the share in
one of m. They are not quite: an answer weighs how far the best is ahead of the others, and photos differ. So the number of independent
individuals is also taken as a power of n, 1 - (1 - w)^((n / m)^a). w, and a between 0 and 2, are those under which the counts of all
measured sizes are likeliest (a binomial regression with the complementary log-log link); independence is a = 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize, minimize_scalar

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
_LEVELS = (-25.0, 3.0)  # of log(-log(1 - share)): shares of 1e-11 to 1
_NUMBER = 8  # of the chance of this measurement, beside those of the laws of `bench trust`
_LEAST_WRONG = 20
"""Wrong answers of a set, at all sizes together, of which a law is computed."""


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
    """Both laws, fitted to the counts of the measured sizes.

    Args:
        measured: by ascending size, ``size``, ``trials`` and ``wrong``.

    Returns:
        ``exponent``; ``check``: what the laws say of the measured sizes; ``beyond``: of multiples of the largest. None and empty where
        fewer than twenty answers were wrong, or there is one size.
    """
    if len(measured) < 2 or sum(row["wrong"] for row in measured) < _LEAST_WRONG:
        return {"exponent": None, "check": [], "beyond": []}
    sizes, trials, wrong = (np.array([row[name] for row in measured], float) for name in ("size", "trials", "wrong"))
    logarithm = np.log(sizes / sizes[0])

    def unlikely(level: float, exponent: float) -> float:
        hazard = np.exp(level + exponent * logarithm)  # -log(1 - share)
        return float(np.sum((trials - wrong) * hazard - wrong * np.log(-np.expm1(-hazard))))

    alone = minimize_scalar(lambda level: unlikely(level, 1.0), bounds=_LEVELS, method="bounded")
    both = minimize(lambda x: unlikely(*x), (alone.x, 1.0), bounds=(_LEVELS, (0.0, 2.0)), method="Nelder-Mead")
    level, exponent = (float(value) for value in both.x)

    def laws(size: float) -> Figures:
        times = math.log(size / sizes[0])
        return {"size": int(size), "independent": _law(float(alone.x) + times), "fitted": _law(level + exponent * times)}

    check = [laws(size) for size in sizes]
    return {"exponent": exponent, "check": check, "beyond": [{"times": times, **laws(times * sizes[-1])} for times in TIMES]}


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
            cells = (f"{row['times']:,}", f"{row['size']:,}", _number(row["independent"]), _number(row["fitted"]))
            beyond.append([name, *cells, f"{one['exponent']:.2f}"])
    header = ("set", "individuals", "known, wrongly", "share (95 %)", "independent", "fitted", "asked")
    text = markdown_table(header, measured)
    if beyond:
        table = markdown_table(("set", "times", "individuals", "independent", "fitted", "exponent"), beyond)
        text = f"{text}\n\nBeyond the measured sizes:\n\n{table}"
    few = [name for name, one in figures["sets"].items() if not one["beyond"]]
    return f"{text}\n\nOf {', '.join(few)} too few answers were wrong for a law (fewer than {_LEAST_WRONG})." if few else text


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


def _law(level: float) -> float:
    return -math.expm1(-math.exp(level))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
