"""What TensorRT makes of an ONNX file: TensorRT-RTX builds it for named generations of GPU without having one.

It has the parser and the type rules of TensorRT and no plugins, so a network that it refuses is one to rewrite.
"""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from reid_edge.engines.build_progress import build_progress
from reid_edge.engines.profiles import ranges_of_file
from reid_edge.engines.tensorrt_build import build_engine, load_library
from reid_edge.errors import ReidEdgeError
from reid_edge.processes import in_root_folder


@dataclass(frozen=True)
class TensorRtBuild:
    """One file built ahead of time for one generation of GPU.

    Attributes:
        seconds: from ONNX to engine, on the processor that built it.
        size: of the engine in bytes; 0 where it was refused.
        refused: why; empty where it was built.
    """

    seconds: float = 0.0
    size: int = 0
    refused: str = ""


def build(path: Path, target: str) -> TensorRtBuild:
    """Build one ONNX file in a process of its own, so that a crash or a lack of memory is a finding and not the end.

    Args:
        path: with the exporter's metadata, which says what sizes its dynamic axes have.
        target: such as ``SM86``.
    """
    processes = multiprocessing.get_context("spawn")
    receiver, sender = processes.Pipe(duplex=False)
    process = processes.Process(target=_build_and_send, args=(path.absolute(), target, sender))
    with in_root_folder():
        process.start()
    sender.close()
    try:
        built: TensorRtBuild = receiver.recv()
    except EOFError:
        process.join()
        built = TensorRtBuild(refused=f"its process died with exit code {process.exitcode}")
    process.join()
    return built


def _build_and_send(path: Path, target: str, sender: Connection) -> None:
    try:
        model = path.read_bytes()
        with build_progress(f"{path.stem} for {target}") as report:
            made = build_engine(
                model, path.stem, load_library("tensorrt_rtx"), ranges_of_file(model, path.stem), report, target=target
            )
        sender.send(TensorRtBuild(round(made.seconds, 1), len(made.content)))
    except ReidEdgeError as error:
        sender.send(TensorRtBuild(refused=error.message))
