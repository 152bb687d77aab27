"""The parts of the page that hold figures, each out of the results of one command."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from reid_edge.markdown import markdown_table
from reid_edge_benchmarks.accuracy.tables import COUNTS, RUNG_TITLES, cell, figure_rows, rung_cells
from reid_edge_benchmarks.discovery.tables import discovery_text
from reid_edge_benchmarks.embedders import EmbedderFigures, embedder_table
from reid_edge_benchmarks.enrolment import EnrolmentFigures, Mark
from reid_edge_benchmarks.gpu.tables import gpu_text
from reid_edge_benchmarks.latency.folder import folder_text
from reid_edge_benchmarks.latency.measuring import WILDFUSION
from reid_edge_benchmarks.latency.scaling import candidate_table, law_text, pairs_text, search_table
from reid_edge_benchmarks.latency.steps import steps_text
from reid_edge_benchmarks.latency.tables import batch_table, memory_table, ratio_text, side_stage_table, stage_table, whole_table
from reid_edge_benchmarks.machine import describe_machine
from reid_edge_benchmarks.report.targets import ACCURACY, FIRST, MISSING, SPEED, targets_table
from reid_edge_benchmarks.results import nan_for_null
from reid_edge_benchmarks.startup import Startup
from reid_edge_benchmarks.trust.tables import trust_text

Results = Mapping[str, Any]

_MISSING = "*Not measured yet.*"


def section(name: str, results: Results) -> str:
    """One part of the page.

    Raises:
        KeyError: there is no such part.
    """
    make, needs = SECTIONS[name]
    if needs and needs not in results:
        return _MISSING
    return make(results[needs] if needs else results)


def provenance(result: Any, timed: bool = True) -> str:
    """How and on what it was measured, to stand above its tables; `timed` where these hold times."""
    command = f"    {result['command']}\n\n" if result.get("command") else ""
    return f"{command}Measured on {describe_machine(result['machine'], timed)}."


def _accuracy(result: Any) -> str:
    sets = {name: nan_for_null(labelled["answers"]) for name, labelled in result["sets"].items()}
    sets |= {"all sets": nan_for_null(result["all sets"])} if "all sets" in result else {}
    notes = [f"- {_sentence(note)}" for labelled in result["sets"].values() for note in labelled["notes"]]
    table = markdown_table(("", *sets), figure_rows(sets))
    return "\n\n".join((provenance(result, timed=False), table, *(["\n".join(notes)] if notes else [])))


def _contributions(result: Any) -> str:
    rows = [
        [labelled, name, *(["–"] * len(RUNG_TITLES) if "problem" in figures else rung_cells(nan_for_null(figures)))]
        for labelled, each in result["sets"].items()
        for name, figures in each.get("contributions", {}).items()
    ]
    return markdown_table(("set", "row", *RUNG_TITLES), rows) if rows else _MISSING


def _trust(result: Any) -> str:
    return "\n\n".join((provenance(result, timed=False), trust_text(result)))


def _discovery(result: Any) -> str:
    return "\n\n".join((provenance(result, timed=False), discovery_text(result)))


def _sets(result: Any) -> str:
    rows = [
        [name, *(cell(count, nan_for_null(labelled["answers"])) for count in COUNTS)] for name, labelled in result["sets"].items()
    ]
    return markdown_table(("set", *COUNTS), rows)


def _latency(result: Any) -> str:
    recipe = result["recipe"]
    pairs = ", ".join(f"{count} for {name}" for name, count in recipe["matchers"].items())
    intro = (
        f"Photos: {result['photos']}; {result['queries']} of them answered {result['rounds']} times. Candidates: {recipe['candidates']} "
        f"{recipe.get('unit', 'photos')} on the shortlist, {pairs} at most."
    )
    if not result.get("calibrated", True):
        intro += " The pack is not calibrated: measured up to the scores, without a decision."
    return "\n\n".join((provenance(result), intro, whole_table(result["galleries"])))


def _stages(result: Any) -> str:
    beside = [gallery for gallery in result["galleries"] if gallery["ratios"]]
    gallery = beside[-1] if beside else result["galleries"][-1]
    parts = [f"Gallery of {gallery['size']:,}: {gallery['made_of']}.", stage_table(gallery)]
    if WILDFUSION in gallery["sides"]:
        parts.append(side_stage_table(gallery, WILDFUSION))
    parts += [ratio_text(each, side) for each in beside for side in each["ratios"]]
    return "\n\n".join(parts)


def _batches(result: Any) -> str:
    found = [gallery for gallery in result["galleries"] if any(side.get("batches") for side in gallery["sides"].values())]
    return "\n\n".join(f"Gallery of {gallery['size']:,}.\n\n{batch_table(gallery)}" for gallery in found) or _MISSING


def _memory(result: Any) -> str:
    made = "\n".join(f"- {gallery['size']:,}: {gallery['made_of']}." for gallery in result["galleries"])
    return "\n\n".join((memory_table(result["galleries"]), made, result["energy"]))


def _scaling(result: Any) -> str:
    return "\n\n".join((provenance(result), search_table(result["search"]), law_text(result)))


def _candidates(result: Any) -> str:
    return "\n\n".join(part for part in (candidate_table(result["candidates"]), pairs_text(result)) if part)


def _steps(result: Any) -> str:
    what = f"Photos: {result['photos of']}; {result['queries']} of them." if "photos of" in result else ""
    return "\n\n".join(part for part in (provenance(result), what, steps_text(result["steps"])) if part)


def _folder(result: Any) -> str:
    return "\n\n".join((provenance(result), folder_text(result)))


def _startup(result: Any) -> str:
    measured = Startup(tuple(result["help_seconds"]), tuple(result["answer_seconds"]), result["package_bytes"])
    return "\n\n".join((provenance(result), measured.as_text()))


def _enrolment(result: Any) -> str:
    marks = tuple(Mark(**mark) for mark in result["marks"])
    measured = EnrolmentFigures(result["photos"], result["failed"], result["seconds"], result["gallery_bytes"], marks)
    return "\n\n".join((provenance(result), f"Photos: {result['source']}.", measured.as_text()))


def _embedders(result: Any) -> str:
    figures = [
        EmbedderFigures(**{**each, "recall": {int(length): value for length, value in each["recall"].items()}})
        for each in result["embedders"]
    ]
    return "\n\n".join((provenance(result), embedder_table(figures)))


def _parity(results: Results) -> str:
    found = {name: result for name, result in results.items() if result.get("kind") == "parity"}
    return "\n\n".join(_one_parity(name, result) for name, result in sorted(found.items())) or _MISSING


def _one_parity(name: str, result: Any) -> str:
    parts = [f"### {result.get('recipe') or name.partition('-')[2]}", provenance(result, timed=False)]
    columns = ("R-1", "BAKS", "BAUS", "GeoMean")
    rows = [
        [
            labelled,
            "PyTorch" if side == "reference" else "reid-edge",
            str(each["queries"]),
            *(_number(figures.get(c)) for c in columns),
        ]
        for labelled, each in result["sets"].items()
        for side, figures in each["figures"].items()
    ]
    parts.append(markdown_table(("set", "side", "queries", *columns), rows))
    aims = [
        [labelled, aim["target"], aim["found"], {True: "met", False: "missed", None: MISSING}[aim["met"]]]
        for labelled, each in {**result["sets"], **({"all": result["together"]} if "together" in result else {})}.items()
        for aim in each["targets"]
    ]
    parts.append(markdown_table(("set", "target", "measured", ""), aims))
    differences = [
        [
            each["set"],
            each["stage"],
            each["unit"],
            *(_number(each[figure]) for figure in ("p50", "p99", "largest")),
            str(each["compared"]),
        ]
        for each in result["differences"]
    ]
    parts.append(markdown_table(("set", "stage", "difference", "median", "99 %", "largest", "of"), differences))
    return "\n\n".join([*parts, *result["notes"]])


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else "0" if value == 0 else f"{value:.3g}"


def _sentence(note: str) -> str:
    return note if note.endswith(".") else f"{note}."


SECTIONS: Mapping[str, tuple[Callable[[Any], str], str]] = {
    "targets of speed": (lambda results: targets_table(SPEED, results), ""),
    "targets of the first version": (lambda results: targets_table(FIRST, results), ""),
    "targets of accuracy": (lambda results: targets_table(ACCURACY, results), ""),
    "sets": (_sets, "accuracy"),
    "accuracy": (_accuracy, "accuracy"),
    "seen again": (_accuracy, "accuracy-seen-again"),
    "detector": (_accuracy, "accuracy-detector"),
    "edgepoint2": (_accuracy, "accuracy-edgepoint2"),
    "contributions": (_contributions, "accuracy"),
    "trust": (_trust, "trust"),
    "discovery": (_discovery, "discovery"),
    "parity": (_parity, ""),
    "latency": (_latency, "latency"),
    "stages": (_stages, "latency"),
    "batches": (_batches, "latency"),
    "memory": (_memory, "latency"),
    "openvino": (lambda result: "\n\n".join((_latency(result), _stages(result))), "latency-openvino"),
    "station": (lambda result: "\n\n".join((_latency(result), _stages(result))), "latency-station"),
    "station pairs": (_candidates, "scaling-station"),
    "folder": (_folder, "folder"),
    "steps": (_steps, "speed-steps"),
    "scaling": (_scaling, "scaling"),
    "candidates": (_candidates, "scaling"),
    "startup": (_startup, "startup"),
    "enrolment": (_enrolment, "enrolment"),
    "embedders": (_embedders, "embedders"),
    "gpu": (lambda result: "\n\n".join((provenance(result), gpu_text(result))), "gpu"),
}
