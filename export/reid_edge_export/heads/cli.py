"""``reid-edge train-head``: train a head and write it into a pack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from reid_edge.cli.options import gallery_option
from reid_edge.errors import UsageError

_PACK_HELP = "The pack that the gallery was enrolled with: a name, folder or zip."
_out_option = click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder of the new pack; may be the pack itself."
)
_species_option = click.option("--species", multiple=True, help="Train on this species only; may be repeated. [default: all]")
_seed_option = click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Seed of held-out photos and training."
)


@click.group("train-head", short_help="Desktop: train a pack's heads.")
def train_head() -> None:
    """Train a head on a pack's vectors, and write it into the pack.

    boosting, classifier and projection learn the individuals of a gallery; viewpoint learns sides such as left and right.
    """


def _gallery_head(kind: str) -> Callable[[Callable[..., None]], click.Command]:
    """The options of a head that is trained on the individuals of a gallery."""

    def command(function: Callable[..., None]) -> click.Command:
        for option in reversed(
            (
                gallery_option,
                click.option("--pack", "pack_name", required=True, help=_PACK_HELP),
                _out_option,
                _species_option,
                click.option(
                    "--embedding",
                    default="",
                    help="An embedding or concatenation of the recipe. [default: the last concatenation, or the shortlist's]",
                ),
                click.option("--name", default="", help="Name of the network in the pack. [default: the kind, with the species]"),
                click.option(
                    "--recipe",
                    default="",
                    help="The recipe of the pack (a name or a .toml file); it sets the embedding and species of the head.",
                ),
                click.option(
                    "--epochs", type=click.IntRange(1, 10_000), help="Largest number of epochs, or of rounds of boosting."
                ),
                _seed_option,
                click.option(
                    "--report",
                    type=click.Path(dir_okay=False, path_type=Path),
                    help="Write curves and accuracy to this JSON file.",
                ),
                click.option(
                    "--keep-trained",
                    type=click.Path(file_okay=False, path_type=Path),
                    help="Write the trained model to this folder in the trainer's own format: XGBoost's JSON, or PyTorch's weights as "
                    "safetensors.",
                ),
            )
        ):
            function = option(function)
        return train_head.command(kind)(function)

    return command


@_gallery_head("boosting")
def boosting(**options: Any) -> None:
    """Train a second opinion on the individuals of a gallery: XGBoost on a vector, its ten nearest photos, viewpoint and species.

    No photo is read again. One encounter of each individual that has two is held out, to stop early and to measure accuracy. Then all
    photos are trained on.
    """
    _train("boosting", **options)


@_gallery_head("classifier")
def classifier(**options: Any) -> None:
    """Train a second opinion on the individuals of a gallery: standardised principal components and a network of five layers.

    No photo is read again. One encounter of each individual that has two is held out, to stop early and to measure accuracy. Then all
    photos are trained on.
    """
    _train("classifier", **options)


@_gallery_head("projection")
@click.option("--scale", type=click.FloatRange(1, 1000), help="s of the ArcFace loss. [default: 30]")
@click.option("--margin", type=click.FloatRange(0, 1.5), help="m of the ArcFace loss in radians. [default: 0.35]")
def projection(**options: Any) -> None:
    """Train a batch norm with the ArcFace loss on the individuals of a gallery, behind an embedding or a concatenation.

    No photo is read again. One encounter of each individual that has two is held out, to stop early and to measure accuracy. Then all
    photos are trained on.
    """
    _train("projection", **options)


@train_head.command("viewpoint")
@click.argument("labels", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--pack", "pack_name", required=True, help="The pack that gets the head: a name, folder or zip.")
@_out_option
@click.option("--fold", default=None, help="Train on rows of this fold only, where the table has a column fold.")
@click.option("--test-fold", default=None, help="Also report on the rows of this fold, whose individuals must not be trained on.")
@_species_option
@click.option(
    "--per-viewpoint",
    type=click.IntRange(4),
    help="At most this many photos of each viewpoint, from as many individuals as there are. [default: all]",
)
@click.option(
    "--min-probability",
    type=click.FloatRange(0, 1),
    default=0.8,
    show_default=True,
    help="A predicted viewpoint is used from this probability on; below it the viewpoint counts as unknown.",
)
@click.option("--embedding", default="", help="An embedder of the recipe, whose vectors are used. [default: the shortlist's]")
@click.option("--name", default="viewpoint", show_default=True, help="Name of the head in the pack.")
@_seed_option
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write accuracy to this JSON file.")
def viewpoint(
    labels: tuple[Path, ...],
    pack_name: str,
    out: Path,
    report: Path | None,
    **options: Any,
) -> None:
    """Learn from which side an animal is seen, and fill it in where a photo does not state it.

    LABELS are CSV tables as for `gallery add`, or folders with a metadata.csv: path, identity and orientation, which names the viewpoints,
    such as left, right, front and back. Each photo is trained on as it is and mirrored, where left and right change places.

    Accuracy is cross-validated by individual. The pack keeps its calibration. A gallery gets predicted viewpoints for photos that are added
    with the new pack; what people stated is never changed.
    """
    from reid_edge_export.heads.viewpoint_command import ViewpointRequest, train_viewpoint_into_pack

    _check_report(report)
    train_viewpoint_into_pack(pack_name, out, ViewpointRequest(labels, **options), report, _say)


def _train(
    kind: str, gallery_path: Path, pack_name: str, out: Path, report: Path | None, keep_trained: Path | None, **options: Any
) -> None:
    from reid_edge_export.heads.command import HeadRequest, train_into_pack

    _check_report(report)
    train_into_pack(gallery_path, pack_name, out, HeadRequest(kind, **options), report, keep_trained, _say)  # type: ignore[arg-type]


def _check_report(report: Path | None) -> None:
    if report and not report.parent.is_dir():
        raise UsageError(f"There is no folder {report.parent} for the report.", "Create it first.")


def _say(line: str) -> None:
    click.echo(line, err=True)
