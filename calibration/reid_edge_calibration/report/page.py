"""The page: one HTML file that needs nothing else."""

from __future__ import annotations

import shlex
from importlib import resources
from pathlib import Path

import reid_edge
from reid_edge.report.markup import page_head
from reid_edge.storage.durable import replacing
from reid_edge.storage.errors import storage_errors
from reid_edge_calibration.metrics import calibration_error
from reid_edge_calibration.report.content import CalibrationReport, ReportedEntry
from reid_edge_calibration.report.markup import number, percent, plain, table
from reid_edge_calibration.report.section import write_section


def write_report(path: Path, report: CalibrationReport) -> None:
    """Write the page; it appears whole or not at all.

    Args:
        path: of the HTML file; one that is there is replaced.
        report: the content of the page.

    Raises:
        StorageError: the disk is full or read-only, or the folder is missing.
    """
    content = _page(report).encode("utf-8", "replace")
    with storage_errors(f"write the report {path}"), replacing(path) as file:
        file.write(content)


def _page(report: CalibrationReport) -> str:
    style = resources.files("reid_edge.report").joinpath("style.css").read_text("utf-8")
    own = resources.files(__package__).joinpath("style.css").read_text("utf-8")
    title = f"Calibration of {report.pack} {report.version}"
    facts = {"Pack": f"{report.pack} {report.version}", "Seed": str(report.seed), "Written": _written(report)}
    links = "".join(
        f'<li><a href="#entry-{index}"><bdi>{plain(entry.name)}</bdi></a></li>'
        for index, entry in enumerate(report.entries, start=1)
    )
    sections = "".join(write_section(index, entry) for index, entry in enumerate(report.entries, start=1))
    return (
        page_head(f"{plain(title)}", f"{style}\n{own}")
        + f"""<body>
<header class="summary">
<h1>{plain(title)}</h1>
<p class="counts">What was fitted on the labelled photos, and how good the answers are on held-out photos.</p>
<dl>{"".join(f"<div><dt>{name}</dt><dd>{plain(fact)}</dd></div>" for name, fact in facts.items())}</dl>
</header>
<nav aria-label="Species"><details open><summary>Species</summary><ol>{links}</ol></details></nav>
<main>
{"".join(f'<p class="note">{plain(note)}</p>' for note in report.notes)}
{_overview(report)}
{sections}{_reproduce(report)}</main>
</body>
</html>
"""
    )


def _written(report: CalibrationReport) -> str:
    return f"{report.created} by reid-edge {reid_edge.__version__}"


def _overview(report: CalibrationReport) -> str:
    titles = (
        "Species",
        "GeoMean (95 % interval)",
        "Asked of a person",
        "Wrong without asking",
        "At most (95 % confidence)",
        "ECE of the answer",
    )
    return f"<article><h2>At a glance</h2>{table(titles, [_line(entry) for entry in report.entries])}</article>\n"


def _line(entry: ReportedEntry) -> tuple[str, ...]:
    return (
        entry.name,
        f"{number(entry.geomean)} ({number(entry.geomean_low)} to {number(entry.geomean_high)})",
        percent(entry.asked),
        percent(entry.wrong_unattended),
        percent(entry.wrong_bound),
        number(calibration_error(entry.final_probability, entry.final_right, weight=entry.final_weight)),
    )


def _reproduce(report: CalibrationReport) -> str:
    words = ["reid-edge", "calibrate"]
    for name, value in report.options.items():
        for each in value.splitlines() or [""]:
            words += [*([name] if name.startswith("--") else []), *([each] if each else [])]
    command = " ".join(map(shlex.quote, words))
    return (
        "<article><h2>How to reproduce this</h2><p>The same photos, pack, options and seed give the same calibration.</p>"
        f'<div class="scroll"><pre><code>{plain(command)}</code></pre></div></article>\n'
    )
