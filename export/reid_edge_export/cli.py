"""``reid-edge export``: networks become ONNX files, recipes become packs, each with a parity report against PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reid_edge.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@click.command(short_help="Desktop: turn PyTorch networks into a pack.")
@click.argument("networks", nargs=-1)
@click.option("--recipe", help="Export all networks of this recipe (a name or a .toml file) and write a pack.")
@click.option("--list", "list_networks", is_flag=True, help="Show the networks that can be exported.")
@click.option("--weights", type=click.Path(path_type=Path), help="A local file of weights, for one network.")
@click.option("--random", is_flag=True, help="Random weights: checks the conversion alone; the file says so.")
@click.option("--accept-terms", is_flag=True, help="Your use is within the terms of weights that have some, which --list shows.")
@click.option(
    "--storage",
    type=click.Choice(["fp32", "fp16"]),
    default="fp16",
    show_default=True,
    help="How a network's weights are stored.",
)
@click.option("--photos", type=click.Path(path_type=Path), help="Photos for the parity report. [default: the sample photos]")
@click.option("--out", type=click.Path(path_type=Path), help="The folder to write: a pack, or ONNX files.")
def export(
    networks: tuple[str, ...],
    recipe: str | None,
    list_networks: bool,
    weights: Path | None,
    random: bool,
    accept_terms: bool,
    storage: str,
    photos: Path | None,
    out: Path | None,
) -> None:
    """Export NETWORKS to ONNX files, or with --recipe a whole pack."""
    if list_networks:
        _list()
        return
    if bool(networks) == bool(recipe):
        raise UsageError("Nothing to export.", "Name networks (reid-edge export --list shows them) or a recipe: --recipe field.")
    if out is None:
        raise UsageError("It is not said where to write.", "Add --out FOLDER.")
    if weights is not None and len(networks) != 1:
        raise UsageError("--weights is for one network.", "Export the networks one by one.")
    images = _images(photos)
    if random and recipe:
        raise UsageError("--random is for networks, not for a recipe.", "Name the networks whose conversion is to be checked.")
    if recipe:
        from reid_edge_export.recipe_export import export_recipe

        pack = export_recipe(recipe, out, images, lambda line: click.echo(line, err=True), accept_terms=accept_terms)
        size = sum(file.size for file in pack.manifest.files)
        click.echo(
            f"The pack {pack.manifest.name} is in {out}: {size / 1e6:.1f} MB. Calibrate it next: reid-edge calibrate.", err=True
        )
        return
    from reid_edge_export.export import export_network

    for name in networks:
        options: dict[str, Any] = {"weights": weights, "storage": storage, "random": random, "accept_terms": accept_terms}
        exported = export_network(name, out / f"{name}.onnx", images=images, **options)
        figures = ", ".join(f"{measure} {value:.6g}" for measure, value in exported.parity.items())
        click.echo(f"{exported.path}: {exported.size / 1e6:.2f} MB, {figures}")


def _list() -> None:
    from rich.console import Console
    from rich.table import Table

    from reid_edge_export.catalogue import CATALOGUE

    table = Table("network", "task", "what it is", "parameters", "licence", "weights from")
    for network in CATALOGUE.values():
        parameters = ", ".join(f"{key}={value}" for key, value in network.parameters.items())
        licence = f"{network.licence}: {network.terms}" if network.terms else network.licence
        table.add_row(network.name, network.task, network.title, parameters, licence, network.source.address)
    Console().print(table)


def _images(folder: Path | None) -> list[NDArray[np.uint8]]:
    """The photos of the parity report.

    Raises:
        UsageError: the folder holds none.
    """
    import reid_edge
    from reid_edge.photo import list_photos, read_photo

    paths = list_photos(folder or Path(reid_edge.__file__).parent / "samples" / "gallery")
    if not paths:
        raise UsageError(f"{folder} holds no photos.", "Name a folder with some photos of animals.")
    return [read_photo(path).rgb for path in paths[:24]]
