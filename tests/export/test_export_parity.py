from __future__ import annotations

import numpy as np
import pytest

from reid_edge.errors import EngineError, UsageError
from reid_edge_export.catalogue import CATALOGUE, network_named
from reid_edge_export.parity import BOUNDS, bounds_of, compare, judge
from reid_edge_export.report import describe
from reid_edge_export.samples import make_inputs

RANDOM = np.random.default_rng(0)


def outputs_of(task: str) -> dict[str, np.ndarray]:
    if task == "segmentation":
        return {"saliency": RANDOM.random((1, 1, 32, 32), dtype=np.float32)}
    if task == "embedding":
        return {"embedding": RANDOM.standard_normal((1, 64)).astype(np.float32)}
    if task == "keypoints":
        places = RANDOM.permutation(64 * 64)[:200]
        descriptors = RANDOM.standard_normal((1, 200, 16)).astype(np.float32)
        return {
            "keypoints": np.stack((places % 64, places // 64), 1)[None].astype(np.float32),
            "scores": np.sort(RANDOM.random((1, 200), dtype=np.float32))[:, ::-1],
            "descriptors": descriptors / np.linalg.norm(descriptors, axis=2, keepdims=True),
        }
    return {"matches0": RANDOM.permutation(200)[None], "scores0": RANDOM.uniform(0.2, 1, (1, 200)).astype(np.float32)}


DAMAGE = {
    "segmentation": ("saliency", lambda a: 1 - a),
    "embedding": ("embedding", lambda a: a + RANDOM.standard_normal(a.shape).astype(np.float32)),
    "keypoints": ("keypoints", lambda a: a + np.float32(0.5)),
    "matching": ("matches0", lambda a: np.roll(a, 1)),
}


@pytest.mark.parametrize("storage", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("task", BOUNDS)
def test_equal_outputs_pass_and_damaged_ones_fail_by_name(task: str, storage: str) -> None:
    if not bounds_of(task, storage):
        pytest.skip("nothing is asked, and check_precision refuses it")
    outputs = [outputs_of(task) for _ in range(3)]
    judge("net", task, storage, compare(task, outputs, outputs))
    name, damage = DAMAGE[task]
    report = compare(task, outputs, [{**arrays, name: damage(arrays[name])} for arrays in outputs])
    with pytest.raises(EngineError) as caught:
        judge("net", task, storage, report)
    assert BOUNDS[task][0].measure in caught.value.message
    assert f"{report[BOUNDS[task][0].measure]:.6f}" in caught.value.message
    assert caught.value.hint.startswith("Most likely")


def test_keypoints_are_compared_as_a_set_not_in_order() -> None:
    outputs = outputs_of("keypoints")
    order = RANDOM.permutation(200)
    shuffled = {name: array[:, order] for name, array in outputs.items()}
    report = compare("keypoints", [outputs], [shuffled])
    assert report["keypoints_repeated"] == 1
    assert report["descriptors_cosine_min"] > 0.999999
    assert report["scores_difference_max"] == 0


def test_values_that_are_no_numbers_never_pass() -> None:
    outputs = outputs_of("segmentation")
    report = compare("segmentation", [outputs], [{"saliency": np.full_like(outputs["saliency"], np.nan)}])
    with pytest.raises(EngineError, match="not numbers"):
        judge("net", "segmentation", "fp32", report)


def test_photos_without_any_mask_prove_nothing() -> None:
    empty = {"saliency": np.zeros((1, 1, 8, 8), np.float32)}
    with pytest.raises(EngineError, match="saliency_iou_p1 was not measured"):
        judge("net", "segmentation", "fp32", compare("segmentation", [empty], [empty]))


@pytest.mark.parametrize("spoil", [lambda scores: scores * 0, lambda scores: scores[..., ::-1, :]])
def test_instances_with_other_scores_fail_though_the_masks_of_the_best_are_the_same(spoil) -> None:
    outputs = {
        "boxes": np.tile(np.float32([4, 4, 60, 60]), (1, 30, 1)),
        "scores": RANDOM.random((1, 30, 3), dtype=np.float32),
        "coefficients": RANDOM.random((1, 30, 32), dtype=np.float32),
        "prototypes": RANDOM.random((1, 32, 16, 16), dtype=np.float32),
    }
    judge("net", "segmentation", "fp32", compare("segmentation", [outputs], [outputs]))
    spoilt = {**outputs, "scores": np.ascontiguousarray(spoil(outputs["scores"]))}
    with pytest.raises(EngineError, match="scores_agreement"):
        judge("net", "segmentation", "fp32", compare("segmentation", [outputs], [spoilt]))


def test_a_corner_found_on_two_scales_is_paired_once_with_the_keypoint_of_its_own_scale() -> None:
    outputs = outputs_of("keypoints")
    both = {name: np.concatenate((array, array), axis=1) for name, array in outputs.items()}
    both["scores"][0, 200:] *= 0.5
    both["descriptors"][0, 200:] = -both["descriptors"][0, 200:]
    report = compare("keypoints", [both], [both])
    assert report["keypoints_repeated"] == 1
    assert report["descriptors_cosine_min"] > 0.999999


def test_wrong_descriptors_at_the_right_keypoints_fail() -> None:
    outputs = outputs_of("keypoints")
    report = compare("keypoints", [outputs], [{**outputs, "descriptors": outputs["descriptors"][:, ::-1]}])
    with pytest.raises(EngineError, match="descriptors_cosine_p1"):
        judge("net", "keypoints", "fp16", report)


def test_empty_slots_are_not_compared() -> None:
    outputs = outputs_of("keypoints")
    outputs["scores"] = outputs["scores"] - outputs["scores"][0, 150]
    moved = {**outputs, "keypoints": outputs["keypoints"].copy()}
    moved["keypoints"][0, 150:] += 9
    assert compare("keypoints", [outputs], [moved])["keypoints_repeated"] == 1


def test_a_figure_that_is_not_a_number_fails() -> None:
    outputs = [outputs_of("embedding")]
    report = compare("embedding", outputs, [{"embedding": np.full_like(outputs[0]["embedding"], np.nan)}])
    with pytest.raises(EngineError):
        judge("net", "embedding", "fp32", report)


def test_a_nearest_neighbour_that_changes_is_counted_and_fails_int8() -> None:
    """Of four vectors two swap places: each of the four then has another neighbour, or is one."""
    vectors = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], np.float32)
    outputs, swapped = ([{"embedding": vectors[[index]]} for index in order] for order in ([0, 1, 2, 3], [0, 2, 1, 3]))
    report = compare("embedding", outputs, swapped)
    assert report["nearest_unchanged"] == 0
    assert compare("embedding", outputs, outputs)["nearest_unchanged"] == 1
    with pytest.raises(EngineError, match="nearest_unchanged is 0"):
        judge("net", "embedding", "int8", {**report, "embedding_cosine_p1": 1.0})


def test_nearest_neighbours_of_two_photos_are_not_measured_and_do_not_pass_int8() -> None:
    outputs = [outputs_of("embedding") for _ in range(2)]
    report = compare("embedding", outputs, outputs)
    assert "nearest_unchanged" not in report
    assert np.isfinite(list(report.values())).all()
    judge("net", "embedding", "fp16", report)
    with pytest.raises(EngineError, match="nearest_unchanged was not measured"):
        judge("net", "embedding", "int8", report)
    assert "nearest_unchanged was not measured: too few photos" in describe("embedding", report, "fp16")


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_comparison_without_photos_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no photo"):
        make_inputs(network_named(name), {}, [])


def test_a_photo_of_another_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="float32"):
        make_inputs(network_named("u2netp"), {"size": 320}, [np.zeros((8, 8, 3), np.float32)])
