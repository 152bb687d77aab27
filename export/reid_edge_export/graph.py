"""A torch network as an ONNX graph that every engine accepts: plain operators, weights inside, the same bytes each time."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import onnx
from onnx import ModelProto, TensorProto, helper

from reid_edge.errors import EngineError
from reid_edge_export.catalogue import OPSET, Network, TensorSpec, resolve_shape

if TYPE_CHECKING:
    from torch import nn

# IR version of opset 18's own time: older ONNX Runtimes and TensorRT read it.
_IR_VERSION = 8

# What ONNX Runtime, TensorRT 10 and 11 and TensorRT-RTX all take without a plugin. NonZero and NonMaxSuppression have outputs of
# unknown length, and an operator of another domain binds a pack to one engine.
ALLOWED_OPERATORS = frozenset(
    """Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast Ceil Clip Concat Constant ConstantOfShape Conv
    ConvTranspose Cos DepthToSpace DequantizeLinear Div Einsum Elu Equal Erf Exp Expand Flatten Floor Gather
    GatherElements GatherND Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GridSample HardSigmoid
    HardSwish Identity InstanceNormalization LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul
    Max MaxPool Min Mod Mul Neg Not Or Pad Pow PRelu QuantizeLinear Range Reciprocal ReduceL2 ReduceMax ReduceMean
    ReduceMin ReduceProd ReduceSum Relu Reshape Resize Selu Shape Sigmoid Sign Sin Size Slice Softmax Softplus
    SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Tile TopK Transpose Trilu Unsqueeze Where""".split()  # noqa: SIM905
)

# Sizes that stand for the dynamic axes while the graph is traced; all different, so that no two axes are taken for one.
TRACED_SIZES = {"batch": 2, "height": 256, "width": 320, "points0": 60, "points1": 70}


def trace(module: nn.Module, network: Network, parameters: Mapping[str, Any]) -> ModelProto:
    """The graph of `module` with the inputs and outputs that the catalogue names.

    Raises:
        EngineError: the graph holds an operator that some engine refuses.
    """
    import torch

    inputs, shapes = [], []
    for spec in network.inputs:
        shape = resolve_shape(spec, parameters)
        inputs.append(torch.ones([TRACED_SIZES.get(size, size) for size in shape]))
        shapes.append({axis: size for axis, size in enumerate(shape) if isinstance(size, str)})
    with _quiet(), torch.inference_mode():
        program = torch.onnx.export(
            module,
            tuple(inputs),
            dynamo=True,
            opset_version=OPSET,
            input_names=[spec.name for spec in network.inputs],
            output_names=[spec.name for spec in network.outputs],
            dynamic_shapes=tuple(shapes),
            optimize=True,
            verbose=False,
        )
    model = program.model_proto
    finish(model, network, parameters)
    return model


def finish(model: ModelProto, network: Network, parameters: Mapping[str, Any]) -> None:
    """Bring a new graph into the form that packs hold, and check it.

    Raises:
        EngineError: the graph holds an operator that some engine refuses.
    """
    _tidy(model, network, parameters)
    check_operators(model, network.name)
    onnx.checker.check_model(model, full_check=True)


def check_operators(model: ModelProto, name: str) -> None:
    """Refuse a graph that some engine would refuse.

    Raises:
        EngineError: an operator outside the allowed list or of another domain, or weights outside the file.
    """
    refused = sorted(
        {
            f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            for node in model.graph.node
            if node.domain or node.op_type not in ALLOWED_OPERATORS
        }
    )
    if refused or model.functions:
        listed = ", ".join(refused + [function.name for function in model.functions])
        raise EngineError(
            f"{name}: the graph holds operators that not every engine takes: {listed}.", "Rewrite that part of the network."
        )
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise EngineError(f"{name}: weights lie outside the ONNX file.", "A pack holds embedded weights only.")


def tidy_converted(model: ModelProto, name: str) -> None:
    """Drop from a graph that a library converted what changes from run to run, and check it like a traced one.

    Raises:
        EngineError: see `check_operators`.
    """
    model.producer_name, model.producer_version, model.doc_string = "reid-edge", "", ""
    model.graph.name = name
    model.graph.ClearField("value_info")
    for entry in (model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output):
        entry.ClearField("metadata_props")
        entry.ClearField("doc_string")
    ordered = sorted(model.graph.initializer, key=lambda tensor: tensor.name)
    del model.graph.initializer[:]
    model.graph.initializer.extend(ordered)
    check_operators(model, name)
    onnx.checker.check_model(model, full_check=True)


def fix_batch(model: ModelProto, size: int) -> None:
    """Give the batch axis of every input and output of a graph this size."""
    for value in (*model.graph.input, *model.graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param == "batch":
                axis.dim_value = size


def write_metadata(model: ModelProto, facts: Mapping[str, str]) -> None:
    """Put `facts` into the file, in a fixed order."""
    helper.set_model_props(model, dict(sorted(facts.items())))


def _tidy(model: ModelProto, network: Network, parameters: Mapping[str, Any]) -> None:
    """Keep what the graph means; drop what changes from run to run or only bloats: stack traces, doc strings, inferred shapes."""
    graph = model.graph
    model.ir_version = _IR_VERSION
    model.producer_name, model.producer_version, model.doc_string = "reid-edge", "", ""
    model.domain, model.model_version = "", 0
    graph.name, graph.doc_string = network.name, ""
    for entry in (model, graph, *graph.node, *graph.initializer):
        entry.ClearField("metadata_props")
        entry.ClearField("doc_string")
    graph.ClearField("value_info")
    _constants_to_initializers(model)
    for index, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{index}"
    for values, specs in ((graph.input, network.inputs), (graph.output, network.outputs)):
        del values[:]
        values.extend(_value_info(spec, parameters) for spec in specs)
    ordered = sorted(graph.initializer, key=lambda tensor: tensor.name)
    del graph.initializer[:]
    graph.initializer.extend(ordered)


def _constants_to_initializers(model: ModelProto) -> None:
    graph = model.graph
    constants = [node for node in graph.node if node.op_type == "Constant" and node.attribute[0].name == "value"]
    for node in constants:
        tensor = graph.initializer.add()
        tensor.CopyFrom(node.attribute[0].t)
        tensor.name = node.output[0]
        graph.node.remove(node)


def _value_info(spec: TensorSpec, parameters: Mapping[str, Any]) -> onnx.ValueInfoProto:
    element = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}[spec.dtype]
    return helper.make_tensor_value_info(spec.name, element, resolve_shape(spec, parameters))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's remarks about packages that are not needed say nothing to the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
