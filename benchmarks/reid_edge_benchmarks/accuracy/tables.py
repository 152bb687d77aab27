"""Figures as tables: metrics are rows and sets are columns, because there are many of the first and few of the second."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Mapping, Sequence

import click

from reid_edge.markdown import markdown_table
from reid_edge_benchmarks.accuracy.ablation import Rung
from reid_edge_benchmarks.accuracy.answering import ERRORS

Figures = Mapping[str, float]

COUNTS = ("queries", "queries of new individuals")
ROWS = (
    *COUNTS,
    *("asked", "wrong unattended", "ECE of the answer", "costly matcher"),
    *("R-1", "R-5", "R-20", "R-25", "mAP", "BAKS", "BAUS", "GeoMean", "GeoMean in hindsight", "regret", "AUROC"),
    *(f"coverage at {error:.0%} error" for error in ERRORS),
    *("ECE", "Brier"),
)
MEANINGS = {
    "R-1": "Share of queries of known individuals whose individual is ranked first; R-5, R-20, R-25: among the first 5, 20, 25.",
    "mAP": "Mean average precision of the ranking of identities (one of which is right, so it is the mean reciprocal rank).",
    "BAKS": "Share of right answers, averaged per known individual.",
    "BAUS": "Share of answers “new”, averaged per new individual.",
    "GeoMean": "Square root of BAKS × BAUS. A question counts as the answer that the threshold would have given.",
    "GeoMean in hindsight": "At the threshold that would have been best on these very photos; of all sets, each at its own.",
    "regret": "What is lost to it: hindsight less GeoMean.",
    "AUROC": "The chance that a known individual has more evidence than a new one.",
    "asked": "Share of queries where a person is asked.",
    "wrong unattended": "Share of all queries that are answered without a person, and wrongly.",
    "costly matcher": "Share of queries where the matcher that runs in doubt only was run.",
    "coverage": "The largest share of queries that could be answered without a person, the surest first, with so many errors among them.",
    "ECE": "Gap between the probability of the identity ranked first and how often it is right; Brier: the mean squared gap.",
    "ECE of the answer": "The same of the answer given, known or new.",
    "interval": "95 % of bootstrap resamples of individuals; those that all were answered alike give an interval without width.",
}
RUNG_COLUMNS = ("R-1", "BAKS", "BAUS", "asked", "wrong unattended", "GeoMean", "GeoMean in hindsight")
RUNG_TITLES = ("R-1", "BAKS", "BAUS", "asked", "wrong unattended", "GeoMean", "95 % interval", "hindsight")
_PAGE = 100


def cell(name: str, figures: Figures) -> str:
    """A figure for a person; a dash where it is not defined."""
    value = figures.get(name, math.nan)
    if math.isnan(value):
        return "–"
    return f"{value:.0f}" if name in COUNTS else f"{value:.3f}"


def interval(name: str, figures: Figures) -> str:
    """Its 95 % interval; empty where it has none."""
    low, high = (figures.get(f"{name} {end}", math.nan) for end in ("low", "high"))
    return "" if math.isnan(low) else f"{low:.2f}–{high:.2f}"


def print_figures(by_set: Mapping[str, Figures]) -> None:
    """The table on stdout, several below each other where the sets are too many for the terminal, or for 100 columns elsewhere."""
    for block in _blocks([["", *by_set], *figure_rows(by_set)]):
        click.echo(markdown_table(block[0], block[1:]))


def print_rungs(rungs: Sequence[Rung]) -> None:
    """The ablation of one set on stdout."""
    click.echo(markdown_table(("", *RUNG_TITLES), [[rung.row, *rung_cells(rung.figures)] for rung in rungs]))


def figure_rows(by_set: Mapping[str, Figures]) -> list[list[str]]:
    """A row per metric with a cell per set; below a metric that has 95 % intervals, a row of these. Figures of an earlier version, or of a
    recipe without a costly matcher, may lack a metric, which then has no row.
    """
    rows = []
    for name in ROWS:
        if not any(name in figures for figures in by_set.values()):
            continue
        rows.append([name, *(cell(name, figures) for figures in by_set.values())])
        limits = [interval(name, figures) for figures in by_set.values()]
        if any(limits):
            rows.append(["95 % interval", *limits])
    return rows


def rung_cells(figures: Figures) -> list[str]:
    """The cells of one row of the ablation below `RUNG_TITLES`."""
    *first, last = RUNG_COLUMNS
    return [*(cell(name, figures) for name in first), interval("GeoMean", figures), cell(last, figures)]


def _blocks(table: Sequence[Sequence[str]]) -> list[list[list[str]]]:
    """The table cut into groups of columns that fit, each with the first column."""
    widths = [max(len(row[column]) for row in table) + 3 for column in range(len(table[0]))]
    groups: list[list[int]] = [[]]
    width = _width()
    for column in range(1, len(widths)):
        if groups[-1] and widths[0] + 1 + sum(widths[other] for other in groups[-1]) + widths[column] > width:
            groups.append([])
        groups[-1].append(column)
    return [[[row[0], *(row[column] for column in group)] for row in table] for group in groups]


def _width() -> int:
    """Columns of the terminal; in a file or a pipe, of a page."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _PAGE
