"""Verify every network: export it in each precision, compare it with PyTorch on photos, and build it with TensorRT-RTX.

``reid-edge export --verify`` writes the findings to a JSON file; those of the catalogue lie beside this module and are what
``reid-edge export --list`` and docs/networks.md (`networks_page`) show.
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from reid_edge.errors import ReidEdgeError, UsageError
from reid_edge.processes import in_root_folder
from reid_edge_export.catalogue import Network, network_named
from reid_edge_export.precision import PRECISIONS
from reid_edge_export.tensorrt_trial import TensorRtBuild, build
from reid_edge_export.weight_files import weights_in

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from reid_edge_export.precision.calibration import Calibration

TARGETS = ("SM86", "SM120")
"""The generations of GPU that TensorRT-RTX builds for: GeForce 30 and RTX A, and GeForce 50."""
_FETCHED = ("pypi:", "hub:")


@dataclass(frozen=True)
class VerificationFinding:
    """One network in one precision.

    Attributes:
        network, precision: their names.
        weights: ``trained`` or ``random``.
        size: of the ONNX file in bytes, 0 where none was written.
        seconds: the export took.
        at_least, measured: the deciding measures: bound, and what was found.
        refused: why no file was written; empty where it passed.
        tensorrt: by generation of GPU; empty where TensorRT-RTX was not at hand.
    """

    network: str
    precision: str
    weights: str
    size: int = 0
    seconds: float = 0.0
    at_least: Mapping[str, float] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    refused: str = ""
    tensorrt: Mapping[str, TensorRtBuild] = field(default_factory=dict)


def read_findings(path: Path | None = None) -> list[VerificationFinding]:
    """The findings in a file of `write_findings`, by default those that come with the toolchain.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        text = path.read_text("utf-8") if path else files("reid_edge_export").joinpath("verified.json").read_text("utf-8")
        return [
            VerificationFinding(
                **{**row, "tensorrt": {target: TensorRtBuild(**build) for target, build in row["tensorrt"].items()}}
            )
            for row in json.loads(text)
        ]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{path}: holds no findings that can be read ({error}).", "Write them with: export --verify.") from error


def write_findings(path: Path, found: Sequence[VerificationFinding]) -> None:
    """Write findings as JSON, those of a network and precision in place of earlier ones in that file.

    Raises:
        StorageError: the file cannot be written.
        UsageError: the file is there and holds something else.
    """
    from reid_edge_export.export import write_whole

    earlier = read_findings(path) if path.exists() else []
    merged = {(finding.network, finding.precision): finding for finding in (*earlier, *found)}
    rows = [asdict(merged[key]) for key in sorted(merged)]
    write_whole({path: (json.dumps(rows, indent=1, ensure_ascii=False) + "\n").encode()})


def verify(
    name: str,
    precisions: Sequence[str],
    images: Sequence[NDArray[np.uint8]],
    calibration: Calibration | None,
    weights: Path | None,
    accept_terms: bool,
    say: Callable[[str], None],
) -> list[VerificationFinding]:
    """Export one network, in a process of its own, so that a crash or a lack of memory is a finding and not the end.

    Args:
        name: of the catalogue.
        precisions: names of `reid_edge_export.precision.PRECISIONS`.
        images, calibration: see `reid_edge_export.export.export_network`.
        weights: a folder with weights that no package holds, see `weight_files.weights_in`. A network whose weights are neither in it nor
            can be fetched is verified with random ones.
        accept_terms: the user agrees to the terms of weights that have some.
        say: called with one line per result.

    Raises:
        UsageError: there is no network or precision of that name.
    """
    network = network_named(name)
    file, random = _weights(network, weights)
    from reid_edge_export.export import check_precision

    for precision in precisions:
        check_precision(network, precision, "fp32", calibration)
    processes = multiprocessing.get_context("spawn")
    receiver, sender = processes.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        file = file.absolute() if file else None  # the process starts elsewhere
        work = (name, tuple(precisions), list(images), calibration, file, random, accept_terms or random, Path(folder), sender)
        process = processes.Process(target=_export_and_send, args=work)
        with in_root_folder():
            process.start()
        sender.close()
        found: list[VerificationFinding] = []
        while True:
            try:
                found.append(receiver.recv())
            except EOFError:
                break
            say(f"{name} {found[-1].precision}: {found[-1].refused or 'passed'}")
        process.join()
        kind = "random" if random else "trained"
        for precision in precisions[len(found) :]:
            found.append(
                VerificationFinding(name, precision, kind, refused=f"its process died with exit code {process.exitcode}")
            )
    return found


