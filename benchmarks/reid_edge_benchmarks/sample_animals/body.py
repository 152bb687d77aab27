"""A quadruped built of tubes: outline, pose, and where on the coat each point of the skin lies.

Lengths are in body lengths (chest to rump = 1). Body frame: x forward, y up from the ground, z to the animal's right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_edge_benchmarks.sample_animals.coat import COAT_GIRTH, COAT_LENGTH, Kind

_RINGS, _SPOKES = 48, 49  # grid of a tube, along and around


@dataclass(frozen=True)
class Pose:
    """How the animal stands in one photo; angles in radians, lengths in body lengths."""

    stride: float  # half a step
    phase: float  # where in the step the legs are
    neck: float  # elevation of the neck above the horizontal
    head: float  # how far the muzzle points below the horizontal
    arch: float  # the back's rise in the middle
    tail: float  # swing of the tail's end
    bend: NDArray[np.float64]  # [3, 3]: x, y, z amplitude of three slow waves through the whole body
    bend_phase: NDArray[np.float64]  # [3]


@dataclass(frozen=True)
class Skin:
    """The surface of one body part as a grid.

    Attributes:
        points: float32 [R, S, 3], body frame, body lengths.
        coat: float32 [R, S, 2], place on the coat sheet (along, around), body lengths.
        pigment: float32 [R, S]: 0 shows the coat's pattern, 1 is dark (hooves, muzzle), -1 light (belly).
        light: share of the daylight that reaches the part; legs of the far side stand in the body's shade.
    """

    points: NDArray[np.float32]
    coat: NDArray[np.float32]
    pigment: NDArray[np.float32]
    light: float


@dataclass(frozen=True)
class _Build:
    """Proportions of a kind, in body lengths."""

    neck: float
    head: float
    mane: float
    belly: float  # how light the belly is, 0 to 1
    horns: float


_BUILDS: dict[Kind, _Build] = {
    "spots": _Build(neck=0.60, head=0.30, mane=0.0, belly=0.9, horns=0.09),
    "stripes": _Build(neck=0.46, head=0.36, mane=0.055, belly=0.5, horns=0.0),
}


def draw_pose(rng: np.random.Generator) -> Pose:
    """A standing or walking pose at random."""
    return Pose(
        stride=rng.uniform(0.02, 0.17),
        phase=rng.uniform(0, 2 * np.pi),
        neck=np.deg2rad(rng.uniform(32, 62)),
        head=np.deg2rad(rng.uniform(18, 48)),
        arch=rng.uniform(-0.02, 0.02),
        tail=rng.uniform(-0.10, 0.12),
        bend=rng.uniform(-0.011, 0.011, (3, 3)),
        bend_phase=rng.uniform(0, 2 * np.pi, 3),
    )


def pose_body(kind: Kind, pose: Pose, near_side: float) -> list[Skin]:
    """All parts of a posed animal.

    Args:
        kind: the build to use.
        pose: how it stands.
        near_side: +1 if the camera sees the animal's right (z > 0), -1 if its left.
    """
    build = _BUILDS[kind]
    skins = [_torso(pose, build), *_neck_and_head(pose, build, near_side), _tail(pose)]
    for side in (near_side, -near_side):
        skins += [
            _leg(pose, front=True, side=side, near=side == near_side),
            _leg(pose, front=False, side=side, near=side == near_side),
        ]
    return [_bent(skin, pose) for skin in skins]


def _torso(pose: Pose, build: _Build) -> Skin:
    #   x      y      height width (half)
    profile = np.array(
        [
            [-0.53, 0.81, 0.13, 0.10],
            [-0.47, 0.81, 0.19, 0.15],
            [-0.33, 0.79, 0.235, 0.185],
            [-0.12, 0.765, 0.235, 0.20],
            [0.08, 0.755, 0.245, 0.205],
            [0.28, 0.765, 0.25, 0.185],
            [0.42, 0.79, 0.215, 0.15],
            [0.50, 0.81, 0.15, 0.11],
        ]
    )
    profile[:, 1] += pose.arch * (1 - 4 * profile[:, 0] ** 2)
    pigment = np.zeros((_RINGS, _SPOKES))
    underside = np.clip((-np.cos(_spokes()) - 0.62) / 0.3, 0, 1)
    pigment -= build.belly * underside
    return _tube(profile, z=0.0, coat=(0.0, 0.0), pigment=pigment, cap=0.07)


def _neck_and_head(pose: Pose, build: _Build, near_side: float) -> list[Skin]:
    base, up = np.array([0.27, 0.83]), np.array([np.cos(pose.neck), np.sin(pose.neck)])
    poll = base + (build.neck + 0.15) * up
    share = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    curve = base + share[:, None] * (poll - base) + np.sin(np.pi * share)[:, None] * 0.03 * np.array([up[1], -up[0]])
    neck = np.column_stack([curve, [0.19, 0.165, 0.12, 0.09, 0.06], [0.11, 0.10, 0.08, 0.062, 0.042]])
    forward = np.array([np.cos(pose.head), -np.sin(pose.head)])
    skull = poll - 0.075 * forward - 0.02 * up
    along = np.array([0.0, 0.2, 0.45, 0.7, 0.9, 1.0])
    head = np.column_stack(
        [
            skull + along[:, None] * build.head * forward,
            [0.075, 0.092, 0.08, 0.056, 0.052, 0.042],
            [0.05, 0.062, 0.055, 0.045, 0.045, 0.035],
        ]
    )
    muzzle = np.clip((_rings() - 0.78) / 0.1, 0, 1)[:, None] * np.ones(_SPOKES)
    skins = [
        _tube(neck, z=0.0, coat=(0.95, 0.0), pigment=0.0, cap=0.05),
        _tube(head, z=0.0, coat=(0.2, 0.9), pigment=muzzle, cap=0.10),
    ]
    crown = np.array([-forward[1], forward[0]])
    eye = skull + 0.36 * build.head * forward + 0.033 * crown
    skins.append(
        _tube(_spike(eye - 0.016 * forward, eye + 0.016 * forward, 0.014, 0.014, 0.014), near_side * 0.050, (0, 0), 1.0, cap=0.5)
    )
    for side in (near_side, -near_side):
        root = skull + 0.02 * forward + 0.06 * crown
        ear = _spike(root, root + 0.13 * (0.8 * crown - 0.6 * forward), 0.016, 0.036, 0.004)
        ear_tip = np.clip((_rings() - 0.7) / 0.2, 0, 1)[:, None] - 0.3 * np.ones(_SPOKES)
        skins.append(_tube(ear, side * 0.048, (0.5, 0.5), ear_tip, cap=0.1, light=1.0 if side == near_side else 0.6))
        if build.horns:
            root = skull + 0.08 * forward + 0.07 * crown
            horn = _spike(root, root + build.horns * (0.97 * crown - 0.2 * forward), 0.017, 0.013, 0.017)
            skins.append(_tube(horn, side * 0.028, (0.5, 0.5), 0.8, cap=0.15, light=1.0 if side == near_side else 0.7))
    if build.mane:
        crest = np.array([-up[1], up[0]])
        ridge = curve + np.outer([0.185, 0.165, 0.125, 0.095, 0.06], crest)
        mane = np.column_stack([ridge, build.mane * np.array([0.4, 0.9, 1.0, 1.0, 0.8]), np.full(5, 0.022)])
        skins.append(_tube(mane, 0.0, (0.95, 0.0), pigment=0.35, cap=0.15))
    return skins


def _tail(pose: Pose) -> Skin:
    down = np.array(
        [
            [-0.47, 0.93],
            [-0.555, 0.88],
            [-0.60 - 0.4 * pose.tail, 0.72],
            [-0.61 - pose.tail, 0.52],
            [-0.61 - 1.3 * pose.tail, 0.36],
        ]
    )
    tail = np.column_stack([down, [0.03, 0.026, 0.018, 0.028, 0.012], [0.03, 0.026, 0.018, 0.022, 0.010]])
    tuft = np.clip((_rings() - 0.55) / 0.1, 0, 1)[:, None] * np.ones(_SPOKES)
    return _tube(tail, z=0.0, coat=(0.3, 0.2), pigment=tuft, cap=0.1)


def _leg(pose: Pose, *, front: bool, side: float, near: bool) -> Skin:
    # A walk: the two legs of a side and the two of an end are half a step apart.
    phase = pose.phase + (0.0 if front else np.pi / 2) + (0.0 if near else np.pi)
    step = pose.stride * np.sin(phase)
    lift = 0.35 * pose.stride * max(0.0, np.cos(phase))
    hip = np.array([0.33, 0.80]) if front else np.array([-0.36, 0.82])
    hoof = np.array([hip[0] + step + (0.0 if front else -0.04), 0.03 + lift])
    knee = hip + 0.56 * (hoof - hip) + np.array([0.02 + 0.5 * lift if front else -0.055, 0.0])
    fetlock = hoof + np.array([-0.03 - 0.5 * lift, 0.075])
    top = (0.13, 0.08) if front else (0.15, 0.08)
    leg = np.array(
        [
            [*hip, *top],
            [*(0.55 * hip + 0.45 * knee), *((0.10, 0.075) if front else (0.135, 0.085))],
            [*knee, 0.047, 0.043],
            [*(0.5 * knee + 0.5 * fetlock), 0.032, 0.031],
            [*fetlock, 0.037, 0.035],
            [*hoof, 0.043, 0.040],
            [hoof[0] + 0.012, hoof[1] - 0.028, 0.050, 0.044],
        ]
    )
    share = _rings()[:, None] * np.ones(_SPOKES)
    pigment = np.where(share > 0.90, 1.0, -0.75 * np.clip((share - 0.45) / 0.35, 0, 1))
    place = (0.1 if front else 0.8, 0.3 if side > 0 else 0.95)
    # The leg leaves the trunk gradually, so that no edge shows where it begins.
    apart = side * (0.045 + 0.06 * np.clip(_rings() / 0.3, 0, 1))
    return _tube(leg, z=apart, coat=place, pigment=pigment, cap=0.03, light=1.0 if near else 0.62)


def _spike(start: NDArray[np.float64], end: NDArray[np.float64], *radii: float) -> NDArray[np.float64]:
    """Profile of a straight small part with three radii, round in cross-section."""
    return np.column_stack([np.linspace(start, end, 3), radii, radii])


def _tube(
    profile: NDArray[np.float64],
    z: NDArray[np.float64] | float,
    coat: tuple[float, float],
    pigment: NDArray[np.float64] | float,
    cap: float,
    light: float = 1.0,
) -> Skin:
    """Sweep an ellipse along ``profile``, rows of (x, y, radius in the xy plane, radius in z); ends rounded over ``cap``.

    ``z`` is the tube's distance from the middle plane, one for all or one for each ring.
    """
    rings = _through(profile, _rings())
    centre, tangent = rings[:, :2], np.gradient(rings[:, :2], axis=0)
    step = np.linalg.norm(tangent, axis=1)
    tangent /= step[:, None]
    share = _rings()
    end = np.clip(np.minimum(share, 1 - share) / cap, 0, 1)
    radii = rings[:, 2:] * np.sqrt(1 - (1 - end) ** 2 + 1e-6)[:, None]
    normal = np.column_stack([-tangent[:, 1], tangent[:, 0]])
    up, right = np.cos(_spokes()), np.sin(_spokes())
    points = np.empty((_RINGS, _SPOKES, 3), np.float32)
    points[..., :2] = centre[:, None] + (radii[:, :1] * up)[..., None] * normal[:, None]
    points[..., 2] = np.reshape(z, (-1, 1)) + radii[:, 1:] * right
    arc = np.cumsum(step) - step[0]
    girth = _spokes() * rings[:, 2:].mean()  # one mean radius a part, so that the pattern is not sheared where the part tapers
    place = np.empty((_RINGS, _SPOKES, 2), np.float32)
    place[..., 0] = (coat[0] + arc[:, None]) / COAT_LENGTH
    place[..., 1] = (coat[1] + girth) / COAT_GIRTH
    return Skin(points, place, np.broadcast_to(np.asarray(pigment, np.float32), (_RINGS, _SPOKES)), light)


def _through(controls: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Catmull-Rom curve through ``controls`` [N, D] at ``share`` [M] of its way, [M, D]."""
    spread = np.vstack([2 * controls[0] - controls[1], controls, 2 * controls[-1] - controls[-2]])
    position = share * (len(controls) - 1)
    index = np.minimum(position.astype(int), len(controls) - 2)
    t = (position - index)[:, None]
    a, b, c, d = (spread[index + k] for k in range(4))
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - 3 * c + d - a) * t**3)


def _bent(skin: Skin, pose: Pose) -> Skin:
    """Let three slow waves pass through the body: flesh, breath and turning, which carry the pattern along."""
    points = skin.points.astype(np.float64)
    waves = np.sin(points @ np.array([[5.0, 2.0, 0.0], [3.0, -4.0, 1.0], [-6.0, 1.0, 2.0]]).T + pose.bend_phase)
    return Skin((points + waves @ pose.bend).astype(np.float32), skin.coat, skin.pigment, skin.light)


def _rings() -> NDArray[np.float64]:
    return np.linspace(0, 1, _RINGS)


def _spokes() -> NDArray[np.float64]:
    return np.linspace(0, 2 * np.pi, _SPOKES)
