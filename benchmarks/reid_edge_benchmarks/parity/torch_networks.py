"""The networks of a pack in PyTorch, with the weights that its ONNX files were exported from, before any rounding.

timm's and kornia's own modules where they have the architecture and take its weights: timm for its own models and EfficientNet-Lite,
kornia for DISK, XFeat, KeyNet-AffNet and LightGlue. Of all others, and of networks with random weights, it is the module that was
exported: kornia's ALIKED keeps local maxima only, and its LoFTR has no distilled layout. Projections and heads are graphs that were
trained into the pack; ONNX's own reference evaluator runs them, which shares no code with ONNX Runtime.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

import reid_edge
from reid_edge.engines.network_input import to_network_input
from reid_edge.pack import Pack
from reid_edge.pack.onnx_file import read_onnx
from reid_edge.photo import list_photos
from reid_edge_benchmarks.parity.graphs import graph_evaluator
from reid_edge_benchmarks.parity.kornia_networks import DiskDetector, KeynetDetector, KorniaLightGlue, XFeatDetector, listed
from reid_edge_export.catalogue import Network, network_named, resolve_parameters, resolve_preprocessing
from reid_edge_export.networks import build_network
from reid_edge_export.photos import read_image
from reid_edge_export.weight_files import obtain, weights_in

Detector = Callable[[Tensor, Tensor], tuple[Tensor, ...]]
PairMatcher = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


class TorchNetworks:
    """The networks of one pack, each loaded when it is first asked for."""

    def __init__(self, pack: Pack, weights: Path | None = None) -> None:
        """Networks with random weights are drawn with the exporter's seed and settled on the sample photos, as it does by default.

        Args:
            pack: says which networks, with which parameters.
            weights: a folder with weights to take instead of the catalogue's source, see `reid_edge_export.weight_files.weights_in`.
        """
        self._pack, self._weights = pack, weights

    @functools.cache  # noqa: B019  (lives as long as the measurement)
    def exported(self, name: str) -> nn.Module:
        """The module that was exported, with its weights.

        Raises:
            UsageError: its weights cannot be had.
        """
        network, parameters = self._entry(name)
        images: list[NDArray[np.float32]] = []
        if self.is_random(name) and network.task == "embedding":
            preprocessing = resolve_preprocessing(network, parameters)
            assert preprocessing is not None, name
            photos = list_photos(Path(reid_edge.__file__).parent / "samples" / "gallery")
            images = [to_network_input(read_image(photo), preprocessing) for photo in photos]
        return build_network(network, parameters, self._file(name), images)

    @functools.cache  # noqa: B019
    def embedder(self, name: str) -> nn.Module:
        """Images float32 [B, 3, H, W] -> vectors [B, D], not of length 1."""
        module, (network, parameters) = self.exported(name), self._entry(name)
        if network.module == "timm_backbone":
            return _filled(
                _timm(network.layout["architecture"], parameters["size"], network.layout.get("outputs", 0)), module.model
            )
        if network.module == "efficientnet_lite":
            # The checkpoint's layout is the one that timm's was made from: the same tensors in the same order.
            model = _filled(_timm(f"tf_{network.name.replace('-', '_')}", 0, 0), module)
            return model if parameters["pool"] == "mean" else _CubicMean(model)
        return module

    @functools.cache  # noqa: B019
    def detector(self, name: str) -> Detector:
        """Image [1, C, h, w] and mask [1, 1, h, w] -> keypoints [K, 2] in pixels of the input, scores [K] above 0 in falling order,
        descriptors [K, D] and, where the network has them, frames [K, 2, 2].
        """
        network, count = self._entry(name)[0], int(self._pack.manifest.networks[name].parameters["keypoints"])
        file = self._file(name)
        if file is not None and network.module == "disk":
            return DiskDetector(file, count)
        if file is not None and network.module == "xfeat":
            return XFeatDetector(file, count)
        if file is not None and network.module == "keynet":
            descriptor = None if network.layout["descriptor"] == "hardnet" else self.exported(name).descriptor
            return KeynetDetector(file, network.layout["files"], count, descriptor)
        outputs = [spec.name for spec in network.outputs]
        return functools.partial(_detect, self.exported(name), outputs)

    @functools.cache  # noqa: B019
    def lightglue(self, name: str) -> PairMatcher:
        """(places, descriptors, places, descriptors) of two photos -> matches int64 [M, 2] and their confidences [M], see
        `KorniaLightGlue`.
        """
        network, _ = self._entry(name)
        file = self._file(name)
        if file is None:
            return functools.partial(_match, self.exported(name))
        return KorniaLightGlue(file, network.layout)

    def position(self, name: str) -> int:
        """How many numbers a LightGlue takes for the place of a keypoint: 2, 4 or 6."""
        return int(self._entry(name)[0].layout["position"])

    @functools.cache  # noqa: B019
    def graph(self, name: str) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """A projection or head of the pack: float32 [1, D] -> its output [1, K]."""
        import onnx

        model = onnx.load_from_string(self._pack.read_bytes(self._pack.manifest.networks[name].file))
        evaluator, wanted = graph_evaluator(model), model.graph.input[0].name
        output = "probabilities" if self._pack.manifest.networks[name].task == "head" else "embedding"
        return lambda values: np.asarray(evaluator.run([output], {wanted: values})[0])

    def is_random(self, name: str) -> bool:
        """Whether the network's weights only prove a conversion."""
        return self._pack.manifest.networks[name].weights == "random"

    @functools.cache  # noqa: B019
    def _entry(self, name: str) -> tuple[Network, dict[str, object]]:
        """The network of the catalogue that the pack knows by this name, and its parameters."""
        info = self._pack.manifest.networks[name]
        network = network_named(read_onnx(self._pack.read_bytes(info.file), info.file).metadata["network"])
        said = info.parameters
        return network, resolve_parameters(network, {key: said[key] for key in said if key in network.parameters})

    def _file(self, name: str) -> Path | None:
        network, _ = self._entry(name)
        if self.is_random(name):
            return None
        for known_as in (replace(network, name=name), network) if self._weights else ():
            if self._weights and (file := weights_in(self._weights, known_as)):
                return file
        return obtain(network.source)


