"""Engines that were built on this device, by TensorRT or OpenVINO, each under the key of everything that it depends on.

An engine is code for one GPU, one TensorRT and one driver, or for one processor and one OpenVINO. So an engine lies beside a record (JSON)
of its whole key and its sha256, and is used only when both fit; without such a record it is foreign or half written, and is built anew. The
record is written after the engine, and each of the two appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reid_edge.engines.contract import TensorSpec
from reid_edge.engines.profiles import AxisRanges
from reid_edge.engines.tensorrt_build import OPTIONS, BuiltEngine, Library
from reid_edge.pack.store import default_store
from reid_edge.storage.durable import TEMPORARY, replacing
from reid_edge.storage.errors import storage_errors
from reid_edge.storage.locks import only_writer

_LARGEST_RECORD = 1 << 20


@dataclass(frozen=True)
class EngineKey:
    """Everything that an engine depends on.

    Attributes:
        onnx_sha256: hex, of the ONNX file.
        library: ``tensorrt 10.3.0``, ``tensorrt_rtx 1.7.1.116``, ``openvino 2026.4.1``, or the ``onnxruntime 1.31.1`` whose provider
            builds it.
        compute_capability: of the GPU, such as ``8.7``; empty for a processor.
        gpu: its name, or that of the processor; empty where the engine is built for all of a generation.
        driver: the NVIDIA driver and its CUDA, or the processor's instruction sets; empty likewise.
        ranges: the sizes that it accepts; empty where it accepts any.
    """

    onnx_sha256: str
    library: str
    compute_capability: str
    gpu: str
    driver: str
    ranges: AxisRanges

    def facts(self) -> dict[str, Any]:
        """The key as plain data, the builder's options included."""
        ranges = {axis: list(vars(size).values()) for axis, size in sorted(self.ranges.items())}
        return {**vars(self), "ranges": ranges, "options": OPTIONS}

    @property
    def digest(self) -> str:
        """32 hex digits, the name of the engine's files."""
        return _sha256(json.dumps(self.facts(), sort_keys=True).encode())[:32]

    @property
    def timing_digest(self) -> str:
        """32 hex digits of what measured times depend on: the GPU, the driver and the library, whatever the network."""
        facts = self.facts()
        return _sha256(json.dumps([facts[name] for name in ("library", "compute_capability", "gpu", "driver")]).encode())[:32]


@dataclass(frozen=True)
class CachedEngine:
    """An engine whose bytes are those that were built here.

    Attributes:
        path: where it lies.
        content: its bytes.
        inputs, outputs: of the network; dynamic axes by the names of the graph.
        build_seconds: what building it took.
        fresh: it was built just now.
        self_test: how far its answers were from ONNX Runtime's, 0..1; None before the test, or where it failed.
        cpu_seconds: processor time of one run of the engine and of ONNX Runtime; None where it was not measured.
    """

    path: Path
    content: bytes
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    build_seconds: float
    fresh: bool
    self_test: float | None
    cpu_seconds: tuple[float, float] | None = None


def default_engine_folder() -> Path:
    """Where engines lie: $REID_EDGE_ENGINES, $REID_EDGE_HOME/engines, or ~/.local/share/reid-edge/engines."""
    if folder := os.environ.get("REID_EDGE_ENGINES"):
        return Path(folder)
    return default_store().parent / "engines"


