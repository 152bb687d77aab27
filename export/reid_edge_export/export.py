"""From weights to a verified ONNX file: load, trace, store, compare with PyTorch, and only then write."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import reid_edge
from reid_edge.errors import StorageError, UsageError
from reid_edge.pack import manifest
from reid_edge_export.catalogue import OPSET, Network, network_named, resolve_parameters, resolve_preprocessing
from reid_edge_export.networks import build_network
from reid_edge_export.sources import obtain, sha256_of

Storage = Literal["fp32", "fp16"]
_STORAGES = ("fp32", "fp16")
# Their version can change the bytes of the file or the figures of the comparison.
_EXPORTERS = ("torch", "onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class ExportedNetwork:
    """What an export made.

    Attributes:
        name: of the catalogue.
        path: the ONNX file.
        sha256, size: of that file; size in bytes.
        entry: what the pack's manifest says about it; its `file` is the name of `path`.
        licence: of the weights, SPDX.
        origin: where the weights come from and their hash, one sentence.
        provenance: versions of what took part.
        parity: the comparison with PyTorch, see `reid_edge_export.parity`.
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


def export_network(
    name: str,
    out: Path,
    *,
    images: Sequence[NDArray[np.uint8]],
    weights: Path | None = None,
    storage: Storage = "fp32",
    random: bool = False,
    accept_terms: bool = False,
    **parameters: Any,
) -> ExportedNetwork:
    """Export one network and prove that the file answers as PyTorch does.

    Args:
        name: a name of the catalogue.
        out: the ONNX file to write; it is replaced in one step, after the comparison.
        images: photos for the comparison, uint8 [H, W, 3], RGB.
        weights: a file in the official key layout; None fetches the catalogue's source.
        storage: how the weights are stored; they compute in float32 either way.
        random: to check the conversion alone: the weights are random, those of `weights` or, with None, new ones, the same each
            time. The file is stamped `random`, and the runtime refuses a pack with it unless told otherwise.
        accept_terms: the user agrees to the `terms` of the network's weights; needed where it has some.
        parameters: in place of the catalogue's defaults.

    Raises:
        UsageError: an unknown name, parameter or storage, terms not agreed to, no image, no torch, or weights that are not this
            network's.
        EngineError: the graph holds an operator that some engine refuses, or the comparison is below its bounds.
        StorageError: the file cannot be written.
    """
    network = network_named(name)
    resolved = resolve_parameters(network, parameters)
    if storage not in _STORAGES:
        raise UsageError(f"{name}: storage is {storage!r}.", f"Choose one of {', '.join(_STORAGES)}.")
    if network.terms and not (accept_terms or random):
        raise UsageError(f"{name}: {network.terms}", "If your use is within these terms, say so with --accept-terms.")
    file = obtain(network.source) if weights is None and not random else weights
    source_sha256 = "" if file is None else sha256_of(file)
    module = build_network(network, resolved, file)

    from reid_edge_export import graph, parity, samples
    from reid_edge_export.storage import store_as_float16

    inputs = samples.make_inputs(network, resolved, images, random)
    model = graph.trace(module, network, resolved)
    if storage == "fp16":
        store_as_float16(model, network.sensitive)
    entry = _entry(network, resolved, storage, random, out.name)
    provenance = {"reid-edge": reid_edge.__version__, **{package: version(package) for package in _EXPORTERS}}
    address = "random" if file is None else f"file:{file.name}"
    if source_sha256 and source_sha256 == network.source.sha256:
        address = network.source.address
    graph.write_metadata(model, _metadata(network, entry, address, source_sha256, provenance))
    content = model.SerializeToString(deterministic=True)
    report = parity.compare(network.task, parity.run_torch(module, network, inputs), parity.run_onnx(content, network, inputs))
    parity.judge(name, network.task, storage, report)
    write_whole(out, content)
    return ExportedNetwork(
        name=name,
        path=out,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        entry=entry,
        licence=network.licence,
        origin=f"{network.title}; " + (f"weights from {address} (sha256 {source_sha256})." if file else "random weights."),
        provenance=provenance,
        parity=report,
    )


def _entry(network: Network, parameters: Mapping[str, Any], storage: Storage, random: bool, file: str) -> manifest.Network:
    facts = dict(parameters)
    if network.task in ("embedding", "keypoints"):
        facts["dimension"] = network.outputs[-1].shape[-1]
    if "cell" in network.layout:
        facts["cell"] = network.layout["cell"]  # pixels per side; the caller turns cells into places
    return manifest.Network(
        file=file,
        task=network.task,
        opset=OPSET,
        precision="fp32",
        storage=storage,
        weights="random" if random else "trained",
        preprocessing=resolve_preprocessing(network, parameters),
        parameters=facts,
    )


def _metadata(
    network: Network, entry: manifest.Network, address: str, source_sha256: str, provenance: Mapping[str, str]
) -> dict[str, str]:
    """What the file says about itself, so that it can be told apart without its pack."""
    preprocessing = asdict(entry.preprocessing) if entry.preprocessing else {}
    return {
        "network": network.name,
        "task": network.task,
        "licence": network.licence,
        "source": address,
        "source_sha256": source_sha256,
        "weights": entry.weights,
        "precision": entry.precision,
        "storage": entry.storage,
        "parameters": json.dumps(entry.parameters, sort_keys=True),
        "preprocessing": json.dumps(preprocessing, sort_keys=True),
        "outputs": json.dumps([spec.name for spec in network.outputs]),
        "exporter": json.dumps(provenance, sort_keys=True),
    }


def write_whole(out: Path, content: bytes) -> None:
    """The whole file or none: beside the place first, then into it."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=out.parent, prefix=f".{out.name}-", delete=False) as file:
            fresh = Path(file.name)
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                fresh.chmod(0o644)
                fresh.replace(out)
            finally:
                fresh.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"{out}: cannot be written ({error.strerror or error}).", "Free space there or choose another folder."
        ) from error
