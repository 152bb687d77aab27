"""The figures of discovery as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reid_edge.markdown import markdown_table

_KNOWN = ("nobody known", "half known", "all known")


def discovery_text(figures: Mapping[str, Any]) -> str:
    """All tables."""
    rows = [
        [name, known, *_cells(each[known]), _right(each[known])] for name, each in figures["sets"].items() for known in _KNOWN
    ]
    columns = ("set", "catalogue", "ARI", "AMI", "pair precision", "pair recall", "found / true", "right name")
    others = [
        [name, method, *_cells(found)] if isinstance(found, dict) else [name, method, f"F1 {found:.2f}", "", "", "", ""]
        for name, each in figures["sets"].items()
        for method, found in each["baselines"].items()
    ]
    asked = [
        [
            name,
            str(each["nobody known"]["individuals"]),
            f"{each['questions']['questions']}{'' if each['questions']['reached'] else ' (not reached)'}",
            f"{each['questions']['purity']:.3f}",
            f"{each['questions']['ari']:.2f}",
            _share(each["nobody known"]["group_probability"]),
            _share(each["nobody known"]["group_pure"]),
        ]
        for name, each in figures["sets"].items()
    ]
    tried = figures.get("methods")
    return "\n\n".join(
        (
            f"A known individual has {figures['known_photos']} photos in the catalogue; its other photos are counted.",
            markdown_table(columns, rows),
            "Simpler methods without a catalogue, each at the threshold that is best for that set in hindsight:",
            markdown_table(("set", "method", *columns[2:7]), others),
            "Questions until 99 % of the photos stand with their like, and how far the probability of groups holds:",
            markdown_table(
                ("set", "individuals", "questions", "purity then", "ARI then", "mean group probability", "groups of one animal"),
                asked,
            ),
            *(("Other ways to make groups of the same pairs, on the calibrate folds. " + methods_text(tried),) if tried else ()),
        )
    )


def methods_text(tried: Mapping[str, Any]) -> str:
    """What each method of grouping reaches on the same pairs."""
    names = list(next(iter(tried.values()))["sets"])
    rows = [
        [method, f"{each['number']:g}", _beside({**each, "ari": each["mean"]}), *(_beside(each["sets"][name]) for name in names)]
        for method, each in tried.items()
    ]
    from reid_edge_benchmarks.discovery.methods import better_methods

    return "\n\n".join(
        (
            "Adjusted Rand index, each method with the number that is best for all sets together; in brackets the difference from the "
            "built-in method and its interval of 95 %.",
            markdown_table(("method", "number", "mean", *names), rows),
            f"Better than the built-in method by the interval of the mean: {', '.join(better_methods(tried)) or 'none'}.",
        )
    )


def _beside(found: Mapping[str, Any]) -> str:
    difference, low, high = found["difference"]
    return f"{found['ari']:.2f} ({difference:+.2f}: {low:+.2f} to {high:+.2f})"


def _cells(found: Mapping[str, Any]) -> list[str]:
    measures = [
        f"{found[name][0]:.2f} ({found[name][1]:.2f}–{found[name][2]:.2f})" for name in ("ari", "ami", "precision", "recall")
    ]
    return [*measures, f"{found['found']} / {found['individuals']}"]


def _right(found: Mapping[str, Any]) -> str:
    return f"{found['right_name']:.2f}" if found.get("right_name") is not None else ""


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
