"""Photos of sample animals: animals are placed, lit, coloured with their coats and taken with an imperfect camera.

Everything in a photo follows from its seed; an individual's coat follows from the individual's seed alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge_benchmarks.sample_animals.backdrop import paint_backdrop
from reid_edge_benchmarks.sample_animals.body import Skin, draw_pose, pose_body
from reid_edge_benchmarks.sample_animals.camera import Camera, splat
from reid_edge_benchmarks.sample_animals.coat import Coat, Kind, grow_coat

Viewpoint = Literal["left", "right"]

_SUPERSAMPLING = 2
_DISTANCE = 7.0  # of the camera, in body lengths


@dataclass(frozen=True)
class Animal:
    """Who stands in front of the camera.

    Attributes:
        individual_seed: decides the coat, and nothing but the coat and the kind does.
        kind: "spots" or "stripes".
        viewpoint: the flank that the camera sees; "left" shows the head at the left.
    """

    individual_seed: int
    kind: Kind
    viewpoint: Viewpoint = "left"


@dataclass(frozen=True)
class Photo:
    """A rendered photo.

    Attributes:
        rgb: uint8 [H, W, 3], sRGB.
        masks: bool [H, W], one for each animal in the order asked for: the pixels that show it.
    """

    rgb: NDArray[np.uint8]
    masks: tuple[NDArray[np.bool_], ...]


@dataclass(frozen=True)
class _Light:
    """Sunlight and skylight of one photo; ``sun`` is the direction towards it in the stage frame."""

    sun: NDArray[np.float32]
    sun_colour: NDArray[np.float32]
    sky_colour: NDArray[np.float32]
    shadow: float  # how much of the light a cast shadow takes, 0 to 1
    softness: float  # of the shadow's edge, in body lengths


def render_animal(
    individual_seed: int, photo_seed: int, kind: Kind, size: tuple[int, int] = (640, 480), viewpoint: Viewpoint = "left"
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """One animal in one photo of ``size`` (width, height): sRGB uint8 [H, W, 3] and its mask, bool [H, W]."""
    photo = render_photo([Animal(individual_seed, kind, viewpoint)], photo_seed, size)
    return photo.rgb, photo.masks[0]


def render_photo(animals: Sequence[Animal], photo_seed: int, size: tuple[int, int] = (640, 480)) -> Photo:
    """A photo of any number of animals side by side; of the empty place if there are none.

    Args:
        animals: from left to right.
        photo_seed: decides place, light, poses, camera and noise.
        size: width and height in pixels.
    """
    place, standing, lens = (np.random.Generator(np.random.PCG64([photo_seed, stream])) for stream in (10, 11, 12))
    light = _draw_light(place)
    pitch, roll = np.deg2rad(standing.uniform(3, 9)), np.deg2rad(standing.uniform(-2.5, 2.5))
    staged = [_stage(animal, standing) for animal in animals]
    cameras = [_aim(skins, slot, len(animals), pitch, roll, size, standing) for slot, skins in enumerate(staged)]
    horizon = cameras[0].horizon if cameras else place.uniform(0.3, 0.5) * size[1]
    picture = paint_backdrop(place, size, float(np.clip(horizon, 0.12 * size[1], 0.7 * size[1])))
    picture *= light.sun_colour * np.float32(0.75) + light.sky_colour
    for skins, camera in zip(staged, cameras, strict=True):
        picture *= _cast_shadow(skins, camera, light, size)[..., None]
    masks: list[NDArray[np.bool_]] = []
    for animal, skins, camera in zip(animals, staged, cameras, strict=True):
        colour, cover = _paint(skins, camera, light, grow_coat(animal.individual_seed, animal.kind), size)
        picture = picture * (1 - cover[..., None]) + colour
        masks = [mask & (cover < 0.5) for mask in masks] + [cover >= 0.5]
    return Photo(_expose(picture, lens), tuple(masks))


def _draw_light(rng: np.random.Generator) -> _Light:
    azimuth, elevation = np.deg2rad(rng.uniform(-75, 75)), np.deg2rad(rng.uniform(32, 68))
    sun = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    clear, warmth = rng.uniform(0.35, 1.0), rng.uniform(-0.10, 0.16)
    warm = np.array([1 + warmth, 1.0, 1 - 1.3 * warmth])
    return _Light(
        sun=sun.astype(np.float32),
        sun_colour=(0.95 * clear * warm).astype(np.float32),
        sky_colour=((0.75 - 0.40 * clear) * np.array([0.94, 1.0, 1.08]) * (0.4 * warm + 0.6)).astype(np.float32),
        shadow=0.35 + 0.4 * clear,
        softness=float(rng.uniform(0.012, 0.03)) / clear,
    )


def _stage(animal: Animal, rng: np.random.Generator) -> list[Skin]:
    """The posed animal turned to show the asked flank, up to 18 degrees to either side of the pure side view."""
    heading = (0.0 if animal.viewpoint == "right" else np.pi) + np.deg2rad(rng.uniform(-18, 18))
    turn = np.array([[np.cos(heading), 0, -np.sin(heading)], [0, 1, 0], [np.sin(heading), 0, np.cos(heading)]], np.float32)
    skins = pose_body(animal.kind, draw_pose(rng), near_side=1.0 if animal.viewpoint == "right" else -1.0)
    return [Skin(skin.points @ turn, skin.coat, skin.pigment, skin.light) for skin in skins]


def _aim(
    skins: list[Skin], slot: int, slots: int, pitch: float, roll: float, size: tuple[int, int], rng: np.random.Generator
) -> Camera:
    """A camera that shows the animal whole within its slot, at a random scale and place."""
    unit = Camera(pitch, roll, _DISTANCE, scale=1.0, foot=(0.0, 0.0))
    outline = np.concatenate([unit.project(skin.points)[..., :2].reshape(-1, 2) for skin in skins])
    low, high = outline.min(axis=0), outline.max(axis=0)
    width, height = size[0] / slots, float(size[1])
    room = min(width / (high[0] - low[0]), height / (high[1] - low[1]))
    scale = float(room * rng.uniform(0.78, 0.93))
    spare = np.array([width, height]) - scale * (high - low)
    corner = spare * (rng.uniform(0.25, 0.75), rng.uniform(0.35, 0.7)) + (slot * width, 0.0)
    foot = corner - scale * low
    return Camera(pitch, roll, _DISTANCE, scale, (float(foot[0]), float(foot[1])))


def _cast_shadow(skins: list[Skin], camera: Camera, light: _Light, size: tuple[int, int]) -> NDArray[np.float32]:
    """Share of the light that is left where the animal's shadow falls on level ground, float32 [H, W]."""
    half = (size[0] // 2, size[1] // 2)
    flat = []
    for skin in skins:
        points = skin.points - skin.points[..., 1:2] / light.sun[1] * light.sun
        seen = camera.project(points)
        seen[..., :2] *= (half[0] / size[0], half[1] / size[1])
        flat.append(np.concatenate([seen, np.ones_like(seen[..., :1])], axis=-1))
    dark = np.nan_to_num(splat(flat, half, cull=False)[..., 0])
    blur = max(0.5, light.softness * camera.scale / 2)
    dark = cv2.resize(cv2.GaussianBlur(dark, (0, 0), blur), size, interpolation=cv2.INTER_LINEAR)
    return 1 - np.float32(light.shadow) * dark


def _paint(
    skins: list[Skin], camera: Camera, light: _Light, coat: Coat, size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The lit animal on black: linear RGB times cover [H, W, 3], and cover [H, W] from 0 to 1."""
    sheets = []
    for skin in skins:
        along, around = np.gradient(skin.points, axis=(0, 1))
        normal = np.cross(around, along)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-9
        seen = camera.project(skin.points)
        seen[..., :2] *= _SUPERSAMPLING
        shade = np.full_like(skin.pigment, skin.light)
        sheets.append(
            np.concatenate([seen, normal, skin.coat, skin.pigment[..., None], shade[..., None]], axis=-1).astype(np.float32)
        )
    fine = (size[0] * _SUPERSAMPLING, size[1] * _SUPERSAMPLING)
    drawn = splat(sheets, fine)
    covered = ~np.isnan(drawn[..., 0])
    drawn[~covered] = 0
    normal = _rounded(drawn[..., :3], covered, 0.018 * camera.scale * _SUPERSAMPLING)
    colour = _fur(coat, drawn[..., 3:5], drawn[..., 5])
    sun = np.clip(normal @ light.sun, 0, None)[..., None] * drawn[..., 6:7]
    sky = (0.62 + 0.38 * normal[..., 1:2]) * drawn[..., 6:7]
    colour *= (1.25 * sun * light.sun_colour + 1.2 * sky * light.sky_colour + 0.10 * light.sun_colour) * covered[..., None]
    cover = cv2.resize(covered.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return cv2.resize(colour, size, interpolation=cv2.INTER_AREA), cover


def _fur(coat: Coat, place: NDArray[np.float32], pigment: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colour of the hair at places of the coat sheet (in sheets), linear RGB float32 [H, W, 3]."""
    height, width = coat.tone.shape
    x, y = np.mod(place[..., 0], 1) * np.float32(width), np.mod(place[..., 1], 1) * np.float32(height)
    tone = cv2.remap(coat.tone, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    hair = cv2.remap(coat.fur, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    tone = (tone * (1 - np.abs(pigment)) + np.clip(pigment, 0, 1))[..., None]
    pale = (1 + 0.25 * np.clip(-pigment, 0, 1))[..., None]
    return (coat.light * pale * (1 - tone) + coat.dark * tone) * hair[..., None]


def _rounded(normal: NDArray[np.float32], covered: NDArray[np.bool_], sigma: float) -> NDArray[np.float32]:
    """Unit normals blurred within the animal, so that limbs grow out of the body without a crease."""
    smooth = cv2.GaussianBlur(normal * covered[..., None], (0, 0), sigma)
    return smooth / (np.linalg.norm(smooth, axis=-1, keepdims=True) + np.float32(1e-6))


def _expose(picture: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Lens blur, vignette, exposure, sensor noise and the sRGB curve."""
    height, width = picture.shape[:2]
    picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.35, 0.75)))
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    picture = picture * (1 - rng.uniform(0.02, 0.14) * (x * x + y * y)).astype(np.float32)[..., None]
    picture *= np.float32(2 ** rng.uniform(-0.35, 0.25) * 0.33 / picture.mean())
    level = np.clip(picture, 0, None)
    noise = rng.standard_normal(picture.shape, dtype=np.float32)
    level = level + noise * np.sqrt(np.float32(rng.uniform(5e-6, 3e-5)) + np.float32(rng.uniform(1e-4, 5e-4)) * level)
    level = np.clip(level, 0, 1) ** np.float32(1 / 2.2)
    return (255 * level + 0.5).astype(np.uint8)
