"""``reid-edge bench trust``."""

from __future__ import annotations

from pathlib import Path

import click

from reid_edge.cli.progress import progress
from reid_edge_benchmarks.options import AT_LEAST_ONE, PATH, Setup, keep_option, setup_options
from reid_edge_benchmarks.results import ResultFile, kept_folder
from reid_edge_calibration.labels.options import label_options
from reid_edge_calibration.labels.request import LabelRequest


@click.command()
@click.argument("metadata", nargs=-1, required=True, type=PATH)
@label_options
@click.option("--queries", type=AT_LEAST_ONE, default=None, help="Number of queries of each set, taken evenly. [default: all]")
@click.option("--copies", type=AT_LEAST_ONE, default=110, show_default=True, help="Number of near-copies that join the gallery.")
@setup_options(keep=keep_option("galleries and near-copies", "continue from them"))
def trust(metadata: tuple[Path, ...], labels: LabelRequest, queries: int | None, copies: int, setup: Setup) -> None:
    """Count how often answers to labelled photos keep the laws that every answer keeps.

    More photos of one individual, scores that were not computed, one animal under two names, individuals that are far from the query, order
    and names, very small galleries, and growth: each query is asked again and again in galleries that differ in that alone.
    """
    from reid_edge.identify.identifier import Identifier
    from reid_edge.pack import find_pack, open_pack
    from reid_edge_benchmarks.accuracy.command import distinct
    from reid_edge_benchmarks.trust.command import TrustRequest, measure_trust
    from reid_edge_calibration.labels.labelled_set import read_labelled_sets

    results = ResultFile(setup.json_path)
    identifier = Identifier(open_pack(find_pack(setup.pack_name)), setup.device, setup.threads)
    # Each source is a set of its own, also where two are of one species.
    sets = distinct([labelled for path in metadata for labelled in read_labelled_sets((path,), labels, progress)])
    facts = {"kind": "trust", "pack": identifier.pack.sha256, "fold": labels.fold}
    with kept_folder(setup.keep) as folder:
        request = TrustRequest(tuple(sets), queries, copies, folder)
        measure_trust(request, identifier, progress, lambda figures: results.save({**facts, **figures}))
