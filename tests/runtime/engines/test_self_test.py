"""The self-test passes what precision explains and finds what is broken. The answers are those of the bundled networks on the CPU."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from reid_edge.engines.contract import Provenance, TensorSpec
from reid_edge.engines.onnx_runtime import OnnxRuntimeEngine
from reid_edge.engines.self_test import (
    canonical_inputs,
    check_numbers,
    compare_answers,
    compare_engines,
    finds_something,
    usual_sizes,
)
from reid_edge.errors import EngineError


@pytest.fixture(scope="module")
def answers(models, ranges):
    """answers[name]: outputs of a bundled network for its canonical inputs."""

    def of(name: str) -> dict[str, np.ndarray]:
        engine = OnnxRuntimeEngine(models[name], name, [("CPUExecutionProvider", {})], "cpu", 2)
        inputs = canonical_inputs(engine.inputs, usual_sizes(ranges[name]))
        return engine.run(inputs)

    return {name: of(name) for name in ("u2netp", "xfeat", "lighterglue", "efficientnet-lite0")}


def test_the_canonical_input_has_something_to_find(answers):
    assert all(finds_something(made) for made in answers.values())
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


def without(expected: dict[str, np.ndarray], kept: int) -> dict[str, np.ndarray]:
    """Keypoints of which only the first `kept` are there."""
    scores = expected["scores"].copy()
    scores[:, kept:] = 0
    return {**expected, "scores": scores}


@pytest.mark.parametrize("kept", [1, 900])
def test_keypoints_that_the_cpu_has_not_count_like_those_that_the_engine_has_not(answers, kept):
    few, every_point = without(answers["xfeat"], kept), answers["xfeat"]
    for expected, actual in ((few, every_point), (every_point, few)):
        with pytest.raises(EngineError, match="of the keypoints are on one side only"):
            compare_answers(expected, actual, "it")
    nearly_all = without(every_point, 940)
    apart = compare_answers(nearly_all, every_point, "it")
    assert apart == compare_answers(every_point, nearly_all, "it")
    assert 0.03 < apart <= 84 / 1024  # less where two keypoints lie together


@pytest.mark.parametrize("kept", [1, 1500])
def test_matches_that_the_cpu_has_not_count_like_those_that_the_engine_has_not(answers, kept):
    every = answers["lighterglue"]
    few = {
        **every,
        "matches0": np.where(np.arange(every["matches0"].size).reshape(every["matches0"].shape) < kept, every["matches0"], -1),
    }
    for expected, actual in ((few, every), (every, few)):
        with pytest.raises(EngineError, match="of the matches are on one side only"):
            compare_answers(expected, actual, "it")


def test_a_match_with_another_score_is_another_match(answers):
    expected = answers["lighterglue"]
    with pytest.raises(EngineError, match="of the matches are on one side only"):
        compare_answers(expected, {**expected, "scores0": expected["scores0"] * np.float32(0.5)}, "it")


@pytest.mark.parametrize(("name", "output"), [("u2netp", "saliency"), ("efficientnet-lite0", "embedding")])
def test_one_wrong_value_of_a_float32_network_is_found_and_of_a_reduced_one_a_tenth_of_them(answers, name, output):
    expected = answers[name]
    one, many = expected[output].copy(), expected[output].copy()
    one.flat[7] += 0.03 * np.abs(one).max()
    many.flat[: many.size // 8] += 0.03 * np.abs(many).max()
    with pytest.raises(EngineError, match=r"3.0% of the largest value"):
        compare_answers(expected, {output: one}, "it")
    assert compare_answers(expected, {output: one}, "it", reduced=True) == 1 / one.size
    with pytest.raises(EngineError, match="of an output's values are wrong"):
        compare_answers(expected, {output: many}, "it", reduced=True)


class Given:
    """An engine with keypoints at random places; `found[n]` of them in the n-th run."""

    inputs = outputs = (TensorSpec("image", "float32", ("batch", 1, 64, 64)),)
    provenance = Provenance("none", "none", "none", 1)

    def __init__(self, *found: int) -> None:
        self.found = list(found)
        self.runs = 0

    def run(self, inputs):
        scores = (np.arange(8) < self.found[self.runs]).astype(np.float32)[None]
        self.runs += 1
        points = np.random.default_rng(self.runs).uniform(0, 64, (1, 8, 2)).astype(np.float32)
        return {"keypoints": points, "scores": scores}

    def warm_up(self) -> None: ...


def test_where_the_cpu_finds_nothing_another_input_is_taken(tiny):
    tested = Given(0, 5)
    reference = Given(0, 5)
    tested.runs = 1  # the first input is not worth a run of it
    assert compare_engines(reference, tested, tiny, "it", {}) == 0
    assert (reference.runs, tested.runs) == (2, 2)


def test_where_the_cpu_finds_nothing_in_any_input_an_engine_does_not_pass(tiny):
    with pytest.raises(EngineError, match="cannot be self-tested") as refused:
        compare_engines(Given(0, 0, 0), Given(4, 4, 4), tiny, "it", {})
    assert "--device cpu" in refused.value.hint


def test_each_canonical_input_is_another(models):
    engine = OnnxRuntimeEngine(models["u2netp"], "u2netp", [("CPUExecutionProvider", {})], "cpu", 1)
    first, second, third = (canonical_inputs(engine.inputs, lambda spec, axis: 1, attempt)["image"] for attempt in range(3))
    assert len({picture.tobytes() for picture in (first, second, third)}) == 3
    assert len(np.unique(first)) > 4 * len(np.unique(third))  # blobs of 8 and of 32 pixels


@pytest.mark.parametrize("name", ["u2netp", "xfeat", "efficientnet-lite0"])
def test_the_same_graph_without_optimisation_is_far_within_the_strict_rule(answers, models, ranges, name):
    # Another order of additions, as on another device: measured 8e-5, 0, 5e-7.
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(models[name], options)
    reference = OnnxRuntimeEngine(models[name], name, [("CPUExecutionProvider", {})], "cpu", 1)
    names = [output.name for output in session.get_outputs()]
    made = session.run(names, canonical_inputs(reference.inputs, usual_sizes(ranges[name])))
    assert compare_answers(answers[name], dict(zip(names, made, strict=True)), "it") < 1e-3


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
    with pytest.raises(EngineError, match="it answers differently from the CPU") as refused:
        compare_answers(answers[name], spoil(answers[name]), "it")
    assert "--device cpu" in refused.value.hint


def test_a_missing_output_another_shape_and_values_that_are_no_numbers_are_found(answers):
    expected = answers["efficientnet-lite0"]
    with pytest.raises(EngineError, match="gives nothing as embedding"):
        compare_answers(expected, {}, "it")
    with pytest.raises(EngineError, match=r"gives \[1280\] as embedding"):
        compare_answers(expected, {"embedding": expected["embedding"][0]}, "it")
    with pytest.raises(EngineError, match="NaN or infinity"):
        check_numbers({"embedding": np.full((1, 1280), np.inf, np.float32)}, "it")
