"""A pack that predicts viewpoints: where nobody states one it is filled in, or left unknown, and the answer says which."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from reid_edge.decide.decision import Decision
from reid_edge.describe.description import Describer
from reid_edge.describe.embedding import embed
from reid_edge.describe.features import halves_array
from reid_edge.describe.orientation import NOT_TURNED, Chip
from reid_edge.describe.query import Query
from reid_edge.describe.viewpoint import PredictedViewpoint
from reid_edge.errors import PackError
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.enrolment import enrol
from reid_edge.identify.identifier import Identifier
from reid_edge.pack import Network, NewFile, write_pack
from reid_edge.photo import read_photo
from reid_edge.recipe import Orient

EMBEDDING = "efficientnet-lite0"
WIDTH = 2 * 1280
DOCS = Path(__file__).resolve().parents[3] / "docs"


def head(weight, bias):
    """A linear head: features [1, 2560] -> probabilities [1, C]."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["features", "weight", "bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "viewpoint",
        [value("features", TensorProto.FLOAT, ["batch", WIDTH])],
        [value("probabilities", TensorProto.FLOAT, ["batch", len(bias)])],
        [numpy_helper.from_array(np.float32(array), name) for name, array in (("weight", weight), ("bias", bias))],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()


def always(probability):
    """A head that says left with this probability whatever it sees."""
    return head(np.zeros((WIDTH, 2)), [math.log(probability / (1 - probability)), 0.0])


def with_head(field_pack, folder, content, viewpoints=("left", "right"), min_probability=0.8):
    manifest = field_pack.manifest
    labels = {"format_version": 1, "viewpoints": list(viewpoints), "input_dimension": WIDTH}
    files = [NewFile(file.path, field_pack.read_bytes(file.path), file.licence, file.origin) for file in manifest.files]
    files += [
        NewFile("viewpoint.onnx", content, "CC0-1.0", "the tests"),
        NewFile("heads/viewpoint.json", json.dumps(labels).encode(), "CC0-1.0", "the tests"),
    ]
    recipe = copy.deepcopy(dict(manifest.recipe))
    recipe["viewpoint"] = {"head": "viewpoint", "embedding": EMBEDDING, "min_probability": min_probability}
    network = Network("viewpoint.onnx", "head", 18, "fp32", "fp32", "trained", parameters={"input_dimension": WIDTH})
    networks = {**manifest.networks, "viewpoint": network}
    return Identifier(write_pack(folder, replace(manifest, networks=networks, recipe=recipe), files), "cpu")


@pytest.fixture(scope="module")
def sure(field_pack, tmp_path_factory):
    """Left with 93 %, used from 80 %."""
    return with_head(field_pack, tmp_path_factory.mktemp("sure") / "pack", always(0.93))


@pytest.fixture(scope="module")
def unsure(field_pack, tmp_path_factory):
    """Left with 62 %, used from 80 %."""
    return with_head(field_pack, tmp_path_factory.mktemp("unsure") / "pack", always(0.62))


@pytest.fixture
def two_sided(own_gallery):
    """The sample gallery, of which Baraka's photos show the right side, and the others the left one."""
    with Gallery.open(own_gallery) as gallery:
        gallery.database.execute(
            "UPDATE sighting SET viewpoint = 'right' FROM individual WHERE individual.id = individual_id AND name = 'Baraka'"
        )
        yield gallery


def answer(identifier, gallery, samples, viewpoint=""):
    photo = read_photo(samples / "photos" / "trail_2.jpg")  # of Chipo, from the left
    (decision,) = identifier.identify(photo, identifier.candidates(gallery), Query(viewpoint=viewpoint, top=50))
    return decision


def comparable(decision):
    """Plain data without what two runs, or two packs, may differ in."""
    plain = json.loads(json.dumps(decision.as_json()))
    return {key: value for key, value in plain.items() if key not in ("timings_ms", "pack", "engine")}


def test_a_predicted_viewpoint_is_used_as_a_stated_one_and_the_answer_says_so(sure, two_sided, samples):
    predicted, stated = answer(sure, two_sided, samples), answer(sure, two_sided, samples, "left")
    assert predicted.animal.viewpoint == PredictedViewpoint("left", pytest.approx(0.93, abs=1e-6), used=True)
    assert "The viewpoint left was predicted (93 %)." in predicted.warnings
    assert "viewpoint" in predicted.timings_ms
    assert "Baraka" not in {ranked.identity for ranked in predicted.ranking}
    plain = comparable(predicted)
    assert plain["animal"].pop("viewpoint") == {"name": "left", "probability": 0.93, "used": True}
    plain["warnings"].remove("The viewpoint left was predicted (93 %).")
    assert plain == comparable(stated)


def test_an_uncertain_prediction_leaves_the_viewpoint_unknown_and_the_answer_says_so(unsure, identifier, two_sided, samples):
    predicted, plain = answer(unsure, two_sided, samples), answer(identifier, two_sided, samples)
    assert predicted.animal.viewpoint == PredictedViewpoint("left", pytest.approx(0.62, abs=1e-6), used=False)
    assert "The predicted viewpoint left (62 %) is too uncertain and was not used." in predicted.warnings
    assert any("Which side the photo shows is not known" in warning for warning in predicted.warnings)
    assert len(predicted.ranking) == 8
    assert [each.as_json() for each in predicted.ranking] == [each.as_json() for each in plain.ranking]


