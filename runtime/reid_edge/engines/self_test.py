"""The self-test of an engine: its answers on a canonical input are compared with ONNX Runtime's on the CPU.

An engine that loads can still answer wrongly. The test finds broken engines; the parity report of the export measures how exact a precision
is. Three rules, each as strict as its outputs allow:

- Values computed in float32 (saliency, an embedding, boxes): none may be off by more than 2 % of the largest. Engines add in different
  orders, which makes far smaller differences.
- Values computed in half or 8-bit precision: a tenth may be off by more, because devices round differently and the errors add up.
- Keypoints and matches are compared as sets, because TopK breaks ties differently on each device, and one near a threshold may be kept or
  not. A tenth of either side's may be missing on the other: an invented one counts like a lost one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge.engines.contract import Engine, TensorSpec
from reid_edge.engines.profiles import AxisRanges
from reid_edge.errors import EngineError
from reid_edge.pack.onnx_file import read_onnx

Arrays = Mapping[str, NDArray[np.generic]]
Size = Callable[[TensorSpec, int], int]

# A value further from the CPU's than this, relative to the largest value of its output, is wrong.
_TOLERANCE = 0.02
# The most that may be wrong where one value does not count: see above.
_MOST_WRONG = 0.1
# Keypoints this near and descriptors of at least this cosine are the same.
_NEAR_PIXELS = 1.5
_SAME_COSINE = 0.9
# Sides of the blobs of a picture, one after the other until the CPU finds something in it.
_BLOB_PIXELS = (8, 16, 32)


def compare_engines(reference: Engine, tested: Engine, model: bytes, who: str, ranges: AxisRanges) -> float:
    """Run both on a canonical input that the reference finds something in, and compare.

    Args:
        reference: ONNX Runtime on the CPU.
        tested: the same network elsewhere.
        model: the ONNX file's bytes, whose metadata say in which precision it computes.
        who: the tested engine, as messages call it.
        ranges: whose usual sizes the dynamic axes get; an axis without a range gets 1.

    Returns:
        See `compare_answers`.

    Raises:
        EngineError: see `compare_answers`; or the reference finds nothing in any input, so that nothing can be compared.
        PackError: the bytes are not a sound ONNX file.
    """
    for attempt in range(len(_BLOB_PIXELS)):
        inputs = canonical_inputs(tested.inputs, usual_sizes(ranges), attempt)
        expected = reference.run(inputs)
        if finds_something(expected):
            reduced = read_onnx(model, who).metadata.get("precision", "fp32") != "fp32"
            return compare_answers(expected, tested.run(inputs), who, reduced)
    raise EngineError(
        f"{who} cannot be self-tested: on the CPU the network finds nothing in any of its {len(_BLOB_PIXELS)} canonical inputs.",
        "Use --device cpu, or another network.",
    )


def usual_sizes(ranges: AxisRanges) -> Size:
    """The usual size of a dynamic axis; 1 for one without a range."""
    usual = {axis: size.usual for axis, size in ranges.items()}
    return lambda spec, axis: usual.get(str(spec.shape[axis]), 1)


def canonical_inputs(inputs: Sequence[TensorSpec], size: Size, attempt: int = 0) -> dict[str, NDArray[np.generic]]:
    """The same inputs on every machine, of a kind that the network has answers for.

    A picture is random blobs, so that it has corners; a mask is all ones; keypoints are spread over the frame, descriptors have length 1;
    and the second of two pictures or sets of keypoints (``image1``, ``keypoints1``) is the first again, so that there are matches.

    Args:
        inputs: of the network.
        size: gives the size of a dynamic axis, by its input and number.
        attempt: 0..2; each gives other values, and larger blobs.
    """
    generator = np.random.Generator(np.random.PCG64(attempt))
    made: dict[str, NDArray[np.generic]] = {}
    for spec in inputs:
        shape = [axis if isinstance(axis, int) else size(spec, number) for number, axis in enumerate(spec.shape)]
        first = made.get(f"{spec.name[:-1]}0") if spec.name.endswith("1") else None
        if first is not None and list(first.shape) == shape:
            made[spec.name] = first.copy()
            continue
        values = _values(spec.name, shape, generator, _BLOB_PIXELS[attempt])
        made[spec.name] = values.astype(spec.dtype)
    return made


def finds_something(answers: Arrays) -> bool:
    """Whether there is a keypoint or a match, where the network is for that: two empty sets are equal and prove nothing."""
    if answers.keys() >= _KEYPOINTS:
        return bool((np.asarray(answers["scores"], np.float64) > 0).any())
    if answers.keys() >= _MATCHES:
        return bool((np.asarray(answers["matches0"], np.int64) >= 0).any())
    return True


def compare_answers(expected: Arrays, actual: Arrays, who: str, reduced: bool = False) -> float:
    """How far the worst output is from the CPU's, by the rules of this module.

    Args:
        expected: outputs of ONNX Runtime on the CPU; see `finds_something`.
        actual: of the engine, for the same inputs.
        who: the engine, as messages call it.
        reduced: the network computes in half or 8-bit precision.

    Returns:
        0..1: the share of keypoints or matches that only one side has; for values the largest difference relative to the largest value,
        or with `reduced` the share of wrong ones.

    Raises:
        EngineError: that is more than the rules allow; or an output is missing, of another shape, or holds no numbers.
    """
    check_numbers(actual, who)
    for name, value in expected.items():
        got = actual.get(name)
        if got is None or got.shape != value.shape:
            have = "nothing" if got is None else str(list(got.shape))
            raise EngineError(f"{who} gives {have} as {name} on the self-test, not {list(value.shape)}.", _BROKEN)
    if expected.keys() >= _KEYPOINTS:
        apart, most, measure = _different_keypoints(expected, actual), _MOST_WRONG, "of the keypoints are on one side only"
    elif expected.keys() >= _MATCHES:
        apart, most, measure = _different_matches(expected, actual), _MOST_WRONG, "of the matches are on one side only"
    else:
        differences = {name: _differences(value, actual[name]) for name, value in expected.items()}
        if reduced:
            apart = max(_share(int((values > _TOLERANCE).sum()), values.size) for values in differences.values())
            most, measure = _MOST_WRONG, "of an output's values are wrong"
        else:
            apart = max(float(values.max(initial=0.0)) for values in differences.values())
            most, measure = _TOLERANCE, "of the largest value, the largest difference of two values"
    if not apart <= most:
        raise EngineError(f"{who} answers differently from the CPU on the self-test: {apart:.1%} {measure}.", _BROKEN)
    return apart


def check_numbers(outputs: Arrays, who: str) -> None:
    """Refuse NaN and infinity.

    Raises:
        EngineError: an output holds one.
    """
    if not all(np.isfinite(np.asarray(value, np.float64)).all() for value in outputs.values()):
        raise EngineError(f"{who} gives NaN or infinity on the self-test.", _BROKEN)


_BROKEN = "Update its driver or libraries, or use --device cpu."
_KEYPOINTS = {"keypoints", "scores"}
_MATCHES = {"matches0", "scores0"}


def _values(name: str, shape: Sequence[int], generator: np.random.Generator, blob: int) -> NDArray[np.float64]:
    if name.startswith(("valid", "mask")):
        return np.ones(shape)
    if name.startswith("keypoints"):
        return generator.uniform(-1, 1, shape)
    if name.startswith("descriptors"):
        vectors = generator.normal(size=shape)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float64)
    if len(shape) != 4 or min(shape[2:]) < blob:
        return generator.random(shape)
    height, width = shape[2:]
    blobs = generator.random((shape[0] * shape[1], -(-height // blob), -(-width // blob)))
    planes = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_NEAREST) for plane in blobs]
    return np.asarray(planes, np.float64).reshape(shape)


def _differences(expected: NDArray[np.generic], actual: NDArray[np.generic]) -> NDArray[np.float64]:
    """Relative to the largest value of the output."""
    right, made = np.asarray(expected, np.float64), np.asarray(actual, np.float64)
    return np.asarray(np.abs(made - right) / (float(np.abs(right).max(initial=0.0)) or 1.0))


def _different_keypoints(expected: Arrays, actual: Arrays) -> float:
    """The share of either side's keypoints that the other has nowhere near, or describes otherwise; the larger of the two."""
    lost, invented, totals = 0, 0, np.zeros(2, int)
    for row in range(len(expected["scores"])):
        points, descriptors = zip(*(_keypoints(side, row) for side in (expected, actual)), strict=True)
        same = np.linalg.norm(points[0][:, None] - points[1][None], axis=2) < _NEAR_PIXELS
        same &= descriptors[0] @ descriptors[1].T > _SAME_COSINE
        lost += int((~same.any(axis=1)).sum())
        invented += int((~same.any(axis=0)).sum())
        totals += same.shape
    return max(_share(lost, totals[0]), _share(invented, totals[1]))


def _keypoints(answers: Arrays, row: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions [n, 2] and unit descriptors [n, d] of one image's keypoints; without descriptors all are described alike."""
    kept = np.asarray(answers["scores"][row], np.float64) > 0
    points = np.asarray(answers["keypoints"][row], np.float64)[kept]
    if "descriptors" not in answers:
        return points, np.ones((len(points), 1))
    descriptors = np.asarray(answers["descriptors"][row], np.float64)[kept]
    lengths = np.linalg.norm(descriptors, axis=1, keepdims=True)
    return points, descriptors / np.where(lengths > 0, lengths, 1)


def _different_matches(expected: Arrays, actual: Arrays) -> float:
    """The share of either side's matches that the other has not, or with another score; the larger of the two."""
    partners = [np.asarray(side["matches0"], np.int64) for side in (expected, actual)]
    wanted, found = (side >= 0 for side in partners)
    same = wanted & (partners[0] == partners[1])
    same &= _differences(expected["scores0"], actual["scores0"]) <= _TOLERANCE
    return max(_share(int((wanted & ~same).sum()), wanted.sum()), _share(int((found & ~same).sum()), found.sum()))


def _share(part: int, total: int) -> float:
    return part / int(total) if total else 0.0
