"""The parity report of an exported file: for programs as JSON beside the file, for people as the lines that the command prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reid_edge_export.parity import BOUNDS, ENOUGH, Report, bounds_of


def write_document(facts: Mapping[str, str], sha256: str, size: int, report: Report, rounding: str) -> bytes:
    """The JSON beside the file: its metadata, its sha256 and size in bytes, and the comparison with its bounds and verdict.

    Args:
        facts: the file's metadata; values that are JSON themselves are unfolded.
        sha256, size: of the file.
        report: of `parity.compare`.
        rounding: whose bounds it was held against.
    """
    document: dict[str, Any] = {key: _unfolded(value) for key, value in facts.items()}
    bounds = bounds_of(facts["task"], rounding, report)
    document |= {
        "sha256": sha256,
        "size": size,
        "parity": {
            "passed": all(report[measure] >= least for measure, least in bounds.items()),
            "rounding": rounding,
            "enough_photos": report["samples"] >= ENOUGH,
            "at_least": bounds,
            "margin": {measure: report[measure] - least for measure, least in bounds.items()},
            "measured": report,
            "not_measured": not_measured(facts["task"], report),
        },
    }
    return (json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def not_measured(task: str, report: Report) -> list[str]:
    """The deciding measures of the task that the photos did not suffice for."""
    return [bound.measure for bound in BOUNDS[task] if bound.measure not in report and not bound.of_some]


def describe(task: str, report: Report, rounding: str) -> str:
    """The report for people: what decides with its bound first, then what else was measured, and what was not."""
    bounds = bounds_of(task, rounding, report)
    samples = report["samples"]
    few = (
        ""
        if samples >= ENOUGH
        else f", too few for a verdict: other photos may be judged otherwise ({ENOUGH} or more are enough)"
    )
    lines = [f"compared with PyTorch on {samples:.0f} sets of inputs{few}"]
    lines += [
        f"{measure} {report[measure]:.6g}, at least {least:g} asked, margin {report[measure] - least:.2g}"
        for measure, least in bounds.items()
    ]
    others = [f"{measure} {value:.6g}" for measure, value in report.items() if measure not in bounds and measure != "samples"]
    lines += [", ".join(others[start : start + 3]) for start in range(0, len(others), 3)]
    lines += [f"{measure} was not measured: too few photos" for measure in not_measured(task, report)]
    return "\n".join(f"  {line}" for line in lines)


def _unfolded(value: str) -> Any:
    return json.loads(value) if value[:1] in ("{", "[") else value
