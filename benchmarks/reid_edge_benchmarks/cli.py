"""``reid-edge bench``: measure accuracy and latency."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

from reid_edge.cli.options import device_options, pack_option
from reid_edge.cli.progress import progress


@click.group(short_help="Desktop: measure accuracy and latency.")
def bench() -> None:
    """Measure accuracy and latency, beside the reference."""


@bench.command()
@click.argument("metadata", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--fold", default=None, help="Report on this fold, where the metadata.csv has a column fold.")
@click.option("--ablate", "fit_fold", default=None, help="Also say what each stage contributes; fit each variant on this fold.")
@click.option("--masks", is_flag=True, help="With --ablate: also without mask and without crop (all features anew: slow).")
@click.option(
    "--keep", type=click.Path(path_type=Path), help="Keep galleries and score tables in this folder and continue from them."
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write all figures to this file.")
@pack_option
@device_options
def accuracy(
    metadata: tuple[Path, ...],
    fold: str | None,
    fit_fold: str | None,
    masks: bool,
    keep: Path | None,
    json_path: Path | None,
    pack_name: str,
    device: str,
    threads: int | None,
) -> None:
    """R-1, BAKS, BAUS and GeoMean on labelled photos (AnimalCLEF columns), by the runtime's own way from file to decision."""
    from reid_edge.identification import Identifier
    from reid_edge.pack import find_pack, open_pack
    from reid_edge_benchmarks.accuracy import contributions, measure
    from reid_edge_calibration.scoring import read_labelled_set

    identifier = Identifier(open_pack(find_pack(pack_name)), device, threads)
    sets = [read_labelled_set(path, fold) for path in metadata]
    results: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for labelled in sets:
            measured = measure(labelled, identifier, folder / f"{labelled.stem(identifier)}.sqlite", progress)
            results[labelled.name] = {"answers": measured.figures, "milliseconds": measured.milliseconds}
            _print(labelled.name, "field as shipped" if pack_name == "field" else pack_name, measured.figures)
            click.echo("    " + ", ".join(f"{stage} {value:.0f}" for stage, value in measured.milliseconds.items()) + " ms")
        if fit_fold:
            fitted = [(read_labelled_set(path, fit_fold), labelled) for path, labelled in zip(metadata, sets, strict=True)]
            for name, row, figures in contributions(fitted, identifier, folder, masks, progress):
                results[name].setdefault("contributions", {})[row] = figures  # type: ignore[index,attr-defined]
                _print(name, row, figures)
    if json_path:
        facts = {"pack": identifier.pack.sha256, "fold": fold, "fit_fold": fit_fold, "sets": results}
        json_path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _print(name: str, row: str, figures: dict[str, float]) -> None:
    extra = "".join(f"  {key} {figures[key]:.3f}" for key in ("asked", "wrong unattended", "ECE") if key in figures)
    click.echo(
        f"{name:<8} {row:<42} R-1 {figures['R-1']:.3f}  BAKS {figures['BAKS']:.3f}  BAUS {figures['BAUS']:.3f}  "
        f"GeoMean {figures['GeoMean']:.3f} [{figures['GeoMean low']:.3f}, {figures['GeoMean high']:.3f}]  "
        f"hindsight {figures['GeoMean in hindsight']:.3f}{extra}"
    )
