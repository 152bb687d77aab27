"""The self-test passes what precision explains and finds what is broken. The answers are those of the bundled networks on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

from reid_edge.engines.onnx_runtime import OnnxRuntimeEngine
from reid_edge.engines.self_test import canonical_inputs, check_numbers, compare_answers
from reid_edge.engines.tensorrt_build import sizes_of
from reid_edge.errors import EngineError


@pytest.fixture(scope="module")
def answers(models, ranges):
    """answers[name]: outputs of a bundled network for its canonical inputs."""

    def of(name: str) -> dict[str, np.ndarray]:
        engine = OnnxRuntimeEngine(models[name], name, [("CPUExecutionProvider", {})], "cpu", 2)
        inputs = canonical_inputs(engine.inputs, lambda spec, axis: sizes_of(spec.shape, ranges[name], name)[axis].usual)
        return engine.run(inputs)

    return {name: of(name) for name in ("u2netp", "xfeat", "lighterglue", "efficientnet-lite0")}


def test_the_canonical_input_has_something_to_find(answers):
    assert (answers["xfeat"]["scores"] > 0).sum() > 400  # measured 512 of 512
    assert (answers["lighterglue"]["matches0"] >= 0).mean() > 0.9  # measured 1.0
    assert np.ptp(answers["u2netp"]["saliency"]) > 0.01
    assert np.ptp(answers["efficientnet-lite0"]["embedding"]) > 0.1


@pytest.mark.parametrize("name", ["u2netp", "xfeat", "lighterglue", "efficientnet-lite0"])
def test_the_same_answers_pass_and_so_do_those_of_half_precision(answers, name):
    expected = answers[name]
    assert compare_answers(expected, expected, "it") == 0
    rounded = {key: value.astype(np.float16).astype(value.dtype) for key, value in expected.items()}
    assert compare_answers(expected, rounded, "it") < 0.01


def test_keypoints_in_another_order_pass(answers):
    expected = answers["xfeat"]
    order = np.random.default_rng(0).permutation(expected["scores"].shape[1])
    assert compare_answers(expected, {key: value[:, order] for key, value in expected.items()}, "it") == 0


def swapped(expected: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {**expected, "descriptors": expected["descriptors"][:, ::-1]}


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("xfeat", lambda expected: {**expected, "keypoints": expected["keypoints"] + 5000}),
        ("xfeat", swapped),
        ("xfeat", lambda expected: {**expected, "scores": np.zeros_like(expected["scores"])}),
        ("u2netp", lambda expected: {key: np.zeros_like(value) for key, value in expected.items()}),
        ("efficientnet-lite0", lambda expected: {key: value[:, ::-1] for key, value in expected.items()}),
        ("lighterglue", lambda expected: {**expected, "matches0": np.full_like(expected["matches0"], -1)}),
        ("lighterglue", lambda expected: {**expected, "matches0": np.roll(expected["matches0"], 60, axis=1)}),
    ],
    ids=["moved", "descriptors", "no keypoints", "zeros", "channels", "no matches", "other matches"],
)
def test_wrong_answers_are_found(answers, name, spoil):
    with pytest.raises(EngineError, match="it answers otherwise than the CPU") as refused:
        compare_answers(answers[name], spoil(answers[name]), "it")
    assert "--device cpu" in refused.value.hint


def test_a_missing_output_another_shape_and_values_that_are_no_numbers_are_found(answers):
    expected = answers["efficientnet-lite0"]
    with pytest.raises(EngineError, match="gives nothing as embedding"):
        compare_answers(expected, {}, "it")
    with pytest.raises(EngineError, match=r"gives \[1280\] as embedding"):
        compare_answers(expected, {"embedding": expected["embedding"][0]}, "it")
    with pytest.raises(EngineError, match="no numbers"):
        check_numbers({"embedding": np.full((1, 1280), np.inf, np.float32)}, "it")
