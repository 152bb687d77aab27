"""MobileSAM with a box as prompt (Kirillov et al., "Segment Anything", ICCV 2023; Zhang et al., "Faster Segment Anything", 2023).

Modules carry the official names. Of the prompts only the box is here; points, earlier masks and the classifier of the encoder are
left out, and their weights with them.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reid_edge.errors import UsageError
from reid_edge_export.tiny_vit import ChannelNorm, TinyViT
from reid_edge_export.weights import read_checkpoint

_STRIDE = 16  # pixels of the input per cell of the embedding
_MASKS = 4  # the mask of a clear prompt, then those of an ambiguous one: whole, part and subpart
_LAYERS = 2
_HIDDEN = 2048
_UNUSED = (
    "image_encoder.norm_head.",
    "image_encoder.head.",
    "prompt_encoder.mask_downscaling.",
    "prompt_encoder.not_a_point_embed.",
    "prompt_encoder.point_embeddings.0.",
    "prompt_encoder.point_embeddings.1.",
)


def build(
    widths: tuple[int, ...], depths: tuple[int, ...], heads: tuple[int, ...], windows: tuple[int, ...], size: int
) -> nn.Module:
    """The network with random weights; see `TinyViT` for the layout."""
    if size % _STRIDE:
        raise UsageError(f"MobileSAM: size is {size}.", f"Give a multiple of {_STRIDE}; the weights were trained at 1024.")
    return MobileSam(TinyViT(widths, depths, heads, windows, 256), 256, 8)


def read_state(path: Path, network: nn.Module) -> dict[str, Tensor]:
    """Weights of the official checkpoint, without those of the prompts that are not here."""
    return {key: value for key, value in read_checkpoint(path).items() if not key.startswith(_UNUSED)}


class MobileSam(nn.Module):
    """image float32 [B, 3, S, S] and box float32 [B, 4] -> saliency float32 [B, 1, S / 4, S / 4], 0 to 1.

    The image is normalised RGB, its longer side S, filled up with zeros at the right or the bottom. The box is (x0, y0, x1, y1)
    in pixels of the input. The saliency is the sigmoid of the mask that the network itself rates best.
    """

    def __init__(self, image_encoder: nn.Module, channels: int, heads: int) -> None:
        super().__init__()
        self.image_encoder = image_encoder
        self.prompt_encoder = _PromptEncoder(channels)
        self.mask_decoder = _MaskDecoder(channels, heads)

    def forward(self, image: Tensor, box: Tensor) -> Tensor:  # noqa: D102
        masks, quality = self.masks(image, box)
        best = quality.argmax(1)[:, None, None, None].expand(-1, 1, *masks.shape[2:])
        return masks.gather(1, best).sigmoid()

    def masks(self, image: Tensor, box: Tensor) -> tuple[Tensor, Tensor]:
        """The logits of all masks [B, 4, S / 4, S / 4] and the overlap with the truth that each is rated at [B, 4]."""
        embedding = self.image_encoder(image)
        corners = self.prompt_encoder(box, image.shape[2])
        places = self.prompt_encoder.pe_layer.grid(embedding.shape[2])
        return self.mask_decoder(embedding + self.prompt_encoder.no_mask_embed.weight[:, :, None, None], places, corners)


class _PromptEncoder(nn.Module):
    """A box [B, 4] -> its corners [B, 2, C]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pe_layer = _Places(channels // 2)
        self.point_embeddings = nn.ModuleDict({corner: nn.Embedding(1, channels) for corner in ("2", "3")})
        self.no_mask_embed = nn.Embedding(1, channels)

    def forward(self, box: Tensor, size: int) -> Tensor:
        corners = self.pe_layer((box.unflatten(1, (2, 2)) + 0.5) / size)
        return corners + torch.stack([self.point_embeddings[corner].weight for corner in ("2", "3")], 1)


class _Places(nn.Module):
    """Places as random waves (Tancik et al., "Fourier Features", NeurIPS 2020): (x, y), 0 to 1, [..., 2] -> [..., 2 W]."""

    def __init__(self, waves: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, waves))

    def forward(self, xy: Tensor) -> Tensor:
        angles = 2 * math.pi * ((2 * xy - 1) @ self.positional_encoding_gaussian_matrix)
        return torch.cat((angles.sin(), angles.cos()), -1)

    def grid(self, cells: int) -> Tensor:
        """The places of the centres of a square map's cells, [cells * cells, 2 W]."""
        along = (torch.arange(cells, dtype=torch.float32) + 0.5) / cells
        rows, columns = torch.meshgrid(along, along, indexing="ij")
        return self(torch.stack((columns, rows), 2).flatten(0, 1))


