"""A pack is adapted to labelled photos: described as before, and then projected."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest

import reid_edge
from reid_edge.describe.embedding import project
from reid_edge.describe.features import vector_array
from reid_edge.errors import PackError, UsageError
from reid_edge.gallery import Gallery, NewSighting
from reid_edge.gallery.enrolment_list import read_source
from reid_edge.identify.identifier import CALIBRATION, Identifier
from reid_edge.pack import open_pack
from reid_edge.photo import read_photo
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.projection.adaptation import Adaptation, adapt_pack, carry_features_over
from reid_edge_calibration.projection.fit import Projection
from reid_edge_calibration.projection.network import projection_network

EMBEDDING = "efficientnet-lite0"
SAMPLES = Path(reid_edge.__file__).parent / "samples"


@pytest.fixture(scope="module")
def labelled() -> LabelledSet:
    """The 24 gallery photos of the samples: 8 individuals, 3 photos of each."""
    return LabelledSet("samples", "all", tuple(read_source(SAMPLES, split="database")), (), "spotted sample animal")


def lay_gallery(labelled: LabelledSet, identifier: Identifier, folder: Path, few_directions: bool) -> Path:
    """A kept gallery whose vectors are made up, so that the truth is known and no photo has to be described."""
    random = np.random.default_rng(0)
    names = sorted({row.identity for row in labelled.database})
    place = {name: random.normal(size=12) * few_directions for name in names}
    path = folder / f"{labelled.stem(identifier)}.sqlite"
    with Gallery.create(path) as gallery:
        batch = gallery.new_batch()
        for row in labelled.database:
            vector = random.normal(0, 0.02, 1280)
            vector[:12] += place[row.identity]
            vector[12:14] += random.normal(0, 4.0, 2)
            sighting = NewSighting(identity=row.identity, photo_sha256=sha256(row.path.read_bytes()).hexdigest())
            unit = (vector / np.linalg.norm(vector)).astype(np.float32)
            gallery.add_sighting(sighting, {vector_array(EMBEDDING): unit}, identifier.feature_key, batch)
    return path


@pytest.fixture(scope="module")
def kept(identifier, labelled, silent, tmp_path_factory) -> tuple[Adaptation, Path, Path]:
    """An adaptation that is kept, the galleries' folder and the adapted pack's."""
    folder = tmp_path_factory.mktemp("kept")
    lay_gallery(labelled, identifier, folder, few_directions=True)
    return adapt_pack(identifier, [labelled], folder, folder / "adapted", silent), folder, folder / "adapted"


def test_what_helps_goes_into_a_pack_that_opens_and_says_where_it_is_from(kept, identifier):
    adaptation, _, out = kept
    figures = adaptation.figures[EMBEDDING]
    assert adaptation.kept
    assert figures["kept"]
    assert (figures["photos"], figures["individuals"]) == (24, 8)
    assert figures["map_gain"] > figures["map_error"] > 0
    assert figures["sets"]["samples"]["map_gain"] == pytest.approx(figures["map_gain"])
    pack = open_pack(out)
    (file,) = (file for file in pack.manifest.files if file.path == "projection-0.onnx")
    assert "calibrate --fit-projection on labelled photos of spotted sample animal" in file.origin
    assert file.licence == pack.manifest.licence
    assert file.size < 1_000_000
    assert pack.recipe["embed"][0]["projection"] == "projection-0"
    assert CALIBRATION not in {file.path for file in pack.manifest.files}  # it was fitted on other scores
    assert Identifier(pack, "cpu").feature_key != identifier.feature_key


def test_a_photo_described_with_the_adapted_pack_is_the_old_vector_projected(kept, identifier):
    after = Identifier(kept[0].pack, "cpu", 1)
    photo = read_photo(SAMPLES / "photos" / "trail_1.jpg")
    before, now = (which.describe(photo, largest_only=True)[0].features.vectors[EMBEDDING] for which in (identifier, after))
    assert now.shape == (1280,)
    assert np.linalg.norm(now) == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(now, project(before, after.networks["projection-0"].engine))


def test_features_are_carried_over_without_describing_photos_again(kept, identifier, labelled):
    after = Identifier(kept[0].pack, "cpu", 1)
    folder = kept[1]
    carry_features_over(identifier, after, [labelled], folder)
    engine = after.networks["projection-0"].engine
    name = vector_array(EMBEDDING)
    with Gallery.open(folder / f"{labelled.stem(after)}.sqlite", writable=False) as gallery:
        assert gallery.sightings_without(after.feature_key) == []
        for sighting in gallery.sightings():
            old, new = (gallery.features([sighting.id], key)[sighting.id] for key in (identifier.feature_key, after.feature_key))
            np.testing.assert_array_equal(new[name], project(old[name], engine))
    assert not list(folder.glob(".*"))


def test_what_does_not_help_leaves_the_pack_as_it_is(identifier, labelled, silent, tmp_path):
    lay_gallery(labelled, identifier, tmp_path, few_directions=False)
    adaptation = adapt_pack(identifier, [labelled], tmp_path, tmp_path / "adapted", silent)
    assert not adaptation.kept
    assert adaptation.pack is identifier.pack
    assert not (tmp_path / "adapted").exists()
    assert adaptation.notes[0].startswith(f"{EMBEDDING}: No projection is kept. ")


def test_a_pack_that_has_a_projection_is_not_given_another(kept, labelled, silent, tmp_path):
    with pytest.raises(UsageError, match="has a projection of efficientnet-lite0 already"):
        adapt_pack(Identifier(kept[0].pack, "cpu", 1), [labelled], tmp_path, tmp_path / "adapted", silent)


def test_an_adapted_pack_wants_to_be_calibrated(kept):
    with pytest.raises(PackError, match="is not calibrated"):
        _ = Identifier(kept[0].pack, "cpu", 1).calibration


def test_the_network_is_a_small_deterministic_file_that_computes_the_projection(identifier):
    random = np.random.default_rng(0)
    projection = Projection(random.normal(size=(1280, 64)) / 36, random.normal(size=(64, 1280)) / 36)
    content = projection_network(projection, "net", "CC0-1.0")
    assert content == projection_network(projection, "net", "CC0-1.0")
    assert len(content) < 700_000
    model = onnx.load_from_string(content)
    assert (model.opset_import[0].version, model.ir_version) == (18, 8)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert (facts["task"], facts["licence"], facts["weights"]) == ("projection", "CC0-1.0", "trained")
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    vectors = random.normal(size=(5, 1280)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    (found,) = session.run(["embedding"], {"vector": vectors})
    np.testing.assert_allclose(found, projection.apply(vectors), atol=1e-6)  # measured 1e-7
