"""A fitted projection as a network of a pack: a tiny ONNX file, its entry in the manifest, and its key in the recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

import reid_edge
from reid_edge.pack import Manifest, Network
from reid_edge_calibration.projection.fit import Projection

_OPSET, _IR_VERSION = 18, 8


def projection_network(projection: Projection, name: str, licence: str) -> bytes:
    """The bytes of an ONNX file; the same projection gives the same bytes.

    Input ``vector`` float32 [batch, D] and output ``embedding`` float32 [batch, D]; see `reid_edge.describe.embedding.project`.

    Args:
        projection: fitted.
        name: of the network.
        licence: of the file, SPDX.
    """
    weights = {"down": projection.down, "up": projection.up}
    initializers = [numpy_helper.from_array(np.asarray(value, np.float32), key) for key, value in weights.items()]
    nodes = [
        helper.make_node("MatMul", ["vector", "down"], ["inner"], name="down"),
        helper.make_node("MatMul", ["inner", "up"], ["change"], name="up"),
        helper.make_node("Add", ["vector", "change"], ["embedding"], name="add"),
    ]
    shape: list[str | int | None] = ["batch", len(projection.down)]
    value = helper.make_tensor_value_info
    given, answer = value("vector", TensorProto.FLOAT, shape), value("embedding", TensorProto.FLOAT, shape)
    model: ModelProto = helper.make_model(
        helper.make_graph(nodes, name, [given], [answer], initializers),
        producer_name="reid-edge",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", _OPSET)],
    )
    facts = {
        "exporter": json.dumps({"onnx": onnx.__version__, "reid-edge": reid_edge.__version__}),
        "licence": licence,
        "network": name,
        "outputs": json.dumps(["embedding"]),
        "parameters": json.dumps(_parameters(projection), sort_keys=True),
        "precision": "fp32",
        "storage": "fp32",
        "task": "projection",
        "weights": "trained",
    }
    helper.set_model_props(model, facts)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def with_projections(manifest: Manifest, projections: Mapping[str, Projection]) -> Manifest:
    """The manifest with a projection network per given embedding, and a recipe that uses them.

    Args:
        manifest: of a pack whose recipe has these embeddings, without projections.
        projections: by the recipe's embedding name.
    """
    networks, embed = dict(manifest.networks), []
    for item in manifest.recipe["embed"]:
        name = network_name(manifest, item["name"])
        if item["name"] in projections:
            facts = _parameters(projections[item["name"]])
            networks[name] = Network(f"{name}.onnx", "projection", _OPSET, "fp32", "fp32", "trained", parameters=facts)
        embed.append({**item, "projection": name} if item["name"] in projections else item)
    return replace(manifest, networks=networks, recipe={**manifest.recipe, "embed": embed})


def network_name(manifest: Manifest, embedding: str) -> str:
    """The name of the projection network of the recipe's embedding; its file is that with ``.onnx``."""
    number = [item["name"] for item in manifest.recipe["embed"]].index(embedding)
    return f"projection-{number}"


def _parameters(projection: Projection) -> dict[str, int]:
    width, rank = projection.down.shape
    return {"dimension": width, "input_dimension": width, "rank": rank}
