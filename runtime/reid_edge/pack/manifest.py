"""What a pack says about itself, as data: its networks, its files, where they came from, how they want their pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from reid_edge.errors import PackError
from reid_edge.pack.members import EXPORT_AGAIN, LARGEST_PACK, check_path
from reid_edge.plain_data import Pattern, Range, Scalar, Then
from reid_edge.suggestions import nearest

Task = Literal["segmentation", "embedding", "projection", "keypoints", "matching", "head"]
Precision = Literal["fp32", "fp16", "int8"]
Resize = Literal["stretch", "long-side", "letterbox"]
Colour = Literal["rgb", "grey"]
Interpolation = Literal["linear", "area", "cubic"]

_Pixels = Annotated[int, Range(1, 16384)]
_NetworkName = Annotated[str, Pattern(r"[a-z0-9][a-z0-9_-]{0,63}")]
_Spdx = Annotated[str, Pattern(r"[A-Za-z0-9][A-Za-z0-9.+() -]*")]
_Path = Annotated[str, Then(check_path)]


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
    width: _Pixels
    height: _Pixels
    colour: Colour
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: Interpolation
    multiple: Annotated[int, Range(1, 1024)] = 1

    def __post_init__(self) -> None:
        problem = ""
        if self.resize == "long-side" and self.width != self.height:
            problem = f"resizes to the long side, so width and height must be equal, not {self.width} and {self.height}"
        elif self.resize != "long-side" and self.multiple != 1:
            problem = "gives an exact size, so it has no use for multiple"
        elif len(self.mean) != len(self.std) or len(self.mean) not in ((1,) if self.colour == "grey" else (1, 3)):
            problem = f"has {len(self.mean)} values of mean and {len(self.std)} of std; both must have one (or, for rgb, three)"
        elif self.scale <= 0 or min(self.std) <= 0:
            problem = "must have a scale and a std above 0"
        if problem:
            raise PackError(f"The preprocessing {problem}.", EXPORT_AGAIN)


@dataclass(frozen=True)
class Network:
    """One network of a pack.

    Attributes:
        file: path of its ONNX file in the pack.
        gpu_file: path of the same network in half precision, which NVIDIA GPUs run instead; None where they run `file`. Features that the
            two make are the same within the parity bounds, so a gallery may hold those of both.
        task: what it does.
        opset: the version of ONNX's own operators it is written in.
        precision: how it computes.
        storage: how its weights are stored.
        weights: `trained`, or `random` for a network that only measures speed.
        preprocessing: how its input is made; None where its input is not an image.
        parameters: facts about it that its callers need: dimension, input_dimension of a projection, keypoints, ...
    """

    file: _Path
    task: Task
    opset: Annotated[int, Range(1, 100)]
    precision: Precision
    storage: Precision
    weights: Literal["trained", "random"]
    preprocessing: Preprocessing | None = None
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    gpu_file: _Path | None = None

    def file_on(self, gpu: bool) -> str:
        """The file that a GPU of NVIDIA runs, or any other device."""
        return self.gpu_file or self.file if gpu else self.file

    @property
    def files(self) -> tuple[str, ...]:
        """All its files, one or two."""
        return (self.file, self.gpu_file) if self.gpu_file else (self.file,)


@dataclass(frozen=True)
class PackedFile:
    """One file of a pack: path in the pack, sha256 (hex), size in bytes, licence (SPDX) and origin (a sentence)."""

    path: _Path
    sha256: Annotated[str, Pattern(r"[0-9a-f]{64}")]
    size: Annotated[int, Range(0, LARGEST_PACK)]
    licence: _Spdx
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

    name: Annotated[str, Pattern(r"[a-z0-9][a-z0-9-]{0,63}")]
    version: Annotated[str, Pattern(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,31}")]
    description: str
    licence: _Spdx
    networks: Mapping[_NetworkName, Network]
    files: tuple[PackedFile, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    parity: Mapping[str, Mapping[str, Scalar]] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def random_networks(self) -> tuple[str, ...]:
        """The names of the networks with random weights, whose answers mean nothing."""
        return tuple(name for name, network in self.networks.items() if network.weights == "random")

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
