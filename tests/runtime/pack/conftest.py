"""Small real packs to break: ONNX files made with the onnx package, and the pieces to put them together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from reid_edge.pack import Manifest, Network, NewFile, PackedFile, Preprocessing, write_manifest

CALIBRATION = b'{"knots": [[0.0, 0.0], [1.0, 1.0]]}'


def tiny_network(stamp: str = "", opset: int = 18, seed: int = 0) -> onnx.ModelProto:
    """y = x W, with W [4, 3] embedded."""
    weights = numpy_helper.from_array(np.random.default_rng(seed).normal(size=(4, 3)).astype(np.float32), "W")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "W"], ["y"])],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="tests", ir_version=10)
    if stamp:
        helper.set_model_props(model, {"weights": stamp})
    onnx.checker.check_model(model)
    return model


@dataclass(frozen=True)
class Parts:
    """The pieces of a pack before they are written, so that a test can spoil any of them."""

    manifest: Manifest
    contents: dict[str, bytes]

    def __post_init__(self) -> None:
        packed = (
            PackedFile(p, hashlib.sha256(c).hexdigest(), len(c), "Apache-2.0", "the tests") for p, c in self.contents.items()
        )
        object.__setattr__(self, "manifest", replace(self.manifest, files=tuple(sorted(packed, key=lambda file: file.path))))

    @property
    def toml(self) -> str:
        return write_manifest(self.manifest)

    @property
    def new_files(self) -> list[NewFile]:
        return [NewFile(path, content, "Apache-2.0", "the tests") for path, content in self.contents.items()]

    def everything(self) -> dict[str, bytes]:
        return {"pack.toml": self.toml.encode(), **self.contents}

    def lay(self, directory: Path, **spoiled: str) -> Path:
        """Write the directory as it stands, unverified; `toml` replaces the manifest's text."""
        for path, content in {**self.everything(), "pack.toml": spoiled.get("toml", self.toml).encode()}.items():
            target = directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return directory


def make_parts(model: onnx.ModelProto | bytes | None = None, **network: object) -> Parts:
    """A pack of one embedder, one calibration and one text; keyword arguments change the network's manifest."""
    content = model if isinstance(model, bytes) else (model or tiny_network()).SerializeToString()
    preprocessing = Preprocessing("long-side", 64, 64, "rgb", 1 / 255, (0.5, 0.4, 0.3), (0.2, 0.2, 0.25), "area", multiple=16)
    fields = {
        "file": "tiny.onnx",
        "task": "embedding",
        "opset": 18,
        "precision": "fp32",
        "storage": "fp32",
        "weights": "trained",
        "preprocessing": preprocessing,
        "parameters": {"dimension": 3, "normalised": True, "margin": 0.5, "layer": "last"},
    }
    manifest = Manifest(
        name="tiny",
        version="1",
        description="A pack for tests.",
        licence="Apache-2.0",
        networks={"embedder": Network(**{**fields, **network})},
        provenance={"exporter": "reid-edge tests"},
        parity={"embedder": {"max_difference": 1e-6, "measured_with": "numpy"}},
        recipe={"embed": [{"name": "e", "network": "embedder"}], "retrieve": {"candidates": 20}},
    )
    return Parts(manifest, {"tiny.onnx": content, "calibration/e.json": CALIBRATION, "NOTICE.txt": b"For tests.\n"})


@pytest.fixture(scope="session")
def parts() -> Callable[..., Parts]:
    return make_parts


@pytest.fixture(scope="session")
def network() -> Callable[..., onnx.ModelProto]:
    return tiny_network
