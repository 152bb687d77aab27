"""Weights stored in half the bytes: float16 in the file, float32 in the computation.

Each large float32 constant becomes a float16 constant with a Cast behind it. Every engine folds the Cast when it loads the file,
so speed and intermediate values are those of float32; only the rounding of the weights remains.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

# Below this a Cast node costs about what it saves, and biases and norms are what parity is most sensitive to.
SMALLEST = 1024


def store_as_float16(model: ModelProto, sensitive: tuple[str, ...] = ()) -> int:
    """Store the large float32 constants of `model` as float16, in place; gives how many.

    A tensor with a value beyond the range of float16 stays as it is, and so does one whose name begins with one of `sensitive`.
    """
    graph = model.graph
    outputs = {value.name for value in graph.output}
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) <= SMALLEST or tensor.name in outputs:
            continue
        if tensor.name.startswith(sensitive):
            continue
        values = numpy_helper.to_array(tensor)
        if np.abs(values).max() > np.finfo(np.float16).max:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.float16"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], name=f"Cast_{name}", to=TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend(casts + nodes)
    return len(casts)
