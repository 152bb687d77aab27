"""LightGlue as its authors run it: with PyTorch's fused attention and GELU, which the export writes out for other engines' sake."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def use_fused_kernels(network: nn.Module) -> None:
    """Make a LightGlue of `reid_edge_export.networks.lightglue` faster in eager mode, with the same answers."""
    for layer in network.transformers:  # type: ignore[union-attr]
        for block, attend in ((layer.self_attn, _self_attention), (layer.cross_attn, _cross_attention)):
            block.forward = MethodType(attend, block)
            block.ffn[2] = nn.GELU()


def _self_attention(
    block: Any, x: Tensor, tokens: Any, rotary: tuple[Tensor, Tensor], exclude0: Tensor, exclude1: Tensor
) -> Tensor:
    q, k, v = (tokens.split(part) for part in block.Wqkv(x).chunk(3, 1))
    (q0, q1), (k0, k1), (v0, v1) = (tokens.images(part) for part in (_rotate(q, rotary), _rotate(k, rotary), v))
    # The weights already hold the scale of the attention.
    context0 = F.scaled_dot_product_attention(q0, k0, v0, exclude0, scale=1.0)
    context1 = F.scaled_dot_product_attention(q1, k1, v1, exclude1, scale=1.0)
    message: Tensor = block.ffn(torch.cat((x, tokens.merge(context0, context1)), 1))
    return x + message


def _cross_attention(block: Any, x: Tensor, tokens: Any, exclude0: Tensor, exclude1: Tensor) -> Tensor:
    (qk0, qk1), (v0, v1) = (tokens.images(tokens.split(part)) for part in (block.to_qk(x), block.to_v(x)))
    context0 = F.scaled_dot_product_attention(qk0, qk1, v1, exclude1, scale=1.0)
    context1 = F.scaled_dot_product_attention(qk1, qk0, v0, exclude0, scale=1.0)
    message: Tensor = block.ffn(torch.cat((x, tokens.merge(context0, context1)), 1))
    return x + message


def _rotate(x: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
    cosine, sine = rotary
    a, b = x.chunk(2, -1)
    return torch.cat((a * cosine - b * sine, b * cosine + a * sine), -1)
