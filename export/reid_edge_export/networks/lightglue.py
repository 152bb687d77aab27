"""LightGlue: matches between two sets of keypoints (Lindenberger et al., ICCV 2023), without early stopping or pruning.

Accepts the official key layout; the weights are only rearranged so that the graph is lean: queries, keys and values lie in
blocks, the rotary pairs in two halves, the attention scale is in the projections, and the projection of the message is folded
into the layer behind it.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_edge_export.weights import read_checkpoint

# The first release of LightGlue wrote self_attn.3 for what is transformers.3.self_attn now.
_OLD_NAME = re.compile(r"^(self_attn|cross_attn)\.(\d+)\.")
# Early stopping, the assignments of the other layers, what no layer reads, and the extractor that LighterGlue was trained with.
_UNUSED = re.compile(r"^(token_confidence\.|confidence_thresholds$|log_assignment\.\d|extractor\.|log_assignment\.r$)")
_EXCLUDED = -3.0e4  # added to the similarity of an empty slot; lies within the range of float16


def build(layers: int, width: int, heads: int, descriptor: int, position: int) -> nn.Module:
    """The network with random weights: `width` channels inside, descriptors of `descriptor`, places of `position` numbers."""
    return LightGlue(layers, width, heads, descriptor, position)


def condition(network: LightGlue) -> None:
    """Make random weights match by descriptor, so that a comparison has matches: small updates, maps that keep angles."""
    for layer in network.transformers:
        for block in (layer.self_attn, layer.cross_attn):
            block.ffn[-1].weight.mul_(0.1)
            block.ffn[-1].bias.zero_()
    for linear in (network.input_proj, network.log_assignment.final_proj):
        if isinstance(linear, nn.Linear):
            nn.init.orthogonal_(linear.weight, 5.0)
            linear.bias.zero_()
    network.log_assignment.matchability.bias.fill_(4.0)


def read_state(path: Path, network: LightGlue) -> dict[str, Tensor]:
    """Weights of an official checkpoint under the keys of `network`; what serves early stopping only is left out."""
    last = f"log_assignment.{network.layers - 1}."
    state = {}
    for key, value in read_checkpoint(path).items():
        name = _OLD_NAME.sub(r"transformers.\2.\1.", key.removeprefix("matcher.")).replace(last, "log_assignment.")
        if not _UNUSED.match(name):
            state[name] = value
    return network.rearrange(state)


class LightGlue(nn.Module):
    """Match N keypoints of one image with M of another, B pairs at a time.

    keypoints0 [B, N, P] and keypoints1 [B, M, P]: first (xy - size / 2) / (max(size) / 2), then, with P = 4, the scale in pixels
    and the orientation in radians, or, with P = 6, the tips of the x and y axes of the affine frame, normalised as xy is;
    descriptors0 [B, N, C] and descriptors1 [B, M, C]; valid0 [B, N] and valid1 [B, M]: 1 for a keypoint, 0 for an empty slot.
    All float32. Gives matches0 int64 [B, N], the index of the mutual nearest in image 1 or -1, and scores0 float32 [B, N], its
    probability or 0.
    """

    def __init__(self, layers: int, width: int, heads: int, descriptor: int, position: int) -> None:
        super().__init__()
        self.layers, self.width, self.heads = layers, width, heads
        self.input_proj = nn.Linear(descriptor, width) if descriptor != width else nn.Identity()
        self.posenc = _Rotary(position, width // heads)
        self.transformers = nn.ModuleList(_Layer(width, heads) for _ in range(layers))
        self.log_assignment = _Assignment(width)

    def forward(  # noqa: D102
        self, keypoints0: Tensor, keypoints1: Tensor, descriptors0: Tensor, descriptors1: Tensor, valid0: Tensor, valid1: Tensor
    ) -> tuple[Tensor, Tensor]:
        # Both images travel as one row of tokens, so that each projection is one large matrix product.
        tokens = _Tokens(keypoints0.shape[0], keypoints0.shape[1], keypoints1.shape[1], self.heads)
        rotary = self.posenc(torch.cat((keypoints0, keypoints1), 1))
        exclude0, exclude1 = ((1 - valid[:, None, None]) * _EXCLUDED for valid in (valid0, valid1))
        x = self.input_proj(torch.cat((descriptors0, descriptors1), 1).flatten(0, 1))
        for layer in self.transformers:
            x = layer.self_attn(x, tokens, rotary, exclude0, exclude1)
            x = layer.cross_attn(x, tokens, exclude0, exclude1)
        log_assignment = self.log_assignment(x, tokens, exclude0[:, 0], exclude1[:, 0])
        return _mutual_nearest(log_assignment, valid0, valid1)

    def rearrange(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The official weights as the lean graph wants them; keys that are missing stay missing."""
        head = self.width // self.heads
        halves = torch.cat((torch.arange(0, head, 2), torch.arange(1, head, 2)))
        moved = dict(state)
        for key, value in state.items():
            if ".Wqkv." in key and value.shape[0] == 3 * self.width:
                q, k, v = value.unflatten(0, (self.heads, head, 3)).unbind(2)
                moved[key] = torch.stack((q[:, halves] * head**-0.5, k[:, halves], v)).flatten(0, 2)
            elif ".to_qk." in key:
                moved[key] = value * head**-0.25
            elif ".final_proj." in key:
                moved[key] = value * self.width**-0.25
        for key in state:
            if key.endswith((".out_proj.weight", ".to_out.weight")):
                self._fold_projection(moved, key.removesuffix(".weight"))
        return moved

    def _fold_projection(self, state: dict[str, Tensor], projection: str) -> None:
        """Fold the linear map of the message into the first layer of the feed-forward block, which is linear in the message."""
        first = projection.rpartition(".")[0] + ".ffn.0"
        needed = (f"{projection}.weight", f"{projection}.bias", f"{first}.weight", f"{first}.bias")
        shapes = [tuple(state[key].shape) if key in state else None for key in needed]
        width = self.width
        if shapes != [(width, width), (width,), (2 * width, 2 * width), (2 * width,)]:
            return  # a foreign checkpoint: the keys that do not fit are named when the network is filled
        own, message = state[needed[2]].split(width, 1)
        state[needed[2]] = torch.cat((own, message @ state[needed[0]]), 1)
        state[needed[3]] = state[needed[3]] + message @ state[needed[1]]
        del state[needed[0]], state[needed[1]]


