"""Markdown tables, for terminals and for generated pages."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], padded: bool = True) -> str:
    """A Markdown table.

    Args:
        header: one title per column.
        rows: as many cells each as the header has titles.
        padded: straight columns in a terminal, the first aligned left and the others, which hold figures, right. False for cells of
            whole sentences, which no padding would make straight.
    """
    columns = range(len(header))
    widths = [max(3, *(len(row[column]) for row in (header, *rows))) if padded else 0 for column in columns]
    rule = ["-" * (widths[0] or 3), *("-" * (width - 1) + ":" if padded else "---" for width in widths[1:])]
    return "\n".join(_line(row, widths) for row in (header, rule, *rows))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return f"| {' | '.join((first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)))} |"
