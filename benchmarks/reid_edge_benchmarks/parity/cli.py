"""``reid-edge bench parity``."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import click

from reid_edge.cli.options import device_options
from reid_edge.cli.progress import progress


@click.command()
@click.argument("metadata", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--recipe", default=None, help="The recipe to compare, a name or a TOML file; it is exported first.")
@click.option("--pack", "pack_name", default=None, help="In place of a recipe a pack: a name, folder or zip.")
@click.option("--fold", default="evaluate", show_default=True, help="Both sides answer the photos of this fold.")
@click.option("--fit-fold", default="calibrate", show_default=True, help="Both sides are fitted on the photos of this fold.")
@click.option("--species", multiple=True, help="Photos of this species only; may be repeated.")
@click.option(
    "--queries", type=click.IntRange(1), help="So many queries of each set, of all individuals in turns. [default: all]"
)
@click.option("--database", type=click.IntRange(1), help="So many database photos of each set, likewise. [default: all]")
@click.option(
    "--weights", type=click.Path(path_type=Path), help="A folder with weights of networks, in place of the catalogue's sources."
)
@click.option(
    "--random", is_flag=True, help="Random weights where a recipe's cannot be had, or packs with such: the answers mean nothing."
)
@click.option("--accept-terms", is_flag=True, help="You agree to the terms of the weights of the recipe.")
@click.option("--seed", type=click.IntRange(0, 2**31), default=0, show_default=True, help="Of folds, starts and resamples.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    help="Keep galleries, score tables and packs in this folder and continue from them.",
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write all figures to this file.")
@device_options
def parity(
    metadata: tuple[Path, ...],
    recipe: str | None,
    pack_name: str | None,
    fold: str,
    fit_fold: str,
    species: tuple[str, ...],
    queries: int | None,
    database: int | None,
    weights: Path | None,
    random: bool,
    accept_terms: bool,
    seed: int,
    keep: Path | None,
    json_path: Path | None,
    device: str,
    threads: int | None,
) -> None:
    """Compare the runtime with the same system in PyTorch, stage by stage and end to end, on labelled photos.

    The PyTorch side is written from the recipe by libraries: timm, kornia, scikit-learn, SciPy, OpenCV. Both are calibrated by
    themselves on the fit fold. Heads that the recipe wants are trained first, on the database photos of both folds.
    """
    from reid_edge.errors import UsageError

    if bool(recipe) == bool(pack_name):
        raise UsageError("Name a recipe or a pack to compare.", "Give either --recipe or --pack.")
    if json_path and not json_path.absolute().parent.is_dir():
        raise UsageError(
            f"There is no folder {json_path.absolute().parent} for {json_path.name}.", "Make it, or name another file."
        )
    try:
        from reid_edge_benchmarks.parity.command import Request, few, measure_parity
    except ModuleNotFoundError as error:
        raise UsageError(
            f"bench parity needs {error.name}, which is not installed.", "pip install 'reid-edge[benchmarks]'"
        ) from error
    from reid_edge.pack import find_pack, open_pack
    from reid_edge_benchmarks.machine import machine_facts
    from reid_edge_benchmarks.parity.packs import exported_pack, with_trained_heads
    from reid_edge_benchmarks.results import tell
    from reid_edge_calibration.labels.labelled_set import of_the_same_species, read_labelled_sets
    from reid_edge_calibration.labels.request import LabelRequest

    sets = read_labelled_sets(metadata, LabelRequest(fold=fold, species=species), progress)
    fitting = of_the_same_species(read_labelled_sets(metadata, LabelRequest(fold=fit_fold, species=species), progress), sets)
    for note in (note for labelled in sets for note in labelled.notes):
        click.echo(f"note: {note}", err=True)
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        asked, fitted = (tuple(few(labelled, queries, database) for labelled in each) for each in (sets, fitting))
        if recipe:
            exported = exported_pack(recipe, folder, weights, accept_terms, random)
            pack = with_trained_heads(exported, recipe, (*fitted, *asked), folder, progress, seed, device, threads)
        else:
            pack = open_pack(find_pack(str(pack_name)), allow_random=random)
        figures = measure_parity(Request(asked, fitted, folder, weights, seed, device, threads), pack, progress)
    facts = {
        "kind": "parity",
        "pack": pack.sha256,
        "recipe": Path(recipe).stem if recipe else pack.manifest.name,
        "random": sorted(name for name, network in pack.manifest.networks.items() if network.weights == "random"),
        "fold": fold,
        "fit_fold": fit_fold,
        "seed": seed,
        "photos": {
            each.name: {"database": len(each.database), "queries": len(each.queries), "fitted on": len(own.queries)}
            for each, own in zip(asked, fitted, strict=True)
        },
    }
    tell(json_path, machine_facts(), {**facts, **figures})
