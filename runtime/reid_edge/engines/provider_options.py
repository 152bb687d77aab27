"""The options of ONNX Runtime's execution providers.

Its TensorRT provider builds an engine for each part of a network when a session is made, which takes minutes, and keeps them only where an
option names a folder. It names engines after the graph but not after its weights (https://onnxruntime.ai/docs/execution-providers,
"TensorRT EP Caches"), so each network has a folder of its own, under the key of everything that this package knows of it.
"""

from __future__ import annotations

from pathlib import Path

from reid_edge.engines.engine_cache import default_engine_folder, key_of
from reid_edge.engines.gpu import Gpu, find_gpu
from reid_edge.engines.onnx_runtime import require_onnxruntime
from reid_edge.storage.errors import storage_errors

Providers = list[tuple[str, dict[str, str]]]

TENSORRT_PROVIDER = "TensorrtExecutionProvider"
CPU_PROVIDER = "CPUExecutionProvider"
_CUDA_PROVIDER = "CUDAExecutionProvider"
_WITHOUT_INDEX = (CPU_PROVIDER, "OpenVINOExecutionProvider")


def providers(provider: str, index: int, model: bytes) -> Providers:
    """The providers of a session with their options, the wanted one first, the CPU for what it cannot run.

    Args:
        provider: the wanted one.
        index: of the GPU, where it is for GPUs.
        model: the ONNX file's bytes.

    Raises:
        EngineError: TensorRT is wanted and there is no NVIDIA driver or no such GPU.
        StorageError: the folder of engines cannot be made.
    """
    options = {} if provider in _WITHOUT_INDEX else {"device_id": str(index)}
    if provider == _CUDA_PROVIDER:
        options["use_tf32"] = "0"  # float32 in the file is float32 here; rounded to TF32, saliency of u2netp is 13 % off
    if provider == TENSORRT_PROVIDER:
        options |= tensorrt_options(model, find_gpu(index))
    wanted = [(provider, options)]
    return wanted if provider == CPU_PROVIDER else [*wanted, (CPU_PROVIDER, {})]


def tensorrt_options(model: bytes, gpu: Gpu) -> dict[str, str]:
    """Where the TensorRT provider keeps the engines of this network, and what it measured on this GPU. Makes the folders.

    Raises:
        StorageError: they cannot be made.
    """
    engines, timing = _folders(model, gpu)
    with storage_errors(f"keep engines in {engines}"):
        for folder in (default_engine_folder(), engines.parent, engines, timing):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(engines),
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": str(timing),
    }


def has_built(model: bytes, gpu: Gpu) -> bool:
    """Whether the TensorRT provider has built engines of this network on this GPU."""
    return any(_folders(model, gpu)[0].glob("*.engine"))


def _folders(model: bytes, gpu: Gpu) -> tuple[Path, Path]:
    """Of the network's engines, and of the times measured for any network."""
    key = key_of(model, f"onnxruntime {require_onnxruntime().__version__}", {}, gpu.compute_capability, gpu.name, gpu.driver)
    folder = default_engine_folder() / "onnxruntime"
    return folder / key.digest, folder / f"timing-{key.timing_digest}"
