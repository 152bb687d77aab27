"""``reid-edge bench gpu``."""

from __future__ import annotations

from pathlib import Path

import click

from reid_edge.cli.options import DEFAULT_PACK
from reid_edge.cli.progress import progress
from reid_edge_benchmarks.options import json_option, keep_option
from reid_edge_benchmarks.results import ResultFile, kept_folder, write_json


@click.command(short_help="Measure everything on a GPU within minutes.")
@click.option(
    "--pack",
    "packs",
    multiple=True,
    help="Packs whose networks are compared with the CPU; photos are answered with the first. May be repeated. [default: field]",
)
@click.option(
    "--minutes", type=click.FloatRange(0.1), default=8.0, show_default=True, help="Begin no further part after this time."
)
@click.option(
    "--small", is_flag=True, help="Run every part at a size that a CPU runs within a minute, to check the command itself."
)
@click.option(
    "--prepare",
    is_flag=True,
    help="Only fill the folder --keep with LightGlue (random weights) and rendered photos, on a desktop with PyTorch.",
)
@click.option("--threads", type=click.IntRange(1), default=None, help="CPU threads. [default: the cores at hand]")
@keep_option("LightGlue and rendered photos")
@json_option
def gpu(
    packs: tuple[str, ...],
    minutes: float,
    small: bool,
    prepare: bool,
    threads: int | None,
    keep: Path | None,
    json_path: Path | None,
) -> None:
    """Measure a GPU in one run, by default within 8 minutes.

    Self-test of each device; each network of the packs beside the CPU; pairs a second of LightGlue by batch on ONNX Runtime, TensorRT and
    PyTorch, as a share of what a large matrix product reaches; a photo with 50 candidates; memory. A part that fails is reported and the
    others go on; figures are saved after each part. Nothing is fetched: LightGlue is measured where the folder --keep holds it
    (see --prepare), else the matcher of the pack alone.

    Without a GPU, the CPU is measured.
    """
    from reid_edge.errors import UsageError
    from reid_edge_benchmarks.gpu.command import GpuRequest, measure_gpu
    from reid_edge_benchmarks.gpu.material import make_material
    from reid_edge_benchmarks.gpu.tables import gpu_text

    if prepare and keep is None:
        raise UsageError("--prepare needs a folder to fill.", "Name it with --keep FOLDER.")
    results = ResultFile(json_path)
    with kept_folder(keep) as material:
        request = GpuRequest(packs or (DEFAULT_PACK,), material, minutes, threads=threads)
        request = request.small() if small else request
        if prepare:
            make_material(material, request.photos, progress)
            click.echo(f"{material} holds all that bench gpu needs beside the packs.", err=True)
            return

        def say(line: str) -> None:
            click.echo(line, err=True)

        figures = measure_gpu(
            request, progress, say, lambda so_far: write_json(json_path, {"unfinished": True, **so_far}) if json_path else None
        )
    click.echo(gpu_text(figures))
    results.save({"kind": "gpu", "small": small, **figures})
