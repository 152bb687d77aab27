"""`reid-edge pack`: the model packs of this device."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from reid_edge.pack import Manifest, Network, Pack


@click.group()
def pack() -> None:
    """List, show, verify and import model packs."""


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
        click.echo("There is no pack on this device; `reid-edge pack import FILE` brings one.", err=True)
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
        f"{manifest.name} {manifest.version} ({opened.sha256[:12]}) is sound: "
        f"{len(manifest.files)} files, {_megabytes(_size(manifest))}, every hash as listed."
    )


@pack.command("import")
@click.argument("file", type=click.Path(path_type=Path))
def import_file(file: Path) -> None:
    """Verify a pack (a zip or a directory) and copy it onto this device.

    Prints the name by which `--pack` finds it.
    """
    from reid_edge.pack import import_pack

    click.echo(import_pack(file).name)


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
    return name, network.task, network.weights, network.precision, network.storage, str(network.opset), ", ".join(facts)


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
