"""``reid-edge bench``: measure accuracy, latency, scaling, parity, start-up, enrolment and embedders, and write the page of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reid_edge.cli.options import device_options, pack_option
from reid_edge.cli.progress import progress
from reid_edge_benchmarks.latency.cli import folder, latency, scaling, steps
from reid_edge_benchmarks.machine import machine_facts
from reid_edge_benchmarks.parity.cli import parity
from reid_edge_benchmarks.reliability.cli import reliability
from reid_edge_benchmarks.report.cli import report
from reid_edge_benchmarks.results import kept_folder, refuse_missing_folders, tell
from reid_edge_benchmarks.systems.cli import systems
from reid_edge_calibration.labels.options import label_options

if TYPE_CHECKING:
    from reid_edge_calibration.labels.labelled_set import LabelledSet
    from reid_edge_calibration.labels.request import LabelRequest


@click.group(short_help="Desktop: measure accuracy, latency and memory.")
def bench() -> None:
    """Measure accuracy, latency, scaling, parity, start-up, enrolment and embedders; `report` makes docs/benchmarks.md of their JSON."""


for command in (latency, scaling, folder, steps, parity, systems, report, reliability):
    bench.add_command(command)


@bench.command()
@click.argument("metadata", nargs=-1, required=True, type=click.Path(path_type=Path))
@label_options
@click.option("--ablate", "fit_fold", default=None, help="Also say what each stage contributes; fit each variant on this fold.")
@click.option("--masks", is_flag=True, help="With --ablate: begin without crop and mask (all features anew: slow).")
@click.option("--worst", type=click.IntRange(0), default=20, show_default=True, help="List so many of the worst mistakes.")
@click.option(
    "--keep", type=click.Path(path_type=Path), help="Keep galleries and score tables in this folder and continue from them."
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write all figures to this file.")
@click.option(
    "--html",
    "html_path",
    type=click.Path(path_type=Path),
    help="Write figures, diagrams and pictures of the mistakes to this page.",
)
@pack_option
@device_options
def accuracy(
    metadata: tuple[Path, ...],
    labels: LabelRequest,
    fit_fold: str | None,
    masks: bool,
    worst: int,
    keep: Path | None,
    json_path: Path | None,
    html_path: Path | None,
    pack_name: str,
    device: str,
    threads: int | None,
) -> None:
    """How often the answers to labelled photos are right, by the runtime's own way from file to decision.

    With --ablate also what each stage contributes; with --html the worst mistakes as pictures: that page holds photos.
    """
    from reid_edge.errors import UsageError
    from reid_edge.identify.identifier import Identifier
    from reid_edge.pack import find_pack, open_pack
    from reid_edge_benchmarks.accuracy.command import Request, measure_accuracy
    from reid_edge_calibration.labels.labelled_set import of_the_same_species, read_labelled_sets

    if masks and not fit_fold:
        raise UsageError("--masks is about the ablation.", "Add --ablate FOLD, or leave --masks out.")
    refuse_missing_folders(json_path, html_path)
    machine = machine_facts()
    identifier = Identifier(open_pack(find_pack(pack_name)), device, threads)
    sets = read_labelled_sets(metadata, labels, progress)
    others = read_labelled_sets(metadata, replace(labels, fold=fit_fold), progress) if fit_fold else []
    fitting = of_the_same_species(others, sets) if fit_fold else []
    with kept_folder(keep) as place:
        request = Request(tuple(sets), tuple(fitting), masks, worst, place, html_path)
        settings = {"pack": identifier.pack.sha256, "fold": labels.fold, "fit_fold": fit_fold}
        measure_accuracy(
            request, identifier, progress, lambda figures: tell(json_path, machine, {"kind": "accuracy", **settings, **figures})
        )


@bench.command()
@click.option("--runs", type=click.IntRange(1), default=5, show_default=True, help="Of each command.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write all figures to this file.")
@pack_option
def startup(runs: int, json_path: Path | None, pack_name: str) -> None:
    """Seconds of `reid-edge --help` and from process start to first answer, and the installed size, on the bundled samples."""
    from reid_edge_benchmarks.startup import make_sample_gallery, measure_startup

    machine = machine_facts()
    with kept_folder(None) as place:
        measured = measure_startup(make_sample_gallery(place, pack_name), runs, pack_name, progress)
    click.echo(measured.as_text())
    tell(json_path, machine, {"kind": "startup", **measured.as_json()})


@bench.command()
@click.option("--photos", type=click.IntRange(1), default=500, show_default=True, help="How many.")
@click.option("--every", type=click.IntRange(1), default=100, show_default=True, help="Photos between two readings of memory.")
@click.option("--source", type=click.Path(path_type=Path), help="Photos of this folder. [default: sample animals are rendered]")
@click.option(
    "--keep", type=click.Path(path_type=Path), help="Keep the rendered photos in this folder and use those that are there."
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write all figures to this file.")
@pack_option
@device_options
def enrolment(
    photos: int,
    every: int,
    source: Path | None,
    keep: Path | None,
    json_path: Path | None,
    pack_name: str,
    device: str,
    threads: int | None,
) -> None:
    """Seconds and peak memory of enrolling photos into a new gallery, in a process of its own."""
    from reid_edge_benchmarks.enrolment import measure_enrolment, photos_of
    from reid_edge_benchmarks.rendered_photos import render_photos

    machine = machine_facts()
    with kept_folder(keep) as rendered, kept_folder(None) as place:
        paths = photos_of(source, photos) if source else render_photos(rendered, photos, progress)
        measured = measure_enrolment(paths, place / "gallery.sqlite", every, pack_name, device, threads)
    click.echo(measured.as_text())
    tell(json_path, machine, {"kind": "enrolment", "source": source.name if source else "rendered", **measured.as_json()})


@bench.command()
@click.argument("metadata", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--fold", default=None, help="Photos of this fold, where the metadata.csv has a column fold.")
@click.option(
    "--onnx",
    multiple=True,
    metavar="NAME=FILE:SIZE:NORMALISATION",
    help="Also this network, such as mobilenet=mobilenet.onnx:224:imagenet; or unit, symmetric, bytes.",
)
@click.option("--catalogue/--no-catalogue", default=True, show_default=True, help="The embedders of the export catalogue.")
@click.option(
    "--keep", type=click.Path(path_type=Path), help="Keep the exported networks in this folder and use those that are there."
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write all figures to this file.")
@pack_option
@device_options
def embedders(
    metadata: tuple[Path, ...],
    fold: str | None,
    onnx: tuple[str, ...],
    catalogue: bool,
    keep: Path | None,
    json_path: Path | None,
    pack_name: str,
    device: str,
    threads: int | None,
) -> None:
    """R-1 and shortlist recall by cosine alone, size and one-thread milliseconds of embedders, on the crops that the pack finds."""
    from dataclasses import asdict

    from reid_edge.errors import UsageError
    from reid_edge.identify.identifier import Identifier
    from reid_edge.pack import find_pack, open_pack
    from reid_edge_benchmarks.embedders import embedder_table, measure_embedders
    from reid_edge_benchmarks.embedding_networks import catalogue_embedders, parse_embedder

    machine, given = machine_facts(), [parse_embedder(text) for text in onnx]
    if not given and not catalogue:
        raise UsageError("There is no embedder to measure.", "Leave --no-catalogue out, or name a network with --onnx.")
    sets = [_labelled_set(path, fold) for path in metadata]
    identifier = Identifier(open_pack(find_pack(pack_name)), device, threads)
    with kept_folder(keep) as place:
        listed = catalogue_embedders(place, lambda line: click.echo(line, err=True)) if catalogue else []
        figures = measure_embedders([*listed, *given], sets, identifier, progress)
    click.echo(embedder_table(figures))
    tell(json_path, machine, {"kind": "embedders", "fold": fold, "embedders": [asdict(each) for each in figures]})


def _labelled_set(metadata: Path, fold: str | None) -> LabelledSet:
    """The photos of a metadata.csv, also of several species, which no calibration is fitted on here."""
    from reid_edge.gallery.enrolment_list import read_source
    from reid_edge_calibration.labels.labelled_set import LabelledSet

    database, queries = (tuple(read_source(metadata, split=split, fold=fold)) for split in ("database", "query"))
    name = (metadata if metadata.is_dir() else metadata.parent).resolve().name
    return LabelledSet(name, fold or "all", database, queries, species="")