def test_where_the_viewpoint_is_stated_nothing_is_predicted_and_the_answer_is_that_of_the_pack_without_the_head(
    sure, identifier, two_sided, samples
):
    decision = answer(sure, two_sided, samples, "left")
    assert comparable(decision) == comparable(answer(identifier, two_sided, samples, "left"))
    assert "viewpoint" not in decision.as_json()["animal"]
    assert "viewpoint" not in decision.timings_ms


def test_a_side_that_the_gallery_does_not_show_is_a_case_for_a_person(field_pack, two_sided, samples, tmp_path):
    front = with_head(field_pack, tmp_path / "pack", always(0.93), viewpoints=("front", "left"))
    decision = answer(front, two_sided, samples)
    assert (decision.verdict, decision.ranking) == ("ask", ())
    assert "no photo from the front" in decision.reason


def test_enrolled_photos_that_state_no_viewpoint_get_the_predicted_one_and_stay_as_they_are_stored(
    unsure, field_pack, samples, memory_folder, tmp_path
):
    with Gallery.create(memory_folder / "gallery.sqlite") as gallery:
        names = ("Baraka/baraka_1", "Baraka/baraka_2", "Chipo/chipo_1", "Chipo/chipo_2")
        photos = [samples / "gallery" / f"{name}.jpg" for name in names]
        enrol(gallery, unsure, [Enrolment(photo, photo.parent.name) for photo in photos])
        # Another head of the same embedder, certain of the right side of Baraka's photos and of the left one of Chipo's.
        arrays = gallery.features([1, 2, 3, 4], unsure.feature_key, [halves_array(EMBEDDING)])
        direction = np.linalg.pinv([arrays[number][halves_array(EMBEDDING)] for number in (1, 2, 3, 4)]) @ [5, 5, -5, -5]
        certain = with_head(field_pack, tmp_path / "pack", head(np.stack([-direction, direction], axis=1), [0.0, 0.0]))
        assert certain.feature_key == unsure.feature_key
        stored = gallery.content_hash()
        decision = answer(certain, gallery, samples, "right")
        assert {ranked.identity for ranked in decision.ranking} == {"Baraka"}
        assert "The viewpoint of 4 gallery photos was predicted." in decision.warnings
        assert not any("do not say which side" in warning for warning in decision.warnings)
        assert gallery.content_hash() == stored
        assert [seen.viewpoint for seen in gallery.sightings()] == [""] * 4


def test_an_animal_is_turned_by_its_predicted_viewpoint_and_features_are_tied_to_the_head(sure, identifier, samples):
    turning = copy.copy(sure)
    turning.recipe = replace(sure.recipe, orient=Orient({"left": 90}))
    (described,) = turning.describe(read_photo(samples / "photos" / "trail_2.jpg"), largest_only=True)
    assert described.features.keypoints["xfeat"].turn == 90
    assert NOT_TURNED not in described.warnings
    plain = copy.copy(identifier)
    plain.recipe = replace(identifier.recipe, orient=turning.recipe.orient)
    assert turning.feature_key != plain.feature_key


def test_the_halves_of_a_mirrored_animal_are_its_mirrored_halves_in_the_other_order(identifier):
    rgb = np.random.default_rng(0).integers(0, 255, (40, 61, 3)).astype(np.uint8)
    describer = Describer(identifier.recipe, identifier.networks)

    def halves(picture):
        chip = Chip(np.ascontiguousarray(picture), np.ones((40, 61), bool), (0, 0, 61, 40), 0)
        return np.split(describer.halves(chip, EMBEDDING), 2)

    (left, right), (mirrored_left, _) = halves(rgb), halves(rgb[:, ::-1])
    (again, _) = halves(rgb[:, ::-1][:, ::-1])
    assert np.array_equal(left, again)
    assert np.linalg.norm(left) == pytest.approx(np.sqrt(0.5), abs=1e-5)
    network = identifier.networks[EMBEDDING]
    expected = embed(np.ascontiguousarray(rgb[:, -31:][:, ::-1]), network.engine, network.preprocessing) * np.sqrt(0.5)
    assert mirrored_left == pytest.approx(expected, abs=1e-5)
    assert not np.allclose(mirrored_left, right, atol=1e-3)


def test_a_gallery_needs_no_new_features_when_its_pack_gets_a_viewpoint_head(sure, identifier):
    assert sure.feature_key == identifier.feature_key


def test_a_prediction_is_part_of_the_published_schema_and_is_read_back(sure, two_sided, samples):
    plain = json.loads(json.dumps(answer(sure, two_sided, samples).as_json()))
    jsonschema.validate(plain, json.loads((DOCS / "decision.schema.json").read_text(encoding="utf-8")))
    assert Decision.from_json(plain).as_json() == plain
    assert plain["animal"]["viewpoint"] == {"name": "left", "probability": 0.93, "used": True}


def test_a_head_with_more_probabilities_than_viewpoints_is_refused(field_pack, two_sided, samples, tmp_path):
    three = with_head(field_pack, tmp_path / "pack", head(np.zeros((WIDTH, 3)), np.zeros(3)))
    with pytest.raises(PackError, match=r"probabilities of shape \[1, 3\], but its labels have 2 viewpoints"):
        answer(three, two_sided, samples)


def test_the_head_of_these_tests_is_a_sound_network():
    onnx.checker.check_model(onnx.load_from_string(always(0.5)))