class EngineCache:
    """A folder of engines."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_engine_folder()

    def path(self, key: EngineKey) -> Path:
        """Where the engine of this key lies, or would."""
        return self.folder / f"{key.digest}.engine"

    def read(self, key: EngineKey) -> CachedEngine | None:
        """The engine of this key; None where there is none whose record and bytes are sound."""
        path = self.path(key)
        record = _read_record(path.with_suffix(".json"))
        try:
            if record is None or record["key"] != _plain(key.facts()) or path.stat().st_size != record["size"]:
                return None
            content = _read_checked(path, record["sha256"])
            if content is None:
                return None
            inputs, outputs = (tuple(_spec(facts) for facts in record[side]) for side in ("inputs", "outputs"))
            taken = record.get("cpu_seconds")
            cpu_seconds = (float(taken[0]), float(taken[1])) if taken else None
            tested = record.get("self_test")
            return CachedEngine(path, content, inputs, outputs, float(record["build_seconds"]), False, tested, cpu_seconds)
        except (OSError, LookupError, TypeError, ValueError):
            return None

    def obtain(self, key: EngineKey, name: str, build: Callable[[bytes], BuiltEngine]) -> CachedEngine:
        """The engine of this key, built where it is not there. One process builds at a time; another waits, then finds it.

        Args:
            key: of the engine.
            name: the network's name, for people who read the record.
            build: builds it; gets the timing cache of earlier builds.

        Raises:
            EngineError: it cannot be built.
            StorageError: the disk is full or read-only.
        """
        if found := self.read(key):
            return found
        with storage_errors(f"build engines into {self.folder}", "Set REID_EDGE_ENGINES to a folder that can be written."):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with only_writer(self.folder, f"*{TEMPORARY}"):
                if found := self.read(key):
                    return found
                built = build(self._timing_cache(key))
                self._write(key, name, built)
        return CachedEngine(self.path(key), built.content, built.inputs, built.outputs, built.seconds, True, None)

    def record_self_test(self, key: EngineKey, difference: float | None, cpu_seconds: tuple[float, float] | None = None) -> None:
        """Note how far the engine's answers were from ONNX Runtime's (None: too far), and how long each took where it was measured.

        Raises:
            StorageError: the disk is full or read-only.
        """
        path = self.path(key).with_suffix(".json")
        record = _read_record(path)
        if record is not None:
            with storage_errors(f"note the self-test in {self.folder}"):
                _write_whole(path, _json({**record, "self_test": difference, "cpu_seconds": cpu_seconds}))

    def remove(self, key: EngineKey) -> None:
        """Forget an engine, one that answers wrongly for instance.

        Raises:
            StorageError: the disk is read-only.
        """
        with storage_errors(f"remove an engine from {self.folder}"):
            self.path(key).with_suffix(".json").unlink(missing_ok=True)
            self.path(key).unlink(missing_ok=True)

    def _write(self, key: EngineKey, name: str, built: BuiltEngine) -> None:
        record = {
            "network": name,
            "key": key.facts(),
            "sha256": _sha256(built.content),
            "size": len(built.content),
            "inputs": [asdict(spec) for spec in built.inputs],
            "outputs": [asdict(spec) for spec in built.outputs],
            "build_seconds": round(built.seconds, 2),
        }
        path = self.path(key)
        path.with_suffix(".json").unlink(missing_ok=True)
        _write_whole(path, built.content)
        _write_whole(path.with_suffix(".json"), _json(record))
        if built.timing_cache:
            timing = self._timing_path(key)
            _write_whole(timing, built.timing_cache)
            _write_whole(timing.with_suffix(".json"), _json({"sha256": _sha256(built.timing_cache)}))

    def _timing_path(self, key: EngineKey) -> Path:
        return self.folder / f"{key.timing_digest}.timing"

    def _timing_cache(self, key: EngineKey) -> bytes:
        """What earlier builds have measured; nothing where it is not as it was written."""
        path = self._timing_path(key)
        record = _read_record(path.with_suffix(".json"))
        try:
            content = path.read_bytes()
        except OSError:
            return b""
        return content if record is not None and record.get("sha256") == _sha256(content) else b""


# Engines whose hash this process has found right, each with what the file system says of the file; a write changes that.
_CHECKED: dict[Path, tuple[str | int, ...]] = {}


def _read_checked(path: Path, sha256: str) -> bytes | None:
    """The bytes of an engine, hashed once by each process; None where they are not those that were built."""
    state = path.stat()
    signature = (sha256, state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    content = path.read_bytes()
    if _CHECKED.get(path) != signature:
        if _sha256(content) != sha256:
            return None
        _CHECKED[path] = signature
    return content


def _write_whole(path: Path, content: bytes) -> None:
    with replacing(path) as file:
        file.write(content)


def _read_record(path: Path) -> dict[str, Any] | None:
    try:
        if path.stat().st_size > _LARGEST_RECORD:
            return None
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _spec(facts: Mapping[str, Any]) -> TensorSpec:
    return TensorSpec(str(facts["name"]), str(facts["dtype"]), tuple(facts["shape"]))


def _plain(facts: dict[str, Any]) -> Any:
    """As JSON gives it back."""
    return json.loads(json.dumps(facts))


def _json(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, indent=1, sort_keys=True).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def key_of(
    model: bytes, library: Library | str, ranges: AxisRanges, compute_capability: str, gpu: str = "", driver: str = ""
) -> EngineKey:
    """The key of a network's engine."""
    return EngineKey(_sha256(model), str(library), compute_capability, gpu, driver, ranges)
