"""What TensorRT makes of each network: ``python -m reid_edge_export.tensorrt_table FOLDER... > docs/tensorrt-builds.md``.

TensorRT-RTX builds for named generations of GPU without having one, by the same parser and type rules as TensorRT and without plugins; so
a network that it refuses is one to rewrite. Each build runs in a process of its own, so that a crash or a lack of memory is a line of
the table and not its end.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import click

from reid_edge.engines.build_progress import build_progress
from reid_edge.engines.profiles import ranges_of_file
from reid_edge.engines.tensorrt_build import build_engine, load_library, parse_targets
from reid_edge.errors import ReidEdgeError, UsageError
from reid_edge.pack.onnx_file import read_onnx

_INTRODUCTION = """\
# TensorRT builds

Made by `python -m reid_edge_export.tensorrt_table FOLDER...` with {library}, on a machine with {cores} cores and without a
GPU. Every network was parsed and built for {targets} with the sizes that the runtime uses
(`runtime/reid_edge/engines/profiles.py`). A cell holds the time from ONNX to engine and the engine's size. That a network builds does not
say how fast it runs or how well it answers there; see [tensorrt.md](tensorrt.md)."""


@dataclass(frozen=True)
class Build:
    """One network built for one generation of GPU.

    Attributes:
        path: its ONNX file.
        network: its name, from the file's metadata or else the file's name.
        precision: ``fp32``, ``fp16``, ``int8`` as the file says; ``?`` where it does not.
        weights: ``trained`` or ``random`` as the file says; ``?`` where it does not.
        target: such as ``SM86``.
        seconds: from ONNX to engine.
        size: of the engine in bytes; 0 where it was refused.
        refused: why; empty where it was built.
    """

    path: Path
    network: str
    precision: str
    weights: str
    target: str
    seconds: float
    size: int
    refused: str


def build(path: Path, target: str) -> Build:
    """Build one ONNX file in a process of its own.

    Raises:
        ReidEdgeError: the file cannot be read as ONNX.
    """
    metadata = read_onnx(path.read_bytes(), path.name).metadata
    facts = (metadata.get("network", path.stem), metadata.get("precision", "?"), metadata.get("weights", "?"), target)
    processes = multiprocessing.get_context("spawn")
    receiver, sender = processes.Pipe(duplex=False)
    process = processes.Process(target=_build_and_send, args=(path, target, sender), daemon=True)
    process.start()
    sender.close()
    try:
        seconds, size, refused = receiver.recv()
    except EOFError:
        process.join()
        seconds, size, refused = 0.0, 0, f"its process died with exit code {process.exitcode}"
    process.join()
    return Build(path, *facts, seconds, size, refused)


def table(builds: Sequence[Build], library: str) -> str:
    """The builds as Markdown: a row per file, a column per target, and a list of the reasons of what was refused."""
    targets = list(dict.fromkeys(build.target for build in builds))
    by_row: dict[tuple[str, str, str, Path], dict[str, Build]] = {}
    for one in builds:
        by_row.setdefault((one.network, one.precision, one.weights, one.path), {})[one.target] = one
    rows = [("network", "precision", "weights", *targets), ("---", "---", "---", *("---:" for _ in targets))]
    rows += [(*key[:3], *(_cell(cells.get(target)) for target in targets)) for key, cells in sorted(by_row.items())]
    parts = [_INTRODUCTION.format(library=library, cores=os.cpu_count(), targets=" and ".join(targets))]
    parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    reasons = _reasons(builds)
    parts.append(f"## Refused\n\n{reasons}" if reasons else "Nothing was refused.")
    return "\n\n".join(parts) + "\n"


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--for", "targets", default="SM86,SM120", show_default=True, help="Generations of GPU.")
def main(folders: tuple[Path, ...], targets: str) -> None:
    """Build the ONNX files of FOLDERS (or single files) with TensorRT-RTX and print the table. Exit code 1 when one is refused."""
    library = load_library("tensorrt_rtx")
    named = parse_targets(targets, library)
    paths = [path for folder in folders for path in (sorted(folder.glob("*.onnx")) if folder.is_dir() else [folder])]
    if not paths:
        raise UsageError(f"There is no ONNX file in {', '.join(map(str, folders))}.", "reid-edge export NETWORK... --out FOLDER")
    builds = []
    for path in paths:
        for target in named:
            one = build(path, target)
            click.echo(f"{path.name} {target}: {one.refused or _cell(one)}", err=True)
            builds.append(one)
    click.echo(table(builds, str(library)), nl=False)
    sys.exit(any(one.refused for one in builds))


def _build_and_send(path: Path, target: str, sender: Connection) -> None:
    """Send (seconds, size, why it was refused)."""
    try:
        model = path.read_bytes()
        with build_progress(f"{path.stem} for {target}") as report:
            made = build_engine(
                model, path.stem, load_library("tensorrt_rtx"), ranges_of_file(model, path.stem), report, target=target
            )
        sender.send((made.seconds, len(made.content), ""))
    except ReidEdgeError as error:
        sender.send((0.0, 0, error.message))


def _cell(one: Build | None) -> str:
    if one is None:
        return ""
    return "refused" if one.refused else f"{one.seconds:.1f} s, {one.size / 1e6:.1f} MB"


def _reasons(builds: Iterable[Build]) -> str:
    """One line for each network and reason, with the targets that it holds for."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for one in builds:
        if one.refused:
            found.setdefault((one.network, one.precision, one.refused), []).append(one.target)
    lines = (f"- {network} {precision}, {', '.join(at)}: {why}" for (network, precision, why), at in sorted(found.items()))
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        main()
    except ReidEdgeError as error:
        click.echo(f"{error.message} {error.hint}", err=True)
        sys.exit(error.exit_code)
