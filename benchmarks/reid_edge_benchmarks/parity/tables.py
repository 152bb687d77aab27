"""The comparison on the terminal."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Mapping, Sequence

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reid_edge_benchmarks.parity.differences import Difference
from reid_edge_benchmarks.parity.sides import Sides

_PAGE = 140


def print_parity(
    name: str,
    differences: Sequence[tuple[str, Difference]],
    sets: Sequence[str],
    sides: Sequence[Sides],
    thresholds: Mapping[str, Mapping[str, float]],
    notes: Sequence[str],
) -> None:
    """Print what `reid_edge_benchmarks.parity.command.measure_parity` found."""
    console = Console(file=sys.stdout, width=shutil.get_terminal_size().columns if sys.stdout.isatty() else _PAGE)
    for labelled in sets:
        table = _table(
            f"{name} on {labelled}: how far runtime and PyTorch are apart", "stage", "in", "p50", "p99", "largest", "of"
        )
        table.add_column("where the largest is", overflow="fold")
        for where, each in differences:
            if where == labelled:
                figures = (_figure(each.p50), _figure(each.p99), _figure(each.largest), str(each.compared))
                table.add_row(*map(Text, (each.stage, each.unit, *figures, each.where)))
        console.print(table)
    for labelled, side in zip(sets, sides, strict=True):
        console.print(_answers(labelled, side))
        for row in side.apart():
            click.echo("  {photo}: PyTorch {reference}, runtime {runtime}, truth {truth}".format(**row))
    if len(sides) > 1:
        console.print(_answers("all together", Sides.together(sides)))
    for species, by_side in thresholds.items():
        told = f"PyTorch {by_side['reference']:.4f}, runtime {by_side['runtime']:.4f}"
        click.echo(f"Known from: {told} ({species or 'any species'})")
    for note in notes:
        click.echo(f"Note: {note}")


def _answers(labelled: str, side: Sides) -> Table:
    figures = side.figures()
    table = _table(f"Answers to {len(side.truth)} queries of {labelled}", "", *figures["runtime"])
    for name in ("reference", "runtime"):
        table.add_row("PyTorch" if name == "reference" else name, *(_figure(value) for value in figures[name].values()))
    table.caption = "\n".join(
        f"{'no verdict' if met is None else 'met' if met else 'MISSED'}: {target}: {found}"
        for target, found, met in side.targets()
    )
    return table


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(title=Text(title), box=box.SIMPLE, title_justify="left", caption_justify="left")
    table.add_column(first, overflow="fold")
    for column in columns:
        table.add_column(column, justify="left" if column == "in" else "right")
    return table


def _figure(value: float) -> str:
    return "–" if math.isnan(value) else "0" if value == 0 else f"{value:.3g}"
