"""Engines of TensorRT-RTX for named generations of GPU, built on a machine without one.

They show that TensorRT accepts a graph, and run where TensorRT-RTX is installed; TensorRT itself cannot load them.
"""

from __future__ import annotations

from reid_edge.engines.build_progress import build_progress
from reid_edge.engines.engine_cache import CachedEngine, EngineCache, key_of
from reid_edge.engines.profiles import AxisRanges
from reid_edge.engines.tensorrt_build import BuiltEngine, Library, build_engine


def build_ahead(library: Library, target: str, model: bytes, name: str, ranges: AxisRanges, cache: EngineCache) -> CachedEngine:
    """The engine of one network for one generation of GPU: from the cache, or built.

    Args:
        library: TensorRT-RTX.
        target: from `reid_edge.engines.tensorrt_build.parse_targets`, such as ``SM86``.
        model: the ONNX file's bytes.
        name: the network's name, for messages.
        ranges: the sizes of its dynamic axes.
        cache: where the engine is kept.

    Raises:
        EngineError: TensorRT-RTX refuses the network.
        StorageError: the cache's disk is full or read-only.
    """

    def build(_: bytes) -> BuiltEngine:
        with build_progress(f"the engine of {name} for {target}") as report:
            return build_engine(model, name, library, ranges, report, target=target)

    capability = f"{target[2:-1]}.{target[-1]}"
    return cache.obtain(key_of(model, library, ranges, capability), name, build)
