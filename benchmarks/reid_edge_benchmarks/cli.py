"""``reid-edge bench``: measure accuracy, trust, latency, scaling, parity, start-up, enrolment and embedders, and write the pages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reid_edge.cli.options import pack_option
from reid_edge.cli.progress import progress
from reid_edge.errors import UsageError
from reid_edge_benchmarks.bulk_work import bulk
from reid_edge_benchmarks.discovery.cli import discovery
from reid_edge_benchmarks.gpu.cli import gpu
from reid_edge_benchmarks.latency.cli import folder, latency, scaling, steps
from reid_edge_benchmarks.options import (
    AT_LEAST_ONE,
    PATH,
    Setup,
    fold_option,
    json_option,
    keep_option,
    numbers_option,
    photos_option,
    setup_options,
)
from reid_edge_benchmarks.parity.cli import parity
from reid_edge_benchmarks.reliability.cli import reliability
from reid_edge_benchmarks.report.cli import report
from reid_edge_benchmarks.results import ResultFile, kept_folder, refuse_missing_folders
from reid_edge_benchmarks.review.cli import review
from reid_edge_benchmarks.scale.catalogue import catalogue
from reid_edge_benchmarks.scale.cli import growth, scale_page
from reid_edge_benchmarks.season import season
from reid_edge_benchmarks.systems.cli import systems
from reid_edge_benchmarks.trust.cli import trust
from reid_edge_calibration.labels.options import label_options

if TYPE_CHECKING:
    from reid_edge_calibration.labels.labelled_set import LabelledSet
    from reid_edge_calibration.labels.request import LabelRequest

_metadata = click.argument("metadata", nargs=-1, required=True, type=PATH)


@click.group(short_help="Desktop: measure accuracy, latency and memory.")
def bench() -> None:
    """Measure accuracy, trust, latency, scaling, parity, start-up, enrolment and embedders.

    Each command can write its figures as JSON; `report` makes docs/benchmarks.md from these files.
    """


for command in (
    latency,
    gpu,
    scaling,
    folder,
    steps,
    parity,
    systems,
    report,
    reliability,
    review,
    season,
    trust,
    discovery,
    catalogue,
    growth,
    scale_page,
    bulk,
):
    bench.add_command(command)


@bench.command()
@_metadata
@label_options
@click.option(
    "--ablate", "fit_fold", default=None, help="Also measure what each stage contributes; fit each variant on this fold."
)
@click.option(
    "--masks", is_flag=True, help="With --ablate: begin without crop and mask. This computes all features again and is slow."
)
@click.option("--worst", type=click.IntRange(0), default=20, show_default=True, help="Number of worst mistakes to list.")
@click.option("--html", "html_path", type=PATH, help="Write figures, diagrams and pictures of the mistakes to this page.")
@setup_options(keep=keep_option("galleries and score tables", "continue from them"))
def accuracy(
    metadata: tuple[Path, ...],
    labels: LabelRequest,
    fit_fold: str | None,
    masks: bool,
    worst: int,
    html_path: Path | None,
    setup: Setup,
) -> None:
    """Measure how often the answers to labelled photos are right; each photo takes the runtime's whole way from file to decision.

    --ablate adds what each stage contributes; --html adds the worst mistakes as pictures, so that page holds photos.
    """
    from reid_edge.identify.identifier import Identifier
    from reid_edge.pack import find_pack, open_pack
    from reid_edge_benchmarks.accuracy.command import AccuracyRequest, measure_accuracy
    from reid_edge_calibration.labels.labelled_set import of_the_same_species, read_labelled_sets

    if masks and not fit_fold:
        raise UsageError("--masks is about the ablation.", "Add --ablate FOLD, or leave --masks out.")
    refuse_missing_folders(html_path)
    results = ResultFile(setup.json_path)
    identifier = Identifier(open_pack(find_pack(setup.pack_name)), setup.device, setup.threads)
    sets = read_labelled_sets(metadata, labels, progress)
    others = read_labelled_sets(metadata, replace(labels, fold=fit_fold), progress) if fit_fold else []
    fitting = of_the_same_species(others, sets) if fit_fold else []
    facts = {"kind": "accuracy", "pack": identifier.pack.sha256, "fold": labels.fold, "fit_fold": fit_fold}
    with kept_folder(setup.keep) as place:
        request = AccuracyRequest(tuple(sets), tuple(fitting), masks, worst, place, html_path)
        measure_accuracy(request, identifier, progress, lambda figures: results.save({**facts, **figures}))


@bench.command()
@click.option("--runs", type=AT_LEAST_ONE, default=5, show_default=True, help="Runs of each command.")
@json_option
@pack_option
def startup(runs: int, json_path: Path | None, pack_name: str) -> None:
    """Measure the seconds of `reid-edge --help`, the seconds to the first answer on the bundled samples, and the installed size."""
    from reid_edge_benchmarks.startup import make_sample_gallery, measure_startup

    results = ResultFile(json_path)
    with kept_folder(None) as place:
        measured = measure_startup(make_sample_gallery(place, pack_name), runs, pack_name, progress)
    click.echo(measured.as_text())
    results.save({"kind": "startup", **measured.as_json()})


@bench.command()
@numbers_option("--keypoints", default="512,1024", help_text="Keypoints of a photo at most; a row for each.")
@click.option("--size", type=AT_LEAST_ONE, default=512, show_default=True, help="Pixels of a photo's long side.")
@click.option("--candidates", type=AT_LEAST_ONE, default=50, show_default=True, help="Photos that a query is compared with.")
@click.option("--queries", type=click.IntRange(1, 12), default=5, show_default=True, help="Queries; the median is taken.")
@json_option
def matchers(keypoints: tuple[int, ...], size: int, candidates: int, queries: int, json_path: Path | None) -> None:
    """Measure the matchers that run on the host, AdaLAM and fginn: processor time of a query on one core.

    SIFT keypoints of the sample photos stand in for those of a network.
    """
    from reid_edge.markdown import markdown_table
    from reid_edge_benchmarks.host_matchers import measure_host_matchers

    results = ResultFile(json_path)
    rows = measure_host_matchers(keypoints, size, candidates, queries)
    cells = [(row["matcher"], f"{row['keypoints']:.0f}", f"{row['ms']:.0f}", str(row["matches"])) for row in rows]
    click.echo(markdown_table(("matcher", "keypoints found", "ms a query", "matches"), cells))
    results.save({"kind": "matchers", "candidates": candidates, "size": size, "queries": queries, "rows": rows})


@bench.command()
@photos_option(500, "Number of photos.")
@click.option("--every", type=AT_LEAST_ONE, default=100, show_default=True, help="Photos between two readings of memory.")
@click.option("--source", type=PATH, help="A folder of photos. [default: render sample animals]")
@setup_options(keep=keep_option("the rendered photos"))
def enrolment(photos: int, every: int, source: Path | None, setup: Setup) -> None:
    """Measure seconds and peak memory of enrolling photos into a new gallery, in a separate process."""
    from reid_edge_benchmarks.enrolment import measure_enrolment, photos_of
    from reid_edge_benchmarks.rendered_photos import render_photos

    results = ResultFile(setup.json_path)
    with kept_folder(setup.keep) as rendered, kept_folder(None) as place:
        paths = photos_of(source, photos) if source else render_photos(rendered, photos, progress)
        measured = measure_enrolment(paths, place / "gallery.sqlite", every, setup.pack_name, setup.device, setup.threads)
    click.echo(measured.as_text())
    results.save({"kind": "enrolment", "source": source.name if source else "rendered", **measured.as_json()})


@bench.command()
@_metadata
@fold_option
@click.option(
    "--onnx",
    multiple=True,
    metavar="NAME=FILE:SIZE:NORMALISATION",
    help="Also measure this network, such as mobilenet=mobilenet.onnx:224:imagenet. Other normalisations: unit, symmetric, bytes.",
)
@click.option(
    "--catalogue/--no-catalogue", default=True, show_default=True, help="Measure the embedders of the export catalogue."
)
@setup_options(keep=keep_option("the exported networks"))
def embedders(metadata: tuple[Path, ...], fold: str | None, onnx: tuple[str, ...], catalogue: bool, setup: Setup) -> None:
    """Measure embedders on the crops that the pack finds: R-1 and shortlist recall by cosine alone, size, and time on one thread."""
    from dataclasses import asdict

    from reid_edge.identify.identifier import Identifier
    from reid_edge.pack import find_pack, open_pack
    from reid_edge_benchmarks.embedders import embedder_table, measure_embedders
    from reid_edge_benchmarks.embedding_networks import catalogue_embedders, parse_embedder

    results, given = ResultFile(setup.json_path), [parse_embedder(text) for text in onnx]
    if not given and not catalogue:
        raise UsageError("There is no embedder to measure.", "Leave --no-catalogue out, or name a network with --onnx.")
    sets = [_labelled_set(path, fold) for path in metadata]
    identifier = Identifier(open_pack(find_pack(setup.pack_name)), setup.device, setup.threads)
    with kept_folder(setup.keep) as place:
        listed = catalogue_embedders(place, lambda line: click.echo(line, err=True)) if catalogue else []
        figures = measure_embedders([*listed, *given], sets, identifier, progress)
    click.echo(embedder_table(figures))
    results.save({"kind": "embedders", "fold": fold, "embedders": [asdict(each) for each in figures]})


def _labelled_set(metadata: Path, fold: str | None) -> LabelledSet:
    """The photos of a metadata.csv; they may be of several species, because nothing is calibrated on them."""
    from reid_edge.gallery.enrolment_list import read_source
    from reid_edge_calibration.labels.labelled_set import LabelledSet

    database, queries = (tuple(read_source(metadata, split=split, fold=fold)) for split in ("database", "query"))
    name = (metadata if metadata.is_dir() else metadata.parent).resolve().name
    return LabelledSet(name, fold or "all", database, queries, species="")
