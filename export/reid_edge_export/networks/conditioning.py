"""Random weights that answer: embeddings that differ from photo to photo and do not change wildly with a rounding error.

A new network as its library starts it is of no use for a comparison: residual branches are switched off by a layer scale of 1e-5,
batch norms know nothing of their inputs, so that the activations of a deep one grow without bounds, and what all photos
share outweighs what tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

_PHOTOS = 8  # seen for the statistics
_BRANCH = 0.1  # gain of a residual branch
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)

Photos = Sequence[NDArray[np.float32]]


def settle(network: nn.Module, size: int, photos: Photos = ()) -> None:
    """Give the residual branches of `network` a gain of 0.1, its batch norms their statistics, and its embeddings a mean of 0.

    Args:
        network: images float32 [B, 3, size, size] -> embeddings float32 [B, D]; changed in place and left in eval mode.
        size: of the images.
        photos: float32 [1, 3, size, size] each, such as the network will be compared on: a deep random network answers to images of
            another kind, or of another size, with activations that grow from layer to layer. Where there are none, shapes and grain.
    """
    _weaken_branches(network)
    images = torch.cat([torch.from_numpy(photo) for photo in photos[:_PHOTOS]]) if len(photos) else _images(size)
    network.eval()
    hooks = [module.register_forward_pre_hook(_measure) for module in network.modules() if isinstance(module, _NORMS)]
    if hooks:
        network(images)
    for hook in hooks:
        hook.remove()
    _centre(network, images)


def _measure(norm: nn.BatchNorm1d | nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
    """Take the statistics from the first input.

    Inside the network the variance is that about 0: about the mean it is tiny where a dozen images hardly differ, and dividing by it
    would blow up any image that differs more, from layer to layer. What all embeddings share goes with the last norm, over a vector.
    """
    x = inputs[0]
    axes = [axis for axis in range(x.ndim) if axis != 1]
    norm.running_mean.copy_(x.mean(axes))
    variance = x.var(axes, unbiased=False)
    norm.running_var.copy_(variance + norm.running_mean**2 if x.ndim == 4 else variance)


def _weaken_branches(network: nn.Module) -> None:
    for name, parameter in network.named_parameters():
        if name.rpartition(".")[2] in ("gamma", "gamma_1", "gamma_2"):  # layer scales, as timm's models name them
            parameter.fill_(_BRANCH)
    for name, module in network.named_modules():
        norms = [child for child in module.children() if isinstance(child, _NORMS)]
        block = name.rpartition(".")[2].isdigit()  # one of a sequence of blocks; the norm that ends a network stays
        if block and len(norms) > 1:
            norms[-1].weight.fill_(_BRANCH)


def _images(size: int) -> Tensor:
    """Float32 [8, 3, size, size]: a ground of one colour, on it shapes of several sizes and a grain, the finer the fainter, as in
    photos.
    """
    images = torch.randn(_PHOTOS, 3, 1, 1).expand(-1, -1, size, size)
    for cells, contrast in ((3, 0.5), (9, 0.5), (27, 0.3), (size, 0.05)):
        images = images + contrast * F.interpolate(torch.randn(_PHOTOS, 3, cells, cells), (size, size), mode="bilinear")
    return images


def _centre(network: nn.Module, images: Tensor) -> None:
    """Take what all embeddings share from the bias of the last layer, where that is a norm over channels or a projection."""
    last: list[nn.Module] = []
    hooks = [
        module.register_forward_hook(lambda module, inputs, output: last.append(module))
        for module in network.modules()
        if isinstance(module, (nn.LayerNorm, nn.Linear, *_NORMS)) and module.bias is not None
    ]
    mean = network(images).mean(0)
    for hook in hooks:
        hook.remove()
    final = last[-1]
    if isinstance(final, (nn.LayerNorm, nn.Linear)) and final.bias.shape == mean.shape:
        final.bias.sub_(mean)
