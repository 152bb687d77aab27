"""``reid-edge bench discovery``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from reid_edge.cli.progress import progress
from reid_edge.errors import UsageError
from reid_edge_benchmarks.options import PATH, Setup, keep_option, setup_options
from reid_edge_benchmarks.results import ResultFile, kept_folder
from reid_edge_calibration.labels.options import label_options
from reid_edge_calibration.labels.request import LabelRequest


@click.command()
@click.argument("metadata", nargs=-1, required=True, type=PATH)
@label_options
@click.option("--fit-fold", default=None, help="Fit the model on this fold first. [default: the model that is installed]")
@click.option("--fit", "model_path", type=PATH, help="With --fit-fold: write the fitted model to this file.")
@click.option("--methods", is_flag=True, help="With --fit-fold: try other ways to make groups of the same pairs, on that fold.")
@setup_options(keep=keep_option("described and compared photos", "continue from them"))
def discovery(
    metadata: tuple[Path, ...],
    labels: LabelRequest,
    fit_fold: str | None,
    model_path: Path | None,
    methods: bool,
    setup: Setup,
) -> None:
    """Measure how well labelled photos are grouped by individual when nobody, half or all of the individuals are known.

    All photos of the fold are grouped, database and queries alike.
    """
    from reid_edge.identify.identifier import Identifier
    from reid_edge.pack import find_pack, open_pack
    from reid_edge_benchmarks.accuracy.command import distinct
    from reid_edge_benchmarks.discovery.command import DiscoveryRequest, measure_discovery
    from reid_edge_calibration.labels.labelled_set import read_labelled_sets

    if (model_path or methods) and not fit_fold:
        raise UsageError(
            f"{'--fit' if model_path else '--methods'} needs photos to fit on.", "Add --fit-fold, such as: --fit-fold calibrate."
        )
    results = ResultFile(setup.json_path)
    identifier = Identifier(open_pack(find_pack(setup.pack_name)), setup.device, setup.threads)
    kept = replace(labels, drop_leaks=False)  # photos of one encounter are grouped, too
    sets, fit_sets = (
        distinct([each for path in metadata for each in read_labelled_sets((path,), replace(kept, fold=fold), progress)])
        if fold or fold == labels.fold
        else []
        for fold in (labels.fold, fit_fold)
    )
    facts = {"kind": "discovery", "pack": identifier.pack.sha256, "fold": labels.fold, "fit_fold": fit_fold}
    with kept_folder(setup.keep) as folder:
        request = DiscoveryRequest(tuple(sets), tuple(fit_sets), model_path, folder, methods)
        measure_discovery(request, identifier, progress, lambda figures: results.save({**facts, **figures}))
