"""The section of docs/systems.md on the systems at full size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reid_edge.markdown import markdown_table
from reid_edge_benchmarks.machine import describe_machine

Data = dict[str, Any]

_TEXT = """## At full size

Each recipe from export to an answer by the command line, at its full size, with random weights where its own are in no package. Such an
answer means nothing; what the table shows is time, memory and size. `export` compares each network with PyTorch on three photos.
`train-head` trains the heads on the enrolled photos. The calibrators are fitted on made-up scores, because `calibrate` needs 20 pairs of
photos of one individual. The memory is the peak of the process. *Identify* is the whole process for one photo: it opens the pack, loads all
networks and answers; *of it the photo* leaves out the start."""

_HEADER = (
    "recipe, species",
    "networks, random",
    "pack",
    "export",
    "gallery add, a photo",
    "heads, pairs",
    "identify",
    "of it the photo",
)


def full_size_section(figures: Sequence[Data]) -> list[str]:
    """Its paragraphs and table; none without figures.

    Args:
        figures: of `reid-edge bench systems full-size`.
    """
    if not figures:
        return []
    machines = [f"- `{each['recipe']}`: {describe_machine(each['machine'])}" for each in figures]
    return [_TEXT, markdown_table(_HEADER, [_row(each) for each in figures]), "\n".join(machines)]


def _row(figures: Data) -> tuple[str, ...]:
    steps = {step["step"]: step for step in figures["steps"]}
    add, identify = steps["gallery add"], steps["identify"]
    others = [step for name, step in steps.items() if name not in ("export", "gallery add", "identify")]
    answering = sum(figures["answer"]["timings_ms"].values()) / 1000
    return (
        f"`{figures['recipe']}`, {figures['species']}",
        f"{figures['networks']}, {len(figures['random'])}",
        f"{figures['pack'] / 1e6:.0f} MB",
        _time_and_memory(steps["export"]),
        f"{add['seconds'] / figures['enrolled']:.1f} s, {add['memory'] / 1e9:.1f} GB",
        ", ".join(f"{step['step']} {step['seconds']:.0f} s" for step in others) or "–",
        _time_and_memory(identify),
        f"{answering:.1f} s",
    )


def _time_and_memory(step: Data) -> str:
    return f"{step['seconds']:.0f} s, {step['memory'] / 1e9:.1f} GB"
