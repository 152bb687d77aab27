"""LoFTR, coarse matches of two photos straight from their pixels (Sun et al., CVPR 2021), without the fine stage behind them.

Modules carry the official names. The coarse map has one cell per `cell` x `cell` pixels: cell n is in row n // w and column
n % w, w = size / cell, and stands for the pixel (x, y) = (cell * column, cell * row) of the input.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_edge.errors import UsageError
from reid_edge_export.weights import read_checkpoint

# The fine stage, and the way from the coarse map back up to the fine one.
_FINE = re.compile(r"^(fine_preprocess|loftr_fine|backbone\.layer\d_outconv2)\.")
_TEMPERATURE = 0.1  # dsmax_temperature of every published configuration
_FLOOR = 1e-4  # added to what is divided by, a mean of positive numbers; lies within the range of float16


def build(stem: int, widths: tuple[int, ...], heads: int, layers: int, cell: int, border: int, size: int) -> nn.Module:
    """The network with random weights; it fits every `size` that is a multiple of `cell`."""
    if size % cell or size // cell <= 2 * border:
        raise UsageError(f"loftr: size is {size}.", f"Give a multiple of {cell} above {2 * border * cell}.")
    return LoFTR(stem, widths, heads, layers, border, (size // cell, size // cell))


def condition(network: LoFTR) -> None:
    """Make random weights match by the backbone's features, so that a comparison has matches.

    The updates become small, the batch norms take the statistics of a few probes, and the last projection leaves out what the
    features of all cells have in common.
    """
    for layer in network.loftr_coarse.layers:
        layer.norm2.weight.mul_(0.1)
    backbone = network.backbone
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain mean over the probes
    probes = F.interpolate(torch.rand(2, 1, 24, 24), scale_factor=4.0, mode="bilinear")
    backbone.train()(probes)
    projection = backbone.get_submodule(backbone.coarse).weight
    nn.init.dirac_(projection)
    features = backbone.eval()(probes).transpose(0, 1).flatten(1)
    common = F.normalize(features.mean(1), dim=0)
    kept = torch.eye(len(common)) - common[:, None] * common
    projection.copy_((kept * 2.0 / (kept @ features).std())[:, :, None, None])


def read_state(path: Path, network: LoFTR) -> dict[str, Tensor]:
    """Weights of an official checkpoint, or of the distilled one, without what only the fine map needs."""
    finer = tuple(f"backbone.layer{stage}_outconv." for stage in range(1, network.backbone.stages))
    state = {
        key.removeprefix("matcher."): value for key, value in read_checkpoint(path, "state_dict", "model_state_dict").items()
    }
    return {key: value for key, value in state.items() if not _FINE.match(key) and not key.startswith(finer)}


class LoFTR(nn.Module):
    """image0 and image1 float32 [B, 1, S, S] (grey, 0 to 1) -> matches0 int64 [B, N] and scores0 float32 [B, N].

    matches0 is the cell of image 1 that is the mutual nearest of each of the N cells of image 0, or -1; scores0 its confidence,
    the product of both softmaxes (section 3.3), or 0. Matches of the `border` outermost cells are left out, as in the original.
    """

    def __init__(self, stem: int, widths: tuple[int, ...], heads: int, layers: int, border: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.backbone = _Backbone(stem, widths)
        self.loftr_coarse = _Transformer(widths[-1], heads, layers)
        self.register_buffer("position", _sines(widths[-1], grid), persistent=False)
        self.register_buffer("inner", _inside(border, grid), persistent=False)

    def forward(self, image0: Tensor, image1: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        confidence = self.confidence(image0, image1)
        nearest0, nearest1 = confidence.argmax(2), confidence.argmax(1)
        own = torch.arange(confidence.shape[1], device=confidence.device)
        # Of image 1, the cells that may be matched are looked up by their number.
        kept = (nearest1.gather(1, nearest0) == own) & self.inner & self.inner[nearest0]
        return torch.where(kept, nearest0, -1), torch.where(kept, confidence.amax(2), 0.0)

    def confidence(self, image0: Tensor, image1: Tensor) -> Tensor:
        """The confidence of every pair of cells, float32 [B, N, N]."""
        features = self.backbone(torch.cat((image0, image1))) + self.position
        coarse0, coarse1 = self.loftr_coarse(features.flatten(2).transpose(1, 2))
        similarity = coarse0 @ coarse1.transpose(1, 2) * (1 / (coarse0.shape[2] * _TEMPERATURE))
        return similarity.softmax(1) * similarity.softmax(2)


class _Backbone(nn.Module):
    """ResNet with one stage per width, each but the first halving the map: images [B, 1, H, W] -> [B, C, h, w]."""

    def __init__(self, stem: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.stages = len(widths)
        self.coarse = f"layer{self.stages}_outconv"
        self.conv1, self.bn1 = nn.Conv2d(1, stem, 7, 2, 3, bias=False), nn.BatchNorm2d(stem)
        inputs = stem
        for stage, width in enumerate(widths, 1):
            self.add_module(
                f"layer{stage}", nn.Sequential(_Residual(inputs, width, 1 if stage == 1 else 2), _Residual(width, width))
            )
            inputs = width
        self.add_module(self.coarse, nn.Conv2d(inputs, inputs, 1, bias=False))

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(images)))
        for stage in range(1, self.stages + 1):
            x = self.get_submodule(f"layer{stage}")(x)
        return self.get_submodule(self.coarse)(x)


class _Residual(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.conv2 = _conv3(inputs, width, stride), _conv3(width, width)
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        if stride == 1:
            self.downsample = nn.Identity()
        else:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, entry: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(entry)))
        return F.relu(self.downsample(entry) + self.bn2(self.conv2(x)))


class _Transformer(nn.Module):
    """Cells of both images [2 B, N, C] -> those of image 0 and of image 1, [B, N, C] each; layers are self, cross, self, ..."""

    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(width, heads) for _ in range(layers))

    def forward(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        batch = cells.shape[0] // 2
        for index, layer in enumerate(self.layers):
            if index % 2 == 0:
                cells = layer(cells, cells)
            else:
                cells0, cells1 = cells[:batch], cells[batch:]
                cells0 = layer(cells0, cells1)
                cells = torch.cat((cells0, layer(cells1, cells0)))  # image 1 sees image 0 as it is by now
        return cells[:batch], cells[batch:]


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.merge = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.mlp = nn.Sequential(nn.Linear(2 * width, 2 * width, bias=False), nn.ReLU(), nn.Linear(2 * width, width, bias=False))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        q, k, v = (self._split(part) for part in (self.q_proj(x), self.k_proj(source), self.v_proj(source)))
        message = self.norm1(self.merge(_linear_attention(q, k, v).transpose(1, 2).flatten(2)))
        return x + self.norm2(self.mlp(torch.cat((x, message), 2)))

    def _split(self, x: Tensor) -> Tensor:
        """[B, N, C] -> [B, heads, N, C / heads]."""
        return x.unflatten(2, (self.heads, x.shape[2] // self.heads)).transpose(1, 2)


def _linear_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention with the kernel elu + 1 (Katharopoulos et al., ICML 2020); means in place of sums stay small in float16."""
    q, k = F.elu(q) + 1, F.elu(k) + 1
    context = k.transpose(2, 3) @ (v * (1 / v.shape[2]))
    total = k.mean(2, keepdim=True).transpose(2, 3)
    return (q @ context) / (q @ total + _FLOOR)


def _sines(width: int, grid: tuple[int, int]) -> Tensor:
    """The sines added to the features, [1, C, h, w]: of the published weights, whose wavelengths grow by e^2 (temp_bug_fix off)."""
    rows, columns = (torch.arange(1, count + 1, dtype=torch.float32) for count in grid)
    wave = torch.exp(-torch.arange(0, width // 2, 2, dtype=torch.float32))[:, None, None]
    x, y = (columns[None, None] * wave).expand(-1, *grid), (rows[None, :, None] * wave).expand(-1, *grid)
    return torch.stack((x.sin(), x.cos(), y.sin(), y.cos()), 1).flatten(0, 1)[None]


def _inside(border: int, grid: tuple[int, int]) -> Tensor:
    """True for each of the N cells that lies `border` cells or more from the edge of the map."""
    inside = torch.zeros(grid, dtype=torch.bool)
    inside[border : grid[0] - border, border : grid[1] - border] = True
    return inside.flatten()


def _conv3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
