"""An embedding may go through a projection: from the pack to the answer, and not at all where the pack has none."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from reid_edge.candidates import GalleryCandidates
from reid_edge.embedding import project
from reid_edge.engines import open_engine, select_device
from reid_edge.enrolment import enrol
from reid_edge.errors import EngineError
from reid_edge.features import vector_array
from reid_edge.gallery import Gallery
from reid_edge.gallery.sources import read_source
from reid_edge.identification import Identifier, Question
from reid_edge.pack import Network, NewFile, write_pack
from reid_edge.photo import read_photo

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
            Question(viewpoint="left"),
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
