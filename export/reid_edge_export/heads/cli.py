"""``reid-edge train-head``: train a head on the vectors of a gallery and write it into a pack."""

from __future__ import annotations

from pathlib import Path

import click

from reid_edge.cli.options import gallery_option
from reid_edge.errors import UsageError


@click.command("train-head", short_help="Desktop: train a pack's heads on a gallery.")
@click.argument("kind", type=click.Choice(["boosting", "classifier", "projection"]))
@gallery_option
@click.option("--pack", "pack_name", required=True, help="The pack that the gallery was enrolled with: a name, folder or zip.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the new pack; may be the pack itself.")
@click.option("--species", multiple=True, help="Train on this species only; may be repeated. [default: all]")
@click.option(
    "--embedding",
    default="",
    help="An embedding or concatenation of the recipe. [default: the last concatenation, or the shortlist's]",
)
@click.option("--name", default="", help="Name of the network in the pack. [default: the kind, with the species]")
@click.option(
    "--recipe", default="", help="The recipe of the pack (a name or a .toml file); it sets the embedding and species of the head."
)
@click.option("--epochs", type=click.IntRange(1, 10_000), help="Largest number of epochs, or of rounds of boosting.")
@click.option("--scale", type=click.FloatRange(1, 1000), help="For a projection: s of the ArcFace loss. [default: 30]")
@click.option("--margin", type=click.FloatRange(0, 1.5), help="For a projection: m of the ArcFace loss, radians. [default: 0.35]")
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Seed of held-out photos and training."
)
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write curves and accuracy to this JSON file.")
@click.option(
    "--keep-trained",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the trained model to this folder in the trainer's own format: XGBoost's JSON, or PyTorch's weights as safetensors.",
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
    """Train a head, which gives a second opinion on the individuals of a gallery, from the gallery's vectors; no photo is read again.

    boosting: XGBoost on a vector, its ten nearest photos, viewpoint and species. classifier: standardised principal components and a
    network of five layers. projection: a batch norm trained with the ArcFace loss, behind an embedding or a concatenation.

    One encounter of each individual that has two is held out, to stop early and to measure accuracy. Then all photos are trained on.
    """
    from reid_edge_export.heads.command import HeadRequest, train_into_pack

    if kind != "projection" and (scale or margin is not None):
        raise UsageError(f"--scale and --margin belong to ArcFace, which a {kind} does not use.", "Leave them out.")
    if report and not report.parent.is_dir():
        raise UsageError(f"There is no folder {report.parent} for the report.", "Create it first.")
    asked = HeadRequest(kind, species, embedding, name, recipe, epochs, scale, margin, seed)  # type: ignore[arg-type]
    train_into_pack(gallery_path, pack_name, out, asked, report, keep_trained, lambda line: click.echo(line, err=True))
