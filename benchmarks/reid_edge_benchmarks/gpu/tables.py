"""The figures of ``bench gpu`` as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reid_edge.markdown import markdown_table


def gpu_text(result: Mapping[str, Any]) -> str:
    """All tables: agreement, pairs a second with their share of the arithmetic limit, photos, and what failed."""
    parts = result["parts"]
    done = {title: part for title, part in parts.items() if part["state"] == "done"}
    cards = ", ".join(
        f"{gpu['name']} (compute capability {gpu['compute_capability']}, {gpu['driver']})" for gpu in result["gpus"]
    )
    tables = [
        f"GPU: {cards}." if cards else "No GPU: the small version, which only shows that the command works.",
        _agreement(done),
    ]
    tables += [_rates(done), _photos(done, result["candidates"]), _failures(parts)]
    return "\n\n".join(table for table in tables if table)


def _agreement(done: Mapping[str, Any]) -> str:
    rows = [
        [title, f"{part['apart']:.2g}", f"{part['milliseconds']:.2f}", f"{part['open_seconds']:.1f}", str(part.get("pairs", "–"))]
        for title, part in done.items()
        if "apart" in part
    ]
    return markdown_table(("network", "apart from the CPU", "ms a run", "s to open", "pairs a run"), rows) if rows else ""


def _rates(done: Mapping[str, Any]) -> str:
    limits = [(title, part["operations_a_second"]) for title, part in done.items() if title.startswith("limit of ")]
    measured = {title: part for title, part in done.items() if "pairs_a_second" in part}
    batches = sorted({int(batch) for part in measured.values() for batch in part["pairs_a_second"]})
    rows = []
    for title, part in measured.items():
        best = max((speed for limit, speed in limits if _same_precision(limit, title)), default=0.0)
        share = f"{part['operations_a_second'] / best:.0%}" if best else "–"
        rates = [part["pairs_a_second"].get(str(batch)) for batch in batches]
        rows.append([title, *("–" if rate is None else f"{rate:.4g}" for rate in rates), share, part.get("stopped", "")])
    columns = ("pairs a second by pairs a run", *map(str, batches), "of the limit", "")
    lines = "\n".join(
        f"- {title.capitalize()}: {speed / 1e12:.3g} TFLOP/s in one large matrix product." for title, speed in limits
    )
    return f"{markdown_table(columns, rows)}\n\n{lines}" if rows else lines


def _same_precision(limit: str, title: str) -> bool:
    return limit.endswith("float16") == title.endswith("fp16")


def _photos(done: Mapping[str, Any], candidates: int) -> str:
    rows = [
        [title, f"{part['median_ms']:.0f}", ", ".join(f"{stage} {ms:.0f}" for stage, ms in part["stages_ms"].items()),
         f"{part['peak_bytes'] / 2**20:.0f}", str(part["gpu_megabytes"] or "–"), f"{part['joules']:.2g}" if part["joules"] else "–"]
        for title, part in done.items()
        if "median_ms" in part
    ]  # fmt: skip
    return (
        markdown_table(
            (f"{candidates} candidates", "ms a photo", "by stage", "MiB of this process", "MiB of the GPU", "J a photo"), rows
        )
        if rows
        else ""
    )


def _failures(parts: Mapping[str, Any]) -> str:
    return "\n".join(f"- {title}: {part['state']}, {part['message']}" for title, part in parts.items() if part["state"] != "done")
