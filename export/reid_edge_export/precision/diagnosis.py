"""Where a graph of lower precision leaves its float32 original: the node to blame, for the message and for the list of what to keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

# Values looked at in one run: all of them at once would take gigabytes for a segmentation network.
_AT_ONCE = 32


def blame(original: onnx.ModelProto, converted: onnx.ModelProto, arrays: Mapping[str, NDArray[Any]]) -> str:
    """The first node whose output is not finite where the original's is, or else the one at which the relative error grows most.

    Args:
        original: the float32 graph.
        converted: a graph made of it, in which values that mean the same kept their names.
        arrays: one set of inputs.

    Returns:
        Part of a sentence; empty where the two graphs share no value.
    """
    producers = {name: node for node in original.graph.node for name in node.output}
    # Of another operator a value of the same name means something else: int8 lets a Clip's limits be those of its steps.
    operators = {name: node.op_type for node in converted.graph.node for name in node.output}
    shared = [name for name, node in producers.items() if operators.get(name) == node.op_type]
    errors: dict[str, float] = {}
    worst, grown = "", 0.0
    for name, expected, found in _values(original, converted, shared, arrays):
        if not np.isfinite(found).all() and np.isfinite(expected).all():
            return f"{_describe(producers[name], original)} overflows: in fp32 its output reaches {np.abs(expected).max():.4g}"
        errors[name] = float(np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-12))
        before = max((errors.get(value, 0.0) for value in producers[name].input), default=0.0)
        if errors[name] - before > grown:
            worst, grown = name, errors[name] - before
    if not worst:
        return ""
    return f"the error grows most at {_describe(producers[worst], original)}, to {errors[worst]:.2g} of its output"


def _values(
    original: onnx.ModelProto, converted: onnx.ModelProto, names: list[str], arrays: Mapping[str, NDArray[Any]]
) -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
    """The values of these names in both graphs, in the order of the original's nodes; those of another type or shape left out."""
    for start in range(0, len(names), _AT_ONCE):
        group = names[start : start + _AT_ONCE]
        for name, expected, found in zip(group, _run(original, group, arrays), _run(converted, group, arrays), strict=True):
            if expected.dtype.kind == "f" and expected.shape == found.shape and expected.size:
                yield name, expected.astype(np.float64), found.astype(np.float64)


def _run(model: onnx.ModelProto, names: list[str], arrays: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    import onnxruntime

    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    present = {value.name for value in exposed.graph.output}
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in present)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(exposed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values: list[NDArray[Any]] = session.run(names, dict(arrays))
    return values


def _describe(node: onnx.NodeProto, model: onnx.ModelProto) -> str:
    weights = {tensor.name for tensor in model.graph.initializer}
    taken = next((name for name in node.input if name in weights), "")
    return f"{node.name} (of {taken})" if taken else node.name
