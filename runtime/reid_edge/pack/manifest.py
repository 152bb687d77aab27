"""What a pack says about itself, as data: its networks, its files, where they came from, how they want their pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from reid_edge.errors import PackError
from reid_edge.pack.members import nearest
from reid_edge.pack.tables import Scalar

Task = Literal["segmentation", "embedding", "projection", "keypoints", "matching", "head"]
Precision = Literal["fp32", "fp16", "int8"]
Resize = Literal["stretch", "long-side", "letterbox"]


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes a network's input: resize, take the colours, then (pixel * scale - mean) / std per channel.

    Attributes:
        resize: `stretch` to width x height exactly; `long-side`: keep the shape, the longer side becomes `width`; or `letterbox`: keep
            the shape, fit into width x height at the upper left, and fill up what is left with zeros after the normalisation, which
            is the colour of the mean.
        width, height: pixels of the input; equal for `long-side`.
        multiple: for `long-side`, both sides are rounded to a multiple of this many pixels; 1 for the others.
        colour: `rgb` (3 channels) or `grey` (1 channel).
        scale: what a pixel of 0..255 is multiplied by, 1/255 for instance.
        mean, std: per channel, after `scale`; 1 or 3 values, both the same number, 1 for `grey`.
        interpolation: `linear`, `area` or `cubic`, as OpenCV names them.
    """

    resize: Resize
    width: int
    height: int
    colour: Literal["rgb", "grey"]
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: Literal["linear", "area", "cubic"]
    multiple: int = 1


@dataclass(frozen=True)
class Network:
    """One network of a pack.

    Attributes:
        file: path of its ONNX file in the pack.
        task: what it does.
        opset: the version of ONNX's own operators it is written in.
        precision: how it computes.
        storage: how its weights are stored.
        weights: `trained`, or `random` for a network that only measures speed.
        preprocessing: how its input is made; None where its input is not an image.
        parameters: facts about it that its callers need: dimension, input_dimension of a projection, keypoints, ...
    """

    file: str
    task: Task
    opset: int
    precision: Precision
    storage: Precision
    weights: Literal["trained", "random"]
    preprocessing: Preprocessing | None = None
    parameters: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class PackedFile:
    """One file of a pack: path in the pack, sha256 (hex), size in bytes, licence (SPDX) and origin (a sentence)."""

    path: str
    sha256: str
    size: int
    licence: str
    origin: str


@dataclass(frozen=True)
class Manifest:
    """The whole of pack.toml.

    Attributes:
        name, version, description, licence: of the pack; the licence is an SPDX expression that covers every file.
        networks: by name.
        files: every file of the pack but pack.toml, sorted by path.
        provenance: exporter and library versions, free keys.
        parity: by network, what was measured against the PyTorch reference, free keys.
        recipe: which stages run with which networks, as plain nested data.
    """

    name: str
    version: str
    description: str
    licence: str
    networks: Mapping[str, Network]
    files: tuple[PackedFile, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    parity: Mapping[str, Mapping[str, Scalar]] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def file(self, path: str) -> PackedFile:
        """The listed file of this path; PackError with the nearest one where there is none."""
        for file in self.files:
            if file.path == path:
                return file
        raise PackError(
            f"The pack {self.name} has no file {path!r}; {nearest(path, (file.path for file in self.files))}.",
            "Correct the path.",
        )

    def network(self, name: str) -> Network:
        """The network of this name; PackError with the nearest one where there is none."""
        if name not in self.networks:
            raise PackError(f"The pack {self.name} has no network {name!r}; {nearest(name, self.networks)}.", "Correct the name.")
        return self.networks[name]
