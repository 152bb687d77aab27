"""Networks that look at one patch: AffNet its shape, OriNet its orientation, HardNet and HardTFeat its descriptor.

Modules carry the official names (AffNet and OriNet: Mishkin et al., ECCV 2018; HardNet: Mishchuk et al., NIPS 2017; HardTFeat:
TFeat of Balntas et al., BMVC 2016, trained with HardNet's loss). Each takes patches float32 [N, 1, 32, 32] of any brightness.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH = 32  # pixels per side
DESCRIPTOR = 128
_FLOOR = 1e-4  # smallest deviation, norm or determinant divided by; lies within the range of float16


class AffNet(nn.Module):
    """The shape of the region in each patch: lower triangular float32 [N, 2, 2] of determinant 1."""

    def __init__(self) -> None:
        super().__init__()
        self.features = _pooled(3, padding=0)

    def forward(self, patches: Tensor) -> Tensor:  # noqa: D102
        x, slant, y = self.features(_standardised(patches)).flatten(1).unbind(1)
        rows = torch.stack((torch.stack((1 + x, torch.zeros_like(x)), 1), torch.stack((slant, 1 + y), 1)), 1)
        return rows / ((1 + x) * (1 + y)).clamp(min=_FLOOR).sqrt()[:, None, None]


class OriNet(nn.Module):
    """The rotation that turns each patch's x axis to its own direction: float32 [N, 2, 2], to be multiplied from the right."""

    def __init__(self) -> None:
        super().__init__()
        self.features = _pooled(2, padding=1)

    def forward(self, patches: Tensor) -> Tensor:  # noqa: D102
        direction = self.features(_standardised(patches)).flatten(1)
        norm = direction.norm(dim=1, keepdim=True)
        upright = torch.tensor([0.0, 1.0], device=patches.device)  # where the network prefers no direction
        sine, cosine = torch.where(norm > _FLOOR, direction / norm.clamp(min=_FLOOR), upright).unbind(1)
        return torch.stack((torch.stack((cosine, sine), 1), torch.stack((-sine, cosine), 1)), 1)


class HardNet(nn.Module):
    """Descriptors float32 [N, 128] of norm 1."""

    def __init__(self) -> None:
        super().__init__()
        last = nn.Conv2d(DESCRIPTOR, DESCRIPTOR, 8, bias=False)
        self.features = nn.Sequential(*_convolutions(32), last, nn.BatchNorm2d(DESCRIPTOR, affine=False))

    def forward(self, patches: Tensor) -> Tensor:  # noqa: D102
        return F.normalize(self.features(_standardised(patches)).flatten(1), dim=1, eps=_FLOOR)


class HardTFeat(nn.Module):
    """Descriptors float32 [N, 128] of norm 1."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 32, 7), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 6), nn.Tanh())
        self.classifier = nn.Sequential(nn.Dropout(), nn.Conv2d(64, DESCRIPTOR, 8), nn.Tanh())

    def forward(self, patches: Tensor) -> Tensor:  # noqa: D102
        return F.normalize(self.classifier(self.features(_standardised(patches))).flatten(1), dim=1, eps=_FLOOR)


def _standardised(patches: Tensor) -> Tensor:
    """Each patch with mean 0 and standard deviation 1."""
    centred = patches - patches.mean((1, 2, 3), keepdim=True)
    variance = centred.square().sum((1, 2, 3), keepdim=True) / (PATCH**2 - 1)
    return centred / variance.sqrt().clamp(min=_FLOOR)


def _convolutions(width: int) -> list[nn.Module]:
    """The body that AffNet, OriNet and HardNet share: a patch becomes 4 `width` channels of 8 x 8 pixels."""
    layers: list[nn.Module] = []
    inputs = 1
    for outputs, stride in ((width, 1), (width, 1), (2 * width, 2), (2 * width, 1), (4 * width, 2), (4 * width, 1)):
        convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(outputs, affine=False), nn.ReLU()]
        inputs = outputs
    return [*layers, nn.Dropout()]


def _pooled(outputs: int, padding: int) -> nn.Sequential:
    """The body and a head that gives `outputs` numbers between -1 and 1."""
    head = nn.Conv2d(64, outputs, 8, padding=padding)
    return nn.Sequential(*_convolutions(16), head, nn.Tanh(), nn.AdaptiveAvgPool2d(1))
