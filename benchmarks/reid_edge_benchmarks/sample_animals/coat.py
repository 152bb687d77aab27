"""The coat of one individual: a spot or stripe pattern grown by Gray-Scott reaction-diffusion.

Two chemicals U and V diffuse and react, U + 2V -> 3V (Pearson, "Complex Patterns in a Simple System", Science 261, 1993;
Turing's idea of 1952 for animal coats). Feed and kill rates drift over the coat, and the coat is stretched unevenly, because
with constant rates the spots would pack into a lattice that looks alike on every individual. All up to the grown pattern is
plain float32 sums and products in a fixed order, which every machine rounds alike: a seed grows the same coat everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Kind = Literal["spots", "stripes"]

COAT_LENGTH, COAT_GIRTH = 1.6, 1.35  # what the sheet covers before it repeats, in body lengths
_SHEET = (800, 960)  # pixels of the sheet, [H, W]


@dataclass(frozen=True)
class _Recipe:
    """How a kind of coat grows. ``cells`` is (girth, length); fewer cells along the girth stretch the pattern into stripes."""

    cells: tuple[int, int]
    seeding: tuple[int, int]  # bumps of the first noise, along the same axes
    steps: int
    feed: tuple[float, float]  # the range over which the rate drifts
    kill: tuple[float, float]
    light: tuple[float, float, float]  # linear RGB
    dark: tuple[float, float, float]
    unevenness: float  # displacement of the pattern, in body lengths


_RECIPES: dict[Kind, _Recipe] = {
    "spots": _Recipe(
        (144, 172), (9, 11), 3600, (0.0345, 0.0385), (0.0625, 0.0638), (0.56, 0.37, 0.17), (0.115, 0.045, 0.018), 0.045
    ),
    "stripes": _Recipe(
        (60, 212), (3, 36), 3000, (0.034, 0.044), (0.0585, 0.0610), (0.62, 0.57, 0.48), (0.032, 0.026, 0.024), 0.035
    ),
}


@dataclass(frozen=True)
class Coat:
    """One individual's coat as a sheet that repeats in both directions.

    Attributes:
        tone: float32 [H, W], 0 light fur to 1 dark fur; x along the body (COAT_LENGTH), y around it (COAT_GIRTH).
        fur: float32 [H, W], relative brightness of the hair, about 1.
        light: linear RGB of the light fur.
        dark: linear RGB of the dark fur.
    """

    tone: NDArray[np.float32]
    fur: NDArray[np.float32]
    light: NDArray[np.float32]
    dark: NDArray[np.float32]


@lru_cache(maxsize=32)
def grow_coat(individual_seed: int, kind: Kind) -> Coat:
    """Grow the coat of an individual; the same seed and kind always give the same coat."""
    recipe = _RECIPES[kind]
    rng = np.random.Generator(np.random.PCG64([individual_seed, 1]))
    pattern = _react(recipe, rng)
    sheet = _uneven(_wrapped_resize(pattern, _SHEET), recipe.unevenness, rng)
    low, middle, high = np.quantile(sheet, [0.05, 0.60 if kind == "spots" else 0.5, 0.95])
    tone = np.clip((sheet - middle) / (0.30 * (high - low)) + 0.5, 0, 1)
    blotch = drifting(rng, _SHEET, (40, 40))
    fur = 1 + 0.10 * (rng.random(_SHEET, dtype=np.float32) - 0.5) + 0.12 * (blotch - 0.5)
    tint = 1 + 0.12 * (rng.random(3) - 0.5)
    return Coat(
        (tone * tone * (3 - 2 * tone)).astype(np.float32),
        fur.astype(np.float32),
        (np.array(recipe.light) * tint).astype(np.float32),
        (np.array(recipe.dark) * tint).astype(np.float32),
    )


def drifting(rng: np.random.Generator, shape: tuple[int, int], waves: tuple[int, int]) -> NDArray[np.float32]:
    """Smooth noise in [0, 1] with about ``waves`` bumps down and across, float32 [H, W], repeating at its edges."""
    noise = _wrapped_resize(rng.random(waves, dtype=np.float32), shape)
    low, high = float(noise.min()), float(noise.max())
    return (noise - low) / np.float32(high - low)


def _react(recipe: _Recipe, rng: np.random.Generator) -> NDArray[np.float32]:
    """Concentration of V once the pattern stands, float32 of ``recipe.cells``."""
    rows, columns = recipe.cells
    feed = _between(recipe.feed, drifting(rng, recipe.cells, (5, 5)))
    kill = _between(recipe.kill, drifting(rng, recipe.cells, (5, 5)))
    fields = np.empty((2, rows + 2, columns + 2), np.float32)  # U and V with a rim that repeats the opposite edge
    inner = fields[:, 1:-1, 1:-1]
    inner[0] = 1
    inner[1] = rng.random(recipe.cells, dtype=np.float32) * (drifting(rng, recipe.cells, recipe.seeding) > 0.5)
    inner[0] -= inner[1] * np.float32(0.5)
    diffusion = np.array([0.16, 0.08], np.float32).reshape(2, 1, 1)
    change = np.empty_like(inner)
    drain = feed + kill
    for _ in range(recipe.steps):
        fields[:, 0], fields[:, -1] = fields[:, -2], fields[:, 1]
        fields[:, :, 0], fields[:, :, -1] = fields[:, :, -2], fields[:, :, 1]
        np.add(fields[:, :-2, 1:-1], fields[:, 2:, 1:-1], out=change)
        change += fields[:, 1:-1, :-2]
        change += fields[:, 1:-1, 2:]
        change -= inner * np.float32(4)
        change *= diffusion
        reaction = inner[0] * inner[1]
        reaction *= inner[1]
        change[0] += feed - feed * inner[0] - reaction
        change[1] += reaction - drain * inner[1]
        inner += change
    return inner[1].copy()


def _uneven(sheet: NDArray[np.float32], displacement: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Move the pattern about by up to ``displacement`` body lengths, so that neither size nor spacing stays even."""
    height, width = sheet.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x += (drifting(rng, sheet.shape, (7, 7)) - 0.5) * np.float32(2 * displacement * width / COAT_LENGTH)
    y += (drifting(rng, sheet.shape, (7, 7)) - 0.5) * np.float32(2 * displacement * height / COAT_GIRTH)
    return cv2.remap(sheet, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def _wrapped_resize(field: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Enlarge a repeating field by cubic interpolation, without a seam at its edges.

    In numpy, because versions of OpenCV interpolate a little differently and a reaction would grow that into another coat.
    """
    for axis, size in enumerate(shape):
        cells = field.shape[axis]
        place = (np.arange(size) + 0.5) * (cells / size) - 0.5
        first = np.floor(place).astype(np.int64)
        t = (place - first).astype(np.float32).reshape((-1, 1) if axis == 0 else (1, -1))
        weights = (
            t * (t * (2 - t) - 1),
            t * t * (3 * t - 5) + 2,
            t * (t * (4 - 3 * t) + 1),
            t * t * (t - 1),
        )  # Catmull-Rom, doubled
        field = sum(
            (weight * np.take(field, (first + tap) % cells, axis) for tap, weight in enumerate(weights, start=-1)),
            start=np.zeros(1, np.float32),
        ) * np.float32(0.5)
    return field


def _between(bounds: tuple[float, float], share: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.float32(bounds[0]) + np.float32(bounds[1] - bounds[0]) * share
