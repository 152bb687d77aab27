"""The inputs on which a graph is compared with PyTorch: made of photos as the runtime makes them."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.segmentation.box_prompt import centre_box
from reid_edge.engines.network_input import content_size, to_network_input
from reid_edge.errors import UsageError
from reid_edge_export import sift
from reid_edge_export.catalogue import Network, network_named, resolve_parameters, resolve_preprocessing
from reid_edge_export.networks import load_network

Inputs = dict[str, NDArray[Any]]

# A second view of the same photo: turned, smaller and moved, so that a matcher has true matches to find.
_TURN_DEGREES, _ZOOM, _SHIFT = 10.0, 0.85, 0.03


def make_inputs(
    network: Network, parameters: Mapping[str, Any], images: Sequence[NDArray[np.uint8]], random: bool = False
) -> list[Inputs]:
    """One set of inputs per image, and for a matcher one more per neighbouring pair of images.

    Args:
        network: of the catalogue.
        parameters: the network's, resolved.
        images: uint8 [H, W, 3], RGB, any size.
        random: the network has random weights, so a matcher can have any keypoints, and gets SIFT's, which need no weights.

    Raises:
        UsageError: there is no image, or one is not of this kind.
    """
    if not images:
        raise UsageError(f"{network.name}: there is no photo to compare the graph on.", "Name a folder with some photos.")
    for image in images:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise UsageError(f"A photo for the comparison is {image.dtype} {list(image.shape)}.", "Give uint8 [H, W, 3].")
    if network.task == "matching":
        return _pairs(network, parameters, images, random)
    return [_of_image(network, parameters, image) for image in images]


def _of_image(network: Network, parameters: Mapping[str, Any], image: NDArray[np.uint8]) -> Inputs:
    preprocessing = resolve_preprocessing(network, parameters)
    assert preprocessing is not None, network.name
    inputs: Inputs = {"image": to_network_input(image, preprocessing)}
    if network.task == "keypoints":
        inputs["mask"] = _central_mask(inputs["image"].shape)
    if any(spec.name == "box" for spec in network.inputs):
        inputs["box"] = centre_box(content_size(image.shape[1], image.shape[0], preprocessing))
    return inputs


def _central_mask(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """An animal in the middle of the frame: the ellipse that touches its sides."""
    height, width = shape[2:]
    rows, columns = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    return (rows**2 + columns**2 < 1).astype(np.float32)[None, None]


def _pairs(network: Network, parameters: Mapping[str, Any], images: Sequence[NDArray[np.uint8]], random: bool) -> list[Inputs]:
    if network.preprocessing:
        side = functools.partial(_of_image, network, parameters)
    elif random or network.layout["position"] > 2:  # scale, orientation and frame: SIFT has them
        side = functools.partial(_with_sift, network)
    else:
        side = _with_extractor(network)
    first = [side(image) for image in images]
    views = [side(_second_view(image)) for image in images]
    pairs = [*zip(first, views, strict=True), *itertools.pairwise(first)]
    return [{f"{name}{index}": one[name] for index, one in enumerate(pair) for name in one} for pair in pairs]


def _with_extractor(network: Network) -> Callable[[NDArray[np.uint8]], Inputs]:
    """A matcher's inputs of one photo from the network that it was trained with."""
    import torch

    extractor = network_named(network.extractor)
    parameters = resolve_parameters(extractor, {})
    model = load_network(extractor.name)

    def describe(image: NDArray[np.uint8]) -> Inputs:
        inputs = _of_image(extractor, parameters, image)
        with torch.inference_mode():
            keypoints, scores, descriptors = (tensor.numpy() for tensor in model(*map(torch.from_numpy, inputs.values())))
        size = np.array(inputs["image"].shape[:1:-1], np.float32)
        return {
            "keypoints": (keypoints - size / 2) / (size.max() / 2),
            "descriptors": descriptors,
            "valid": (scores > 0).astype(np.float32),
        }

    return describe


def _with_sift(network: Network, image: NDArray[np.uint8]) -> Inputs:
    keypoints, descriptors = sift.describe(image, network.layout["position"], network.layout["descriptor"])
    return {"keypoints": keypoints, "descriptors": descriptors, "valid": np.ones(keypoints.shape[:2], np.float32)}


def _second_view(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    change = cv2.getRotationMatrix2D((width / 2, height / 2), _TURN_DEGREES, _ZOOM)
    change[:, 2] += _SHIFT * max(height, width)
    return np.asarray(cv2.warpAffine(image, change, (width, height), borderMode=cv2.BORDER_REFLECT_101), np.uint8)
