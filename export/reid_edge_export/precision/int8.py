"""A graph that computes in 8-bit integers, as QuantizeLinear and DequantizeLinear around the nodes, by ONNX Runtime's static quantisation.

There are two, because no one form is fast everywhere. `cpu`: activations uint8 with a zero point, weights int8 per channel; what the
VNNI instructions multiply. `tensorrt`: activations and weights int8 without zero points and biases in float32, as TensorRT asks.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import onnx
from numpy.typing import NDArray

from reid_edge_export.precision import nodes_kept

# The products, and what lies between them, so that values stay in 8 bits from one to the next: a convolution whose output is
# quantised before its Clip takes its steps from values that the Clip cuts off (EfficientNet-Lite0: least cosine 0.90 instead of 0.99).
# Softmax, norms, powers and the comparisons behind them stay in float32.
_QUANTISED = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "AveragePool", "Clip", "Concat", "GlobalAveragePool", "MaxPool")
_QUANTISED += ("Relu", "Resize")


def to_int8(
    model: onnx.ModelProto,
    inputs: Sequence[Mapping[str, NDArray[Any]]],
    target: Literal["cpu", "tensorrt"],
    kept: tuple[str, ...] = (),
) -> onnx.ModelProto:
    """An int8 graph with the float32 inputs and outputs of `model`, which stays as it is.

    Each tensor's steps span the least and the greatest value that it has on `inputs` (MinMax): on EfficientNet-Lite0 entropy
    and percentiles were no better, and they hold every value of every input in memory.

    Args:
        model: a float32 graph.
        inputs: what to calibrate on.
        target: what the graph is for.
        kept: what stays float32, see `nodes_kept`.
    """
    with tempfile.TemporaryDirectory() as folder, _quiet():
        from onnxruntime import quantization as ort

        class InputReader(ort.CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
            """One set of inputs after the other."""

            def __init__(self) -> None:
                self._left = iter(inputs)

            def get_next(self) -> dict[str, NDArray[Any]] | None:
                arrays = next(self._left, None)
                return None if arrays is None else dict(arrays)

        symmetric = target == "tensorrt"
        out = Path(folder) / "network.onnx"
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        ort.quantize_static(
            copy,
            str(out),
            InputReader(),
            quant_format=ort.QuantFormat.QDQ,
            op_types_to_quantize=list(_QUANTISED),
            per_channel=True,
            activation_type=ort.QuantType.QInt8 if symmetric else ort.QuantType.QUInt8,
            weight_type=ort.QuantType.QInt8,
            nodes_to_exclude=nodes_kept(model, kept),
            calibrate_method=ort.CalibrationMethod.MinMax,
            extra_options={
                "ActivationSymmetric": symmetric,
                "WeightSymmetric": True,
                "QuantizeBias": not symmetric,
                "MatMulConstBOnly": True,  # products of two activations, as in attention, stay float32
            },
        )
        return onnx.load(out)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime's tools print to stdout, which is for results, and advise what does not apply to graphs that are folded already."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)
