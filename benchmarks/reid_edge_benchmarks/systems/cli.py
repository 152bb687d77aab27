"""``reid-edge bench systems``."""

from __future__ import annotations

from pathlib import Path

import click

from reid_edge.cli.options import device_options
from reid_edge.cli.progress import progress


@click.group(short_help="The five systems beside field and station.")
def systems() -> None:
    """Measure the recipes of the five systems, and write the page that compares them."""


@systems.command()
@click.argument("metadata", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--recipe", default=None, help="The recipe to measure, a name or a TOML file; it is exported first.")
@click.option("--pack", "pack_name", default=None, help="In place of a recipe a pack: a name, folder or zip.")
@click.option("--fold", default="evaluate", show_default=True, help="The photos of this fold are answered.")
@click.option("--fit-fold", default="calibrate", show_default=True, help="Every row is fitted on the photos of this fold.")
@click.option("--species", multiple=True, help="Photos of this species only; may be repeated.")
@click.option("--masks", is_flag=True, help="Begin the ladder without crop and mask (all features anew: slow).")
@click.option(
    "--weights", type=click.Path(path_type=Path), help="A folder with weights of networks, in place of the catalogue's sources."
)
@click.option("--accept-terms", is_flag=True, help="You agree to the terms of the weights of the recipe.")
@click.option("--seed", type=click.IntRange(0, 2**31), default=0, show_default=True, help="Of folds, starts and resamples.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    help="Keep galleries, score tables and packs in this folder and continue from them.",
)
@click.option("--json", "json_path", required=True, type=click.Path(path_type=Path), help="Write all figures to this file.")
@device_options
def measure(
    metadata: tuple[Path, ...],
    recipe: str | None,
    pack_name: str | None,
    fold: str,
    fit_fold: str,
    species: tuple[str, ...],
    masks: bool,
    weights: Path | None,
    accept_terms: bool,
    seed: int,
    keep: Path | None,
    json_path: Path,
    device: str,
    threads: int | None,
) -> None:
    """How often a system is right: as it is, by each of its scores alone, and step by step from an embedding to the whole.

    Heads that the recipe wants are trained first, on the database photos of both folds.
    """
    from reid_edge.errors import UsageError
    from reid_edge.identify.identifier import Identifier
    from reid_edge.pack import find_pack, open_pack
    from reid_edge_benchmarks.machine import machine_facts
    from reid_edge_benchmarks.parity.packs import exported_pack, with_trained_heads
    from reid_edge_benchmarks.results import kept_folder, refuse_missing_folders, tell
    from reid_edge_benchmarks.systems.measuring import measure_system
    from reid_edge_calibration.labels.labelled_set import of_the_same_species, read_labelled_sets
    from reid_edge_calibration.labels.request import LabelRequest

    if bool(recipe) == bool(pack_name):
        raise UsageError("Name a recipe or a pack to measure.", "Give either --recipe or --pack.")
    refuse_missing_folders(json_path)
    machine = machine_facts()
    sets = read_labelled_sets(metadata, LabelRequest(fold=fold, species=species), progress)
    fitting = of_the_same_species(read_labelled_sets(metadata, LabelRequest(fold=fit_fold, species=species), progress), sets)
    with kept_folder(keep) as folder:
        if recipe:
            exported = exported_pack(recipe, folder, weights, accept_terms, random=False)
            pack = with_trained_heads(exported, recipe, (*fitting, *sets), folder, progress, seed, device, threads)
        else:
            pack = open_pack(find_pack(str(pack_name)))
        identifier = Identifier(pack, device, threads)
        measured = measure_system(list(zip(fitting, sets, strict=True)), identifier, folder, masks, seed, progress)
    facts = {
        "kind": "systems",
        "recipe": Path(recipe).stem if recipe else pack.manifest.name,
        "pack": pack.sha256,
        "fold": fold,
        "fit_fold": fit_fold,
        "seed": seed,
    }
    tell(json_path, machine, {**facts, "sets": measured})


@systems.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The page, such as docs/systems.md.")
def page(folder: Path, out: Path) -> None:
    """Write the page from a folder of figures: parity-*.json of `bench parity`, measured-*.json of `bench systems measure`."""
    from reid_edge_benchmarks.systems.page import read_figures, systems_page

    out.write_text(systems_page(*read_figures(folder)), encoding="utf-8")
    click.echo(f"The page is {out}.")
