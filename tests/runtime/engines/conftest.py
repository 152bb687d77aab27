"""TensorRT-RTX, a cache of engines of the bundled pack built once, and a network that builds in an instant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from reid_edge.engines.engine_cache import CachedEngine, EngineCache
from reid_edge.engines.profiles import AxisRanges, ranges_of_network
from reid_edge.engines.tensorrt_ahead import build_ahead
from reid_edge.engines.tensorrt_build import Library, load_library
from reid_edge.errors import EngineError
from reid_edge.pack import Pack
from reid_edge.recipe import parse_recipe

_BUILT = ("u2netp", "xfeat", "lighterglue")


@pytest.fixture(scope="session")
def library() -> Library:
    try:
        return load_library("tensorrt_rtx")
    except EngineError as error:
        pytest.skip(f"engines are built with TensorRT-RTX, which is not here: {error.hint}")


@pytest.fixture(scope="session")
def ranges(field_pack: Pack) -> dict[str, AxisRanges]:
    """Of every network of the bundled pack."""
    recipe = parse_recipe(field_pack.recipe, field_pack.manifest)
    return {name: ranges_of_network(field_pack.manifest, recipe, name) for name in field_pack.manifest.networks}


@pytest.fixture(scope="session")
def models(field_pack: Pack) -> dict[str, bytes]:
    return {name: field_pack.read_bytes(network.file) for name, network in field_pack.manifest.networks.items()}


@pytest.fixture(scope="session")
def engine_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds what `engines` built. For reading; a test that spoils an engine builds the tiny network into a folder of its own."""
    return tmp_path_factory.mktemp("engines") / "cache"


@pytest.fixture(scope="session")
def engines(library, models, ranges, engine_folder) -> dict[str, CachedEngine]:
    """Three networks of the bundled pack for SM86."""
    cache = EngineCache(engine_folder)
    return {name: build_ahead(library, "SM86", models[name], name, ranges[name], cache) for name in _BUILT}


def _network(operator: str = "Relu", axis: str = "batch") -> bytes:
    weights = numpy_helper.from_array(np.random.default_rng(0).normal(size=(1, 8, 8)).astype(np.float32), "w")
    nodes = [helper.make_node("MatMul", ["w", "x"], ["wx"]), helper.make_node(operator, ["wx"], ["y"], name="last")]
    shape = [axis] if operator == "Det" else [axis, 8, 8]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [axis, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()


@pytest.fixture(scope="session")
def network() -> Callable[..., bytes]:
    """network(operator, axis): an ONNX file, y = operator(w @ x) over [axis, 8, 8]."""
    return _network


@pytest.fixture(scope="session")
def tiny() -> bytes:
    return _network()
