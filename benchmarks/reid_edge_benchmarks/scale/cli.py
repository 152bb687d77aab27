"""``reid-edge bench growth`` and ``bench scale-page``."""

from __future__ import annotations

from pathlib import Path

import click

from reid_edge.cli.progress import progress
from reid_edge_benchmarks.options import PATH, Setup, keep_option, photos_option, setup_options
from reid_edge_benchmarks.results import ResultFile, kept_folder
from reid_edge_calibration.labels.options import label_options
from reid_edge_calibration.labels.request import LabelRequest


@click.command()
@click.argument("metadata", nargs=-1, required=True, type=PATH)
@label_options
@photos_option(60, "Number of queries of each set, taken evenly.")
@setup_options(keep=keep_option("the galleries", "continue from them"))
def growth(metadata: tuple[Path, ...], labels: LabelRequest, photos: int, setup: Setup) -> None:
    """Count how often a stranger is taken for somebody as the catalogue grows, and say what 10, 100 and 1,000 times as many would do.

    Each query is asked as a stranger: of catalogues of 5, 10, 20 and 40 individuals that are drawn by chance, and of all, without its own.
    """
    from reid_edge.identify.identifier import Identifier
    from reid_edge.pack import find_pack, open_pack
    from reid_edge_benchmarks.accuracy.command import distinct
    from reid_edge_benchmarks.scale.growth import growth_text, measure_growth
    from reid_edge_calibration.labels.labelled_set import read_labelled_sets

    results = ResultFile(setup.json_path)
    identifier = Identifier(open_pack(find_pack(setup.pack_name)), setup.device, setup.threads)
    sets = distinct([labelled for path in metadata for labelled in read_labelled_sets((path,), labels, progress)])
    found = {}
    with kept_folder(setup.keep) as folder:
        for each in sets:
            found[each.name] = measure_growth(each, identifier, photos, folder, progress)
            results.save({"kind": "growth", "pack": identifier.pack.sha256, "fold": labels.fold, "sets": found})
    click.echo(growth_text({"sets": found}))


@click.command("scale-page")
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("docs/scale"),
    show_default=True,
    help="Folder with catalogue.json of bench catalogue and growth.json of bench growth.",
)
@click.option(
    "--page",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("docs/scale.md"),
    show_default=True,
    help="The page.",
)
def scale_page(results: Path, page: Path) -> None:
    """Make the section Figures of docs/scale.md anew from the results of bench catalogue and bench growth."""
    from reid_edge_benchmarks.report.page import read_all
    from reid_edge_benchmarks.scale.page import page_with_figures

    page.write_text(page_with_figures(page.read_text(encoding="utf-8"), read_all(results)), encoding="utf-8")
    click.echo(f"Wrote the figures of {page}.", err=True)
