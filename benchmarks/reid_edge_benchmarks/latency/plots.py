"""Small PNG plots of latency; the only modules that need matplotlib are named plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reid_edge.errors import UsageError
from reid_edge.installation import install_command
from reid_edge_benchmarks.latency.measuring import RUNTIME, TORCH, WHOLE, WILDFUSION
from reid_edge_benchmarks.latency.tables import NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Figures = Mapping[str, Any]

_SIZE, _DOTS = (7.0, 3.4), 80
COLOURS = {RUNTIME: "#1b6e53", TORCH: "#c8553d", WILDFUSION: "#6a6f9b"}


def plot_latency(figures: Figures, folder: Path) -> list[Path]:
    """Stages by gallery as stacked bars, and the whole of every side by gallery; the paths of the files written.

    Raises:
        UsageError: matplotlib is not installed.
    """
    return [
        _written(folder / "latency-stages.png", lambda axes: _stages(axes, figures["galleries"])),
        _written(folder / "latency-whole.png", lambda axes: _whole(axes, figures["galleries"])),
    ]


def plot_scaling(figures: Figures, folder: Path) -> list[Path]:
    """The search by gallery size, and a photo by the length of its shortlist; the paths of the files written.

    Raises:
        UsageError: matplotlib is not installed.
    """
    return [
        _written(folder / "scaling-search.png", lambda axes: _search(axes, figures)),
        _written(folder / "scaling-candidates.png", lambda axes: _candidates(axes, figures["candidates"])),
    ]


def need_matplotlib() -> None:
    """Say that it is missing before hours of measuring.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError("Plots need matplotlib, which is not installed.", install_command("benchmarks")) from error


def _written(file: Path, draw: Any) -> Path:
    need_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=_DOTS, layout="constrained")
    axes = figure.subplots()
    draw(axes)
    axes.spines[["top", "right"]].set_visible(False)
    # Without its version, so that the same figures give the same file.
    figure.savefig(file, metadata={"Software": None})
    return file


def _stages(axes: Axes, galleries: Sequence[Figures]) -> None:
    bars = [
        (f"{NAMES[side]}\n{gallery['size']:,}", gallery["sides"][side]["stages"])
        for gallery in galleries
        for side in (RUNTIME, TORCH)
        if side in gallery["sides"]
    ]
    bottom = [0.0] * len(bars)
    for stage in dict.fromkeys(stage for _, stages in bars for stage in stages):
        heights = [stages.get(stage, {"p50": 0.0})["p50"] for _, stages in bars]
        axes.bar([name for name, _ in bars], heights, bottom=bottom, label=stage)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axes.set_ylabel("ms a photo (medians)")
    axes.tick_params(axis="x", labelsize=7)
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))


def _whole(axes: Axes, galleries: Sequence[Figures]) -> None:
    for side, name in NAMES.items():
        points = [(each["size"], each["sides"][side][WHOLE]) for each in galleries if side in each["sides"]]
        if points:
            sizes, spreads = zip(*points, strict=True)
            middle = [spread["p50"] for spread in spreads]
            error = [[spread["p50"] - spread["p25"] for spread in spreads], [spread["p75"] - spread["p50"] for spread in spreads]]
            axes.errorbar(sizes, middle, yerr=error, marker="o", capsize=3, label=name, color=COLOURS[side])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("photos in the gallery")
    axes.set_ylabel("ms a photo, middle half")
    axes.legend(fontsize=8)


def _search(axes: Axes, figures: Figures) -> None:
    search, law = figures["search"], figures["law"]
    sizes = [row["size"] for row in search]
    axes.plot(sizes, [row["exact"]["p50"] for row in search], marker="o", label="exact", color=COLOURS[RUNTIME])
    fitted = [law["start"] + law["per_thousand"] * size / 1000 for size in sizes]
    axes.plot(sizes, fitted, linestyle="--", label="law", color="grey")
    found = [row for row in search if "usearch" in row]
    if found:
        medians = [row["usearch"]["milliseconds"]["p50"] for row in found]
        axes.plot([row["size"] for row in found], medians, marker="s", label="usearch", color=COLOURS[WILDFUSION])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("vectors")
    axes.set_ylabel("ms a search")
    axes.legend(fontsize=8)


def _candidates(axes: Axes, candidates: Sequence[Figures]) -> None:
    for whole, name, colour in ((False, "as the recipe says", RUNTIME), (True, "all matched by all", WILDFUSION)):
        rows = [row for row in candidates if row["all"] is whole]
        axes.plot(
            [row["candidates"] for row in rows],
            [row["whole"]["p50"] for row in rows],
            marker="o",
            label=name,
            color=COLOURS[colour],
        )
    axes.set_xlabel("candidates")
    axes.set_ylabel("ms a photo")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)
