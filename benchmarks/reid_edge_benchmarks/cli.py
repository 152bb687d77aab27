"""``reid-edge bench``: measure accuracy, latency, start-up, enrolment and embedders."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reid_edge.cli.options import device_options, pack_option
from reid_edge.cli.progress import progress
from reid_edge_benchmarks.machine import describe_machine, machine_facts
from reid_edge_benchmarks.parity.cli import parity
from reid_edge_calibration.labels.options import label_options

if TYPE_CHECKING:
    from reid_edge.session import Session
    from reid_edge_benchmarks.torch_reference import TorchReference
    from reid_edge_calibration.labels.labelled_set import LabelledSet
    from reid_edge_calibration.labels.request import LabelRequest


@click.group(short_help="Desktop: measure accuracy, latency and memory.")
def bench() -> None:
    """Measure accuracy, latency, start-up, enrolment and embedders. Tables are Markdown, ready to be pasted."""


bench.add_command(parity)


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
    from reid_edge.identification import Identifier
    from reid_edge.pack import find_pack, open_pack
    from reid_edge_benchmarks.accuracy.command import Request, measure_accuracy
    from reid_edge_calibration.labels.labelled_set import of_the_same_species, read_labelled_sets

    if masks and not fit_fold:
        raise UsageError("--masks is about the ablation.", "Add --ablate FOLD, or leave --masks out.")
    _refuse_missing_folders(json_path, html_path)
    machine = machine_facts()
    identifier = Identifier(open_pack(find_pack(pack_name)), device, threads)
    sets = read_labelled_sets(metadata, labels, progress)
    others = read_labelled_sets(metadata, replace(labels, fold=fit_fold), progress) if fit_fold else []
    fitting = of_the_same_species(others, sets) if fit_fold else []
    with _folder(keep) as folder:
        request = Request(tuple(sets), tuple(fitting), masks, worst, folder, html_path)
        settings = {"pack": identifier.pack.sha256, "fold": labels.fold, "fit_fold": fit_fold}
        measure_accuracy(request, identifier, progress, lambda figures: _report(json_path, machine, {**settings, **figures}))


@bench.command()
@click.argument("metadata", type=click.Path(path_type=Path))
@click.option("--fold", default=None, help="Photos of this fold, where the metadata.csv has a column fold.")
@click.option("--photos", type=click.IntRange(1), default=20, show_default=True, help="Queries to measure, taken evenly.")
@click.option("--against", type=click.Choice(["torch"]), help="Also the same work in PyTorch, photo by photo in turns.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the gallery in this folder and continue from it.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write all figures to this file.")
@pack_option
@device_options
def latency(
    metadata: Path,
    fold: str | None,
    photos: int,
    against: str | None,
    keep: Path | None,
    json_path: Path | None,
    pack_name: str,
    device: str,
    threads: int | None,
) -> None:
    """Milliseconds of a warm runtime from file to decision, by stage, on labelled photos (AnimalCLEF columns)."""
    from reid_edge.enrolment import enrol
    from reid_edge.gallery import Gallery
    from reid_edge.identification import Identifier
    from reid_edge.pack import find_pack, open_pack
    from reid_edge.session import Session
    from reid_edge_benchmarks.latency import measure_latency

    machine, load_reference = machine_facts(), _torch_reference() if against else None
    identifier = Identifier(open_pack(find_pack(pack_name)), device, threads)
    labelled = _labelled_set(metadata, fold)
    with _folder(keep) as folder, Gallery.open_or_create(folder / f"{labelled.stem(identifier)}.sqlite") as gallery:
        enrol(gallery, identifier, progress(labelled.database, f"Enrolling {labelled.name}"))
        measured = measure_latency(Session(gallery, identifier), labelled.queries, photos, progress, load_reference)
    click.echo(measured.as_text())
    settings = {"gallery": len(labelled.database), "threads": identifier.networks.device.threads, "pack": identifier.pack.sha256}
    _report(json_path, machine, {**settings, **measured.as_json()})


@bench.command()
@click.option("--runs", type=click.IntRange(1), default=5, show_default=True, help="Of each command.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write all figures to this file.")
@pack_option
def startup(runs: int, json_path: Path | None, pack_name: str) -> None:
    """Seconds of `reid-edge --help` and from process start to first answer, and the installed size, on the bundled samples."""
    from reid_edge_benchmarks.startup import make_sample_gallery, measure_startup

    machine = machine_facts()
    with _folder(None) as folder:
        measured = measure_startup(make_sample_gallery(folder, pack_name), runs, pack_name, progress)
    click.echo(measured.as_text())
    _report(json_path, machine, measured.as_json())


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
    with _folder(keep) as rendered, _folder(None) as folder:
        paths = photos_of(source, photos) if source else render_photos(rendered, photos, progress)
        measured = measure_enrolment(paths, folder / "gallery.sqlite", every, pack_name, device, threads)
    click.echo(measured.as_text())
    _report(json_path, machine, {"source": source.name if source else "rendered", **measured.as_json()})


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
    from reid_edge.identification import Identifier
    from reid_edge.pack import find_pack, open_pack
    from reid_edge_benchmarks.embedders import embedder_table, measure_embedders
    from reid_edge_benchmarks.embedding_networks import catalogue_embedders, parse_embedder

    machine, given = machine_facts(), [parse_embedder(text) for text in onnx]
    if not given and not catalogue:
        raise UsageError("There is no embedder to measure.", "Leave --no-catalogue out, or name a network with --onnx.")
    sets = [_labelled_set(path, fold) for path in metadata]
    identifier = Identifier(open_pack(find_pack(pack_name)), device, threads)
    with _folder(keep) as folder:
        listed = catalogue_embedders(folder, lambda line: click.echo(line, err=True)) if catalogue else []
        figures = measure_embedders([*listed, *given], sets, identifier, progress)
    click.echo(embedder_table(figures))
    _report(json_path, machine, {"fold": fold, "embedders": [asdict(each) for each in figures]})


def _labelled_set(metadata: Path, fold: str | None) -> LabelledSet:
    """The photos of a metadata.csv, also of several species, which no calibration is fitted on here."""
    from reid_edge.gallery.sources import read_source
    from reid_edge_calibration.labels.labelled_set import LabelledSet

    database, queries = (tuple(read_source(metadata, split=split, fold=fold)) for split in ("database", "query"))
    name = (metadata if metadata.is_dir() else metadata.parent).resolve().name
    return LabelledSet(name, fold or "all", database, queries, species="")


def _torch_reference() -> Callable[[Session], TorchReference]:
    """The reference, or how to install what it needs, before any photo is enrolled."""
    from reid_edge.errors import UsageError

    try:
        from reid_edge_benchmarks.torch_reference import TorchReference
    except ModuleNotFoundError as error:
        raise UsageError(
            f"--against torch needs {error.name}, which is not installed.", "pip install 'reid-edge[benchmarks]'"
        ) from error
    return TorchReference


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """The folder to keep things in, made where it is missing; a temporary one for None."""
    if keep is None:
        with tempfile.TemporaryDirectory() as temporary:
            yield Path(temporary)
    else:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep


def _refuse_missing_folders(*files: Path | None) -> None:
    """A file that cannot be written is known before the hours of measuring, not after."""
    from reid_edge.errors import UsageError

    for file in files:
        if file and not file.absolute().parent.is_dir():
            raise UsageError(f"There is no folder {file.absolute().parent} for {file.name}.", "Make it, or name another file.")


def _report(json_path: Path | None, machine: dict[str, object], figures: dict[str, Any]) -> None:
    """Say what the figures were measured on, and write both to a file where one was asked for."""
    click.echo(f"\nMeasured on {describe_machine(machine)}.")
    if json_path:
        json_path.write_text(json.dumps({"machine": machine, **figures}, indent=1) + "\n", encoding="utf-8")
