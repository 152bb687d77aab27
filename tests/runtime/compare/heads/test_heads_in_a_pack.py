"""Heads and re-ranking in a pack, from the photo to the answer: the bundled pack with a classifier, a boosted head and rules of its own."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.compare.comparison import Comparer
from reid_edge.compare.heads import Labels, boosting_features, classify, of_candidates
from reid_edge.compare.reranking import jaccard_distances
from reid_edge.compare.selection import Selection
from reid_edge.describe.query import Query
from reid_edge.errors import EngineError, PackError
from reid_edge.gallery import Gallery
from reid_edge.identify.identifier import CALIBRATION, Identifier
from reid_edge.pack import Network, NewFile, write_pack
from reid_edge.photo import read_photo
from reid_edge.timings import Timings

EMBEDDING = "efficientnet-lite0"
NAMES = ("Asha", "Baraka", "Chipo", "Duma", "Enzi", "Farida", "Jabari")  # all of the samples but Imara
NEIGHBOURS = 3


def network_file(nodes, width, constants):
    """A head: features [1, width] -> probabilities [1, C]."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "head",
        [value("features", TensorProto.FLOAT, [1, width])],
        [value("probabilities", TensorProto.FLOAT, [1, len(NAMES)])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def nearest_mean(candidates):
    """A classifier: softmax of 20 x the cosine to each individual's mean vector."""
    means = []
    for name in NAMES:
        own = [number for number in range(1, 25) if candidates.identity_of(number) == name]
        mean = candidates.vectors(EMBEDDING, np.array(own)).mean(axis=0)
        means.append(20 * mean / np.linalg.norm(mean))
    nodes = [helper.make_node("MatMul", ["features", "W"], ["z"]), helper.make_node("Softmax", ["z"], ["probabilities"])]
    return network_file(nodes, 1280, {"W": np.float32(means).T})


def nearest_photo(width):
    """A tree in plain operators: certain of the individual of the nearest photo, nobody where that is none of its own."""
    nodes = [
        helper.make_node("Gather", ["features", "place"], ["who"], axis=1),
        helper.make_node("Equal", ["who", "classes"], ["is"]),
        helper.make_node("Cast", ["is"], ["probabilities"], to=TensorProto.FLOAT),
    ]
    return network_file(
        nodes, width, {"place": np.int64([1280 + NEIGHBOURS]), "classes": np.arange(len(NAMES), dtype=np.float32)[None]}
    )


def network(file, **parameters):
    return Network(file, "head", 18, "fp32", "fp32", "trained", parameters=parameters)


def pack_with_heads(field_pack, folder, classifier, boosting, labels=None, step=(), species=("sample",), threshold=0.3):
    manifest = field_pack.manifest
    recipe = copy.deepcopy(dict(manifest.recipe))
    recipe["match"][-1].pop("in_doubt", None)  # for recipes that leave the decision to the calibration
    matchers, second_opinions = [match["name"] for match in recipe["match"]], ["k-reciprocal", "who", "boosted"]
    scores = [EMBEDDING, *matchers, *second_opinions]
    recipe["rerank"] = [{"name": "k-reciprocal", "embedding": EMBEDDING, "k1": 6, "k2": 3}]
    recipe["head"] = [
        {"name": "who", "kind": "classifier", "network": "who", "embedding": EMBEDDING, "species": list(species)},
        {"name": "boosted", "kind": "boosting", "network": "boosted", "embedding": EMBEDDING},
    ]
    recipe["fuse"] = [
        {"name": "all", "groups": [{"scores": matchers, "weight": 0.9}, {"scores": second_opinions[:1], "weight": 0.1}]},
    ]
    recipe["step"] = list(step)
    recipe["decide"] = {"threshold": threshold}
    if not recipe["step"]:
        del recipe["step"]
    of_who = labels or {"format_version": 1, "identities": list(NAMES), "embedding_dimension": 1280}
    of_boosted = {
        "format_version": 1,
        "identities": list(NAMES),
        "embedding_dimension": 1280,
        "neighbours": NEIGHBOURS,
        "viewpoints": ["left", "right"],
        "species": [],
    }
    calibration = field_pack.read_json(CALIBRATION)
    calibration.pop("before", None)
    line = {"kind": "linear", "x": [0.0, 1.0], "y": [0.0, 1.0]}
    for entry in [calibration["generic"], *calibration["species"].values()]:
        for name in second_opinions:
            entry["calibrators"][name] = line
            for weights in ("leads", "levels", "rivals"):
                entry["evidence"][weights][name] = 0.0
            if entry["evidence"]["order"]:
                entry["evidence"]["order"][name] = 0.0
        entry["fusion"] = {"kind": "mean", "weights": dict.fromkeys(scores, 1.0)}
        entry.update(threshold=threshold, ask_low=threshold, ask_high=threshold, identity=line, unknown=line)
    calibration["scores"] = scores
    replaced = {CALIBRATION: json.dumps(calibration).encode()}
    files = [
        NewFile(file.path, replaced.get(file.path) or field_pack.read_bytes(file.path), file.licence, file.origin)
        for file in manifest.files
    ]
    added = {
        "who.onnx": classifier,
        "boosted.onnx": boosting,
        "heads/who.json": json.dumps(of_who).encode(),
        "heads/boosted.json": json.dumps(of_boosted).encode(),
    }
    files += [NewFile(path, content, "CC0-1.0", "the tests") for path, content in added.items()]
    networks = {**manifest.networks, "who": network("who.onnx", input_dimension=1280), "boosted": network("boosted.onnx")}
    return write_pack(folder, replace(manifest, networks=networks, recipe=recipe), files)


@pytest.fixture(scope="module")
def files(candidates):
    return nearest_mean(candidates), nearest_photo(1280 + 2 * NEIGHBOURS + 2)


@pytest.fixture(scope="module")
def with_heads(field_pack, files, tmp_path_factory):
    return Identifier(pack_with_heads(field_pack, tmp_path_factory.mktemp("heads") / "pack", *files), "cpu")


@pytest.fixture(scope="module")
def query(identifier, samples):
    """A photo of Imara, whom the heads do not know."""
    return identifier.describe(read_photo(samples / "photos" / "trail_1.jpg"), largest_only=True)[0].features


def compared(with_heads, candidates, query, species="sample"):
    timings = Timings()
    comparer = Comparer(with_heads.recipe, with_heads.networks, candidates)
    return comparer.compare(query, Selection(query=Query(species, "left")), timings), timings


def column(comparison, name):
    return comparison.raw[:, comparison.score_names.index(name)]


def test_the_features_of_a_gallery_stay_those_of_the_pack_without_heads(with_heads, identifier):
    assert with_heads.feature_key == identifier.feature_key


def test_re_ranking_is_a_score_of_the_shortlist(with_heads, candidates, query):
    comparison, timings = compared(with_heads, candidates, query)
    vectors = candidates.vectors(EMBEDDING, comparison.sighting_ids)
    expected = 1 - jaccard_distances(query.vectors[EMBEDDING], vectors, 6, 3)
    assert column(comparison, "k-reciprocal") == pytest.approx(expected, abs=1e-12)
    assert np.ptp(expected) > 0.1
    assert list(timings.milliseconds)[-3:] == ["k-reciprocal", "who", "boosted"]


def test_a_classifier_says_of_each_candidate_the_probability_of_its_individual(with_heads, candidates, query, files):
    comparison, _ = compared(with_heads, candidates, query)
    weights = numpy_helper.to_array(onnx.load_from_string(files[0]).graph.initializer[0])
    odds = np.exp(query.vectors[EMBEDDING].astype(np.float64) @ weights)
    known = dict(zip(NAMES, odds / odds.sum(), strict=True))
    owners = [candidates.identity_of(int(sighting)) for sighting in comparison.sighting_ids]
    assert "Imara" in owners
    assert column(comparison, "who") == pytest.approx([known.get(owner, np.nan) for owner in owners], abs=1e-5, nan_ok=True)


def test_a_boosted_head_sees_the_nearest_photos_of_the_gallery(with_heads, candidates, query):
    shortlist = replace(with_heads.recipe, retrieve=replace(with_heads.recipe.retrieve, candidates=2))
    narrow = Comparer(shortlist, with_heads.networks, candidates).compare(
        query, Selection(query=Query(viewpoint="left")), Timings()
    )
    wide, _ = compared(with_heads, candidates, query)
    labels = with_heads.networks.labels["boosted"]
    ids = wide.sighting_ids[:NEIGHBOURS]
    cosines = candidates.vectors(EMBEDDING, ids) @ query.vectors[EMBEDDING]
    owners = [candidates.identity_of(int(sighting)) for sighting in ids]
    features = boosting_features(query.vectors[EMBEDDING], 1 - cosines, owners, Query(viewpoint="left"), labels)
    probabilities = classify(features, labels, with_heads.networks["boosted"].engine)
    assert probabilities.tolist() == [float(name == owners[0]) for name in NAMES]
    for comparison in (narrow, wide):
        shown = [candidates.identity_of(int(sighting)) for sighting in comparison.sighting_ids]
        expected = [float(name == owners[0]) if name in NAMES else np.nan for name in shown]
        assert np.array_equal(column(comparison, "boosted"), expected, equal_nan=True)


def test_a_head_has_no_opinion_of_a_species_that_it_was_not_trained_on(with_heads, candidates, query):
    for species in ("nyala", ""):
        comparison, timings = compared(with_heads, candidates, query, species)
        assert np.isnan(column(comparison, "who")).all()
        assert not np.isnan(column(comparison, "boosted")).all()
        assert "who" not in timings.milliseconds


def test_an_empty_gallery_asks_no_head(with_heads, query, memory_folder):
    with Gallery.create(memory_folder / "empty.sqlite") as gallery:
        comparison, timings = compared(with_heads, GalleryCandidates(gallery, with_heads.feature_key), query)
    assert comparison.raw.shape == (0, len(with_heads.recipe.score_names))
    assert list(timings.milliseconds) == ["retrieve"]


def test_the_answer_is_the_recipes_own(with_heads, field_pack, files, candidates, samples, tmp_path):
    photo = read_photo(samples / "photos" / "trail_2.jpg")  # of Chipo
    (plain,) = with_heads.identify(photo, candidates, Query(viewpoint="left"))
    assert (plain.verdict, plain.identity) == ("known", "Chipo")
    assert plain.ranking[0].evidence == plain.ranking[0].fused < 1
    # Packs that differ in their steps only: one takes the boosted head's word, one calls new what the classifier is not certain of.
    gate = {"do": "gate", "source": "boosted", "then": "take", "limit": 1.0}
    taking = Identifier(pack_with_heads(field_pack, tmp_path / "taking", *files, step=[gate]), "cpu")
    (taken,) = taking.identify(photo, candidates, Query(viewpoint="left"))
    nearest = candidates.identity_of(int(candidates.nearest(EMBEDDING, _vector(with_heads, photo), 1, None)[0]))
    assert (taken.verdict, taken.identity, taken.ranking[0].evidence) == ("known", nearest, 1.0)
    spotted = "spotted sample animal"
    new = {"do": "gate", "source": "who", "then": "new", "limit": 1.0, "species": [spotted]}
    refusing = Identifier(pack_with_heads(field_pack, tmp_path / "new", *files, step=[new], species=(spotted,)), "cpu")
    (refused,) = refusing.identify(photo, candidates, Query(viewpoint="left", species="Spotted sample animal"))
    assert (refused.identity, refused.ranking[0].identity, refused.ranking[0].evidence) == (None, "Chipo", 0.0)
    assert refused.verdict == "new"
    (unknown_species,) = refusing.identify(photo, candidates, Query(viewpoint="left"))
    assert unknown_species.identity == "Chipo"


def _vector(identifier, photo):
    return identifier.describe(photo, largest_only=True)[0].features.vectors[EMBEDDING]


def test_labels_that_are_not_those_of_the_network_are_refused_when_the_pack_is_opened(field_pack, files, tmp_path):
    wider = {"format_version": 1, "identities": list(NAMES), "embedding_dimension": 1281}
    with pytest.raises(PackError, match=r"heads/who.json is for vectors of 1281 values, but the head who takes 1280"):
        Identifier(pack_with_heads(field_pack, tmp_path / "wider", *files, labels=wider), "cpu")
    broken = {"format_version": 1, "identities": [], "embedding_dimension": 1280}
    with pytest.raises(PackError, match=r"heads/who.json: identities must name one individual"):
        Identifier(pack_with_heads(field_pack, tmp_path / "broken", *files, labels=broken), "cpu")


def test_a_head_that_gives_other_probabilities_than_its_labels_say_is_refused(with_heads):
    engine = with_heads.networks["who"].engine
    with pytest.raises(PackError, match=r"shape \[1, 7\], but its labels name 1"):
        classify(np.zeros(1280, np.float32), Labels(("Asha",), 1280), engine)
    with pytest.raises(EngineError, match="features"):
        classify(np.zeros(3, np.float32), with_heads.networks.labels["who"], engine)


def test_a_candidate_whom_a_head_does_not_know_has_no_probability():
    found = of_candidates(np.array([0.7, 0.3]), Labels(("Asha", "Baraka"), 2), ["Baraka", "Zola", "Asha", "Baraka"])
    assert np.array_equal(found, [0.3, np.nan, 0.7, 0.3], equal_nan=True)


def test_a_threshold_of_zero_beside_a_gate_that_calls_animals_new_is_refused(field_pack, files, tmp_path):
    new = {"do": "gate", "source": "who", "then": "new", "limit": 0.5}
    pack = pack_with_heads(field_pack, tmp_path / "zero", *files, step=[new], threshold=0.0)
    with pytest.raises(PackError, match="A threshold of 0 calls every animal known"):
        Identifier(pack, "cpu")
