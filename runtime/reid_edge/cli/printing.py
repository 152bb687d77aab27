"""How commands print: tables, JSON Lines, messages, and nothing that steers the terminal."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Sequence

import click


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere, for other programs, lines with tabs, the first with the names of the columns."""
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            click.echo("\t".join(map(printable, row)))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console().print(table)


def print_json(objects: Sequence[object]) -> None:
    """One JSON object per line."""
    for one in objects:
        click.echo(json.dumps(one, ensure_ascii=False))


def printable(text: str) -> str:
    """Without control characters: a file's name must not steer the terminal."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) == "Cc" else character for character in text)


def count_of(count: int, thing: str) -> str:
    """`1 sighting`, `2 sightings`."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def say(message: str) -> None:
    """A message for a person, on stderr."""
    click.echo(printable(message), err=True)
