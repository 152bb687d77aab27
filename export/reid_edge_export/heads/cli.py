"""``reid-edge train-head``: train a head on the vectors of a gallery and write it into a pack."""

from __future__ import annotations

from pathlib import Path

import click

from reid_edge.cli.options import gallery_option
from reid_edge.errors import UsageError


@click.command("train-head", short_help="Desktop: train a pack's heads on a gallery.")
@click.argument("kind", type=click.Choice(["boosting", "classifier", "projection"]))
@gallery_option
@click.option("--pack", "pack_name", required=True, help="The pack that described the gallery: a name, folder or zip.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder of the new pack; may be the pack itself.")
@click.option("--species", multiple=True, help="Train on this species alone; may be given several times. [default: all]")
@click.option(
    "--embedding",
    default="",
    help="An embedding or concatenation of the recipe. [default: the last concatenation, or the shortlist's]",
)
@click.option("--name", default="", help="Of the network in the pack. [default: the kind, with the species]")
@click.option(
    "--recipe", default="", help="The recipe (a name or a .toml file) that the pack is of; it says the rest of the head --name."
)
@click.option("--epochs", type=click.IntRange(1, 10_000), help="Epochs, or rounds of boosting, at most.")
@click.option("--scale", type=click.FloatRange(1, 1000), help="s of ArcFace, of a projection. [default: 30]")
@click.option("--margin", type=click.FloatRange(0, 1.5), help="m of ArcFace in radians, of a projection. [default: 0.35]")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of held-out photos and training.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write curves and accuracy as JSON.")
@click.option(
    "--keep-trained",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep what the trainer itself can read in this folder: XGBoost's JSON, PyTorch's weights as safetensors.",
)
def train_head(
    kind: str,
    gallery_path: Path,
    pack_name: str,
    out: Path,
    species: tuple[str, ...],
    embedding: str,
    name: str,
    recipe: str,
    epochs: int | None,
    scale: float | None,
    margin: float | None,
    seed: int,
    report: Path | None,
    keep_trained: Path | None,
) -> None:
    """Train a second opinion on the individuals of a gallery, from the vectors that it holds; no photo is looked at again.

    boosting: XGBoost, of a vector, its ten nearest photos, viewpoint and species. classifier: standardised main components and a network of
    five layers. projection: a batch norm learnt with the ArcFace loss, behind an embedding or a concatenation.

    Of each individual with two encounters, one is held out to stop early and to say how good the head is; it is trained on all photos then.
    """
    from reid_edge_export.heads.command import HeadRequest, train_into_pack

    if kind != "projection" and (scale or margin is not None):
        raise UsageError(f"--scale and --margin are of ArcFace, which a {kind} has not.", "Leave them out.")
    if report and not report.parent.is_dir():
        raise UsageError(f"There is no folder {report.parent} for the report.", "Make it first.")
    asked = HeadRequest(kind, species, embedding, name, recipe, epochs, scale, margin, seed)  # type: ignore[arg-type]
    train_into_pack(gallery_path, pack_name, out, asked, report, keep_trained, lambda line: click.echo(line, err=True))
