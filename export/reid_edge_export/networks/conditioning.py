"""Random weights that answer: embeddings that differ from photo to photo and do not change wildly with a rounding error.

A new network as its library starts it is of no use for a comparison: residual branches are switched off by a layer scale of 1e-5,
batch norms know nothing of their inputs, so that the activations of a deep one grow without bounds, and what all photos
share outweighs what tells them apart.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FREE_SIZE = 128  # pixels per side that are enough for the statistics of a network that takes any size
_PHOTOS = 12  # seen for the statistics
_BRANCH = 0.1  # gain of a residual branch
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def settle(network: nn.Module, size: int) -> None:
    """Give the residual branches of `network` a gain of 0.1, its batch norms their statistics, and its embeddings a mean of 0.

    The network maps images float32 [B, 3, size, size] to embeddings float32 [B, D]; it is changed in place and left in eval mode.
    """
    _weaken_branches(network)
    images = _images(size)
    network.eval()
    norms = [module for module in network.modules() if isinstance(module, _NORMS)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    if norms:
        network(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
    _centre(network, images)


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
    """Float32 [12, 3, size, size]: a ground of one colour, on it shapes of several sizes and a grain, the finer the fainter, as in
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
