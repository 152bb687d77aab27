"""``reid-edge calibrate``: fit calibrators, weights and thresholds on labelled photos and write them into a pack."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import click

from reid_edge.cli.options import device_options, random_option
from reid_edge.errors import UsageError
from reid_edge_calibration.labels.options import label_options
from reid_edge_calibration.labels.request import LabelRequest


@click.command(short_help="Desktop: fit a pack's calibrators and thresholds.")
@click.argument("metadata", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--from-decisions",
    type=click.Path(path_type=Path),
    metavar="GALLERY",
    help="Learn from the photos that people confirmed in this gallery (.sqlite), compared with its other photos.",
)
@click.option(
    "--calibration",
    "further",
    multiple=True,
    metavar="NAME=METADATA",
    help="Fit the calibrators that the recipe calls NAME on these labelled photos instead; may be given several times.",
)
@click.option("--pack", "pack_name", required=True, help="The pack to calibrate: a name, folder or zip.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder of the calibrated pack; may be the pack itself."
)
@label_options
@click.option(
    "--max-wrong",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Target error rate: share of all photos that may be answered wrongly without asking a person. A smaller value asks more often.",
)
@click.option(
    "--fit-projection",
    is_flag=True,
    help="First fit a projection of the embeddings on the database photos. It is kept only if it separates unseen individuals better.",
)
@click.option(
    "--time-place/--no-time-place",
    default=True,
    help="Fit what time and place say of a pair of photos, where labels have both, or leave them out of account.  [default: fit]",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write an HTML report of what was fitted, and how good it is.",
)
@click.option("--seed", type=click.IntRange(0, 2**31), default=0, show_default=True, help="Seed of splits, folds and resamples.")
@click.option(
    "--keep", type=click.Path(path_type=Path), help="Keep galleries and score tables in this folder and continue from them."
)
@random_option
@device_options
def calibrate(
    metadata: tuple[Path, ...],
    from_decisions: Path | None,
    further: tuple[str, ...],
    pack_name: str,
    out: Path,
    labels: LabelRequest,
    max_wrong: float,
    fit_projection: bool,
    time_place: bool,
    report: Path | None,
    seed: int,
    keep: Path | None,
    allow_random: bool,
    device: str,
    threads: int | None,
) -> None:
    """Fit calibrators, weights and thresholds on labelled photos, and write them into a pack.

    METADATA is a CSV table with AnimalCLEF columns (as of a wildlife-datasets DataFrame), a COCO Camera Traps JSON, or a folder with a
    sub-folder per individual.

    All labelled species together give the calibration of any other species. A labelled species gets its own if that is clearly better;
    otherwise it uses the common one. Its final probabilities are always its own.
    """
    from reid_edge_calibration.command import Kept, calibrate_pack

    metadata = (*metadata, from_decisions) if from_decisions else metadata
    if not metadata:
        raise UsageError("There are no labels to calibrate on.", "Give METADATA, or --from-decisions GALLERY.")
    if report and not report.parent.is_dir():
        raise UsageError(f"There is no folder {report.parent} for the report.", "Create it first.")
    with tempfile.TemporaryDirectory() as temporary:
        kept = Kept(keep or Path(temporary), Path(temporary) / "projected")
        kept.folder.mkdir(parents=True, exist_ok=True)
        calibrate_pack(
            pack_name,
            metadata,
            _by_name(further),
            out,
            replace(labels, seed=seed),
            max_wrong,
            fit_projection,
            report,
            kept,
            device,
            threads,
            allow_random,
            time_place,
        )


def _by_name(further: tuple[str, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for option in further:
        name, equals, path = option.partition("=")
        if not (name and equals and path) or name in found:
            raise UsageError(f"--calibration is {option!r}.", "Write each NAME=METADATA once, such as second=other.csv.")
        found[name] = Path(path)
    return found
