"""The figures of ``reid-edge bench trust`` as Markdown, for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reid_edge.markdown import markdown_table

_WORST_LAST = ("yes", "unclear", "no")
NOT_MEASURED = "–"

Row = Mapping[str, Any]


def trust_text(figures: Mapping[str, Any]) -> str:
    """All tables: the sets, one row per law and set, then all counts of each law.

    Args:
        figures: as `measure_trust` saves them.
    """
    sets = list(figures["sets"])
    laws = [_law(number, law, sets) for number, law in enumerate(figures["laws"].values(), 1)]
    return "\n\n".join((_sets(figures), _summary(figures, sets), *laws))


def _sets(figures: Mapping[str, Any]) -> str:
    names = {"individuals": "individuals", "photos": "photos", "queries": "queries", "strangers": "of strangers"}
    names |= {"copied": f"{figures['copies']} near-copies of"}
    rows = [[name, *(str(facts[each]) for each in names)] for name, facts in figures["sets"].items()]
    return markdown_table(("set", *names.values()), rows)


def _summary(figures: Mapping[str, Any], sets: Sequence[str]) -> str:
    """Of each law and set the count that decides: the first of those that are kept worst."""
    rows = []
    for number, (name, law) in enumerate(figures["laws"].items(), 1):
        for each in sets:
            counted = [row for row in law["sets"].get(each, {}).values() if row["kept"]]
            if counted:
                row = max(counted, key=lambda row: _WORST_LAST.index(row["kept"]))
                cells = [row["counted"], *_count(row), f"{row['allowed']:.3f}", row["kept"]]
            else:
                cells = [NOT_MEASURED] * 5
            rows.append([f"{number}. {name}", each, *cells])
    return markdown_table(("law", "set", "counted", "trials", "95 %", "allowed", "kept"), rows, padded=False)


def _law(number: int, law: Mapping[str, Any], sets: Sequence[str]) -> str:
    """A row per count, a column per set."""
    measures = dict.fromkeys(name for counted in law["sets"].values() for name in counted)
    rows = []
    for measure in measures:
        found = [law["sets"].get(each, {}).get(measure) for each in sets]
        words = next(row["counted"] for row in found if row)
        rows.append([words, *(_cell(row) for row in found)])
    table = markdown_table(("counted", *sets), rows, padded=False) if rows else "No set has enough individuals."
    return f"**{number}. {law['law']}** {law['how']}\n\n{table}"


def _cell(row: Row | None) -> str:
    if row is None:
        return NOT_MEASURED
    count, interval = _count(row)
    broken = f", **{row['kept']}**: allowed {row['allowed']:.3f}" if row["kept"] in ("unclear", "no") else ""
    return f"{count} ({interval}){broken}"


def _count(row: Row) -> tuple[str, str]:
    return f"{row['count']} of {row['trials']}", f"{row['low']:.2f}–{row['high']:.2f}"