class _MaskDecoder(nn.Module):
    """embedding [B, C, h, w], places [h w, C] and corners [B, 2, C] -> logits [B, 4, 4 h, 4 w] and ratings [B, 4]."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.transformer = _TwoWayTransformer(channels, heads)
        self.iou_token, self.mask_tokens = nn.Embedding(1, channels), nn.Embedding(_MASKS, channels)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(channels, channels // 4, 2, 2),
            ChannelNorm(channels // 4),
            nn.GELU(),
            nn.ConvTranspose2d(channels // 4, channels // 8, 2, 2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(_Perceptron(channels, channels // 8) for _ in range(_MASKS))
        self.iou_prediction_head = _Perceptron(channels, _MASKS)

    def forward(self, embedding: Tensor, places: Tensor, corners: Tensor) -> tuple[Tensor, Tensor]:
        own = torch.cat((self.iou_token.weight, self.mask_tokens.weight))
        tokens = torch.cat((own.expand(corners.shape[0], -1, -1), corners), 1)
        tokens, cells = self.transformer(tokens, embedding.flatten(2).transpose(1, 2), places)
        features = self.output_upscaling(cells.transpose(1, 2).unflatten(2, embedding.shape[2:]))
        filters = torch.stack([mlp(tokens[:, 1 + mask]) for mask, mlp in enumerate(self.output_hypernetworks_mlps)], 1)
        masks = (filters @ features.flatten(2)).unflatten(2, features.shape[2:])
        return masks, self.iou_prediction_head(tokens[:, 0])


class _Perceptron(nn.Module):
    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(channels, width) for width in (channels, channels, outputs))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


class _TwoWayTransformer(nn.Module):
    """Tokens [B, T, C] and cells [B, N, C] look at each other; what a token began as tells its place throughout."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_TwoWayBlock(channels, heads, first=layer == 0) for layer in range(_LAYERS))
        self.final_attn_token_to_image = _Attention(channels, heads, channels // 2)
        self.norm_final_attn = nn.LayerNorm(channels)

    def forward(self, tokens: Tensor, cells: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        began = tokens
        for layer in self.layers:
            tokens, cells = layer(tokens, cells, began, places)
        tokens = tokens + self.final_attn_token_to_image(tokens + began, cells + places, cells)
        return self.norm_final_attn(tokens), cells


class _TwoWayBlock(nn.Module):
    def __init__(self, channels: int, heads: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = _Attention(channels, heads, channels)
        self.cross_attn_token_to_image = _Attention(channels, heads, channels // 2)
        self.cross_attn_image_to_token = _Attention(channels, heads, channels // 2)
        self.norm1, self.norm2, self.norm3, self.norm4 = (nn.LayerNorm(channels) for _ in range(4))
        self.mlp = nn.Module()
        self.mlp.lin1, self.mlp.lin2 = nn.Linear(channels, _HIDDEN), nn.Linear(_HIDDEN, channels)

    def forward(self, tokens: Tensor, cells: Tensor, began: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            placed = tokens + began
            tokens = tokens + self.self_attn(placed, placed, tokens)
        tokens = self.norm1(tokens)
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(tokens + began, cells + places, cells))
        tokens = self.norm3(tokens + self.mlp.lin2(F.relu(self.mlp.lin1(tokens))))
        cells = self.norm4(cells + self.cross_attn_image_to_token(cells + places, tokens + began, tokens))
        return tokens, cells


class _Attention(nn.Module):
    def __init__(self, channels: int, heads: int, inner: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (inner // heads) ** -0.5
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(channels, inner) for _ in range(3))
        self.out_proj = nn.Linear(inner, channels)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = self._split(self.q_proj(q)), self._split(self.k_proj(k)), self._split(self.v_proj(v))
        attended = (q @ k.transpose(2, 3) * self.scale).softmax(3) @ v
        return self.out_proj(attended.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        """[B, N, C] -> [B, heads, N, C / heads]."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)
