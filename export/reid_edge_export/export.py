"""From weights to verified ONNX files: load, trace once, convert to a precision, compare with PyTorch, and only then write."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

import reid_edge
from reid_edge.errors import EngineError, ReidEdgeError, StorageError, UsageError
from reid_edge.pack import manifest
from reid_edge.storage.durable import replacing, sync_file
from reid_edge_export.catalogue import OPSET, Network, network_with, resolve_preprocessing
from reid_edge_export.precision import Precision, precision_named
from reid_edge_export.precision.calibration import Calibration
from reid_edge_export.progress import Say, step
from reid_edge_export.tracing import TracedNetwork, trace_network

if TYPE_CHECKING:
    from onnx import ModelProto

Storage = Literal["fp32", "fp16"]
_STORAGES = ("fp32", "fp16")
# Their version can change the bytes of the file or the figures of the comparison.
EXPORTERS = ("torch", "onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class ExportedNetwork:
    """What an export made.

    Attributes:
        name: of the catalogue.
        path: the ONNX file; beside it lies a JSON file of the same name with `facts` and the parity report.
        sha256, size: of that file; size in bytes.
        entry: what the pack's manifest says about it; its `file` is the name of `path`.
        licence: of the weights, SPDX.
        origin: where the weights come from and their hash, one sentence.
        provenance: versions of what took part.
        parity: the comparison with PyTorch, see `reid_edge_export.parity`.
        rounding: whose bounds it passed: that of the computation, or of the weights where these alone are rounded.
        facts: the metadata inside the file.
    """

    name: str
    path: Path
    sha256: str
    size: int
    entry: manifest.Network
    licence: str
    origin: str
    provenance: Mapping[str, str]
    parity: Mapping[str, float]
    rounding: str
    facts: Mapping[str, str]


def export_network(
    name: str,
    out: Path,
    *,
    images: Sequence[NDArray[np.uint8]],
    weights: Path | None = None,
    storage: Storage = "fp32",
    precision: str = "fp32",
    batch: int | None = None,
    calibration: Calibration | None = None,
    random: bool = False,
    accept_terms: bool = False,
    say: Say | None = None,
    **parameters: Any,
) -> ExportedNetwork:
    """Export one network in one precision, and write the file only if its outputs agree with PyTorch's.

    Args:
        name: a name of the catalogue.
        out: the ONNX file to write; it and the JSON file beside it are replaced in one step, after the comparison.
        images: photos for the comparison, uint8 [H, W, 3], RGB.
        weights: a file in the official key layout; None fetches the catalogue's source.
        storage, precision, batch, calibration: see `export_traced`.
        random: the weights are random: those of `weights`, or with None new ones, the same each time. This checks the conversion
            alone. The file is marked `random`, and the runtime refuses a pack with it unless random weights are allowed.
        accept_terms: the user agrees to the `terms` of the network's weights, if it has any.
        say: called with one line for each step that takes long.
        parameters: replace the catalogue's defaults.

    Raises:
        UsageError: an unknown name, parameter, storage or precision, terms not agreed to, no image, int8 without photos to calibrate on
            or of a task that has no bound for it, no torch, or weights that are not this network's.
        EngineError: the graph holds an operator that some engine refuses, or the comparison is below its bounds.
        StorageError: the files cannot be written.
    """
    check_precision(network_with(name, parameters)[0], precision, storage, calibration)
    traced = trace_network(
        name, images=images, weights=weights, random=random, accept_terms=accept_terms, say=say, parameters=parameters
    )
    return export_traced(traced, out, storage=storage, precision=precision, batch=batch, calibration=calibration, say=say)


def check_precision(network: Network, precision: str, storage: str, calibration: Calibration | None) -> Precision:
    """The precision of that name, if the network can be asked for it: before any weights are fetched.

    Raises:
        UsageError: an unknown precision or storage, or int8 without photos or of a task that has no bound for it.
    """
    name, asked = network.name, precision_named(precision)
    if storage not in _STORAGES:
        raise UsageError(f"{name}: storage is {storage!r}.", f"Choose one of {', '.join(_STORAGES)}.")
    if asked.computes == "int8":
        from reid_edge_export.parity import bounds_of

        if not bounds_of(network.task, "int8"):
            raise UsageError(
                f"{name}: {network.task} networks are not exported in int8, because no parity bound is defined for them.",
                "Export it in fp16.",
            )
        if calibration is None or not calibration.images:
            raise UsageError(
                f"{name}: {precision} needs photos for calibration.", "Name a folder of photos of your animals with --photos."
            )
    return asked


def export_traced(
    traced: TracedNetwork,
    out: Path,
    *,
    storage: Storage = "fp32",
    precision: str = "fp32",
    batch: int | None = None,
    calibration: Calibration | None = None,
    say: Say | None = None,
) -> ExportedNetwork:
    """Convert a traced network to a precision, compare it with PyTorch's outputs and write it.

    Args:
        traced: of `trace_network`.
        out: the ONNX file to write; it and the JSON file beside it are replaced in one step, after the comparison.
        storage: how the weights of fp32 are stored; they compute in float32 either way. Of no meaning for other precisions.
        precision: a name of `reid_edge_export.precision.PRECISIONS`.
        batch: the size of the batch axis; None leaves it open.
        calibration: photos for int8; best others than those of the comparison.
        say: called with one line for each step that takes long.

    Raises:
        UsageError: see `check_precision`; or ModelOpt, which makes fp16, is not installed.
        EngineError: the graph holds an operator that some engine refuses, or the comparison is below its bounds.
        StorageError: the files cannot be written.
    """
    from reid_edge_export import graph, parity, report

    network = traced.network
    asked = check_precision(network, precision, storage, calibration)
    with _library(f"{network.name} {precision}"):
        model = _convert(traced, asked, storage, calibration, say)
    if batch is not None:
        graph.fix_batch(model, batch)
    stored = storage if asked.computes == "fp32" else asked.computes
    entry = pack_entry(network, traced.parameters, asked, stored, traced.random, out.name)
    provenance = {"reid-edge": reid_edge.__version__, **{package: version(package) for package in EXPORTERS}}
    if asked.computes == "fp16":
        provenance["nvidia-modelopt"] = version("nvidia-modelopt")
    facts = _metadata(traced, entry, asked, provenance, batch, calibration)
    graph.write_metadata(model, facts)
    content = model.SerializeToString(deterministic=True)
    with step(say, f"{network.name} {precision}: comparing with PyTorch on {len(traced.inputs)} sets of inputs"):
        found = parity.run_onnx(content, network, [_repeated(arrays, batch) for arrays in traced.inputs])
        measured = parity.compare(network.task, traced.expected, [{name: a[-1:] for name, a in each.items()} for each in found])
    rounding = asked.computes if asked.computes != "fp32" else stored
    find_cause = None if asked.computes == "fp32" else partial(_find_cause, traced, model, asked, batch)
    title = network.name if asked.computes == "fp32" else f"{network.name} {precision}"
    parity.judge(title, network.task, rounding, measured, find_cause)
    sha256 = hashlib.sha256(content).hexdigest()
    document = report.write_document(facts, sha256, len(content), measured, rounding)
    write_whole({out.with_suffix(".json"): document, out: content})
    origin = f"weights from {traced.address} (sha256 {traced.sha256})." if traced.sha256 else "random weights."
    return ExportedNetwork(
        name=network.name,
        path=out,
        sha256=sha256,
        size=len(content),
        entry=entry,
        licence=network.licence,
        origin=f"{network.title}; {origin}",
        provenance=provenance,
        parity=measured,
        rounding=rounding,
        facts=facts,
    )


def _convert(
    traced: TracedNetwork, precision: Precision, storage: Storage, calibration: Calibration | None, say: Say | None
) -> ModelProto:
    """A graph of this precision; the traced one stays as it is."""
    from onnx import ModelProto

    from reid_edge_export import graph, samples
    from reid_edge_export import storage as stored

    network = traced.network
    kept = network.full_precision.get(precision.name, ())
    if precision.computes == "fp32":
        model = ModelProto()
        model.CopyFrom(traced.graph)
        if storage == "fp16":
            stored.store_as_float16(model, network.sensitive)
        return model
    if precision.computes == "fp16":
        from reid_edge_export.precision.autocast import to_float16

        with step(say, f"{network.name} {precision.name}: converting"):
            model = to_float16(traced.graph, traced.inputs, kept)
    else:
        from reid_edge_export.precision.int8 import to_int8

        assert calibration is not None  # check_precision asked for it
        with step(say, f"{network.name} {precision.name}: calibrating on {len(calibration.images)} photos"):
            inputs = samples.make_inputs(network, traced.parameters, calibration.images, traced.random)
            model = to_int8(traced.graph, inputs, "cpu" if precision.name == "int8-cpu" else "tensorrt", kept)
    graph.tidy_converted(model, network.name)
    return model


@contextlib.contextmanager
def _library(title: str) -> Iterator[None]:
    """Turn any error of a conversion library into an EngineError that names the network and its precision."""
    try:
        yield
    except ReidEdgeError:
        raise
    except Exception as error:  # ModelOpt, ONNX Runtime and their helpers raise anything
        first = (str(error).strip().splitlines() or [""])[0]
        raise EngineError(f"{title}: the conversion failed ({type(error).__name__}: {first}).", "Export it in fp32.") from error


def _find_cause(traced: TracedNetwork, model: ModelProto, precision: Precision, batch: int | None) -> str:
    from reid_edge_export import graph
    from reid_edge_export.precision.diagnosis import blame

    original = traced.graph
    if batch is not None:
        original = type(model)()
        original.CopyFrom(traced.graph)
        graph.fix_batch(original, batch)
    with _library(f"{traced.network.name} {precision.name}, finding the cause"):
        found = blame(original, model, _repeated(traced.inputs[0], batch)) or "the rounding adds up over the whole graph"
    return f"{found}; add nodes that must stay float32 to full_precision[{precision.name!r}] in the catalogue"


def _repeated(arrays: Mapping[str, NDArray[Any]], batch: int | None) -> Mapping[str, NDArray[Any]]:
    """A set of inputs, repeated to fill a fixed batch."""
    return arrays if batch is None else {name: np.repeat(array, batch, axis=0) for name, array in arrays.items()}


def pack_entry(
    network: Network, parameters: Mapping[str, Any], precision: Precision, storage: manifest.Precision, random: bool, file: str
) -> manifest.Network:
    """The entry of a network in a pack's manifest; `file` is its path in the pack."""
    facts = dict(parameters)
    if network.task in ("embedding", "keypoints"):
        facts["dimension"] = network.outputs[-1].shape[-1]
    if "cell" in network.layout:
        facts["cell"] = network.layout["cell"]  # pixels per side; the caller turns cells into places
    if network.layout.get("position", 2) != 2:
        facts["position"] = network.layout["position"]  # numbers that describe the place of a keypoint
    if any(spec.name == "frames" for spec in network.outputs):
        facts["frames"] = True
    return manifest.Network(
        file=file,
        task=network.task,
        opset=OPSET,
        precision=precision.computes,
        storage=storage,
        weights="random" if random else "trained",
        preprocessing=resolve_preprocessing(network, parameters),
        parameters=facts,
    )


