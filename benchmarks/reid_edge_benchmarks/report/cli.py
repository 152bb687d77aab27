"""``reid-edge bench report``."""

from __future__ import annotations

import os
from pathlib import Path

import click


@click.command()
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("docs/benchmarks"),
    show_default=True,
    help="Folder with the JSON files of the other commands; plots are written to it as well.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("docs/benchmarks.md"),
    show_default=True,
    help="The page.",
)
@click.option("--plots/--no-plots", default=True, show_default=True, help="Draw the plots again.")
def report(results: Path, out: Path, plots: bool) -> None:
    """Write docs/benchmarks.md from the results of the other commands, so that no figure is typed by hand.

    It reads accuracy.json, accuracy-seen-again.json, accuracy-detector.json, accuracy-edgepoint2.json, trust.json, discovery.json,
    latency.json, latency-openvino.json, latency-station.json, scaling.json, scaling-station.json, folder.json, speed-steps.json,
    startup.json, enrolment.json, embedders.json and all files of bench parity. Missing results are marked as such.
    """
    from reid_edge_benchmarks.report.page import page_text, read_all, write_plots
    from reid_edge_benchmarks.results import refuse_missing_folders

    refuse_missing_folders(out)
    found = read_all(results)
    if plots:
        write_plots(found, results)
    relative = Path(os.path.relpath(results, out.parent)).as_posix()
    out.write_text(page_text(found, results, relative), encoding="utf-8")
    click.echo(f"Wrote {out} from {len(found)} files.", err=True)
