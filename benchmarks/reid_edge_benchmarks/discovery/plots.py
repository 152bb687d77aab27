"""A plot of discovery: the adjusted Rand index of each set beside the simpler methods, and how it grows with answered questions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_edge_benchmarks.latency.plots import need_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE, _DOTS = (9.0, 3.4), 80
_PURE = 0.99


def plot_discovery(figures: Mapping[str, Any], folder: Path) -> list[Path]:
    """Both, side by side, as discovery.png; the paths of the files written.

    Raises:
        UsageError: matplotlib is not installed.
    """
    need_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=_DOTS, layout="constrained")
    left, right = figure.subplots(1, 2)
    _indices(left, figures["sets"])
    _questions(right, figures["sets"])
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    file = folder / "discovery.png"
    figure.savefig(file, metadata={"Software": None})  # without its version, so that the same figures give the same file
    return [file]


def _indices(axes: Axes, sets: Mapping[str, Any]) -> None:
    bars = {"discover": [each["nobody known"]["ari"] for each in sets.values()]}
    for method in ("embedding, agglomerative", "mutual-nearest counts, connected components"):
        bars[f"{method} (best threshold in hindsight)"] = [each["baselines"][method]["ari"] for each in sets.values()]
    width = 0.8 / len(bars)
    for number, (name, values) in enumerate(bars.items()):
        places = [place + (number - 1) * width for place in range(len(sets))]
        error = [[max(0.0, value - low) for value, low, _ in values], [max(0.0, high - value) for value, _, high in values]]
        axes.bar(places, [value for value, _, _ in values], width, yerr=error, label=name, capsize=2)
    axes.set_xticks(range(len(sets)), list(sets))
    axes.set_ylabel("adjusted Rand index, nobody known")
    axes.set_ylim(0, 1)
    axes.legend(fontsize=6)


def _questions(axes: Axes, sets: Mapping[str, Any]) -> None:
    for name, each in sets.items():
        course = each["questions"]["course"]
        individuals = each["nobody known"]["individuals"]
        axes.plot([asked / individuals for asked, _, _ in course], [purity for _, purity, _ in course], label=name)
    axes.axhline(_PURE, color="#888888", linewidth=0.8, linestyle="--")
    axes.set_xlabel("answered questions for each individual")
    axes.set_ylabel("purity")
    axes.legend(fontsize=7)
