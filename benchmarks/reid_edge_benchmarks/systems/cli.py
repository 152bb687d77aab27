"""``reid-edge bench systems``."""

from __future__ import annotations

from pathlib import Path

import click

from reid_edge.cli.progress import progress
from reid_edge.errors import UsageError
from reid_edge_benchmarks.options import SystemOptions, system_options


@click.group(short_help="Measure the five systems beside field and station.")
def systems() -> None:
    """Measure the recipes of the five systems, and write the page that compares them."""


@systems.command()
@system_options(json_required=True)
@click.option(
    "--masks", is_flag=True, help="Begin the ladder without crop and mask. This computes all features again and is slow."
)
@click.option(
    "--resume",
    is_flag=True,
    help="Keep the sets of the file --json that were measured with the same pack, folds and seed, and measure the others.",
)
def measure(system: SystemOptions, masks: bool, resume: bool) -> None:
    """Measure how often a system is right: the whole system, each of its scores alone, and step by step from an embedding to the whole.

    The heads of a recipe are trained first, on the database photos of both folds. With --keep the work of each photo is kept: a run
    that was stopped continues where it was, and a recipe that differs in fusions, steps or thresholds alone computes no score again.
    """
    from reid_edge.identify.identifier import Identifier
    from reid_edge_benchmarks.results import ResultFile, kept_folder
    from reid_edge_benchmarks.systems.measuring import measure_system, measured_before

    system.check()
    if resume and system.keep is None:
        raise UsageError("--resume continues from what was kept.", "Add --keep FOLDER.")
    results = ResultFile(system.json_path)
    sets, fitting = system.labelled_sets()
    with kept_folder(system.keep) as folder:
        pack = system.open_pack((*fitting, *sets), folder)
        identifier = Identifier(pack, system.device, system.threads)
        facts = {"kind": "systems", **system.as_json(pack), "masks": masks}
        measured = measured_before(system.json_path, facts) if resume and system.json_path else {}
        for fit, report in zip(fitting, sets, strict=True):
            if report.name not in measured:
                measured |= measure_system([(fit, report)], identifier, folder, masks, system.seed, progress)
                results.save({**facts, "sets": measured})


@systems.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The page, such as docs/systems.md.")
def page(folder: Path, out: Path) -> None:
    """Write the page from a folder of figures: parity-*.json of `bench parity`, measured-*.json of `bench systems measure`."""
    from reid_edge_benchmarks.systems.page import read_figures, systems_page

    out.write_text(systems_page(*read_figures(folder)), encoding="utf-8")
    click.echo(f"The page is {out}.")
