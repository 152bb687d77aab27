"""`reid-edge pack`: the model packs of this device."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reid_edge.cli.options import DEFAULT_PACK
from reid_edge.errors import EngineError, UsageError

if TYPE_CHECKING:
    from reid_edge.engines.engine_cache import CachedEngine, EngineCache
    from reid_edge.engines.profiles import AxisRanges
    from reid_edge.pack import Manifest, Network, Pack


@click.group()
def pack() -> None:
    """List, show, verify and import model packs, and build their TensorRT engines."""


@pack.command("list")
@click.pass_context
def list_packs(context: click.Context) -> None:
    """List the packs bundled with reid-edge and those imported on this device.

    Only the manifests are read; `reid-edge pack verify` checks the files too.
    """
    from reid_edge.errors import PackError
    from reid_edge.pack import bundled_packs, imported_packs, read_manifest

    rows, broken = [], []
    for origin, packs in (("bundled", bundled_packs()), ("imported", imported_packs())):
        for name, path in packs.items():
            try:
                manifest, _ = read_manifest(path)
            except PackError as error:
                broken.append(error)
                continue
            rows.append((name, manifest.version, ", ".join(sorted(manifest.networks)), _megabytes(_size(manifest)), origin))
    if rows:
        _print_table(("pack", "version", "networks", "size", "from"), rows)
    elif not broken:
        click.echo("There is no pack on this device. To import one: reid-edge pack import FILE.", err=True)
    for refusal in broken:
        click.echo(f"{refusal.message} {refusal.hint}", err=True)
    if broken:
        context.exit(1)


@pack.command()
@click.argument("name", metavar="PACK")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(name: str, as_json: bool) -> None:
    """Show what a pack holds: networks, files, licences, origins, parity and recipe.

    PACK is a name from `reid-edge pack list`, a directory or a zip.
    """
    from reid_edge.pack import find_pack, open_pack

    opened = open_pack(find_pack(name), allow_random=True)
    if as_json:
        import json

        click.echo(json.dumps(_as_data(opened)))
    else:
        _show(opened)


@pack.command()
@click.argument("name", metavar="PACK")
def verify(name: str) -> None:
    """Check every file of a pack: paths, sizes, hashes, licences and networks.

    PACK is a name from `reid-edge pack list`, a directory or a zip.
    """
    from reid_edge.pack import find_pack, open_pack

    opened = open_pack(find_pack(name))
    manifest = opened.manifest
    click.echo(
        f"{manifest.name} {manifest.version} ({opened.sha256[:12]}) is valid: "
        f"{len(manifest.files)} files, {_megabytes(_size(manifest))}, all hashes match."
    )


@pack.command("import")
@click.argument("file", type=click.Path(path_type=Path))
def import_file(file: Path) -> None:
    """Verify a pack (a zip or a directory) and copy it onto this device.

    Prints the name to use with `--pack`.
    """
    from reid_edge.pack import import_pack

    click.echo(import_pack(file).name)


@pack.command("build-engines", short_help="Build the TensorRT engines of a pack.")
@click.argument("name", metavar="[PACK]", default=DEFAULT_PACK)
@click.option(
    "--device",
    default=None,
    metavar="tensorrt[:N]|tensorrt-rtx[:N]",
    help="Build for this GPU, with TensorRT or TensorRT-RTX. [default: tensorrt:0]",
)
@click.option(
    "--for",
    "targets",
    metavar="SM86,SM89,...",
    help="Build for these GPU generations instead, with TensorRT-RTX. No GPU is needed.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="REID_EDGE_ENGINES",
    show_envvar=True,
    help="Folder for the engines. [default: ~/.local/share/reid-edge/engines]",
)
@click.pass_context
def build_engines(context: click.Context, name: str, device: str | None, targets: str | None, out: Path | None) -> None:
    """Build the TensorRT engines of a pack's networks, so that `--device tensorrt` does not build them at its first start.

    PACK is a name from `reid-edge pack list`, a directory or a zip. Existing engines are kept. Each engine is compared with ONNX Runtime
    before it is used. Those of --for run with `--device tensorrt-rtx`, on a machine that has such a GPU.
    """
    from reid_edge.engines.engine_cache import EngineCache
    from reid_edge.engines.profiles import ranges_of_network
    from reid_edge.pack import find_pack, open_pack
    from reid_edge.recipe import parse_recipe

    if device and targets:
        raise UsageError("--device and --for cannot be combined.", "Use --for to build for GPUs of other machines.")
    opened = open_pack(find_pack(name))
    recipe = parse_recipe(opened.recipe, opened.manifest)
    build = _ahead_of_time(targets) if targets else _on_this_gpu(device or "tensorrt:0")
    cache, refused = EngineCache(out), 0
    for network, entry in sorted(opened.manifest.networks.items()):
        model, ranges = opened.read_bytes(entry.file_on(gpu=True)), ranges_of_network(opened.manifest, recipe, network)
        for target, make in build:
            try:
                engine = make(model, network, ranges, cache)
            except EngineError as error:
                click.echo(f"{error.message} {error.hint}", err=True)
                refused += 1
                continue
            done = f"built in {engine.build_seconds:.1f} s" if engine.fresh else "exists already"
            click.echo(f"{network}  {target}  {_megabytes(len(engine.content))}  {done}  {engine.path}")
    if targets:
        click.echo("These engines are for `--device tensorrt-rtx`; `--device tensorrt` builds its own.", err=True)
    if refused:
        context.exit(EngineError.exit_code)


_Build = Callable[[bytes, str, "AxisRanges", "EngineCache"], "CachedEngine"]


def _on_this_gpu(device: str) -> list[tuple[str, _Build]]:
    """How to build for a GPU of this machine.

    Raises:
        UsageError: no such device name.
        EngineError: something that TensorRT needs is missing.
    """
    from reid_edge.engines.tensorrt_build import LibraryName
    from reid_edge.engines.tensorrt_opening import Place, missing_for_tensorrt, open_tensorrt
    from reid_edge.threads import default_threads

    libraries: dict[str, LibraryName] = {"tensorrt": "tensorrt", "cuda": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
    base, colon, index = device.partition(":")
    if base not in libraries or (colon and not (index.isascii() and index.isdecimal())):
        raise UsageError(f"Engines cannot be built for {device!r}.", "Name a GPU: --device tensorrt:0.")
    number, library = int(index or 0), libraries[base]
    if missing := missing_for_tensorrt(number, library):
        raise EngineError(
            " ".join(error.message for error in missing),
            " ".join([*dict.fromkeys(error.hint for error in missing), "To build without a GPU: --for SM86."]),
        )

    def build(model: bytes, network: str, ranges: AxisRanges, cache: EngineCache) -> CachedEngine:
        return open_tensorrt(model, network, Place(number, default_threads(), library, cache), ranges)[1]

    return [(f"{base}:{number}", build)]


def _ahead_of_time(targets: str) -> list[tuple[str, _Build]]:
    """How to build for each of these generations of GPU.

    Raises:
        UsageError: one is unknown.
        EngineError: TensorRT-RTX is not installed.
    """
    from functools import partial

    from reid_edge.engines.tensorrt_ahead import build_ahead, parse_targets
    from reid_edge.engines.tensorrt_build import load_library

    library = load_library("tensorrt_rtx")
    return [(target, partial(build_ahead, library, target)) for target in parse_targets(targets, library)]


def _as_data(opened: Pack) -> dict[str, Any]:
    from dataclasses import asdict

    return {"sha256": opened.sha256, "source": str(opened.source), **asdict(opened.manifest)}


def _show(opened: Pack) -> None:
    manifest = opened.manifest
    click.echo(f"{manifest.name} {manifest.version}: {manifest.description}")
    click.echo(f"sha256   {opened.sha256}\nsource   {opened.source}\nlicence  {manifest.licence}")
    click.echo(f"size     {_megabytes(_size(manifest))} in {len(manifest.files)} files")
    for key, value in sorted(manifest.provenance.items()):
        click.echo(f"made by  {key}: {value}")
    click.echo("\nNetworks")
    _print_table(
        ("network", "task", "weights", "precision", "storage", "opset", "facts"),
        [_network_row(name, network) for name, network in sorted(manifest.networks.items())],
    )
    click.echo("\nFiles")
    for file in manifest.files:
        click.echo(f"{file.path}  {_megabytes(file.size)}  {file.licence}  {file.sha256[:12]}\n    {file.origin}")
    if manifest.parity:
        click.echo("\nParity with the PyTorch reference")
    for name, figures in sorted(manifest.parity.items()):
        click.echo(f"{name}  " + "  ".join(f"{key} {_figure(value)}" for key, value in sorted(figures.items())))


def _network_row(name: str, network: Network) -> tuple[str, ...]:
    facts = [f"{key} {_figure(value)}" for key, value in sorted(network.parameters.items())]
    if network.preprocessing:
        facts.insert(0, f"{network.preprocessing.resize} {network.preprocessing.width}x{network.preprocessing.height}")
    precision = f"{network.precision}, fp16 on GPUs" if network.gpu_file else network.precision
    return name, network.task, network.weights, precision, network.storage, str(network.opset), ", ".join(facts)


def _print_table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # a pack's own words are never taken as markup
    Console(highlight=False).print(table)


def _figure(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _size(manifest: Manifest) -> int:
    return sum(file.size for file in manifest.files)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