def _metadata(
    traced: TracedNetwork,
    entry: manifest.Network,
    precision: Precision,
    provenance: Mapping[str, str],
    batch: int | None,
    calibration: Calibration | None,
) -> dict[str, str]:
    """The metadata inside the file, which identifies it without its pack."""
    network = traced.network
    preprocessing = asdict(entry.preprocessing) if entry.preprocessing else {}
    facts = {
        "network": network.name,
        "task": network.task,
        "licence": network.licence,
        "source": traced.address,
        "source_sha256": traced.sha256,
        "weights": entry.weights,
        "precision": precision.name,
        "storage": entry.storage,
        "parameters": json.dumps(entry.parameters, sort_keys=True),
        "preprocessing": json.dumps(preprocessing, sort_keys=True),
        "outputs": json.dumps([spec.name for spec in network.outputs]),
        "exporter": json.dumps(provenance, sort_keys=True),
    }
    if precision.method:
        facts["precision_method"] = precision.method
        facts["full_precision"] = json.dumps(network.full_precision.get(precision.name, ()))
    if precision.computes == "int8" and calibration:
        facts["calibration"] = json.dumps({"photos": len(calibration.images), "sha256": calibration.sha256}, sort_keys=True)
    if batch is not None:
        facts["batch"] = str(batch)
    return facts


def write_whole(contents: Mapping[Path, bytes]) -> None:
    """All of these files or none of them: beside their places first, then, once all are on the disk, into them.

    Raises:
        StorageError: one cannot be written; what was there before is still there.
    """
    try:
        with contextlib.ExitStack() as files:
            for out, content in contents.items():
                out.parent.mkdir(parents=True, exist_ok=True)
                if out.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                file = files.enter_context(replacing(out))
                file.write(content)
                file.flush()
                sync_file(file.fileno())
    except OSError as error:
        raise StorageError(
            f"{out}: cannot be written ({error.strerror or error}).", "Free space there or choose another folder."
        ) from error
