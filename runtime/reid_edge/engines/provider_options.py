"""The options of ONNX Runtime's execution providers.

Its TensorRT provider builds an engine for each part of a network when a session is made, which takes minutes, and keeps them only where an
option names a folder. It names engines after the graph but not after its weights (https://onnxruntime.ai/docs/execution-providers,
"TensorRT EP Caches"), so each network has a folder of its own, under the key of everything that this package knows of it.
"""

from __future__ import annotations

from pathlib import Path

from reid_edge.engines.engine_cache import default_engine_folder, key_of
from reid_edge.engines.gpu import Gpu, find_gpu
from reid_edge.engines.onnx_runtime import OnnxRuntimeEngine, preload_cuda, require_onnxruntime
from reid_edge.engines.profiles import AxisRanges
from reid_edge.storage.errors import storage_errors

Providers = list[tuple[str, dict[str, str]]]

TENSORRT_PROVIDER = "TensorrtExecutionProvider"
RTX_PROVIDER = "NvTensorRTRTXExecutionProvider"
CPU_PROVIDER = "CPUExecutionProvider"
_CUDA_PROVIDER = "CUDAExecutionProvider"
_WITHOUT_INDEX = (CPU_PROVIDER, "OpenVINOExecutionProvider")
# The default tries every algorithm for each new size of a convolution, which takes seconds, and sizes vary with the photo. The arena grows
# by what is asked for, not by powers of two, because memory is short on small GPUs. TF32 is off: float32 in the file is float32 here;
# rounded to TF32, the saliency of u2netp is 13 % off.
_CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested", "use_tf32": "0"}


def providers(provider: str, index: int, model: bytes, ranges: AxisRanges) -> Providers:
    """The providers of a session with their options, the wanted one first, the CPU for what it cannot run.

    Args:
        provider: the wanted one.
        index: of the GPU, where it is for GPUs.
        model: the ONNX file's bytes.
        ranges: the sizes of its dynamic axes, which engines of TensorRT are built for.

    Raises:
        EngineError: TensorRT is wanted and there is no NVIDIA driver or no such GPU.
        StorageError: the folder of engines cannot be made.
    """
    options = {} if provider in _WITHOUT_INDEX else {"device_id": str(index)}
    if provider not in _WITHOUT_INDEX:
        preload_cuda()
    if provider == _CUDA_PROVIDER:
        options |= _CUDA_OPTIONS
    if provider == TENSORRT_PROVIDER:
        options |= tensorrt_options(model, find_gpu(index), ranges)
    if provider == RTX_PROVIDER:
        options |= rtx_options(model, find_gpu(index), ranges)
    wanted = [(provider, options)]
    return wanted if provider == CPU_PROVIDER else [*wanted, (CPU_PROVIDER, {})]


def tensorrt_options(model: bytes, gpu: Gpu, ranges: AxisRanges) -> dict[str, str]:
    """The sizes of the engines, where the TensorRT provider keeps them, and what it measured on this GPU. Makes the folders.

    Raises:
        StorageError: they cannot be made.
    """
    engines, timing = _folders(model, gpu, ranges)
    _make(engines, timing)
    return {
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(engines),
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": str(timing),
        **_profile("trt", model, ranges),
    }


def rtx_options(model: bytes, gpu: Gpu, ranges: AxisRanges) -> dict[str, str]:
    """The sizes of the engines of the TensorRT-RTX provider, and where it keeps the kernels that it has compiled. Makes the folder.

    Raises:
        StorageError: it cannot be made.
    """
    kernels, _ = _folders(model, gpu, ranges)
    _make(kernels)
    return {"nv_runtime_cache_path": str(kernels), **_profile("nv", model, ranges)}


def has_built(model: bytes, gpu: Gpu, ranges: AxisRanges) -> bool:
    """Whether the TensorRT provider has built engines of this network on this GPU."""
    return any(_folders(model, gpu, ranges)[0].glob("*.engine"))


def _profile(prefix: str, model: bytes, ranges: AxisRanges) -> dict[str, str]:
    """The smallest, usual and largest shape of every input with a dynamic axis, as both providers want them: ``image:1x3x32x512,...``.

    Without these an engine is built for the sizes that were seen so far, and built again when another comes. None where an axis has no
    range: then the providers want none at all.
    """
    inputs = OnnxRuntimeEngine(model, "", [(CPU_PROVIDER, {})], "cpu", 1).inputs
    dynamic = [spec for spec in inputs if any(isinstance(axis, str) for axis in spec.shape)]
    if not dynamic or any(axis not in ranges for spec in dynamic for axis in spec.shape if isinstance(axis, str)):
        return {}
    ends = {"min": "smallest", "opt": "usual", "max": "largest"}
    return {
        f"{prefix}_profile_{end}_shapes": ",".join(
            f"{spec.name}:{'x'.join(str(getattr(ranges[axis], size)) if isinstance(axis, str) else str(axis) for axis in spec.shape)}"
            for spec in dynamic
        )
        for end, size in ends.items()
    }


def _make(*folders: Path) -> None:
    with storage_errors(f"keep engines in {folders[0]}", "Set REID_EDGE_ENGINES to a folder that can be written."):
        for folder in (default_engine_folder(), folders[0].parent, *folders):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def _folders(model: bytes, gpu: Gpu, ranges: AxisRanges) -> tuple[Path, Path]:
    """Of the network's engines, and of the times measured for any network."""
    library = f"onnxruntime {require_onnxruntime().__version__}"
    key = key_of(model, library, ranges, gpu.compute_capability, gpu.name, gpu.driver)
    folder = default_engine_folder() / "onnxruntime"
    return folder / key.digest, folder / f"timing-{key.timing_digest}"
