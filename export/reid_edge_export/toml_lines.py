"""Find the line of a key in a TOML text; the parser does not report it."""

from __future__ import annotations

import re
from collections import Counter

Path = tuple["str | int", ...]

_HEADER = re.compile(r"\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=(.*)$""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_STRING = re.compile(r"""\"(?:\\.|[^"\\])*\"|'[^']*'""")
_LONG_STRING = re.compile(r"\"\"\"|'''")


def key_lines(text: str) -> dict[Path, int]:
    """The line, from 1, of every table header and every key of a sound TOML text.

    A path is of keys and, in arrays of tables, places from 0: ``("recipe", "match", 2, "min_score")``. What stands inside a value (inline
    tables, the elements of a list) has no line of its own.
    """
    lines: dict[Path, int] = {}
    seen: Counter[Path] = Counter()  # tables of an array so far
    table: Path = ()
    depth, quotes = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        rest = line
        if quotes:
            if quotes not in line:
                continue
            rest, quotes = line.partition(quotes)[2], ""
        elif not depth:
            if header := _HEADER.match(line):
                table = _placed(_parts(header[2]), seen)
                if header[1] == "[[":
                    seen[table] += 1
                    table = (*table, seen[table] - 1)
                lines.setdefault(table, number)
                continue
            if not (assignment := _ASSIGNMENT.match(line)):
                continue
            lines[table + _parts(assignment[1])] = number
            rest = assignment[2]
        change, quotes = _open_at_end(rest)
        depth += change
    return lines


def line_of(path: Path, lines: dict[Path, int]) -> int | None:
    """The line of a path, or of the nearest table or key around it; None for none."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return None


def _parts(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _placed(path: Path, seen: Counter[Path]) -> Path:
    """A header's path with the place of the table that it belongs to, where one of its parts is an array of tables."""
    placed: Path = ()
    for position, part in enumerate(path):
        placed = (*placed, part)
        if seen[placed] and position < len(path) - 1:
            placed = (*placed, seen[placed] - 1)
    return placed


def _open_at_end(value: str) -> tuple[int, str]:
    """How many brackets a value opens beyond those that it closes, and the quotes of a string over several lines that it begins."""
    if begun := _LONG_STRING.search(value):
        after = value[begun.end() :]
        if begun[0] not in after:
            return 0, begun[0]
        value = value[: begun.start()] + after.partition(begun[0])[2]
    plain = _STRING.sub("", value).partition("#")[0]
    return sum(map(plain.count, "[{")) - sum(map(plain.count, "]}")), ""
