"""Figures of latency as Markdown, the same on the terminal and in the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reid_edge.markdown import markdown_table
from reid_edge_benchmarks.latency.agreement import Agreement
from reid_edge_benchmarks.latency.measuring import RUNTIME, TORCH, WHOLE, WILDFUSION

Figures = Mapping[str, Any]

NAMES = {RUNTIME: "reid-edge", TORCH: "PyTorch", WILDFUSION: "common pipeline"}


def latency_text(figures: Figures) -> str:
    """All tables of one run of `bench latency`."""
    parts = [whole_table(figures["galleries"])]
    for gallery in figures["galleries"]:
        if gallery["ratios"] or gallery is figures["galleries"][-1]:
            parts += [f"Gallery of {gallery['size']:,}: {gallery['made_of']}.", stage_table(gallery)]
        parts += [sentence for side in gallery["ratios"] for sentence in (ratio_text(gallery, side),)]
        if any("batches" in side for side in gallery["sides"].values()):
            parts.append(batch_table(gallery))
    parts += [memory_table(figures["galleries"]), figures["energy"]]
    return "\n\n".join(parts)


def whole_table(galleries: Sequence[Figures]) -> str:
    """Every side over every gallery: from the file to the decision."""
    rows = [
        [
            f"{gallery['size']:,}",
            NAMES[side],
            *(f"{figures[WHOLE][each]:.0f}" for each in ("p50", "p95", "p99")),
            f"{figures[WHOLE]['p25']:.0f} to {figures[WHOLE]['p75']:.0f}",
            str(figures[WHOLE]["count"]),
            f"{figures['photos_per_second']:.2f}",
            _cold(figures["cold_seconds"]),
            ratio_cell(_of_whole(gallery["ratios"].get(side))) if side != RUNTIME else "",
        ]
        for gallery in galleries
        for side, figures in gallery["sides"].items()
    ]
    header = ("gallery", "side", "p50, ms", "p95", "p99", "middle half", "calls", "photos a second", "cold, s", "times as long")
    return markdown_table(header, rows)


def stage_table(gallery: Figures) -> str:
    """Medians of the stages of the runtime and, where it was measured, of PyTorch."""
    ours, theirs = gallery["sides"][RUNTIME], gallery["sides"].get(TORCH)
    names = [*ours["stages"], *(name for name in (theirs or {"stages": ()})["stages"] if name not in ours["stages"])]
    rows = []
    for name in [*names, WHOLE]:
        row = [name, *_percentiles(ours, name)]
        if theirs:
            ratio = gallery["ratios"][TORCH] if name == WHOLE else gallery["ratios"][TORCH]["stages"].get(name)
            row += [*_percentiles(theirs, name), ratio_cell(ratio)]
        rows.append(row)
    header = ["stage, ms", "p50", "p95", "p99"]
    header += ["PyTorch p50", "p95", "p99", "PyTorch / reid-edge"] if theirs else []
    return markdown_table(header, rows)


def side_stage_table(gallery: Figures, side: str) -> str:
    """Medians of the stages of one side."""
    figures = gallery["sides"][side]
    return markdown_table(
        (f"stage of the {NAMES[side]}, ms", "p50", "p95", "p99"),
        [[name, *_percentiles(figures, name)] for name in (*figures["stages"], WHOLE)],
    )


def batch_table(gallery: Figures) -> str:
    """Photos asked for in one call."""
    rows = [
        [NAMES[side], str(batch["photos"]), f"{batch['seconds']:.2f}", f"{batch['photos_per_second']:.2f}", _joules(batch)]
        for side, figures in gallery["sides"].items()
        for batch in figures.get("batches", ())
    ]
    header = ("side", "photos in one call", "seconds", "photos a second", "joules a photo")
    return markdown_table(header, rows)


def memory_table(galleries: Sequence[Figures]) -> str:
    """Peak of resident memory and the share of the cores in use."""
    rows = [
        [
            f"{gallery['size']:,}",
            NAMES[side],
            f"{figures['peak_bytes'] / 1e6:.0f}",
            *(f"{figures['memory'][kind] / 1e6:.0f}" if kind in figures["memory"] else "–" for kind in ("anonymous", "file")),
            f"{figures['cpu_share']:.0%}",
        ]
        for gallery in galleries
        for side, figures in gallery["sides"].items()
    ]
    header = ("gallery", "side", "peak memory, MB", "at the end: its own", "mapped files", "cores busy")
    return markdown_table(header, rows)


def ratio_text(gallery: Figures, side: str) -> str:
    """How many times as long a side takes as reid-edge, and whether it gives the same answers."""
    ratio, agreement = gallery["ratios"][side], Agreement(**gallery["agreement"][side])
    over = f"Over {gallery['size']:,} PyTorch"
    if side == WILDFUSION:
        kept = ", the features of its database kept from call to call," if "as_published" in ratio else ""
        over = f"Over a gallery of {gallery['size']:,} the {NAMES[side]}{kept}"
    if ratio["low"] is None:
        said = f"{over} answered {ratio['pairs']} photos beside reid-edge, too few for a ratio"
    elif ratio["value"] is None:
        said = f"{over} and reid-edge differ by less than the noise (interval {ratio['low']:.2f} to {ratio['high']:.2f})"
    else:
        said = f"{over} takes {ratio['value']:.2f} times as long as reid-edge ({ratio['low']:.2f} to {ratio['high']:.2f})"
    if (ratio.get("as_published") or {}).get("value"):
        said += f"; computing them in each call, as it was published, {ratio['as_published']['value']:.1f} times"
    return f"{said}. {agreement.text()}"


def _of_whole(ratio: Figures | None) -> Figures | None:
    """The ratio of whole calls, for a table of those."""
    return (ratio or {}).get("as_published", ratio)


def ratio_cell(ratio: Figures | None) -> str:
    """A ratio for a table; a few words if the noise is larger than the difference."""
    if ratio is None:
        return "–"
    if ratio["low"] is None:
        return "too few"
    if ratio["value"] is None:
        return "within the noise"
    digits = 1 if ratio["value"] >= 10 else 2
    return f"{ratio['value']:.{digits}f} ({ratio['low']:.{digits}f} to {ratio['high']:.{digits}f})"


def _percentiles(figures: Figures, name: str) -> list[str]:
    spread = figures[WHOLE] if name == WHOLE else figures["stages"].get(name)
    return [f"{spread[each]:.1f}" for each in ("p50", "p95", "p99")] if spread else ["–"] * 3


def _cold(seconds: Sequence[float]) -> str:
    return f"{sorted(seconds)[len(seconds) // 2]:.2f}" if seconds else "–"


def _joules(batch: Figures) -> str:
    return "–" if batch["joules"] is None else f"{batch['joules'] / batch['photos']:.2f}"
