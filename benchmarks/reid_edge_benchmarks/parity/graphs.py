"""ONNX's own reference evaluator, for the graphs that were trained into a pack."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun


class GatherElements(OpRun):
    """The operator as it is specified: ONNX's own reference (1.23) takes one index a row where it has more than 32 to choose from."""

    def _run(self, data: NDArray[np.generic], indices: NDArray[np.integer], axis: int = 0) -> tuple[NDArray[np.generic]]:
        return (np.take_along_axis(data, indices, axis),)


def graph_evaluator(model: onnx.ModelProto) -> ReferenceEvaluator:
    """An evaluator of one model."""
    return ReferenceEvaluator(model, new_ops=[GatherElements])
