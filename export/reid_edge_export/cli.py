"""``reid-edge export``: networks become ONNX files, recipes become packs, each with a parity report against PyTorch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reid_edge.errors import EngineError, ReidEdgeError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reid_edge_export.precision.calibration import Calibration

_MOST_COMPARED = 24
# Half for the calibration, half for the comparison: with 64 of them one nearest neighbour may change (97 %).
_MOST_FOR_INT8 = 128
_FEWEST_FOR_INT8 = 8


@click.command(short_help="Desktop: turn PyTorch networks into a pack.")
@click.argument("networks", nargs=-1)
@click.option("--recipe", help="Export all networks of this recipe (a name or a .toml file) and write a pack.")
@click.option(
    "--list", "list_networks", is_flag=True, help="List the networks that can be exported, and which precisions were verified."
)
@click.option(
    "--verify",
    is_flag=True,
    help="Export NETWORKS (by default all), write the findings to the JSON file --out, and keep no network.",
)
@click.option(
    "--weights",
    help="Weights of one network: a local file, a folder if they are several files, or hub:OWNER/NAME[@REVISION][/FILE]. With --recipe "
    "or --verify: a folder with files or folders named after the networks, or files under their published names.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter of one network, such as size=384; see --list."
)
@click.option(
    "--random",
    is_flag=True,
    help="Use random weights, to check the conversion alone; the file is marked. With --recipe: for networks without available weights.",
)
@click.option(
    "--keep-going",
    is_flag=True,
    help="Where a network fails, export the others before giving up. With --recipe, the same command then continues with what is left.",
)
@click.option(
    "--accept-terms", is_flag=True, help="Your use is within the terms of the weights; --list shows which weights have terms."
)
@click.option(
    "--storage",
    type=click.Choice(["fp32", "fp16"]),
    default="fp16",
    show_default=True,
    help="How weights are stored with --precision fp32.",
)
@click.option(
    "--precision",
    default="fp32",
    show_default=True,
    help="How the networks compute: one or more of fp32, fp16, int8-cpu, int8-tensorrt, separated by commas. Each gives a file.",
)
@click.option("--batch", default="dynamic", show_default=True, help="Size of the batch axis: dynamic, or a fixed number.")
@click.option(
    "--photos",
    type=click.Path(path_type=Path),
    help="Folder of photos for the parity report. For int8 every second photo is used for calibration instead. [default: the sample "
    "photos; required for int8]",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write: a pack, or ONNX files.")
@click.pass_context
def export(
    context: click.Context,
    networks: tuple[str, ...],
    recipe: str | None,
    list_networks: bool,
    verify: bool,
    weights: str | None,
    settings: tuple[str, ...],
    random: bool,
    keep_going: bool,
    accept_terms: bool,
    storage: str,
    precision: str,
    batch: str,
    photos: Path | None,
    out: Path | None,
) -> None:
    """Export NETWORKS to ONNX files, each with a parity report beside it, or with --recipe a whole pack."""
    if list_networks:
        _list()
        return
    if verify:
        _refuse_given(context, "--verify", ("recipe", "settings", "random", "keep_going", "storage", "batch"))
        _verify(networks, precision.split(","), photos, weights, accept_terms, out)
        return
    if bool(networks) == bool(recipe):
        raise UsageError("Nothing to export.", "Name networks (reid-edge export --list shows them) or a recipe: --recipe field.")
    if out is None:
        raise UsageError("The output folder is missing.", "Add --out FOLDER.")
    for option, value in (("--weights", weights), ("--set", settings)):
        if value and not recipe and len(networks) != 1:
            raise UsageError(f"{option} is for one network.", "Export the networks one by one.")
    if recipe:
        _refuse_given(context, "--recipe", ("settings", "storage", "batch", "precision"))
        from reid_edge_export.recipe_export import RecipeRequest, export_recipe, recipe_precisions
        from reid_edge_export.weight_files import folder_of_weights

        images, calibration = _photos(photos, recipe_precisions(recipe))
        request = RecipeRequest(images, folder_of_weights(weights), accept_terms, calibration, random, keep_going)
        pack = export_recipe(recipe, out, request, _say)
        size = sum(file.size for file in pack.manifest.files)
        click.echo(f"The pack {pack.manifest.name} is in {out}: {size / 1e6:.1f} MB. {_next(recipe)}", err=True)
        return
    from reid_edge_export.weight_files import given_weights

    precisions = list(dict.fromkeys(precision.split(",")))
    size = _batch_size(batch)
    images, calibration = _photos(photos, precisions)
    failed = []
    for name in networks:
        asked = {"weights": given_weights(weights) if weights else None, "random": random, "accept_terms": accept_terms}
        asked["parameters"] = _parameters(settings)
        try:
            failed += _export(name, out, precisions, storage, size, images, calibration, asked)
        except ReidEdgeError as error:
            if not keep_going:
                raise
            click.echo(f"{error.message} {error.hint}", err=True)
            failed.append(name)
    if failed:
        raise EngineError(f"Not written: {', '.join(failed)}.", "The lines above give the reasons.")


def _export(
    name: str,
    out: Path,
    precisions: Sequence[str],
    storage: str,
    batch: int | None,
    images: Sequence[NDArray[np.uint8]],
    calibration: Calibration | None,
    asked: Mapping[str, Any],
) -> list[str]:
    """Export a network in these precisions from one trace; return the names of the files that failed and were not written."""
    from reid_edge_export import report
    from reid_edge_export.catalogue import network_with
    from reid_edge_export.export import check_precision, export_traced
    from reid_edge_export.tracing import trace_network

    network, _ = network_with(name, asked["parameters"])
    for precision in precisions:
        check_precision(network, precision, storage, calibration)
    traced = trace_network(name, images=images, say=_say, **asked)
    failed = []
    for precision in precisions:
        file = out / f"{_file_name(name)}{'' if precision == 'fp32' else '.' + precision}.onnx"
        options: dict[str, Any] = {"storage": storage, "precision": precision, "batch": batch, "calibration": calibration}
        try:
            exported = export_traced(traced, file, say=_say, **options)
        except EngineError as error:
            click.echo(f"{error.message} {error.hint}", err=True)
            failed.append(file.name)
            continue
        click.echo(f"{exported.path}: {exported.size / 1e6:.2f} MB, {precision}, weights {exported.entry.weights}")
        click.echo(report.describe(exported.entry.task, exported.parity, exported.rounding))
    return failed


def _file_name(network: str) -> str:
    """What the file of a network is called, without its suffix."""
    return re.sub(r"[:/\\]", "-", network.removesuffix(".onnx"))


def _refuse_given(context: click.Context, mode: str, names: Sequence[str]) -> None:
    """Refuse options that have no effect in this mode."""
    for option in context.command.params:
        if option.name in names and context.get_parameter_source(option.name) is not click.core.ParameterSource.DEFAULT:
            hint = (
                "The recipe sets parameters and precisions of its networks."
                if mode == "--recipe"
                else "Leave one of the two out."
            )
            raise UsageError(f"{option.opts[0]} does not go with {mode}.", hint)


def _parameters(settings: Iterable[str]) -> dict[str, Any]:
    """The values of --set: whole numbers as int, anything else as text."""
    parameters: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not (name and equals and value):
            raise UsageError(f"--set is {setting!r}.", "Write NAME=VALUE, such as size=384.")
        parameters[name] = int(value) if value.isdecimal() else value
    return parameters


def _next(recipe: str) -> str:
    """The next step with a new pack, as a sentence."""
    from reid_edge_export.recipe_file import heads_of, read_recipe_file

    heads = ", ".join(heads_of(read_recipe_file(recipe)))
    train = f"Train its heads ({heads}): reid-edge train-head. Then calibrate" if heads else "Calibrate"
    return f"{train} it: reid-edge calibrate."


def _say(line: str) -> None:
    click.echo(line, err=True)


def _batch_size(text: str) -> int | None:
    """What --batch means; None is dynamic."""
    if text == "dynamic":
        return None
    if not (text.isdecimal() and int(text)):
        raise UsageError(f"--batch is {text!r}.", "Write dynamic, or a whole number from 1.")
    return int(text)


def _list() -> None:
    from reid_edge_export.catalogue import CATALOGUE, outputs_in_words
    from reid_edge_export.verification import by_network, in_words, read_findings

    found = by_network(read_findings())
    for network in CATALOGUE.values():
        parameters = ", ".join(f"{key}={value}" for key, value in network.parameters.items())
        click.echo(f"{click.style(network.name, bold=True)}  ({network.task})  {network.title}")
        click.echo(f"    gives     {outputs_in_words(network)}" + (f"; parameters {parameters}" if parameters else ""))
        click.echo(f"    weights   {network.source.address or 'trained by you'}, {network.licence}")
        if network.terms:
            click.echo(f"    terms     {network.terms} (--accept-terms)")
        click.echo(f"    verified  {in_words(found.get(network.name, []))}")
    click.echo(f"{click.style('timm:NAME', bold=True)}  (embedding)  Any other network of timm, pooled features.")
    click.echo(f"{click.style('onnx:FILE', bold=True)}  (embedding, segmentation)  An ONNX file of your own.")
    click.echo(f"{click.style('torch:MODULE:FUNCTION', bold=True)}  (embedding, segmentation)  A torch.nn.Module of your own.")


def _verify(
    networks: Sequence[str],
    precisions: Sequence[str],
    photos: Path | None,
    weights: str | None,
    accept_terms: bool,
    out: Path | None,
) -> None:
    from reid_edge_export.catalogue import CATALOGUE, network_named
    from reid_edge_export.parity import bounds_of
    from reid_edge_export.precision import precision_named
    from reid_edge_export.verification import verify, write_findings
    from reid_edge_export.weight_files import folder_of_weights

    folder = folder_of_weights(weights)
    if out is None or out.suffix != ".json":
        raise UsageError("The output file is missing.", "Add --out FILE.json.")
    images, calibration = _photos(photos, precisions)
    refused = []
    for name in networks or CATALOGUE:
        task = network_named(name).task
        possible = [precision for precision in precisions if bounds_of(task, precision_named(precision).computes)]
        if not possible:
            _say(f"{name}: not verified, because {task} has no parity bound in {', '.join(precisions)}")
            continue
        found = verify(name, possible, images, calibration, folder, accept_terms, _say)
        write_findings(out, found)
        refused += [f"{finding.network} {finding.precision}" for finding in found if finding.refused]
    if refused:
        raise EngineError(f"Refused: {', '.join(refused)}.", f"The reasons are in {out}.")


def _photos(folder: Path | None, precisions: Iterable[str]) -> tuple[list[NDArray[np.uint8]], Calibration | None]:
    """The photos for the comparison and, if a precision is int8, those for the calibration: every second one.

    Raises:
        UsageError: an unknown precision, no photos, or for int8 no folder or too few of them.
    """
    import reid_edge
    from reid_edge.photo import list_photos
    from reid_edge_export.photos import read_image
    from reid_edge_export.precision import precision_named
    from reid_edge_export.precision.calibration import read_calibration

    int8 = [name for name in precisions if precision_named(name).computes == "int8"]
    if int8 and folder is None:
        raise UsageError(f"{int8[0]} needs photos for calibration.", "Name a folder of photos of your animals with --photos.")
    paths = list_photos(folder or Path(reid_edge.__file__).parent / "samples" / "gallery")
    if not paths:
        raise UsageError(f"{folder} holds no photos.", "Name a folder with some photos of animals.")
    if not int8:
        return [read_image(path) for path in _spread(paths, _MOST_COMPARED)], None
    if len(paths) < _FEWEST_FOR_INT8:
        raise UsageError(
            f"{folder} holds {len(paths)} photos, too few to calibrate and compare int8.",
            f"Name a folder with at least {_FEWEST_FOR_INT8} photos; a hundred are better.",
        )
    paths = _spread(paths, _MOST_FOR_INT8)
    return [read_image(path) for path in paths[1::2]], read_calibration(paths[::2])


def _spread(paths: Sequence[Path], most: int) -> list[Path]:
    """At most `most` paths, taken evenly over the list, because neighbours in a folder often show the same animal."""
    step = -(-len(paths) // most)
    return list(paths[::step])
