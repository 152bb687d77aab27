"""Whether an engine answers as ONNX Runtime does on the CPU, on a canonical input: a loaded engine can still be wrong.

This finds what is broken; how good a precision is, the parity report of the export says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge.engines.contract import TensorSpec
from reid_edge.errors import EngineError

Arrays = Mapping[str, NDArray[np.generic]]

# A value further from the CPU's than this, relative to the largest value of its output, is wrong...
_TOLERANCE = 0.02
# ...and an engine with more wrong values than this is broken. Half and 8-bit precision, a match or a keypoint lost stay below it.
_MOST_WRONG = 0.1
_NEAR_PIXELS = 1.5
_BLOB_PIXELS = 8


def canonical_inputs(inputs: Sequence[TensorSpec], size: Callable[[TensorSpec, int], int]) -> dict[str, NDArray[np.generic]]:
    """The same inputs on every machine, of a kind that the network has answers for.

    A picture is random blobs, so that it has corners; a mask is all there; keypoints are spread over the frame, descriptors have length 1;
    and the second of two pictures or sets of keypoints (``image1``, ``keypoints1``) is the first again, so that there are matches.

    Args:
        inputs: of the network.
        size: gives the size of a dynamic axis, by its input and number.
    """
    generator = np.random.Generator(np.random.PCG64(0))
    made: dict[str, NDArray[np.generic]] = {}
    for spec in inputs:
        shape = [axis if isinstance(axis, int) else size(spec, number) for number, axis in enumerate(spec.shape)]
        first = made.get(f"{spec.name[:-1]}0") if spec.name.endswith("1") else None
        if first is not None and list(first.shape) == shape:
            made[spec.name] = first.copy()
            continue
        values = _values(spec.name, shape, generator)
        made[spec.name] = values.astype(spec.dtype)
    return made


def compare_answers(expected: Arrays, actual: Arrays, who: str) -> float:
    """The share of wrong values, 0..1, of the worst output. Keypoints are compared as a set, because ties are broken differently.

    Args:
        expected: outputs of ONNX Runtime on the CPU.
        actual: of the engine, for the same inputs.
        who: the engine, as messages call it.

    Raises:
        EngineError: more is wrong than precision explains; or an output is missing, of another shape, or holds no numbers.
    """
    check_numbers(actual, who)
    for name, value in expected.items():
        got = actual.get(name)
        if got is None or got.shape != value.shape:
            have = "nothing" if got is None else str(list(got.shape))
            raise EngineError(f"{who} gives {have} as {name} on the self-test, not {list(value.shape)}.", _BROKEN)
    if {"keypoints", "scores"} <= expected.keys():
        worst = _lost_keypoints(expected, actual)
    else:
        worst = max(_wrong(value, actual[name]) for name, value in expected.items())
    if worst > _MOST_WRONG:
        raise EngineError(f"{who} answers otherwise than the CPU on the self-test: {worst:.0%} of its values are wrong.", _BROKEN)
    return worst


def check_numbers(outputs: Arrays, who: str) -> None:
    """Refuse NaN and infinity.

    Raises:
        EngineError: an output holds one.
    """
    if not all(np.isfinite(np.asarray(value, np.float64)).all() for value in outputs.values()):
        raise EngineError(f"{who} gives values that are no numbers on the self-test.", _BROKEN)


_BROKEN = "Update its driver or libraries, or use --device cpu."


def _values(name: str, shape: Sequence[int], generator: np.random.Generator) -> NDArray[np.float64]:
    if name.startswith(("valid", "mask")):
        return np.ones(shape)
    if name.startswith("keypoints"):
        return generator.uniform(-1, 1, shape)
    if name.startswith("descriptors"):
        vectors = generator.normal(size=shape)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float64)
    if len(shape) != 4 or min(shape[2:]) < _BLOB_PIXELS:
        return generator.random(shape)
    height, width = shape[2:]
    blobs = generator.random((shape[0] * shape[1], -(-height // _BLOB_PIXELS), -(-width // _BLOB_PIXELS)))
    planes = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_NEAREST) for plane in blobs]
    return np.asarray(planes, np.float64).reshape(shape)


def _wrong(expected: NDArray[np.generic], actual: NDArray[np.generic]) -> float:
    right, made = np.asarray(expected, np.float64), np.asarray(actual, np.float64)
    scale = float(np.abs(right).max(initial=0.0)) or 1.0
    return float((np.abs(made - right) > _TOLERANCE * scale).mean()) if right.size else 0.0


def _lost_keypoints(expected: Arrays, actual: Arrays) -> float:
    """The share of the CPU's keypoints that the engine has nowhere near, or describes otherwise."""
    lost, total = 0, 0
    for row in range(len(expected["scores"])):
        kept, got = (np.asarray(side["scores"][row], np.float64) > 0 for side in (expected, actual))
        there = np.asarray(actual["keypoints"][row], np.float64)[got]
        wanted = np.asarray(expected["keypoints"][row], np.float64)[kept]
        total += len(wanted)
        if not len(there):
            lost += len(wanted)
            continue
        distances = np.linalg.norm(wanted[:, None] - there[None], axis=2)
        nearest = distances.argmin(axis=1)
        found = distances.min(axis=1, initial=np.inf) < _NEAR_PIXELS
        if "descriptors" in expected:
            described = np.asarray(actual["descriptors"][row], np.float64)[got][nearest]
            found &= (described * np.asarray(expected["descriptors"][row], np.float64)[kept]).sum(axis=1) > 1 - _MOST_WRONG
        lost += int((~found).sum())
    return lost / total if total else 0.0
