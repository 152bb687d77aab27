"""A network of the user's own that is an ONNX file already: it gets the names, the version and the checks of every other graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto, version_converter

from reid_edge.errors import UsageError
from reid_edge_export.catalogue import OPSET, Network
from reid_edge_export.graph import finish


def read_graph(network: Network, parameters: Mapping[str, Any]) -> ModelProto:
    """The graph of the file, with the inputs and outputs that its entry names.

    Raises:
        UsageError: it cannot be read, or has not one input and one output with an open batch axis.
        EngineError: it holds an operator that some engine refuses.
    """
    path = Path(network.layout["file"])
    try:
        model = onnx.load(path)
        own = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
        if own != OPSET:
            model = version_converter.convert_version(model, OPSET)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error}).", "Check the path and the permissions.") from error
    except Exception as error:  # protobuf's DecodeError has no stable home, and the converter raises anything
        raise UsageError(f"{path}: cannot be read as ONNX of opset {OPSET} ({error}).", f"Export it in opset {OPSET}.") from error
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise UsageError(
            f"{path} has {len(inputs)} inputs and {len(model.graph.output)} outputs.",
            "It needs one picture in, and one tensor out.",
        )
    for value in (inputs[0], model.graph.output[0]):
        if not value.type.tensor_type.shape.dim or value.type.tensor_type.shape.dim[0].HasField("dim_value"):
            raise UsageError(f"{path}: the batch axis of {value.name} is fixed.", "Export it with a dynamic batch axis.")
    new_names = {inputs[0].name: network.inputs[0].name, model.graph.output[0].name: network.outputs[0].name}
    _rename(model, new_names)
    del model.graph.input[:]
    model.graph.input.append(inputs[0])
    finish(model, network, parameters)
    return model


def _rename(model: ModelProto, new_names: Mapping[str, str]) -> None:
    taken = {name for node in model.graph.node for name in (*node.input, *node.output)} - set(new_names)
    aside = {name: f"{name}_inside" for name in new_names.values() if name in taken}
    names = {**aside, **new_names}
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        value.name = names.get(value.name, value.name)