class _Tokens(NamedTuple):
    """How rows [B (N + M), D] of both images are read as heads, and back."""

    batch: int
    count0: int
    count1: int
    heads: int

    def split(self, rows: Tensor) -> Tensor:
        """[B (N + M), D] -> [B, heads, N + M, D / heads]."""
        rows = rows.reshape(self.batch, self.count0 + self.count1, self.heads, rows.shape[1] // self.heads)
        return rows.transpose(1, 2)

    def images(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens of each image, from [..., N + M, D]."""
        return x[..., : self.count0, :], x[..., self.count0 :, :]

    def merge(self, x0: Tensor, x1: Tensor) -> Tensor:
        """[B, heads, N, d] and [B, heads, M, d] -> [B (N + M), heads d]."""
        return torch.cat((x0, x1), 2).transpose(1, 2).reshape(-1, self.heads * x0.shape[3])


class _Rotary(nn.Module):
    """Cosine and sine [B, 1, N + M, d / 2] of the learned angles by which queries and keys are turned (section 3.1)."""

    def __init__(self, position: int, head: int) -> None:
        super().__init__()
        self.Wr = nn.Linear(position, head // 2, bias=False)

    def forward(self, keypoints: Tensor) -> tuple[Tensor, Tensor]:
        angle = self.Wr(keypoints).unsqueeze(1)
        return angle.cos(), angle.sin()


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.self_attn, self.cross_attn = _SelfAttention(width, heads), _CrossAttention(width, heads)


class _SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.Wqkv = nn.Linear(width, 3 * width)
        self.ffn = _feed_forward(width)

    def forward(self, x: Tensor, tokens: _Tokens, rotary: tuple[Tensor, Tensor], exclude0: Tensor, exclude1: Tensor) -> Tensor:
        q, k, v = (tokens.split(part) for part in self.Wqkv(x).chunk(3, 1))
        (q0, q1), (k0, k1), (v0, v1) = (tokens.images(part) for part in (_rotate(q, rotary), _rotate(k, rotary), v))
        context0 = (q0 @ k0.transpose(2, 3) + exclude0).softmax(-1) @ v0
        context1 = (q1 @ k1.transpose(2, 3) + exclude1).softmax(-1) @ v1
        return x + self.ffn(torch.cat((x, tokens.merge(context0, context1)), 1))


class _CrossAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.to_qk, self.to_v = nn.Linear(width, width), nn.Linear(width, width)
        self.ffn = _feed_forward(width)

    def forward(self, x: Tensor, tokens: _Tokens, exclude0: Tensor, exclude1: Tensor) -> Tensor:
        (qk0, qk1), (v0, v1) = (tokens.images(tokens.split(part)) for part in (self.to_qk(x), self.to_v(x)))
        similarity = qk0 @ qk1.transpose(2, 3)
        context0 = (similarity + exclude1).softmax(-1) @ v1
        context1 = (similarity.transpose(2, 3) + exclude0).softmax(-1) @ v0
        return x + self.ffn(torch.cat((x, tokens.merge(context0, context1)), 1))


class _Assignment(nn.Module):
    """Log of the assignment matrix: dual softmax of the similarity times both matchabilities (section 3.2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.matchability, self.final_proj = nn.Linear(width, 1), nn.Linear(width, width)

    def forward(self, x: Tensor, tokens: _Tokens, exclude0: Tensor, exclude1: Tensor) -> Tensor:
        # log sigmoid(z) as -softplus(-z), which does not underflow
        parts = (self.final_proj(x), -F.softplus(-self.matchability(x)))
        (x0, x1), (matchable0, matchable1) = (
            tokens.images(part.reshape(tokens.batch, tokens.count0 + tokens.count1, part.shape[1])) for part in parts
        )
        similarity = x0 @ x1.transpose(1, 2)
        along1 = (similarity + exclude1).log_softmax(2)
        along0 = (similarity.transpose(1, 2) + exclude0).log_softmax(2).transpose(1, 2)
        return along1 + along0 + matchable0 + matchable1.transpose(1, 2)


def _mutual_nearest(log_assignment: Tensor, valid0: Tensor, valid1: Tensor) -> tuple[Tensor, Tensor]:
    nearest0, nearest1 = log_assignment.argmax(2), log_assignment.argmax(1)
    own = torch.arange(log_assignment.shape[1], device=log_assignment.device)
    kept = (nearest1.gather(1, nearest0) == own) & (valid0 > 0.5) & (valid1.gather(1, nearest0) > 0.5)
    score = log_assignment.amax(2).exp()
    return torch.where(kept, nearest0, -1), torch.where(kept, score, 0.0)


class _Gelu(nn.Module):
    """GELU written in the order that ONNX Runtime recognises and fuses."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (torch.erf(x / math.sqrt(2)) + 1) * 0.5


def _feed_forward(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(2 * width, 2 * width), nn.LayerNorm(2 * width), _Gelu(), nn.Linear(2 * width, width))


def _rotate(x: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
    """Turn each pair (first half, second half) by its angle."""
    cosine, sine = rotary
    a, b = x.chunk(2, -1)
    return torch.cat((a * cosine - b * sine, b * cosine + a * sine), -1)
