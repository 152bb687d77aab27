"""``reid-edge bench systems``."""

from __future__ import annotations

from pathlib import Path

import click

from reid_edge.cli.progress import progress
from reid_edge.errors import UsageError
from reid_edge_benchmarks.options import AT_LEAST_ONE, PATH, SystemOptions, system_options


@click.group(short_help="Measure the five systems beside field and station.")
def systems() -> None:
    """Measure the recipes of the five systems, and write the page that compares them."""


@systems.command()
@click.argument("metadata", nargs=-1, required=True, type=PATH)
@click.option("--out", required=True, type=PATH, help="Write SET/metadata.csv into this folder, for each set.")
@click.option("--queries", type=AT_LEAST_ONE, default=40, show_default=True, help="Query photos of each fold, at most.")
@click.option("--individuals", type=AT_LEAST_ONE, default=15, show_default=True, help="Known individuals of each fold, at most.")
@click.option(
    "--database",
    type=AT_LEAST_ONE,
    default=2,
    show_default=True,
    help="Database photos of each of them, at most; a recipe with a head to be trained needs 2 or more.",
)
@click.option("--fit-queries", type=AT_LEAST_ONE, help="Another number of query photos of the fit fold.")
@click.option("--fit-individuals", type=AT_LEAST_ONE, help="Another number of known individuals of the fit fold.")
@click.option("--fold", default="evaluate", show_default=True, help="The fold to answer.")
@click.option("--fit-fold", default="calibrate", show_default=True, help="The fold to fit on.")
@click.option("--seed", type=click.IntRange(0, 2**31), default=0, show_default=True, help="Seed of the order of photos.")
@click.option("--list", "listing", type=PATH, help="Also list the photos in this CSV table, in place of those of the same sets.")
def draw(
    metadata: tuple[Path, ...],
    out: Path,
    queries: int,
    individuals: int,
    database: int,
    fit_queries: int | None,
    fit_individuals: int | None,
    fold: str,
    fit_fold: str,
    seed: int,
    listing: Path | None,
) -> None:
    """Draw a part of labelled sets, so that slow systems can be measured on it.

    A quarter of the queries show unknown individuals, as far as there are such queries. Queries that are nearly in the database are left
    out before.
    """
    from reid_edge_benchmarks.systems.drawing import Part, write_part
    from reid_edge_benchmarks.systems.drawing import draw as draw_part
    from reid_edge_calibration.labels.labelled_set import of_the_same_species, read_labelled_sets
    from reid_edge_calibration.labels.request import LabelRequest

    part, fit_part = Part(queries, individuals, database), Part(fit_queries or queries, fit_individuals or individuals, database)
    sets, others = (read_labelled_sets(metadata, LabelRequest(fold=each), progress) for each in (fold, fit_fold))
    for labelled, fitting in zip(sets, of_the_same_species(others, sets), strict=True):
        drawn = [draw_part(fitting, fit_part, seed), draw_part(labelled, part, seed)]
        table = write_part(drawn, out, listing)
        sizes = ", ".join(f"{each.fold} {len(each.queries)} queries over {len(each.database)} photos" for each in drawn)
        click.echo(f"{table}: {sizes}.")


@systems.command()
@system_options(json_required=True)
@click.option(
    "--masks", is_flag=True, help="Begin the ladder without crop and mask. This computes all features again and is slow."
)
@click.option(
    "--resume",
    is_flag=True,
    help="Keep the sets of the file --json that were measured with the same pack, photos, folds and seed, and measure the others.",
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
        fitted = list(zip(fitting, sets, strict=True))
        measured = measured_before(system.json_path, facts, fitted) if resume and system.json_path else {}
        for fit, report in fitted:
            if report.name not in measured:
                measured |= measure_system([(fit, report)], identifier, folder, masks, system.seed, progress)
                results.save({**facts, "sets": measured})


@systems.command("full-size")
@click.argument("recipe")
@click.option("--species", default="salamander", show_default=True, help="Species of the photos; it decides which stages run.")
@click.option("--weights", type=PATH, help="Take weights from this folder where it has them.")
@click.option("--keep", type=PATH, help="Keep the pack and the gallery in this folder, which has to be empty.")
@click.option("--json", "json_path", required=True, type=PATH, help="Write all figures to this file.")
def full_size(recipe: str, species: str, weights: Path | None, keep: Path | None, json_path: Path) -> None:
    """Run RECIPE at full size from export to an answer, and measure time, memory and size.

    Networks whose weights are not in a package get random weights, so the answer means nothing. Four photos are enrolled, heads are trained
    on them, and one photo is identified, each by a command of its own. Only the calibrators are fitted on made-up scores.
    """
    from reid_edge_benchmarks.results import ResultFile, kept_folder
    from reid_edge_benchmarks.systems.full_size import FullSize, run_full_size

    if keep and keep.exists() and any(keep.iterdir()):
        raise UsageError(f"{keep} is not empty.", "Choose a new or empty folder.")
    results = ResultFile(json_path)
    with kept_folder(keep) as folder:
        figures = run_full_size(FullSize(recipe, species, weights, folder, lambda line: click.echo(line, err=True)))
    results.save({"kind": "full-size", "recipe": Path(recipe).stem, **figures})


@systems.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The page, such as docs/systems.md.")
def page(folder: Path, out: Path) -> None:
    """Write the page from a folder of figures: parity-*.json of `bench parity`, measured-*.json of `bench systems measure`, and
    full-size-*.json of `bench systems full-size`.
    """
    from reid_edge_benchmarks.systems.page import read_figures, systems_page

    out.write_text(systems_page(read_figures(folder)), encoding="utf-8")
    click.echo(f"The page is {out}.")
