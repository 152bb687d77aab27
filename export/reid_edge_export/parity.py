"""Compare a graph with PyTorch: the same inputs through both, the differences per output, and the bounds that they must meet.

A report is flat data for the pack: for each measure its p50, p99 and max (of differences) or p50, p1 and min (of likenesses).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.segmentation.instances import CELL, animal_scores, decode_masks
from reid_edge.errors import EngineError
from reid_edge_export.catalogue import Network

if TYPE_CHECKING:
    from torch import nn

Arrays = Mapping[str, NDArray[Any]]
Report = dict[str, float]

_SAME_PLACE = 0.1  # pixels
ENOUGH = 8
"""Sets of inputs from which on a comparison is a verdict: of fewer, other photos might have been judged otherwise."""
_BEST_MASKS = 10  # instances of a photo that are compared
_MATCH_SCORE = 0.1  # LightGlue's own threshold (filter_threshold): what counts as a match


@dataclass(frozen=True)
class Bound:
    """A measure of a task that decides.

    Attributes:
        measure: its name in a report.
        output: the output of the graph that it measures.
        least: its smallest allowed value by rounding: `fp32` none, `fp16` of the weights or of all values, `int8` of all values. For a
            rounding that is not listed it is measured and does not decide.
        fp32_cause: the likely cause of a failure without rounding.
        of_some: not every network of the task has that output, and so the measure.
    """

    measure: str
    output: str
    least: Mapping[str, float]
    fp32_cause: str
    of_some: bool = False


BOUNDS: Mapping[str, tuple[Bound, ...]] = {
    "segmentation": (
        Bound(
            "saliency_iou_p1",
            "saliency",
            {"fp32": 0.999, "fp16": 0.995, "int8": 0.98},
            "the exporter changed a resize: compare its coordinate mode",
            of_some=True,
        ),
        # Which instances there are is decided on scores at a threshold of about 0.25.
        Bound(
            "scores_agreement",
            "scores",
            {"fp32": 0.999, "fp16": 0.98, "int8": 0.9},
            "the heads are laid out differently, or the anchors are in another order",
            of_some=True,
        ),
    ),
    "embedding": (
        Bound(
            "embedding_cosine_p1",
            "embedding",
            {"fp32": 0.99999, "fp16": 0.9995, "int8": 0.97},
            "padding or pooling was exported for another input size",
        ),
        Bound("nearest_unchanged", "embedding", {"int8": 0.97}, "padding or pooling was exported for another input size"),
    ),
    # No bound for int8: a keypoint is a place, and 8 bits of a heat map leave too few heights to tell neighbouring places apart.
    "keypoints": (
        Bound(
            "keypoints_repeated", "keypoints", {"fp32": 0.995, "fp16": 0.97}, "the heat map is laid out or suppressed differently"
        ),
        Bound("descriptors_cosine_p1", "descriptors", {"fp32": 0.9999, "fp16": 0.998}, "descriptors are sampled on another grid"),
    ),
    # The gate of int8 is as wide as that of the nearest neighbours: 3 answers of 100 may change.
    "matching": (
        Bound(
            "matches_common",
            "matches0",
            {"fp32": 0.999, "fp16": 0.99, "int8": 0.97},
            "empty slots take part, or the softmax axis is wrong",
        ),
    ),
}
_STORAGE_CAUSE = "the rounding of the weights to float16 is too coarse for this network; store it as fp32"

# A photo has a nearest other photo that could change only among at least this many.
_FEWEST_NEIGHBOURS = 3
_NO_NUMBERS = "a value exceeds the range of this precision; export it in fp32"


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


def bounds_of(task: str, rounding: str, report: Report | None = None) -> dict[str, float]:
    """The smallest allowed value of each deciding measure under a rounding; empty if the task has no bound, so nothing can pass.

    Args:
        task: of the network.
        rounding: see `Bound.least`.
        report: leaves out what only some networks of the task have, and this one has not.
    """
    return {
        bound.measure: bound.least[rounding]
        for bound in BOUNDS[task]
        if rounding in bound.least
        and not (bound.of_some and report is not None and f"{bound.output}_difference_max" not in report)
    }


def judge(name: str, task: str, rounding: str, report: Report, find_cause: Callable[[], str] | None = None) -> None:
    """Compare a report with the bounds.

    Args:
        name: of the network, for the message.
        task: of the network.
        rounding: see `Bound.least`.
        report: of `compare`.
        find_cause: gives the likeliest cause of a failure; None for the rounding of weights that compute in float32.

    Raises:
        EngineError: a measure is below its bound or could not be taken; the message names the output, the measure, its size and the
            likely cause. Or a measure is no number, because an output has values that are none.
    """
    for measure, value in report.items():
        if not math.isfinite(value):
            raise EngineError(
                f"{name}: {measure} is {value}, because an output has values that are not numbers.", f"Most likely {_NO_NUMBERS}."
            )
    asked = bounds_of(task, rounding, report)
    for bound in BOUNDS[task]:
        if bound.measure not in asked:
            continue
        least, value = asked[bound.measure], report.get(bound.measure)
        if value is None:
            raise EngineError(
                f"{name}: {bound.measure} was not measured.", f"Name at least {_FEWEST_NEIGHBOURS} photos of animals."
            )
        if value >= least:
            continue
        largest = report.get(f"{bound.output}_difference_max")
        size = "" if largest is None else f" (largest difference {largest:.3g})"
        known = bound.fp32_cause if rounding == "fp32" else _STORAGE_CAUSE
        cause = find_cause() if find_cause else known
        raise EngineError(
            f"{name}: the graph differs from PyTorch in its output {bound.output}{size}: {bound.measure} is {value:.6f} "
            f"where {rounding} needs {least}.",
            f"Most likely {cause}.",
        )


def _compare_segmentation(expected: Sequence[Arrays], found: Sequence[Arrays]) -> Report:
    report = {} if expected[0].keys() == {"boxes", "scores"} else _compare_masks(expected, found)  # a detector has none
    for name in ("boxes", "scores"):
        if name in expected[0]:
            pairs = zip(expected, found, strict=True)
            report |= _difference(name, np.concatenate([np.abs(a[name] - b[name]).ravel() for a, b in pairs]))
    if "scores" in expected[0]:
        report["scores_agreement"] = 1 - report["scores_difference_max"]
    return report


def _compare_masks(expected: Sequence[Arrays], found: Sequence[Arrays]) -> Report:
    overlaps, differences = [], []
    for a, b in zip(expected, found, strict=True):
        saliency, other = (b["saliency"], a["saliency"]) if "saliency" in a else _best_masks(b, a)
        ours, theirs = saliency >= 0.5, other >= 0.5
        union = np.count_nonzero(ours | theirs)
        if union:  # a photo without any mask has no overlap to measure
            overlaps.append(np.count_nonzero(ours & theirs) / union)
        differences.append(np.abs(other - saliency).ravel())
    return {**(_likeness("saliency_iou", overlaps) if overlaps else {}), **_difference("saliency", np.concatenate(differences))}


def _best_masks(ours: Arrays, theirs: Arrays) -> list[NDArray[Any]]:
    """Of both the masks, decoded as the runtime does it, of the cells that score best in `theirs`, with an animal or without one."""
    best = np.argsort(-animal_scores(theirs["scores"][0]), kind="stable")[:_BEST_MASKS]
    masks = []
    for arrays in (ours, theirs):
        prototypes = arrays["prototypes"][0]
        boxes = arrays["boxes"][0][best] * np.float32(1 / CELL)
        masks.append(decode_masks(boxes, arrays["coefficients"][0][best], prototypes))
    return masks


def _compare_embedding(expected: Sequence[Arrays], found: Sequence[Arrays]) -> Report:
    pairs = [(a["embedding"].ravel(), b["embedding"].ravel()) for a, b in zip(expected, found, strict=True)]
    differences = np.concatenate([np.abs(a - b) for a, b in pairs])
    report = {**_likeness("embedding_cosine", [_cosine(a, b) for a, b in pairs]), **_difference("embedding", differences)}
    if len(pairs) >= _FEWEST_NEIGHBOURS:
        before, after = (_nearest(np.stack(vectors)) for vectors in zip(*pairs, strict=True))
        report["nearest_unchanged"] = float(np.mean(before == after))
    return report


def _nearest(vectors: NDArray[Any]) -> NDArray[np.intp]:
    """Of each row the other row of the greatest cosine."""
    vectors = vectors.astype(np.float64)
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    return cosines.argmax(axis=1)


def _compare_keypoints(expected: Sequence[Arrays], found: Sequence[Arrays]) -> Report:
    total, cosines, differences = 0, [], []
    for a, b in zip(expected, found, strict=True):
        total += max(np.count_nonzero(arrays["scores"][0] > 0) for arrays in (a, b))
        for slot, other in _same_keypoints(a, b):
            cosines.append(_cosine(a["descriptors"][0, slot], b["descriptors"][0, other]))
            differences.append(abs(a["scores"][0, slot] - b["scores"][0, other]))
    repeated = len(cosines) / total if total else 1.0
    return {
        "keypoints_repeated": repeated,
        **_likeness("descriptors_cosine", cosines),
        **_difference("scores", np.asarray(differences)),
    }


def _same_keypoints(a: Arrays, b: Arrays) -> list[tuple[int, int]]:
    """Slots of `a` and `b` with a keypoint in the same place, each in one pair at most.

    A corner that is found on several scales has several keypoints in one place; those of nearest score are the same one.
    """
    slots, others = (np.flatnonzero(arrays["scores"][0] > 0) for arrays in (a, b))
    distances = np.linalg.norm(a["keypoints"][0][slots][:, None] - b["keypoints"][0][others][None], axis=2)
    rows, columns = np.nonzero(distances <= _SAME_PLACE)
    near = [(int(slots[row]), int(others[column])) for row, column in zip(rows, columns, strict=True)]
    near.sort(key=lambda pair: abs(float(a["scores"][0, pair[0]]) - float(b["scores"][0, pair[1]])))
    taken: set[int] = set()
    taken_others: set[int] = set()
    pairs = []
    for slot, other in near:
        if slot not in taken and other not in taken_others:
            taken.add(slot)
            taken_others.add(other)
            pairs.append((slot, other))
    return pairs


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