def _weights(network: Network, folder: Path | None) -> tuple[Path | None, bool]:
    """A local file or folder of weights, and whether the weights are random."""
    local = weights_in(folder, network) if folder is not None else None
    if local:
        return local, False
    return None, not (network.source.address.startswith(_FETCHED) and network.source.sha256)


def _export_and_send(
    name: str,
    precisions: Sequence[str],
    images: Sequence[NDArray[np.uint8]],
    calibration: Calibration | None,
    weights: Path | None,
    random: bool,
    accept_terms: bool,
    folder: Path,
    sender: Connection,
) -> None:
    from reid_edge_export.export import export_traced
    from reid_edge_export.parity import bounds_of
    from reid_edge_export.tracing import trace_network

    kind = "random" if random else "trained"
    begun = time.monotonic()
    try:
        traced = trace_network(name, images=images, weights=weights, random=random, accept_terms=accept_terms)
    except ReidEdgeError as error:
        for precision in precisions:
            sender.send(VerificationFinding(name, precision, kind, refused=error.message))
        return
    for precision in precisions:
        file = folder / f"{name.replace(':', '-')}.{precision}.onnx"
        try:
            exported = export_traced(traced, file, precision=precision, calibration=calibration)
        except ReidEdgeError as error:
            sender.send(VerificationFinding(name, precision, kind, refused=f"{error.message} {error.hint}"))
            continue
        except Exception as error:  # of a library; the next precision may do better
            sender.send(VerificationFinding(name, precision, kind, refused=f"{type(error).__name__}: {error}"))
            continue
        seconds = round(time.monotonic() - begun, 1)
        bounds = bounds_of(exported.entry.task, exported.rounding)
        measured = {measure: round(exported.parity[measure], 7) for measure in bounds if measure in exported.parity}
        builds = _build(file)
        sender.send(VerificationFinding(name, precision, kind, exported.size, seconds, bounds, measured, "", builds))
        file.unlink()
        begun = time.monotonic()


def _build(file: Path) -> dict[str, TensorRtBuild]:
    """The file built for each of `TARGETS`, where TensorRT-RTX is installed."""
    if importlib.util.find_spec("tensorrt_rtx") is None:
        return {}
    return {target: build(file, target) for target in TARGETS}


def in_words(findings: Sequence[VerificationFinding]) -> str:
    """What was verified of one network, for a line of a list."""
    if not findings:
        return "not yet"
    weights = "" if all(finding.weights == "trained" for finding in findings) else " (random weights)"
    passed = [finding.precision for finding in findings if not finding.refused]
    refused = [finding.precision for finding in findings if finding.refused]
    built = {target for finding in findings for target, build in finding.tensorrt.items() if not build.refused}
    parts = [", ".join(passed) + weights] if passed else []
    parts += [f"TensorRT-RTX {' '.join(sorted(built))}"] if built else []
    parts += [f"refused: {', '.join(refused)}"] if refused else []
    return "; ".join(parts)


def by_network(findings: Sequence[VerificationFinding]) -> dict[str, list[VerificationFinding]]:
    """The findings of each network, fp32 first."""
    grouped: dict[str, list[VerificationFinding]] = {}
    for finding in sorted(findings, key=lambda finding: list(PRECISIONS).index(finding.precision)):
        grouped.setdefault(finding.network, []).append(finding)
    return grouped
