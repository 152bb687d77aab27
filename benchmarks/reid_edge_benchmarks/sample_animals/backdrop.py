"""The place behind the animal: sky, far hills, bushes, and a ground of soil and grass, different in every photo.

All colours are linear RGB, float32 [H, W, 3], about 0 to 1, under neutral light.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge_benchmarks.sample_animals.coat import drifting

_SOILS = np.array([[0.36, 0.22, 0.12], [0.42, 0.34, 0.22], [0.30, 0.26, 0.20], [0.25, 0.23, 0.10]])
_GRASSES = np.array([[0.20, 0.26, 0.07], [0.42, 0.36, 0.14], [0.14, 0.20, 0.05], [0.34, 0.33, 0.15]])
_LEAVES = np.array([[0.07, 0.13, 0.035], [0.11, 0.15, 0.05], [0.16, 0.16, 0.07], [0.05, 0.10, 0.05]])
_SKIES = np.array([[0.36, 0.55, 0.85], [0.62, 0.70, 0.80], [0.75, 0.68, 0.60], [0.45, 0.58, 0.75]])
_TILE = 512


def paint_backdrop(rng: np.random.Generator, size: tuple[int, int], horizon: float) -> NDArray[np.float32]:
    """Paint a place whose horizon lies at pixel row ``horizon`` of a picture of ``size`` (width, height)."""
    picture = _sky(rng, size, horizon)
    _hills(rng, picture, horizon)
    soil, grass = _tinted(rng, _SOILS), _tinted(rng, _GRASSES)
    _ground(rng, picture, horizon, soil, grass)
    leaves = _octaves(rng, (size[1], size[0]), 8, fade=0.95)
    for _ in range(rng.integers(3, 10)):
        _bush(rng, picture, horizon, leaves)
    picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.6, 1.3)) * size[0] / 640)
    _tufts(rng, picture, horizon, grass)
    _stones(rng, picture, horizon, soil)
    return picture


def _sky(rng: np.random.Generator, size: tuple[int, int], horizon: float) -> NDArray[np.float32]:
    width, height = size
    zenith, haze = _tinted(rng, _SKIES), np.float32(rng.uniform(0.7, 0.95))
    fall = np.clip(np.arange(height, dtype=np.float32) / max(horizon, 1.0), 0, 1)[:, None, None] ** 1.5
    clouds = _octaves(rng, (height, width), 4)[..., None] ** 2 * np.float32(rng.uniform(0.0, 0.4))
    return np.ascontiguousarray((zenith * (1 - fall) + haze * fall) * (1 - clouds) + clouds, np.float32)


def _hills(rng: np.random.Generator, picture: NDArray[np.float32], horizon: float) -> None:
    """Two far ridges, paler with distance."""
    height, width = picture.shape[:2]
    rows = np.arange(height, dtype=np.float32)[:, None]
    for haze in (0.6, 0.25):
        ridge = horizon - 0.16 * (haze + 0.3) * height * drifting(rng, (1, width), (1, int(rng.integers(3, 9))))
        shade = _tinted(rng, _LEAVES) * 1.6 * (1 - haze) + haze * np.array([0.50, 0.56, 0.60], np.float32)
        texture = 0.75 + 0.5 * _octaves(rng, (height, width), 5)
        below = np.clip(rows - ridge, 0, 1)[..., None]
        picture[:] = picture * (1 - below) + texture[..., None] * shade * below


def _ground(
    rng: np.random.Generator, picture: NDArray[np.float32], horizon: float, soil: NDArray[np.float32], grass: NDArray[np.float32]
) -> None:
    """Soil and grass seen in perspective: the texture shrinks towards the horizon."""
    height, width = picture.shape[:2]
    first = int(np.clip(np.ceil(horizon), 0, height))
    below = np.arange(first, height, dtype=np.float32) - np.float32(horizon) + 4
    far = (0.45 * height / below)[:, None]
    across = (np.arange(width, dtype=np.float32) - width / 2)[None, :] * far * (_TILE / width) + _TILE / 2
    away = far * _TILE * 0.9 + 0 * across
    patches, grain = _octaves(rng, (_TILE, _TILE), 4), _octaves(rng, (_TILE, _TILE), 8, fade=0.95)
    mix = cv2.remap(patches, across, away, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    fine = cv2.remap(grain, across, away, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    share = np.clip((mix - np.float32(rng.uniform(0.3, 0.7))) * 5 + 0.5, 0, 1)[..., None]
    picture[first:] = (soil * (1 - share) + grass * share) * (0.2 + 1.6 * fine[..., None])


def _bush(rng: np.random.Generator, picture: NDArray[np.float32], horizon: float, leaves: NDArray[np.float32]) -> None:
    """One bush or tree crown near the horizon: a clump of lobes with leaf texture, lit from above."""
    height, width = picture.shape[:2]
    reach = rng.uniform(0.05, 0.16) * width
    centre = np.array([rng.uniform(0, width), horizon - 0.15 * reach + rng.uniform(0.0, 0.07) * height])
    mask = np.zeros((height, width), np.float32)
    for _ in range(9):
        lobe = centre + rng.normal(0, 1, 2) * (0.45 * reach, 0.22 * reach)
        axes = (reach * rng.uniform(0.25, 0.5), reach * rng.uniform(0.18, 0.38))
        cv2.ellipse(mask, _whole(lobe), _whole(axes), 0.0, 0.0, 360.0, 1.0, -1)
    solid = (cv2.GaussianBlur(mask, (0, 0), 0.06 * reach) + 0.7 * (leaves - 0.5)) > 0.5
    light = np.clip(1.25 - (np.arange(height, dtype=np.float32) - centre[1] + 0.5 * reach) / (2.2 * reach), 0.5, 1.5)[:, None]
    colour = _tinted(rng, _LEAVES) * rng.uniform(0.7, 1.3)
    np.copyto(picture, ((0.1 + 1.8 * leaves) * light)[..., None] * colour.astype(np.float32), where=solid[..., None])


def _tufts(rng: np.random.Generator, picture: NDArray[np.float32], horizon: float, grass: NDArray[np.float32]) -> None:
    """Blades of grass, longer towards the camera."""
    height, width = picture.shape[:2]
    count = int(rng.integers(200, 1200))
    clumps = rng.uniform(0, width, 40)
    roots_x = clumps[rng.integers(0, 40, count)] + rng.normal(0, 0.03 * width, count)
    nearness = rng.uniform(0.15, 1.0, count)
    roots_y = horizon + nearness * (height - horizon) * 1.05
    length = nearness * rng.uniform(0.010, 0.045, count) * height
    lean = rng.normal(0, 0.35, count) * length
    bright = rng.uniform(0.5, 1.5, count)
    for x, y, up, aside, gain in zip(roots_x, roots_y, length, lean, bright, strict=True):
        cv2.line(picture, _whole((x, y)), _whole((x + aside, y - up)), (grass * gain).tolist(), 1, cv2.LINE_AA)


def _stones(rng: np.random.Generator, picture: NDArray[np.float32], horizon: float, soil: NDArray[np.float32]) -> None:
    height, width = picture.shape[:2]
    for _ in range(rng.integers(0, 12)):
        nearness = rng.uniform(0.1, 1.0)
        at = np.array([rng.uniform(0, width), horizon + nearness * (height - horizon)])
        axes = nearness * rng.uniform(0.004, 0.02) * width * np.array([1.0, rng.uniform(0.4, 0.7)])
        tone = 0.6 * soil + rng.uniform(0.05, 0.20)
        shade, gleam = (0.35 * tone).tolist(), (1.25 * tone).tolist()
        cv2.ellipse(picture, _whole((at[0], at[1] + 0.4 * axes[1])), _whole(axes * 1.1), 0.0, 0.0, 360.0, shade, -1, cv2.LINE_AA)
        cv2.ellipse(picture, _whole(at), _whole(axes), 0.0, 0.0, 360.0, tone.tolist(), -1, cv2.LINE_AA)
        cv2.ellipse(picture, _whole(at - 0.25 * axes), _whole(axes * 0.6), 0.0, 0.0, 360.0, gleam, -1, cv2.LINE_AA)


def _octaves(rng: np.random.Generator, shape: tuple[int, int], count: int, fade: float = 0.6) -> NDArray[np.float32]:
    """Noise of ``count`` octaves from 3 bumps a side on, each ``fade`` times as strong as the last; float32 in [0, 1]."""
    total, weight = np.zeros(shape, np.float32), 0.0
    for octave in range(count):
        total += np.float32(fade**octave) * drifting(rng, shape, (3 * 2**octave, 3 * 2**octave))
        weight += fade**octave
    total /= np.float32(weight)
    return np.clip(0.5 + np.float32(0.2) * (total - total.mean()) / total.std(), 0, 1)


def _tinted(rng: np.random.Generator, palette: NDArray[np.float64]) -> NDArray[np.float32]:
    """A colour of the palette, changed a little."""
    colour = palette[rng.integers(len(palette))] * rng.uniform(0.8, 1.2) * (1 + rng.uniform(-0.08, 0.08, 3))
    return colour.astype(np.float32)


def _whole(pair: NDArray[np.float64] | tuple[float, float]) -> tuple[int, int]:
    return int(np.rint(pair[0])), int(np.rint(pair[1]))
