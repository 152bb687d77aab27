"""``reid-edge bench systems``."""

from __future__ import annotations

from pathlib import Path

import click

from reid_edge.cli.progress import progress
from reid_edge_benchmarks.options import SystemOptions, system_options


@click.group(short_help="Measure the five systems beside field and station.")
def systems() -> None:
    """Measure the recipes of the five systems, and write the page that compares them."""


@systems.command()
@system_options(json_required=True)
@click.option(
    "--masks", is_flag=True, help="Begin the ladder without crop and mask. This computes all features again and is slow."
)
def measure(system: SystemOptions, masks: bool) -> None:
    """Measure how often a system is right: the whole system, each of its scores alone, and step by step from an embedding to the whole.

    The heads of a recipe are trained first, on the database photos of both folds.
    """
    from reid_edge.identify.identifier import Identifier
    from reid_edge_benchmarks.results import ResultFile, kept_folder
    from reid_edge_benchmarks.systems.measuring import measure_system

    system.check()
    results = ResultFile(system.json_path)
    sets, fitting = system.labelled_sets()
    with kept_folder(system.keep) as folder:
        pack = system.open_pack((*fitting, *sets), folder)
        identifier = Identifier(pack, system.device, system.threads)
        measured = measure_system(list(zip(fitting, sets, strict=True)), identifier, folder, masks, system.seed, progress)
    results.save({"kind": "systems", **system.as_json(pack), "sets": measured})


@systems.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The page, such as docs/systems.md.")
def page(folder: Path, out: Path) -> None:
    """Write the page from a folder of figures: parity-*.json of `bench parity`, measured-*.json of `bench systems measure`."""
    from reid_edge_benchmarks.systems.page import read_figures, systems_page

    out.write_text(systems_page(*read_figures(folder)), encoding="utf-8")
    click.echo(f"The page is {out}.")
