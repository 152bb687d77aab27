"""Does the graph answer as PyTorch does? The same inputs through both, the differences per output, and one verdict.

A report is flat data for the pack: for each measure its p50, p99 and max (of differences) or p50, p1 and min (of likenesses).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import EngineError
from reid_edge_export.catalogue import Network

if TYPE_CHECKING:
    from torch import nn

Arrays = Mapping[str, NDArray[Any]]
Report = dict[str, float]

_SAME_PLACE = 0.1  # pixels
_MATCH_SCORE = 0.1  # LightGlue's own threshold (filter_threshold): what counts as a match


@dataclass(frozen=True)
class Bound:
    """The measure of a task that decides, the least it may be by how the weights are stored, and what a failure points to."""

    measure: str
    least: Mapping[str, float]
    fp32_cause: str


BOUNDS: Mapping[str, tuple[Bound, ...]] = {
    "segmentation": (
        Bound("saliency_iou_p1", {"fp32": 0.999, "fp16": 0.995}, "the exporter changed a resize: compare its coordinate mode"),
    ),
    "embedding": (
        Bound("embedding_cosine_p1", {"fp32": 0.99999, "fp16": 0.9995}, "padding or pooling was exported for another input size"),
    ),
    "keypoints": (
        Bound("keypoints_repeated", {"fp32": 0.995, "fp16": 0.97}, "the heat map is laid out or suppressed differently"),
        Bound("descriptors_cosine_p1", {"fp32": 0.9999, "fp16": 0.998}, "descriptors are sampled on another grid"),
    ),
    "matching": (Bound("matches_common", {"fp32": 0.999, "fp16": 0.99}, "empty slots take part, or the softmax axis is wrong"),),
}
_FP16_CAUSE = "the rounding of the weights to float16 is too coarse for this network; store it as fp32"


def run_torch(module: nn.Module, network: Network, inputs: Sequence[Arrays]) -> list[Arrays]:
    """The outputs of the PyTorch network by name, for each set of inputs."""
    import torch

    names = [spec.name for spec in network.outputs]
    results: list[Arrays] = []
    with torch.inference_mode():
        for arrays in inputs:
            answer = module(*(torch.from_numpy(arrays[spec.name]) for spec in network.inputs))
            answer = answer if isinstance(answer, tuple) else (answer,)
            results.append(dict(zip(names, (tensor.numpy() for tensor in answer), strict=True)))
    return results


def run_onnx(content: bytes, network: Network, inputs: Sequence[Arrays]) -> list[Arrays]:
    """The outputs of the graph by name, on ONNX Runtime's processor provider, for each set of inputs."""
    import onnxruntime

    names = [spec.name for spec in network.outputs]
    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        return [dict(zip(names, session.run(names, dict(arrays)), strict=True)) for arrays in inputs]
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise EngineError(f"{network.name}: ONNX Runtime cannot run the exported graph ({error}).", "Export it again.") from error


def compare(task: str, expected: Sequence[Arrays], found: Sequence[Arrays]) -> Report:
    """The report of a task: `expected` are PyTorch's outputs, `found` the graph's, one per set of inputs."""
    measured = _COMPARISONS[task](expected, found)
    return {"samples": float(len(expected)), **{name: float(value) for name, value in measured.items()}}


def judge(name: str, task: str, storage: str, report: Report) -> None:
    """Hold a report against the bounds.

    Raises:
        EngineError: a measure is below its bound; the message names it, its size and the likely cause.
    """
    for bound in BOUNDS[task]:
        value, least = report[bound.measure], bound.least[storage]
        if not value >= least:
            cause = _FP16_CAUSE if storage == "fp16" else bound.fp32_cause
            raise EngineError(
                f"{name}: the graph differs from PyTorch: {bound.measure} is {value:.6f} where {storage} weights need {least}.",
                f"Most likely {cause}.",
            )


def _compare_segmentation(expected: Sequence[Arrays], found: Sequence[Arrays]) -> Report:
    overlaps, differences = [], []
    for a, b in zip(expected, found, strict=True):
        ours, theirs = b["saliency"] >= 0.5, a["saliency"] >= 0.5
        union = np.count_nonzero(ours | theirs)
        overlaps.append(np.count_nonzero(ours & theirs) / union if union else 1.0)
        differences.append(np.abs(a["saliency"] - b["saliency"]).ravel())
    return {**_likeness("saliency_iou", overlaps), **_difference("saliency", np.concatenate(differences))}


def _compare_embedding(expected: Sequence[Arrays], found: Sequence[Arrays]) -> Report:
    pairs = [(a["embedding"].ravel(), b["embedding"].ravel()) for a, b in zip(expected, found, strict=True)]
    differences = np.concatenate([np.abs(a - b) for a, b in pairs])
    return {**_likeness("embedding_cosine", [_cosine(a, b) for a, b in pairs]), **_difference("embedding", differences)}


def _compare_keypoints(expected: Sequence[Arrays], found: Sequence[Arrays]) -> Report:
    total, cosines, differences = 0, [], []
    for a, b in zip(expected, found, strict=True):
        slots, others = np.flatnonzero(a["scores"][0] > 0), np.flatnonzero(b["scores"][0] > 0)
        total += max(len(slots), len(others))
        distances = np.linalg.norm(a["keypoints"][0][slots][:, None] - b["keypoints"][0][others][None], axis=2)
        for row, column in np.argwhere(distances <= _SAME_PLACE):
            slot, other = slots[row], others[column]
            cosines.append(_cosine(a["descriptors"][0, slot], b["descriptors"][0, other]))
            differences.append(abs(a["scores"][0, slot] - b["scores"][0, other]))
    repeated = len(cosines) / total if total else 1.0
    return {
        "keypoints_repeated": repeated,
        **_likeness("descriptors_cosine", cosines),
        **_difference("scores", np.asarray(differences)),
    }


def _compare_matching(expected: Sequence[Arrays], found: Sequence[Arrays]) -> Report:
    common = union = 0
    differences = []
    for a, b in zip(expected, found, strict=True):
        ours, theirs = (_matches(arrays) for arrays in (b, a))
        both = ours.keys() & theirs.keys()
        common, union = common + len(both), union + len(ours.keys() | theirs.keys())
        differences += [abs(ours[pair] - theirs[pair]) for pair in both]
    return {
        "matches_common": common / union if union else 0.0,  # without one match nothing was compared
        "matches": union,
        **_difference("scores0", np.asarray(differences)),
    }


_COMPARISONS = {
    "segmentation": _compare_segmentation,
    "embedding": _compare_embedding,
    "keypoints": _compare_keypoints,
    "matching": _compare_matching,
}


def _matches(arrays: Arrays) -> dict[tuple[int, int], float]:
    matches, scores = arrays["matches0"][0], arrays["scores0"][0]
    return {(int(i), int(matches[i])): float(scores[i]) for i in np.flatnonzero((matches >= 0) & (scores > _MATCH_SCORE))}


def _cosine(a: NDArray[Any], b: NDArray[Any]) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))


def _likeness(name: str, values: Sequence[float]) -> Report:
    values = values or [0.0]
    return {f"{name}_p50": np.percentile(values, 50), f"{name}_p1": np.percentile(values, 1), f"{name}_min": np.min(values)}


def _difference(name: str, values: NDArray[Any]) -> Report:
    values = values if len(values) else np.zeros(1)
    return {
        f"{name}_difference_p50": np.percentile(values, 50),
        f"{name}_difference_p99": np.percentile(values, 99),
        f"{name}_difference_max": values.max(),
    }
