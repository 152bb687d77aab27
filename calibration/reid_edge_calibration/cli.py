"""``reid-edge calibrate``: fit calibrators, weights and thresholds on labelled photos and write them into a pack."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from reid_edge.cli.options import device_options
from reid_edge.cli.progress import progress


@click.command(short_help="Desktop: fit a pack's calibrators and thresholds.")
@click.argument("metadata", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--pack", "pack_name", required=True, help="The pack to calibrate: a name, folder or zip.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The folder of the calibrated pack; may be the pack itself."
)
@click.option("--fold", default=None, help="Rows of this fold only, where the metadata.csv has a column fold.")
@click.option("--seed", type=click.IntRange(0, 2**31), default=0, show_default=True, help="Of folds and resamples.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    help="Keep galleries and score tables in this folder; enrolment continues from them.",
)
@device_options
def calibrate(
    metadata: tuple[Path, ...],
    pack_name: str,
    out: Path,
    fold: str | None,
    seed: int,
    keep: Path | None,
    device: str,
    threads: int | None,
) -> None:
    """Fit on labelled photos: one METADATA.csv per species, with AnimalCLEF columns (split: database or query).

    Every species gets calibrators, weights and a threshold of its own, and all together give the generic ones for any other species.
    """
    from reid_edge.identification import Identifier
    from reid_edge.pack import find_pack, open_pack
    from reid_edge_calibration.fit import fit_calibration
    from reid_edge_calibration.labels.labelled_set import read_labelled_set
    from reid_edge_calibration.packing import write_calibrated_pack
    from reid_edge_calibration.scoring import score_labelled_set

    sets = [read_labelled_set(path, fold) for path in metadata]
    for note in (note for labelled in sets for note in labelled.notes):
        click.echo(f"note: {note}", err=True)
    pack = open_pack(find_pack(pack_name))
    identifier = Identifier(pack, device, threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        tables = []
        for labelled in sets:
            stem = labelled.stem(identifier)
            table = score_labelled_set(labelled, identifier, folder / f"{stem}.sqlite", progress)
            table.save(folder / f"{stem}.npz")
            tables.append(table)
    click.echo("Fitting", err=True)
    model = fit_calibration(tables, seed)
    write_calibrated_pack(pack, model, out)
    for warning in model.data["warnings"]:
        click.echo(f"note: {warning}", err=True)
    for species, facts in model.data["species"].items():
        if facts["borrows"]:
            click.echo(
                f"{species}: scores and thresholds of the generic calibration, because its own are not clearly better",
                err=True,
            )
    for species, entry in {**model.species, "any other species": model.generic}.items():
        weights = ", ".join(f"{name} {weight:.2f}" for name, weight in entry.weights.items())
        click.echo(
            f"{species}: known from {entry.threshold:.3f}, ask {entry.ask_low:.3f} to {entry.ask_high:.3f}; weights {weights}"
        )
    click.echo(f"The calibrated pack is in {out}.", err=True)
