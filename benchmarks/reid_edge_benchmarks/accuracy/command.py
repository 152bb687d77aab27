"""The whole of ``reid-edge bench accuracy``: answer, count, take apart, and show, on the terminal, as plain data and as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from reid_edge.identify.identifier import Identifier
from reid_edge_benchmarks.accuracy.ablation import Rung, ablate
from reid_edge_benchmarks.accuracy.answering import Measured, Progress, QueryAnswers, measure
from reid_edge_benchmarks.accuracy.mistakes import draw_mistakes, worst
from reid_edge_benchmarks.accuracy.page import write_page
from reid_edge_benchmarks.accuracy.tables import Figures, print_figures, print_rungs
from reid_edge_benchmarks.results import null_for_nan
from reid_edge_calibration.labels.labelled_set import LabelledSet

ALL = "all sets"
_FROM_WHOLE_FRAME = (
    "Each row has what the one above it has, and more; calibration and threshold of each are fitted on the fitting fold for that row "
    "alone. The first rows see the whole frame."
)
_FROM_MASK = f"{_FROM_WHOLE_FRAME.rpartition(' The first')[0]} All rows see the animal's crop and mask: without --masks, features are kept."


@dataclass(frozen=True)
class AccuracyRequest:
    """What is to be measured.

    Attributes:
        sets: labelled photos to report on.
        fitting: per set, of the same species, the photos to fit the ablation's rows on; empty for no ablation.
        masks: the ablation begins without crop and mask.
        worst: how many mistakes to list.
        folder: keeps galleries and score tables.
        page: the HTML page, None for none.
    """

    sets: tuple[LabelledSet, ...]
    fitting: tuple[LabelledSet, ...]
    masks: bool
    worst: int
    folder: Path
    page: Path | None


def measure_accuracy(
    request: AccuracyRequest, identifier: Identifier, progress: Progress, save: Callable[[dict[str, Any]], None]
) -> None:
    """Measure, print the tables on stdout and notes on stderr, save the figures, and write the page.

    Args:
        request: what is to be measured.
        identifier: the pack.
        save: gets all figures as plain data before the page is drawn: by set, of all sets together, and the worst mistakes. A figure that
            is not defined is None.

    Raises:
        UsageError, PhotoError, EngineError, GalleryError, StorageError: see `measure`, `ablate` and `write_page`.
    """
    sets = distinct(request.sets)
    fitted = list(zip(request.fitting, sets, strict=True)) if request.fitting else []
    measured = []
    for labelled in sets:
        for note in labelled.notes:
            click.echo(f"note: {note}", err=True)
        measured.append(measure(labelled, identifier, request.folder / f"{labelled.stem(identifier)}.sqlite", progress))
    figures: dict[str, Figures] = {each.labelled.name: each.answers.figures() for each in measured}
    if len(measured) > 1:
        figures[ALL] = QueryAnswers.together((each.labelled.name, each.answers) for each in measured).figures()
    print_figures(figures)
    for each in measured:
        stages = ", ".join(f"{stage} {value:.0f}" for stage, value in each.milliseconds.items())
        click.echo(f"{each.labelled.name}: {stages} ms")
    note = _FROM_WHOLE_FRAME if request.masks else _FROM_MASK
    rungs = _ladder(request, fitted, identifier, note, progress)
    mistakes = worst(measured, request.worst)
    save(
        {
            "sets": {each.labelled.name: _set_as_json(each, figures[each.labelled.name], rungs) for each in measured},
            **({ALL: null_for_nan(figures[ALL])} if ALL in figures else {}),
            "mistakes": [mistake.as_json() for mistake in mistakes],
        }
    )
    if request.page:
        manifest = identifier.pack.manifest
        facts = {
            "Pack": f"{manifest.name} {manifest.version} (SHA-256 {identifier.pack.sha256[:12]}…)",
            "Fold": ", ".join(dict.fromkeys(labelled.fold for labelled in sets)),
        }
        write_page(request.page, facts, measured, figures, rungs, note, draw_mistakes(mistakes, identifier, progress))
        click.echo(f"The report is {request.page}. It holds photos: mind who may see them.", err=True)


def _ladder(
    request: AccuracyRequest,
    fitted: Sequence[tuple[LabelledSet, LabelledSet]],
    identifier: Identifier,
    note: str,
    progress: Progress,
) -> list[Rung]:
    """The ablation, printed set by set as it comes."""
    if not fitted:
        return []
    rungs = []
    for rung in ablate(fitted, identifier, request.folder, request.masks, progress):
        click.echo(f"Fitted {rung.labelled}: {rung.row}", err=True)
        rungs.append(rung)
    click.echo(f"\n{note}")
    for _, labelled in fitted:
        own = [rung for rung in rungs if rung.labelled == labelled.name]
        click.echo(f"\n{labelled.name}")
        print_rungs(own)
        for problem in dict.fromkeys(rung.problem for rung in own if rung.problem):
            rows = ", ".join(rung.row for rung in own if rung.problem == problem)
            click.echo(f"note: {labelled.name}, {rows}: {problem}", err=True)
    return rungs


def _set_as_json(measured: Measured, figures: Figures, rungs: Sequence[Rung]) -> dict[str, Any]:
    own = [rung for rung in rungs if rung.labelled == measured.labelled.name]
    rows = {rung.row: {"problem": rung.problem} if rung.problem else null_for_nan(rung.figures) for rung in own}
    return {
        "answers": null_for_nan(figures),
        "milliseconds": measured.milliseconds,
        "notes": list(measured.labelled.notes),
        **({"contributions": rows} if rows else {}),
    }


def distinct(sets: Sequence[LabelledSet]) -> list[LabelledSet]:
    """Sets of folders with the same name get their species as a second name."""
    count = Counter(labelled.name for labelled in sets)
    return [replace(each, name=f"{each.name} {each.species}") if count[each.name] > 1 else each for each in sets]
