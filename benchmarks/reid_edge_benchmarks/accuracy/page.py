"""The figures, diagrams, ablation and worst mistakes as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path

import reid_edge
from reid_edge.report.markup import bar, page_head, text
from reid_edge.storage.durable import replacing
from reid_edge.storage.errors import storage_errors
from reid_edge_benchmarks.accuracy.ablation import Rung
from reid_edge_benchmarks.accuracy.answering import ERRORS, Measured
from reid_edge_benchmarks.accuracy.diagrams import reliability_diagram, risk_coverage_diagram
from reid_edge_benchmarks.accuracy.tables import MEANINGS, ROWS, RUNG_COLUMNS, Figures, cell, interval

# The styles of the reports of identify and of calibrate, and those of this page alone.
_STYLES = (
    ("reid_edge.report", "style.css"),
    ("reid_edge_calibration.report", "style.css"),
    ("reid_edge_benchmarks.accuracy", "page.css"),
)


def write_page(
    path: Path,
    facts: Mapping[str, str],
    sets: Sequence[Measured],
    figures: Mapping[str, Figures],
    rungs: Sequence[Rung],
    ladder_note: str,
    mistakes: Iterable[str],
) -> None:
    """Write the page; it appears whole or not at all.

    Args:
        path: where.
        facts: what was measured, by title.
        sets: answered.
        figures: by set, and of all.
        rungs: of the ablation, none where there is none.
        ladder_note: what a reader of the ablation should know.
        mistakes: an article each, see `draw_mistakes`; they are written as they come.

    Raises:
        StorageError: the disk is full or read-only, or the folder is missing.
    """
    with storage_errors(f"write the report {path}"), replacing(path) as file:
        sections = (
            _figures(figures),
            *(_diagrams(number, each) for number, each in enumerate(sets, 1)),
            _ablation(rungs, ladder_note),
        )
        for part in (_beginning(facts, sets, bool(rungs)), *sections):
            file.write(_encoded(part))
        file.write(_encoded('<h2 id="mistakes">The worst mistakes</h2>\n'))
        count = 0
        for count, mistake in enumerate(mistakes, 1):  # noqa: B007
            file.write(_encoded(mistake))
        if not count:
            file.write(b'<p class="note">No answer was wrong.</p>\n')
        file.write(b"</main>\n</body>\n</html>\n")


def _beginning(facts: Mapping[str, str], sets: Sequence[Measured], ablation: bool) -> str:
    style = "".join(resources.files(package).joinpath(file).read_text("utf-8") for package, file in _STYLES)
    queries = sum(len(measured.answers.each) for measured in sets)
    counts = f"{queries:,} photos of {', '.join(text(measured.labelled.name) for measured in sets)}"
    listed = {**facts, "Written": f"{datetime.now():%Y-%m-%d %H:%M} by reid-edge {reid_edge.__version__}"}
    entries = {"figures": "Figures"}
    entries |= {f"set-{number}": measured.labelled.name for number, measured in enumerate(sets, 1)}
    entries |= {"ablation": "What each stage contributes"} if ablation else {}
    entries["mistakes"] = "The worst mistakes"
    contents = "".join(f'<li><a href="#{place}">{text(title)}</a></li>' for place, title in entries.items())
    return (
        page_head(f"How often is it right? {counts}", style)
        + f"""<body>
<header class="summary">
<h1>How often is it right?</h1>
<p class="counts">{counts}</p>
<dl>{"".join(f"<div><dt>{text(title)}</dt><dd>{text(fact)}</dd></div>" for title, fact in listed.items())}</dl>
</header>
<nav aria-label="Parts"><ol>{contents}</ol></nav>
<main>
"""
    )


def _figures(figures: Mapping[str, Figures]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{text(row)}</th>'
        + "".join(f"<td>{cell(row, each)}{_small(interval(row, each))}</td>" for each in figures.values())
        + "</tr>"
        for row in ROWS
    )
    meanings = "".join(f"<dt>{text(title)}</dt><dd>{text(meaning)}</dd>" for title, meaning in MEANINGS.items())
    return (
        f'<article id="figures"><h2>Figures</h2><div class="scroll"><table class="figures">{_head("", *figures)}'
        f"<tbody>{rows}</tbody></table></div><details><summary>What they mean</summary><dl>{meanings}</dl></details></article>\n"
    )


def _diagrams(number: int, measured: Measured) -> str:
    answers, title = measured.answers, measured.labelled.name
    confidence, probability = ([getattr(answer, name) for answer in answers.each] for name in ("confidence", "probability"))
    percents = ", ".join(f"{error:.0%}" for error in ERRORS)
    drawn = {
        "The probability of the identity ranked first, and how often it is right.": reliability_diagram(
            "the identity ranked first", probability, answers.top_right
        ),
        "The probability of the answer, known or new, and how often it is right.": reliability_diagram(
            "the answer", confidence, answers.right
        ),
        f"The surest answers first: how many of those given are wrong. Dashed: {percents}.": risk_coverage_diagram(
            confidence, answers.right, ERRORS
        ),
    }
    figures = "".join(f"<figure>{svg}<figcaption><p>{text(caption)}</p></figcaption></figure>" for caption, svg in drawn.items())
    milliseconds = ", ".join(f"{stage} {value:.0f} ms" for stage, value in measured.milliseconds.items())
    return (
        f'<article id="set-{number}"><h2>{text(title)}</h2><div class="diagrams">{figures}</div>'
        f'<p class="meaning">Median time of a photo: {text(milliseconds)}.</p></article>\n'
    )


def _ablation(rungs: Sequence[Rung], note: str) -> str:
    if not rungs:
        return ""
    tables = []
    for labelled in dict.fromkeys(rung.labelled for rung in rungs):
        rows = "".join(_rung(rung) for rung in rungs if rung.labelled == labelled)
        tables.append(
            f'<h3>{text(labelled)}</h3><div class="scroll"><table class="figures">{_head("", *RUNG_COLUMNS)}<tbody>{rows}</tbody>'
            "</table></div>"
        )
    return f'<article id="ablation"><h2>What each stage contributes</h2><p class="reason">{text(note)}</p>{"".join(tables)}</article>\n'


def _rung(rung: Rung) -> str:
    head = f'<tr><th scope="row">{text(rung.row)}</th>'
    if rung.problem:
        return f'{head}<td colspan="{len(RUNG_COLUMNS)}">{text(rung.problem)}</td></tr>'
    cells = (
        f"<td>{cell(name, rung.figures)}{_small(interval(name, rung.figures))}"
        f"{bar(rung.figures[name]) if name == 'GeoMean' else ''}</td>"
        for name in RUNG_COLUMNS
    )
    return f"{head}{''.join(cells)}</tr>"


def _head(*titles: str) -> str:
    return f"<thead><tr>{''.join(f'<th scope=col>{text(title)}</th>' for title in titles)}</tr></thead>"


def _small(limits: str) -> str:
    return f" <small>{limits}</small>" if limits else ""


def _encoded(markup: str) -> bytes:
    # A file name that is no UTF-8 reaches Python as lone surrogates.
    return markup.encode("utf-8", "replace")
