"""``reid-edge bench review``."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import click

import reid_edge
from reid_edge.errors import UsageError
from reid_edge.markdown import markdown_table
from reid_edge_benchmarks.options import AT_LEAST_ONE, PATH, json_option
from reid_edge_benchmarks.results import ResultFile, kept_folder

_SAMPLES = Path(reid_edge.__file__).parent / "samples"
_PARTS = ("person", "scale", "kills", "conflicts", "accessibility", "outputs")


@click.group()
def review() -> None:
    """Measure the review page in a real browser, and make its screenshots."""


@review.command()
@click.option("--answers", type=PATH, required=True, help="Answers with evidence: `identify --json --explain FILE` prints them.")
@click.option("--gallery", type=PATH, required=True, help="The gallery that they were given with; it is copied first.")
@click.option("--truth", type=PATH, required=True, help="Who is on the photos: a metadata.csv with path and identity.")
@click.option(
    "--questions", type=AT_LEAST_ONE, default=100, show_default=True, help="Questions that the scripted person answers."
)
@click.option("--think", type=click.FloatRange(0), default=1.0, show_default=True, help="Seconds it looks before a key.")
@click.option("--kills", type=AT_LEAST_ONE, default=200, show_default=True, help="How often the server is killed.")
@click.option("--out", type=PATH, help="The --out of a daemon whose outputs are compared with its gallery.")
@click.option("--out-gallery", type=PATH, help="The gallery of that daemon.")
@click.option("--only", type=click.Choice(_PARTS), multiple=True, help="Measure these alone.")
@json_option
def measure(
    answers: Path,
    gallery: Path,
    truth: Path,
    questions: int,
    think: float,
    kills: int,
    out: Path | None,
    out_gallery: Path | None,
    only: tuple[str, ...],
    json_path: Path | None,
) -> None:
    """Measure a scripted person, ten thousand answers, kills, conflicts, accessibility and outputs."""
    results = ResultFile(json_path)
    wanted = only or _PARTS
    figures: dict[str, Any] = {}
    with kept_folder(None) as place:
        if "kills" in wanted:  # first: the server is forked, so nothing may run beside it yet
            from reid_edge_benchmarks.review.kills import measure_kills

            figures["kills"] = measure_kills(_sample_gallery(place), kills)
        if {"person", "scale", "conflicts", "accessibility"} & set(wanted):
            figures |= _in_browser(place, answers, gallery, _truth(truth), (questions, think), wanted)
        if "outputs" in wanted and out is not None and out_gallery is not None:
            from reid_edge_benchmarks.review.checks import differences

            figures["outputs"] = differences(out, out_gallery)
    click.echo(markdown_table(("what", "measured"), [(name, _shown(value)) for name, value in figures.items()]))
    results.save({"kind": "review", **figures})


@review.command()
@click.option("--out", type=PATH, default=Path("docs/review"), show_default=True, help="Folder of the pictures.")
def screenshots(out: Path) -> None:
    """Make the pictures of docs/review.md and of the README from the sample animals."""
    from reid_edge_benchmarks.review.screenshots import make_screenshots

    for path in make_screenshots(out):
        click.echo(path)


def _in_browser(
    place: Path, answers: Path, gallery: Path, truth: dict[str, str], person: tuple[int, float], wanted: tuple[str, ...]
) -> dict[str, Any]:
    from reid_edge_benchmarks.review.browser import chromium
    from reid_edge_benchmarks.review.checks import measure_accessibility, measure_conflicts
    from reid_edge_benchmarks.review.person import answer
    from reid_edge_benchmarks.review.scale import make, measure_scale
    from reid_edge_benchmarks.review.serving import served

    figures: dict[str, Any] = {}
    copies = [Path(shutil.copy(gallery, place / f"{name}.sqlite")) for name in ("person", "others")]
    with chromium() as browser:
        if "person" in wanted:
            with served("review", "--answers", answers, "--gallery", copies[0]) as page:
                figures["person"] = answer(browser, page.address, truth, *person).as_json()
        with served("review", "--answers", answers, "--gallery", copies[1]) as page:
            if "accessibility" in wanted:
                figures["accessibility"] = measure_accessibility(browser, page.address, _individual(gallery))
            if "conflicts" in wanted:
                figures["conflicts"] = measure_conflicts(browser, page.address, copies[1], 20)
        if "scale" in wanted:
            from reid_edge.review.answers.json_lines import JsonLinesAnswers

            source = JsonLinesAnswers(answers)
            made = make(place, source.decision(source.answers()[0]), 10_000, 1_000)
            figures["scale"] = measure_scale(browser, *made)
    return figures


def _sample_gallery(place: Path) -> Path:
    """A gallery with one individual, for decisions about photos that nobody has."""
    from reid_edge.gallery import Gallery

    path = place / "kills.sqlite"
    with Gallery.create(path) as opened:
        opened.add_individual("Chipo", opened.new_batch())
    return path


def _individual(path: Path) -> str:
    from reid_edge.gallery import Gallery

    with Gallery.open(path, writable=False) as opened:
        return opened.names()[0]


def _truth(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        found = {Path(row["path"]).name: row["identity"] for row in csv.DictReader(file)}
    if not found:
        raise UsageError(f"{path} names nobody.", "Give a metadata.csv with the columns path and identity.")
    return found


def _shown(value: object) -> str:
    return ", ".join(f"{name} {each}" for name, each in value.items()) if isinstance(value, dict) else str(value)
