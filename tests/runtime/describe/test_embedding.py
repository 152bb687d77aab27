"""An embedding may be the mean of five crops, go through a projection, or be laid end to end with others: from the pack to the answer."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.compare.comparison import Comparer
from reid_edge.compare.selection import Selection
from reid_edge.describe.embedding import concatenate, embed, five_crops, project
from reid_edge.describe.features import vector_array
from reid_edge.describe.query import Query
from reid_edge.engines import open_engine, select_device
from reid_edge.errors import EngineError
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import read_source
from reid_edge.identify.enrolment import enrol
from reid_edge.identify.identifier import Identifier
from reid_edge.pack import Network, NewFile, write_pack
from reid_edge.pack.manifest import Preprocessing
from reid_edge.photo import read_photo
from reid_edge.timings import Timings

NAME = "efficientnet-lite0"


def projection_file(weights):
    """embedding = vector W, W [D, K]."""
    values = numpy_helper.from_array(np.asarray(weights, np.float32), "W")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["vector", "W"], ["embedding"])],
        "projection",
        [value("vector", TensorProto.FLOAT, ["batch", len(weights)])],
        [value("embedding", TensorProto.FLOAT, ["batch", len(weights[0])])],
        [values],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def pack_with(field_pack, folder, weights):
    """The bundled pack, calibration and all, with a projection."""
    manifest = field_pack.manifest
    recipe = copy.deepcopy(dict(manifest.recipe))
    recipe["embed"][0]["projection"] = "projection-0"
    facts = {"input_dimension": len(weights), "dimension": len(weights[0])}
    network = Network("projection-0.onnx", "projection", 18, "fp32", "fp32", "trained", parameters=facts)
    files = [NewFile(file.path, field_pack.read_bytes(file.path), file.licence, file.origin) for file in manifest.files]
    files.append(NewFile("projection-0.onnx", projection_file(weights), "CC0-1.0", "the tests"))
    return write_pack(folder, replace(manifest, networks={**manifest.networks, "projection-0": network}, recipe=recipe), files)


@pytest.fixture(scope="module")
def narrow(field_pack, tmp_path_factory):
    """The bundled pack with a random projection onto 96 values."""
    weights = np.random.default_rng(0).normal(size=(1280, 96)) / np.sqrt(96)
    return Identifier(pack_with(field_pack, tmp_path_factory.mktemp("narrow") / "pack", weights), "cpu")


def test_a_photo_is_enrolled_and_found_again_by_projected_vectors(narrow, identifier, samples, tmp_path):
    rows = [row for row in read_source(samples, split="database") if row.identity in ("Imara", "Enzi")]
    with Gallery.create(tmp_path / "gallery.sqlite") as gallery:
        assert enrol(gallery, narrow, rows[1:5]).added == 4
        (sighting, *_) = gallery.sightings()
        vector = gallery.features([sighting.id], narrow.feature_key)[sighting.id][vector_array(NAME)]
        assert vector.shape == (96,)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        (decision,) = narrow.identify(
            read_photo(samples / "photos" / "trail_1.jpg"),
            GalleryCandidates(gallery, narrow.feature_key),
            Query(viewpoint="left"),
        )
    assert decision.ranking[0].identity == "Imara"
    assert narrow.feature_key != identifier.feature_key


def test_the_projection_is_that_of_the_vector_of_length_one(narrow, identifier, samples):
    photo = read_photo(samples / "photos" / "trail_1.jpg")
    plain, projected = (which.describe(photo)[0].features.vectors[NAME] for which in (identifier, narrow))
    expected = plain @ (np.random.default_rng(0).normal(size=(1280, 96)) / np.sqrt(96))
    np.testing.assert_allclose(projected, expected / np.linalg.norm(expected), atol=1e-6)  # measured 1e-7


@pytest.fixture(scope="module")
def engine_of():
    """engine_of(weights): a projection, loaded on the CPU."""

    def load(weights):
        content = projection_file(weights)
        return open_engine(content, "projection-0", select_device("cpu", content, 1, []), {})

    return load


def test_the_identity_changes_no_vector(engine_of):
    vectors = np.random.default_rng(1).normal(size=(6, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    identity = engine_of(np.eye(8))
    np.testing.assert_allclose([project(vector, identity) for vector in vectors], vectors, atol=1e-7)


def test_a_vector_that_is_projected_to_zero_stays_zero(engine_of):
    assert project(np.array([1, 0], np.float32), engine_of([[0.0], [1.0]])).tolist() == [0.0]


def test_a_vector_of_another_width_is_refused(engine_of):
    with pytest.raises(EngineError, match=r"the network projection-0 is float32 \['batch', 8\], not float32 \[1, 7\]"):
        project(np.ones(7, np.float32), engine_of(np.eye(8)))


def test_the_commands_show_verify_and_know_a_pack_with_a_projection(narrow, run_cli):
    for command in (("pack", "verify"), ("pack", "show")):
        done = run_cli(*command, narrow.pack.source)
        assert done.returncode == 0, done.stderr
    assert "projection-0" in done.stdout


def embedder(network):
    return network.engine, network.preprocessing


@settings(max_examples=10, deadline=None)
@given(colour=st.tuples(*[st.integers(0, 255)] * 3), width=st.integers(1, 90), height=st.integers(1, 90), share=st.floats(0.1, 1))
def test_five_crops_of_a_plain_chip_are_one(identifier, colour, width, height, share):
    network, chip = embedder(identifier.networks[NAME]), np.full((height, width, 3), colour, np.uint8)
    np.testing.assert_allclose(embed(chip, *network, crop_share=share), embed(chip, *network), atol=1e-6)  # measured 3e-8


@given(width=st.integers(1, 99), height=st.integers(1, 99), share=st.floats(0.1, 1))
def test_the_crops_are_the_centre_and_the_corners(width, height, share):
    rows, columns = np.indices((height, width))
    chip = np.stack((rows, columns, rows), axis=2).astype(np.uint8)
    crops = five_crops(chip, share)
    assert {crop.shape for crop in crops} == {(max(1, round(share * height)), max(1, round(share * width)), 3)}
    corners = [crop[[0, 0, -1, -1], [0, -1, 0, -1]] for crop in crops[1:]]
    for number, (row, column) in enumerate([(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1)]):
        assert corners[number][number].tolist() == [row, column, row]
    top, left, _ = crops[0][0, 0].astype(int)
    bottom, right = height - 1 - crops[0][-1, -1, 0].astype(int), width - 1 - crops[0][-1, -1, 1].astype(int)
    assert 0 <= bottom - top <= 1
    assert 0 <= right - left <= 1


def test_the_vector_of_five_crops_is_the_mean_of_theirs_each_of_length_one(identifier, samples):
    network, chip = embedder(identifier.networks[NAME]), read_photo(samples / "photos" / "trail_1.jpg").rgb
    mean = np.mean([embed(crop, *network) for crop in five_crops(chip, 0.7)], axis=0)
    found = embed(chip, *network, crop_share=0.7)
    np.testing.assert_allclose(found, mean / np.linalg.norm(mean), atol=1e-6)  # measured 6e-8
    assert found @ embed(chip, *network) < 0.999


@pytest.mark.parametrize("batch", ["batch", 1])
def test_a_network_of_a_fixed_batch_is_run_five_times(batch):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["image", "axes"], ["embedding"], keepdims=0)],
        "mean",
        [value("image", TensorProto.FLOAT, [batch, 3, 8, 8])],
        [value("embedding", TensorProto.FLOAT, [batch, 3])],
        [numpy_helper.from_array(np.array([2, 3]), "axes")],
    )
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()
    engine = open_engine(content, "mean", select_device("cpu", content, 1, []), {})
    chip = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    shape = Preprocessing("stretch", 8, 8, "rgb", 1.0, (0.0,) * 3, (1.0,) * 3, "area")
    means = np.array([crop.mean(axis=(0, 1)) for crop in five_crops(chip, 0.5)])
    expected = (means / np.linalg.norm(means, axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(embed(chip, engine, shape, crop_share=0.5), expected / np.linalg.norm(expected), atol=2e-3)


@given(seed=st.integers(0, 999), widths=st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_the_cosine_of_concatenations_is_the_mean_of_the_cosines_of_their_parts(seed, widths):
    random = np.random.default_rng(seed)
    pairs = [random.normal(size=(2, width)).astype(np.float32) for width in widths]
    pairs = [pair / np.linalg.norm(pair, axis=1, keepdims=True) for pair in pairs]
    one, two = (concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    assert one.shape == (sum(widths),)
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-6)
    assert one @ two == pytest.approx(np.mean([pair[0] @ pair[1] for pair in pairs]), abs=1e-6)


def test_a_concatenation_is_of_length_one_before_its_projection(engine_of):
    parts = [np.float32([1, 0]), np.float32([0, 1, 0])]
    joined = np.float32([1, 0, 0, 1, 0]) / np.sqrt(2)
    weights = np.random.default_rng(3).normal(size=(5, 4))
    expected = joined @ weights
    np.testing.assert_allclose(concatenate(parts, engine_of(weights)), expected / np.linalg.norm(expected), atol=1e-6)


def test_a_pack_with_crops_concatenation_sift_and_a_picture_enrols_and_answers(field_pack, samples, tmp_path):
    manifest = field_pack.manifest
    recipe = copy.deepcopy(dict(manifest.recipe))
    recipe["embed"].append({"name": "five", "network": NAME, "crops": 5, "crop_share": 0.8})
    recipe["concatenate"] = [{"name": "both", "of": [NAME, "five"]}]
    recipe["retrieve"]["embedding"] = "both"
    shared = {"mask": True, "mask_margin": 0.0}
    recipe["extract"].append({"name": "sift", "detector": "sift", "keypoints": 256, "size": 512, **shared})
    recipe["extract"].append({"name": "small", "detector": "picture", "size": 64, **shared})
    kept = [file for file in manifest.files if not file.path.startswith("calibration/")]
    files = [NewFile(file.path, field_pack.read_bytes(file.path), file.licence, file.origin) for file in kept]
    pack = Identifier(write_pack(tmp_path / "pack", replace(manifest, recipe=recipe), files), "cpu")
    rows = [row for row in read_source(samples, split="database") if row.identity in ("Imara", "Enzi")]
    with Gallery.create(tmp_path / "gallery.sqlite") as gallery:
        assert enrol(gallery, pack, rows[1:5]).added == 4
        candidates = GalleryCandidates(gallery, pack.feature_key)
        query = pack.describe(read_photo(samples / "photos" / "trail_1.jpg"))[0].features
        compared = Comparer(pack.recipe, pack.networks, candidates).compare(query, Selection(), Timings())
        one, five, both = (compared.raw[:, compared.score_names.index(name)] for name in (NAME, "five", "both"))
        assert compared.owners[0] == compared.owners[int(both.argmax())]  # the nearest individual comes first
        np.testing.assert_allclose(both, (one + five) / 2, atol=1e-6)
        (keypoints,) = candidates.keypoints("sift", compared.sighting_ids[:1])
        assert keypoints.frames.shape == (len(keypoints), 2, 2)
        assert keypoints.long_side == 512
        (picture,) = candidates.pictures("small", compared.sighting_ids[:1])
        assert picture.shape == query.pictures["small"].shape == (64, 64)
        assert 0.1 < (picture == 0).mean() < 0.9  # the background is black