class _CubicMean(nn.Module):
    """Features of a timm model, pooled by the cubic mean over places."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model.forward_features(images).pow(3).mean((2, 3)).clamp(min=1e-4).pow(1 / 3)


def _timm(architecture: str, size: int, outputs: int) -> nn.Module:
    from reid_edge_export.networks.timm_backbone import import_timm

    timm = import_timm()
    fixed = timm.get_pretrained_cfg(architecture).fixed_input_size
    model: nn.Module = timm.create_model(architecture, num_classes=outputs, **({"img_size": size} if fixed else {}))
    return model.eval()


def _filled(model: nn.Module, source: nn.Module) -> nn.Module:
    """The model with the source's tensors, which are in the same order."""
    own, given = (
        {key: value for key, value in each.state_dict().items() if not key.endswith("num_batches_tracked")}
        for each in (model, source)
    )
    if [value.shape for value in own.values()] != [value.shape for value in given.values()]:
        raise AssertionError(f"timm's {type(model).__name__} has another layout than the network that was exported")
    model.load_state_dict(dict(zip(own, given.values(), strict=True)), strict=False)
    return model


def _detect(module: nn.Module, outputs: list[str], image: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
    found = dict(zip(outputs, module(image, mask), strict=True))
    kept = found["scores"][0] > 0
    names = ["keypoints", "scores", "descriptors", *(["frames"] if "frames" in found else [])]
    return tuple(found[name][0][kept] for name in names)


def _match(
    module: nn.Module, places0: Tensor, descriptors0: Tensor, places1: Tensor, descriptors1: Tensor
) -> tuple[Tensor, Tensor]:
    sides = (places0, places1, descriptors0, descriptors1, torch.ones(len(places0)), torch.ones(len(places1)))
    return listed(*module(*(side[None] for side in sides)))


def unit(vectors: Tensor) -> Tensor:
    """Of length 1 along the last axis."""
    return F.normalize(vectors, dim=-1, eps=1e-12)
