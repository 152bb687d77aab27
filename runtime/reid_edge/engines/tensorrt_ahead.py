"""Engines of TensorRT-RTX for named generations of GPU, built on a machine without one.

They show that TensorRT accepts a graph, and ``--device tensorrt-rtx`` runs them; TensorRT itself cannot load them.
"""

from __future__ import annotations

from reid_edge.engines.build_progress import build_progress
from reid_edge.engines.engine_cache import CachedEngine, EngineCache, key_of
from reid_edge.engines.profiles import AxisRanges, fitted
from reid_edge.engines.tensorrt_build import BuiltEngine, Library, build_engine
from reid_edge.errors import EngineError, UsageError


def build_ahead(library: Library, target: str, model: bytes, name: str, ranges: AxisRanges, cache: EngineCache) -> CachedEngine:
    """The engine of one network for one generation of GPU: from the cache, or built.

    Args:
        library: TensorRT-RTX.
        target: from `parse_targets`, such as ``SM86``.
        model: the ONNX file's bytes.
        name: the network's name, for messages.
        ranges: the sizes of its dynamic axes.
        cache: where the engine is kept.

    Raises:
        EngineError: TensorRT-RTX refuses the network.
        StorageError: the cache's disk is full or read-only.
    """

    ranges = fitted(ranges, 0)

    def build(_: bytes) -> BuiltEngine:
        with build_progress(f"the engine of {name} for {target}") as report:
            return build_engine(model, name, library, ranges, report, target=target)

    capability = f"{target[2:-1]}.{target[-1]}"
    return cache.obtain(key_of(model, library, ranges, capability), name, build)


def parse_targets(text: str, library: Library) -> list[str]:
    """The GPU generations of a list such as ``SM86,SM89``, each once.

    Raises:
        UsageError: one that this TensorRT-RTX does not build for.
    """
    known = [name for name in library.module.ComputeCapability.__members__ if name.startswith("SM")]
    targets = list(dict.fromkeys(part.strip().upper() for part in text.split(",")))
    for target in targets:
        if target not in known:
            raise UsageError(
                f"{library} cannot build for {target!r}.",
                f"Choose among {', '.join(known)}; for any other GPU build on the machine that has it, without --for.",
            )
    return targets


def target_of(library: Library, compute_capability: str) -> str:
    """What TensorRT-RTX calls the generation of a GPU, such as ``SM86`` for 8.6; empty for TensorRT, which builds for the GPU at hand.

    Raises:
        EngineError: this TensorRT-RTX does not build for it.
    """
    if library.name == "tensorrt":
        return ""
    target = f"SM{compute_capability.replace('.', '')}"
    if target not in library.module.ComputeCapability.__members__:
        raise EngineError(f"{library} does not build for GPUs of compute capability {compute_capability}.", "Use --device cuda.")
    return target
