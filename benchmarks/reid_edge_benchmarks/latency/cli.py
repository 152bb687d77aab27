"""``reid-edge bench latency``, ``scaling``, ``folder`` and ``steps``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reid_edge.cli.options import DEFAULT_PACK, device_options, pack_option
from reid_edge.cli.progress import progress

if TYPE_CHECKING:
    from reid_edge.identify.identifier import Identifier

_AGAINST = ("torch", "wildfusion")


def _parts(choices: tuple[str, ...]) -> Callable[[click.Context, click.Parameter, str | None], tuple[str, ...]]:
    def split(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
        parts = tuple(part.strip() for part in value.split(",")) if value else ()
        for part in parts:
            if part not in choices:
                raise click.BadParameter(f"{part!r} is none of {', '.join(choices)}.")
        return parts

    return split


def _numbers(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    try:
        numbers = tuple(sorted({int(part) for part in value.split(",")}))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no list of numbers, such as 100,1000.") from error
    if numbers[0] < 1:
        raise click.BadParameter("The numbers are 1 or more.")
    return numbers


_metadata = click.argument("metadata", nargs=-1, type=click.Path(path_type=Path))
_fold = click.option("--fold", default=None, help="Photos of this fold, where the metadata.csv has a column fold.")
_keep = click.option(
    "--keep",
    type=click.Path(path_type=Path),
    help="Keep galleries and rendered photos in this folder and use those that are there.",
)
_json = click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write all figures to this file.")
_plots = click.option("--plots", type=click.Path(path_type=Path, file_okay=False), help="Write plots (PNG) to this folder.")


@click.command()
@_metadata
@_fold
@click.option("--recipe", default=None, help="In place of a pack a recipe, a name or a TOML file; it is exported first.")
@click.option("--weights", type=click.Path(path_type=Path), help="With --recipe: a folder with weights of networks.")
@click.option("--accept-terms", is_flag=True, help="You agree to the terms of the weights of the recipe.")
@click.option(
    "--against",
    callback=_parts(_AGAINST),
    metavar="torch,wildfusion",
    help="Also the same work in PyTorch, and the common reference pipeline in PyTorch, photo by photo in turns.",
)
@click.option(
    "--galleries",
    callback=_numbers,
    default="100,1000,10000,100000",
    show_default=True,
    help="Sizes of the galleries, in photos.",
)
@click.option(
    "--against-up-to", type=click.IntRange(1), default=1000, show_default=True, help="The largest gallery of the others."
)
@click.option("--batches", callback=_numbers, default="1,8,32", show_default=True, help="Photos asked for in one call.")
@click.option("--photos", type=click.IntRange(1), default=16, show_default=True, help="Queries to measure, taken evenly.")
@click.option("--rounds", type=click.IntRange(1), default=2, show_default=True, help="How often each photo is answered.")
@click.option(
    "--wildfusion-calls", type=click.IntRange(1), default=5, show_default=True, help="Photos that the common pipeline answers."
)
@click.option("--cold", type=click.IntRange(0), default=3, show_default=True, help="Starts of a process per gallery and side.")
@click.option("--prepare", is_flag=True, help="Only make the galleries in the folder --keep, while the machine is busy anyway.")
@_keep
@_json
@_plots
@pack_option
@device_options
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
    keep: Path | None,
    json_path: Path | None,
    plots: Path | None,
    pack_name: str,
    device: str,
    threads: int | None,
) -> None:
    """How long an answer takes, from file to decision: warm, cold, by stage, by gallery size, and beside PyTorch.

    METADATA are labelled photos (AnimalCLEF columns); without any, sample animals are rendered. Every side runs in a process of its own;
    all answer the same photos in turns. A ratio is told only where it is larger than the noise.
    """
    from reid_edge.errors import UsageError

    if recipe and pack_name != DEFAULT_PACK:
        raise UsageError("A pack and a recipe exclude each other.", "Give either --recipe or --pack.")
    if prepare and not keep:
        raise UsageError("--prepare makes galleries to be used later.", "Add --keep FOLDER.")
    if against and device not in ("auto", "cpu"):
        raise UsageError("The other sides run on the processor, and so must reid-edge beside them.", "Add --device cpu.")
    _check(json_path, plots)
    with _imports("bench latency"):
        from reid_edge_benchmarks.latency.command import MOST_ENROLLED, choose_photos, measure_latency
        from reid_edge_benchmarks.latency.galleries import open_identifier
        from reid_edge_benchmarks.latency.measuring import Plan
        from reid_edge_benchmarks.latency.plain import is_calibrated
        from reid_edge_benchmarks.latency.tables import latency_text
        from reid_edge_benchmarks.machine import machine_facts
        from reid_edge_benchmarks.results import kept_folder, tell

        if against:
            import torch  # noqa: F401  (said before any photo is enrolled)

    machine = machine_facts()
    with kept_folder(keep) as folder:
        if recipe:
            from reid_edge_benchmarks.parity.packs import exported_pack

            exported_pack(recipe, folder, weights, accept_terms, random=False)
            pack_name = str(folder / f"pack-{Path(recipe).stem}")
        device = "cpu" if against and device == "auto" else device
        chosen = choose_photos(metadata, fold, min(MOST_ENROLLED, max(galleries)), photos, folder, progress)
        identifier = open_identifier(pack_name, device, threads)
        if not is_calibrated(identifier):
            click.echo("note: the pack is not calibrated, so it is measured up to the scores, without a decision.", err=True)
        plan = Plan(
            pack_name,
            device,
            threads,
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
        tell(json_path, machine, {"kind": "latency", "pack": _pack(identifier), **figures})
        if plots:
            from reid_edge_benchmarks.latency.plots import plot_latency

            for file in plot_latency(figures, plots):
                click.echo(f"Wrote {file}.", err=True)


@click.command()
@_metadata
@_fold
@click.option(
    "--galleries", callback=_numbers, default="100,1000,10000,100000", show_default=True, help="Sizes of the galleries searched."
)
@click.option(
    "--candidates",
    "shortlists",
    callback=_numbers,
    default="10,25,50,100,200",
    show_default=True,
    help="Lengths of the shortlist.",
)
@click.option("--against", callback=_parts(("torch",)), metavar="torch", help="Also LightGlue in PyTorch.")
@click.option("--photos", type=click.IntRange(1), default=4, show_default=True, help="Queries to measure, taken evenly.")
@click.option("--rounds", type=click.IntRange(1), default=1, show_default=True, help="How often each photo is answered.")
@click.option("--prepare", is_flag=True, help="Only make the galleries in the folder --keep, while the machine is busy anyway.")
@_keep
@_json
@_plots
@pack_option
@device_options
def scaling(
    metadata: tuple[Path, ...],
    fold: str | None,
    galleries: tuple[int, ...],
    shortlists: tuple[int, ...],
    against: tuple[str, ...],
    photos: int,
    rounds: int,
    prepare: bool,
    keep: Path | None,
    json_path: Path | None,
    plots: Path | None,
    pack_name: str,
    device: str,
    threads: int | None,
) -> None:
    """What an answer costs as the gallery and the shortlist grow.

    Search in galleries of vectors like those of the enrolled photos, exact and (where it is installed) with usearch; whole answers with
    longer shortlists; LightGlue's pairs a second.
    """
    from reid_edge.errors import UsageError

    if prepare and not keep:
        raise UsageError("--prepare makes galleries to be used later.", "Add --keep FOLDER.")
    _check(json_path, plots)
    with _imports("bench scaling"):
        from reid_edge_benchmarks.latency.command import MOST_ENROLLED, choose_photos
        from reid_edge_benchmarks.latency.galleries import open_identifier
        from reid_edge_benchmarks.latency.scaling import measure_scaling, prepare_scaling, scaling_text
        from reid_edge_benchmarks.machine import machine_facts
        from reid_edge_benchmarks.results import kept_folder, tell

    machine = machine_facts()
    with kept_folder(keep) as folder:
        chosen = choose_photos(metadata, fold, min(MOST_ENROLLED, max(galleries)), photos, folder, progress)
        identifier = open_identifier(pack_name, device, threads)
        if prepare:
            prepare_scaling(galleries, chosen, identifier, folder, progress)
            return
        figures = measure_scaling(galleries, shortlists, chosen, identifier, folder, rounds, bool(against), progress)
        click.echo(scaling_text(figures))
        tell(json_path, machine, {"kind": "scaling", "pack": _pack(identifier), **figures})
        if plots:
            from reid_edge_benchmarks.latency.plots import plot_scaling

            for file in plot_scaling(figures, plots):
                click.echo(f"Wrote {file}.", err=True)


@click.command()
@_metadata
@_fold
@click.option("--photos", type=click.IntRange(4), default=200, show_default=True, help="How many are asked about.")
@click.option("--gallery", "size", type=click.IntRange(1), default=1000, show_default=True, help="Photos enrolled.")
@_keep
@_json
@pack_option
@device_options
def folder(
    metadata: tuple[Path, ...],
    fold: str | None,
    photos: int,
    size: int,
    keep: Path | None,
    json_path: Path | None,
    pack_name: str,
    device: str,
    threads: int | None,
) -> None:
    """Throughput of `reid-edge identify FOLDER` beside the same photos one at a time, and how busy the cores are."""
    _check(json_path, None)
    with _imports("bench folder"):
        from reid_edge_benchmarks.latency.command import choose_photos
        from reid_edge_benchmarks.latency.contestant import Ask
        from reid_edge_benchmarks.latency.folder import folder_text, measure_folder
        from reid_edge_benchmarks.latency.galleries import enrol_photos, open_identifier
        from reid_edge_benchmarks.machine import machine_facts
        from reid_edge_benchmarks.results import kept_folder, tell

    machine = machine_facts()
    with kept_folder(keep) as kept, kept_folder(None) as temporary:
        chosen = choose_photos(metadata, fold, size, photos, kept, progress)
        identifier = open_identifier(pack_name, device, threads)
        gallery = enrol_photos(kept, chosen.database, identifier, progress)
        figures = measure_folder(Ask("runtime", gallery, pack_name, device, threads), chosen.queries, temporary, progress)
    click.echo(folder_text(figures))
    facts = {"kind": "folder", "pack": _pack(identifier), "photos of": chosen.what, "gallery": len(chosen.database)}
    tell(json_path, machine, {**facts, **figures})


@click.command()
@click.argument("metadata", type=click.Path(path_type=Path))
@_fold
@click.option(
    "--step",
    "texts",
    multiple=True,
    required=True,
    metavar="NAME[:runtime=FOLDER,pack=PACK,threads=N,early_exit=off]",
    help="A state of the runtime, the oldest first: the folder runtime of another checkout, another pack, other threads.",
)
@click.option("--photos", type=click.IntRange(1), default=16, show_default=True, help="Queries to measure, taken evenly.")
@click.option("--rounds", type=click.IntRange(1), default=2, show_default=True, help="How often each photo is answered.")
@click.option("--prepare", is_flag=True, help="Only enrol the photos into the folder --keep, while the machine is busy anyway.")
@_keep
@_json
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
    """What each step towards a faster runtime is worth: states of it answer the same photos in turns, one row each."""
    _check(json_path, None)
    with _imports("bench steps"):
        from reid_edge_benchmarks.latency.command import choose_photos
        from reid_edge_benchmarks.latency.steps import enrol_steps, measure_steps, parse_step, steps_text
        from reid_edge_benchmarks.machine import machine_facts
        from reid_edge_benchmarks.results import kept_folder, tell

    machine, listed = machine_facts(), [parse_step(text, pack_name) for text in texts]
    with kept_folder(keep) as kept:
        galleries = enrol_steps(listed, metadata, fold, device, kept, progress)
        if prepare:
            return
        chosen = choose_photos((metadata,), fold, 1, photos, kept, progress)
        rows = measure_steps(listed, galleries, chosen.queries, rounds, device, progress)
    click.echo(steps_text(rows))
    tell(json_path, machine, {"kind": "steps", "photos of": chosen.what, "queries": len(chosen.queries), "steps": rows})


def _pack(identifier: Identifier) -> dict[str, str]:
    manifest = identifier.pack.manifest
    return {"name": manifest.name, "version": manifest.version, "sha256": identifier.pack.sha256}


def _check(json_path: Path | None, plots: Path | None) -> None:
    """What can be said before hours of measuring."""
    from reid_edge_benchmarks.results import refuse_missing_folders

    refuse_missing_folders(json_path)
    if plots:
        from reid_edge_benchmarks.latency.plots import need_matplotlib

        need_matplotlib()
        plots.mkdir(parents=True, exist_ok=True)


@contextmanager
def _imports(command: str) -> Iterator[None]:
    """A library that is missing, in a sentence."""
    from reid_edge.errors import UsageError

    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{command} needs {error.name}, which is not installed.", "pip install 'reid-edge[benchmarks]'"
        ) from error
