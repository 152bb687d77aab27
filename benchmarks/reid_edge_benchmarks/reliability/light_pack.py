"""A pack whose answers cost a few milliseconds, so that thousands of photos can meet a fault.

Bright things are animals, their colours who they are. It is a pack as any other, read, verified and run by the daemon's own way.
Nothing in it was trained: one network is a mean, the other an average over a grid. What it answers says nothing about photos of
animals, only that the same photo always gets the same answer.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from reid_edge.identify.identifier import CALIBRATION
from reid_edge.pack import Manifest, Network, NewFile, Preprocessing, find_pack, open_pack, write_pack

_SIZE, _GRID = 32, 4
_INPUT = Preprocessing("stretch", _SIZE, _SIZE, "rgb", 1 / 255, (0.0,), (1.0,), "area")
_SCORE = "colours"
_SURE = 0.95  # those who are enrolled have evidence above 0.99, and a stranger is to be called new and not to be asked about


def make_light_pack(folder: Path) -> Path:
    """Write the pack into `folder` and return its path."""
    calibration = json.dumps(_calibration()).encode()
    contents = {"bright.onnx": _bright(), "colours.onnx": _colours(), CALIBRATION: calibration}
    manifest = Manifest(
        name="light",
        version="1",
        description="For tests of reliability: bright things are animals, their colours who they are.",
        licence="Apache-2.0",
        networks={
            "bright": _network("bright.onnx", "segmentation", {}),
            "colours": _network("colours.onnx", "embedding", {"dimension": 3 * _GRID * _GRID}),
        },
        provenance={"exporter": "reid-edge bench reliability"},
        parity={},
        recipe={
            "segment": {
                "network": "bright",
                "threshold": 0.5,
                "min_contrast": 0.5,
                "min_area": 0.01,
                "min_relative_area": 0.3,
                "max_animals": 4,
                "margin": 0.0,
            },
            "embed": [{"name": _SCORE, "network": "colours"}],
            "retrieve": {"embedding": _SCORE, "candidates": 20},
            "extract": [],
            "match": [],
        },
    )
    files = [NewFile(path, content, "Apache-2.0", "made by reid-edge bench reliability") for path, content in contents.items()]
    write_pack(folder, manifest, files)
    return folder


def _network(file: str, task: Any, parameters: dict[str, Any]) -> Network:
    return Network(file, task, 18, "fp32", "fp32", "trained", _INPUT, parameters)


def _bright() -> bytes:
    """saliency [1, 1, H, W] = the mean of the three colours."""
    axes = numpy_helper.from_array(np.array([1], np.int64), "axes")
    return _model(
        [helper.make_node("ReduceMean", ["image", "axes"], ["saliency"], keepdims=1)], "saliency", [1, 1, _SIZE, _SIZE], [axes]
    )


def _colours() -> bytes:
    """embedding [1, D] = the mean colours of a grid of cells, less their mean, so that patterns differ and brightness does not."""
    cell = _SIZE // _GRID
    axes = numpy_helper.from_array(np.array([1], np.int64), "axes")
    nodes = [
        helper.make_node("AveragePool", ["image"], ["cells"], kernel_shape=[cell, cell], strides=[cell, cell]),
        helper.make_node("Flatten", ["cells"], ["flat"], axis=1),
        helper.make_node("ReduceMean", ["flat", "axes"], ["level"], keepdims=1),
        helper.make_node("Sub", ["flat", "level"], ["embedding"]),
    ]
    return _model(nodes, "embedding", [1, 3 * _GRID * _GRID], [axes])


def _model(nodes: list[onnx.NodeProto], output: str, shape: list[int], constants: list[onnx.TensorProto]) -> bytes:
    graph = helper.make_graph(
        nodes,
        output,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, _SIZE, _SIZE])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _calibration() -> dict[str, Any]:
    """The generic entry of the pack `field`, cut down to one score that is a cosine as well."""
    table = open_pack(find_pack("field")).read_json(CALIBRATION)
    kept = table["scores"][0]
    entry = json.loads(json.dumps(table["generic"]).replace(json.dumps(kept), json.dumps(_SCORE)))
    entry["calibrators"] = {_SCORE: entry["calibrators"][_SCORE]}
    # A lead of 0.1 in the cosine is clear, and nothing else counts.
    entry["evidence"] = {
        "bias": -6.0,
        "fused": 0.0,
        "photos": 0.0,
        "others": 0.0,
        "quality": {name: {**term, "weight": 0.0} for name, term in entry["evidence"]["quality"].items()},
        "leads": {_SCORE: 200.0},
        "levels": {_SCORE: 0.0},
        "order": {_SCORE: 60.0},
        "rivals": {_SCORE: math.log(5.6)},
    }
    entry["fusion"] = {"kind": "mean", "weights": {_SCORE: 1.0}}
    entry |= {"threshold": _SURE, "ask_low": _SURE, "ask_high": _SURE}
    return {**table, "scores": [_SCORE], "species": {}, "generic": entry, "data": {}, "before": None}
