"""``reid-edge bench latency``, ``scaling``, ``folder`` and ``steps``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reid_edge.cli.options import DEFAULT_PACK, pack_option
from reid_edge.cli.progress import progress
from reid_edge.errors import UsageError
from reid_edge_benchmarks.options import (
    AT_LEAST_ONE,
    PATH,
    Setup,
    choices_option,
    fold_option,
    json_option,
    keep_option,
    needs_extra,
    numbers_option,
    photos_option,
    prepare_option,
    rounds_option,
    setup_options,
)

if TYPE_CHECKING:
    from reid_edge.identify.identifier import Identifier

_metadata = click.argument("metadata", nargs=-1, type=PATH)
_keep = keep_option("galleries and rendered photos")
_plots = click.option("--plots", type=click.Path(path_type=Path, file_okay=False), help="Write plots (PNG) to this folder.")


@click.command()
@_metadata
@fold_option
@click.option("--recipe", default=None, help="A recipe instead of a pack: a name or a TOML file; it is exported first.")
@click.option("--weights", type=PATH, help="With --recipe: take weights from this folder.")
@click.option("--accept-terms", is_flag=True, help="You agree to the terms of the recipe's weights.")
@choices_option(
    "--against",
    ("torch", "wildfusion"),
    "Also measure the same work in PyTorch, and the common reference pipeline in PyTorch; all answer each photo in turn.",
)
@numbers_option("--galleries", default="100,1000,10000,100000", help_text="Sizes of the galleries, in photos.")
@click.option(
    "--against-up-to", type=AT_LEAST_ONE, default=1000, show_default=True, help="Largest gallery that --against is measured on."
)
@numbers_option("--batches", default="1,8,32", help_text="Photos per call.")
@photos_option(16)
@rounds_option(2)
@click.option(
    "--wildfusion-calls", type=AT_LEAST_ONE, default=5, show_default=True, help="Photos that the common pipeline answers."
)
@click.option(
    "--cold", type=click.IntRange(0), default=3, show_default=True, help="Starts of a process, per gallery and per side."
)
@prepare_option
@_plots
@setup_options(keep=_keep)
def latency(
    metadata: tuple[Path, ...],
    fold: str | None,
    recipe: str | None,
    weights: Path | None,
    accept_terms: bool,
    against: tuple[str, ...],
    galleries: tuple[int, ...],
    against_up_to: int,
    batches: tuple[int, ...],
    photos: int,
    rounds: int,
    wildfusion_calls: int,
    cold: int,
    prepare: bool,
    plots: Path | None,
    setup: Setup,
) -> None:
    """Measure how long an answer takes, from file to decision: warm, cold, by stage, by gallery size, and beside PyTorch.

    METADATA are labelled photos (AnimalCLEF columns); without any, sample animals are rendered. Each side (reid-edge, PyTorch, the common
    pipeline) runs in its own process, and all answer each photo in turn. A ratio is printed only if it is larger than the noise.
    """
    if recipe and setup.pack_name != DEFAULT_PACK:
        raise UsageError("A pack and a recipe exclude each other.", "Give either --recipe or --pack.")
    _check_prepare(prepare, setup.keep)
    if against and setup.device not in ("auto", "cpu"):
        raise UsageError("--against runs on the processor, so reid-edge must run there as well.", "Add --device cpu.")
    _check_plots(plots)
    with needs_extra("bench latency"):
        from reid_edge_benchmarks.latency.command import MOST_ENROLLED, choose_photos, measure_latency
        from reid_edge_benchmarks.latency.galleries import open_identifier
        from reid_edge_benchmarks.latency.measuring import Plan
        from reid_edge_benchmarks.latency.plain import is_calibrated
        from reid_edge_benchmarks.latency.plots import plot_latency
        from reid_edge_benchmarks.latency.tables import latency_text
        from reid_edge_benchmarks.results import ResultFile, kept_folder

        if against:
            import torch  # noqa: F401  (a missing library is reported before any photo is enrolled)
    results = ResultFile(setup.json_path)
    with kept_folder(setup.keep) as folder:
        if recipe:
            from reid_edge_benchmarks.parity.packs import exported_pack

            exported_pack(recipe, folder, weights, accept_terms, random=False)
            setup = replace(setup, pack_name=str(folder / f"pack-{Path(recipe).stem}"))
        device = "cpu" if against and setup.device == "auto" else setup.device
        chosen = choose_photos(metadata, fold, min(MOST_ENROLLED, max(galleries)), photos, folder, progress)
        identifier = open_identifier(setup.pack_name, device, setup.threads)
        if not is_calibrated(identifier):
            click.echo("note: the pack is not calibrated, so it is measured up to the scores, without a decision.", err=True)
        plan = Plan(
            setup.pack_name,
            device,
            setup.threads,
            chosen.queries,
            rounds,
            against,
            against_up_to,
            wildfusion_calls,
            batches,
            max((size for size in galleries if size <= against_up_to), default=galleries[0]),
            cold,
        )
        figures = measure_latency(plan, galleries, chosen, identifier, folder, progress, prepare)
        if figures is None:
            click.echo(f"The galleries are in {folder}.", err=True)
            return
        click.echo(latency_text(figures))
        results.save({"kind": "latency", "pack": _pack(identifier), **figures})
        if plots:
            _report_written(plot_latency(figures, plots))


@click.command()
@_metadata
@fold_option
@numbers_option("--galleries", default="100,1000,10000,100000", help_text="Sizes of the galleries that are searched.")
@numbers_option("--candidates", "shortlists", default="10,25,50,100,200", help_text="Lengths of the shortlist.")
@choices_option("--against", ("torch",), "Also measure LightGlue in PyTorch.")
@photos_option(4)
@rounds_option(1)
@prepare_option
@_plots
@setup_options(keep=_keep)
def scaling(
    metadata: tuple[Path, ...],
    fold: str | None,
    galleries: tuple[int, ...],
    shortlists: tuple[int, ...],
    against: tuple[str, ...],
    photos: int,
    rounds: int,
    prepare: bool,
    plots: Path | None,
    setup: Setup,
) -> None:
    """Measure how the cost of an answer grows with the gallery and the shortlist.

    Three parts: the search in galleries of vectors like those of the enrolled photos, exact and with usearch if it is installed; whole
    answers with longer shortlists; the pairs per second that LightGlue matches.
    """
    _check_prepare(prepare, setup.keep)
    _check_plots(plots)
    with needs_extra("bench scaling"):
        from reid_edge_benchmarks.latency.command import MOST_ENROLLED, choose_photos
        from reid_edge_benchmarks.latency.galleries import open_identifier
        from reid_edge_benchmarks.latency.plots import plot_scaling
        from reid_edge_benchmarks.latency.scaling import measure_scaling, prepare_scaling, scaling_text
        from reid_edge_benchmarks.results import ResultFile, kept_folder
    results = ResultFile(setup.json_path)
    with kept_folder(setup.keep) as folder:
        chosen = choose_photos(metadata, fold, min(MOST_ENROLLED, max(galleries)), photos, folder, progress)
        identifier = open_identifier(setup.pack_name, setup.device, setup.threads)
        if prepare:
            prepare_scaling(galleries, chosen, identifier, folder, progress)
            return
        figures = measure_scaling(galleries, shortlists, chosen, identifier, folder, rounds, bool(against), progress)
        click.echo(scaling_text(figures))
        results.save({"kind": "scaling", "pack": _pack(identifier), **figures})
        if plots:
            _report_written(plot_scaling(figures, plots))


@click.command()
@_metadata
@fold_option
@photos_option(200, "Number of queries.", least=4)
@click.option("--gallery", "size", type=AT_LEAST_ONE, default=1000, show_default=True, help="Number of enrolled photos.")
@setup_options(keep=_keep)
def folder(metadata: tuple[Path, ...], fold: str | None, photos: int, size: int, setup: Setup) -> None:
    """Measure the throughput of `reid-edge identify FOLDER` and of the same photos one at a time, and how busy the cores are."""
    with needs_extra("bench folder"):
        from reid_edge_benchmarks.latency.command import choose_photos
        from reid_edge_benchmarks.latency.contestant import Ask
        from reid_edge_benchmarks.latency.folder import folder_text, measure_folder
        from reid_edge_benchmarks.latency.galleries import enrol_photos, open_identifier
        from reid_edge_benchmarks.results import ResultFile, kept_folder
    results = ResultFile(setup.json_path)
    with kept_folder(setup.keep) as kept, kept_folder(None) as temporary:
        chosen = choose_photos(metadata, fold, size, photos, kept, progress)
        identifier = open_identifier(setup.pack_name, setup.device, setup.threads)
        gallery = enrol_photos(kept, chosen.database, identifier, progress)
        ask = Ask("runtime", gallery, setup.pack_name, setup.device, setup.threads)
        figures = measure_folder(ask, chosen.queries, temporary, progress)
    click.echo(folder_text(figures))
    facts = {"kind": "folder", "pack": _pack(identifier), "photos of": chosen.what, "gallery": len(chosen.database)}
    results.save({**facts, **figures})


@click.command()
@click.argument("metadata", type=PATH)
@fold_option
@click.option(
    "--step",
    "texts",
    multiple=True,
    required=True,
    metavar="NAME[:runtime=FOLDER,pack=PACK,threads=N,early_exit=off]",
    help="A version of the runtime, the oldest first: the folder runtime of another checkout, another pack, another number of threads.",
)
@photos_option(16)
@rounds_option(2)
@prepare_option
@_keep
@json_option
@pack_option
@click.option("--device", default="cpu", show_default=True, help="What runs the networks.")
def steps(
    metadata: Path,
    fold: str | None,
    texts: tuple[str, ...],
    photos: int,
    rounds: int,
    prepare: bool,
    keep: Path | None,
    json_path: Path | None,
    pack_name: str,
    device: str,
) -> None:
    """Measure what each step towards a faster runtime gains: several versions of it answer each photo in turn, one row each."""
    with needs_extra("bench steps"):
        from reid_edge_benchmarks.latency.command import choose_photos
        from reid_edge_benchmarks.latency.steps import enrol_steps, measure_steps, parse_step, steps_text
        from reid_edge_benchmarks.results import ResultFile, kept_folder
    results, listed = ResultFile(json_path), [parse_step(text, pack_name) for text in texts]
    with kept_folder(keep) as kept:
        galleries = enrol_steps(listed, metadata, fold, device, kept, progress)
        if prepare:
            return
        chosen = choose_photos((metadata,), fold, 1, photos, kept, progress)
        rows = measure_steps(listed, galleries, chosen.queries, rounds, device, progress)
    click.echo(steps_text(rows))
    results.save({"kind": "steps", "photos of": chosen.what, "queries": len(chosen.queries), "steps": rows})


def _pack(identifier: Identifier) -> dict[str, str]:
    manifest = identifier.pack.manifest
    return {"name": manifest.name, "version": manifest.version, "sha256": identifier.pack.sha256}


def _check_prepare(prepare: bool, keep: Path | None) -> None:
    if prepare and not keep:
        raise UsageError("--prepare makes galleries for a later run.", "Add --keep FOLDER.")


def _check_plots(plots: Path | None) -> None:
    """Create the folder, and report a missing matplotlib before hours of measuring."""
    if plots:
        from reid_edge_benchmarks.latency.plots import need_matplotlib

        need_matplotlib()
        plots.mkdir(parents=True, exist_ok=True)


def _report_written(files: Iterable[Path]) -> None:
    for file in files:
        click.echo(f"Wrote {file}.", err=True)
