"""``reid-edge bench parity``."""

from __future__ import annotations

import click

from reid_edge.cli.progress import progress
from reid_edge_benchmarks.options import AT_LEAST_ONE, SystemOptions, needs_extra, system_options


@click.command()
@system_options()
@click.option(
    "--queries", type=AT_LEAST_ONE, help="Number of queries of each set, taken from all individuals in turn. [default: all]"
)
@click.option(
    "--database", type=AT_LEAST_ONE, help="Number of database photos of each set, taken in the same way. [default: all]"
)
@click.option(
    "--random",
    is_flag=True,
    help="Use random weights where a recipe's are not available, and accept packs with random weights. The answers mean nothing then.",
)
def parity(system: SystemOptions, queries: int | None, database: int | None, random: bool) -> None:
    """Compare the runtime with the same system in PyTorch, stage by stage and end to end, on labelled photos.

    The PyTorch system follows the recipe with the libraries timm, kornia, scikit-learn, SciPy and OpenCV. Each of the two systems is
    calibrated on its own scores on the fit fold. The heads of a recipe are trained first, on the database photos of both folds.
    """
    system.check()
    with needs_extra("bench parity"):
        from reid_edge_benchmarks.parity.command import ParityRequest, few, measure_parity
        from reid_edge_benchmarks.results import ResultFile, kept_folder
    results = ResultFile(system.json_path)
    sets, fitting = system.labelled_sets()
    for note in (note for labelled in sets for note in labelled.notes):
        click.echo(f"note: {note}", err=True)
    asked, fitted = (tuple(few(labelled, queries, database) for labelled in each) for each in (sets, fitting))
    with kept_folder(system.keep) as folder:
        pack = system.open_pack((*fitted, *asked), folder, random)
        request = ParityRequest(asked, fitted, folder, system.weights, system.seed, system.device, system.threads)
        figures = measure_parity(request, pack, progress)
    facts = {
        "kind": "parity",
        **system.as_json(pack),
        "random": sorted(name for name, network in pack.manifest.networks.items() if network.weights == "random"),
        "photos": {
            each.name: {"database": len(each.database), "queries": len(each.queries), "fitted on": len(fit.queries)}
            for each, fit in zip(asked, fitted, strict=True)
        },
    }
    results.save({**facts, **figures})
