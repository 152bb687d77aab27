"""A viewpoint head: from labelled photos and their mirror images to a pack that answers with predicted viewpoints."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from click.testing import CliRunner

from reid_edge.describe.query import Query
from reid_edge.errors import PhotoError, UsageError
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.identifier import CALIBRATION, Identifier
from reid_edge.pack import find_pack, open_pack
from reid_edge.photo import read_photo
from reid_edge_benchmarks.sample_animals import render_animal
from reid_edge_export.heads.cli import train_head
from reid_edge_export.heads.network_file import network_file, run_network
from reid_edge_export.heads.viewpoint import Figures, fit_viewpoint, viewpoint_graph
from reid_edge_export.heads.viewpoint_photos import ViewpointPhotos, describe_photos, mirrored_viewpoint, read_labels

WIDTH = 16


def table(folder, rows):
    """A metadata.csv of (identity, orientation, fold), one photo each."""
    path = folder / "metadata.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("identity", "path", "orientation", "fold"))
        writer.writerows((identity, f"{number}.jpg", side, fold) for number, (identity, side, fold) in enumerate(rows))
    return path


def drawn(individuals=20, photos=4, signal=1.0, seed=0):
    """Vectors with a part of the individual's own and, along the first axis, one of the viewpoint."""
    random = np.random.default_rng(seed)
    individual = np.repeat(np.arange(individuals), photos)
    viewpoint = random.integers(0, 2, len(individual))
    vectors = random.normal(size=(individuals, WIDTH))[individual] + 0.3 * random.normal(size=(len(individual), WIDTH))
    vectors[:, 0] = signal * (2 * viewpoint - 1) + 0.3 * random.normal(size=len(individual))
    mirrored = np.zeros(len(individual), bool)
    return ViewpointPhotos(vectors.astype(np.float32), ("left", "right"), viewpoint, individual, mirrored)


def test_mirroring_swaps_left_and_right_wherever_they_stand_and_leaves_front_and_back():
    names = ("left", "right", "front", "back", "front-left", "rightback")
    assert [mirrored_viewpoint(name) for name in names] == ["right", "left", "front", "back", "front-right", "leftback"]


REFUSED = {
    "no viewpoint": ([("a", "", ""), ("b", "unknown", "")] * 4, "state no viewpoint: none of their 8 photos has one"),
    "one viewpoint": ([("a", "left", ""), ("b", "", "")] * 4, "state one viewpoint only: 4 left"),
    "a rare viewpoint": ([(name, "left", "") for name in "abcd"] + [("a", "right", "")], "too few photos .*: 4 left, 1 right"),
    "few individuals": ([("a", "left", ""), ("b", "right", "")] * 4, "show 2 individuals"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_labels_that_teach_no_viewpoint_are_refused_with_what_they_have(case, tmp_path):
    rows, message = REFUSED[case]
    with pytest.raises(UsageError, match=message):
        read_labels([table(tmp_path, rows)], None, ())


def test_a_subset_has_photos_of_as_many_individuals_as_there_are(tmp_path):
    rows = [(name, side, "") for name in ("a", "a", "a", "b", "c", "d") for side in ("left", "right")]
    kept = read_labels([table(tmp_path, rows)], None, (), per_viewpoint=4)
    assert [(row.identity, row.viewpoint) for row in kept] == [(name, side) for name in "abcd" for side in ("left", "right")]


def test_each_photo_counts_twice_and_a_mirrored_one_whose_side_nobody_labelled_is_left_out():
    asked = []

    def describe(path, mirrored):
        if path.name == "broken.jpg":
            raise PhotoError("broken")
        asked.append((path.name, list(mirrored)))
        return [np.full(4, flip, np.float32) for flip in mirrored]

    sides = {"1.jpg": "left", "2.jpg": "front", "3.jpg": "back-left", "broken.jpg": "left"}
    rows = [Enrolment(Path(name), f"animal {name}", viewpoint=side) for name, side in sides.items()]
    photos = describe_photos(rows, ["left", "right", "front", "back-left"], describe, lambda each: each)
    assert asked == [("1.jpg", [False, True]), ("2.jpg", [False, True]), ("3.jpg", [False])]
    shown = [photos.viewpoints[place] for place in photos.viewpoint]
    assert list(zip(shown, photos.mirrored.tolist(), strict=True)) == [
        ("left", False),
        ("right", True),
        ("front", False),
        ("front", True),
        ("back-left", False),
    ]
    assert photos.vectors[:, 0].tolist() == [0, 1, 0, 1, 0]
    assert photos.unreadable == (Path("broken.jpg"),)
    unmirrored = describe_photos(rows, ["left", "front", "back-left"], describe, lambda each: each, mirror=False)
    assert not unmirrored.mirrored.any()
    assert len(unmirrored) == 3


def test_what_tells_viewpoints_apart_is_learned_and_holds_on_individuals_that_were_not_seen():
    fitted, unseen = fit_viewpoint(drawn()), drawn(seed=1)
    figures = Figures.of(unseen, fitted.model.probabilities(unseen.vectors), 0.8)
    assert figures.accuracy > 0.9  # 1.00 measured
    assert figures.used > 0.7  # 1.00 measured
    assert figures.accuracy_of_used > 0.9


def test_vectors_that_do_not_tell_viewpoints_apart_give_a_head_that_is_seldom_used():
    photos = drawn(signal=0.0)
    figures = Figures.of(photos, fit_viewpoint(photos).held_out, 0.8)
    assert abs(figures.accuracy - 0.5) < 0.2  # individuals are held out, so nothing is learned by heart
    assert figures.used < 0.1  # 0.00 measured


def test_mirrored_photos_do_not_count_in_the_figures():
    photos = drawn(individuals=2, photos=2)
    half = ViewpointPhotos(
        photos.vectors, photos.viewpoints, np.array([0, 0, 1, 1]), photos.individual, np.array([False, True] * 2)
    )
    figures = Figures.of(half, np.array([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.1, 0.9]]), 0.8)
    assert figures == Figures(2, 2, accuracy=0.5, used=0.5, accuracy_of_used=1.0, most_common=0.5)


def test_the_file_answers_as_the_model_does():
    photos = drawn(individuals=6)
    model = fit_viewpoint(photos).model
    content = network_file("viewpoint", "head", *viewpoint_graph(model), (WIDTH, 2), {}, "Apache-2.0")
    assert run_network(content, "head", photos.vectors) == pytest.approx(model.probabilities(photos.vectors), abs=1e-5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The bundled pack with a head trained by the command on 4 rendered animals, both sides each, and what the command printed."""
    folder = tmp_path_factory.mktemp("viewpoint")
    rows = [(f"animal {number}", side, "train") for number in range(4) for side in ("left", "right")]
    labels = table(folder, [*rows, ("animal 0", "left", "mixed")])
    for number, (identity, side, _) in enumerate([*rows, ("animal 0", "left", "")]):
        rgb, _ = render_animal(int(identity[-1]) + 50, number, "stripes", (320, 240), side)
        cv2.imwrite(str(folder / f"{number}.jpg"), rgb[:, :, ::-1])
    arguments = [
        "viewpoint",
        labels,
        "--fold",
        "train",
        "--pack",
        "field",
        "--out",
        folder / "pack",
        "--report",
        folder / "r.json",
    ]
    result = CliRunner().invoke(train_head, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return folder, result.output


def test_the_new_pack_has_the_head_its_stage_and_the_calibration_that_it_had(trained):
    folder, output = trained
    pack, field = open_pack(folder / "pack"), open_pack(find_pack("field"))
    assert pack.recipe["viewpoint"] == {"head": "viewpoint", "embedding": "efficientnet-lite0", "min_probability": 0.8}
    assert pack.read_json("heads/viewpoint.json")["viewpoints"] == ["left", "right"]
    assert pack.read_bytes(CALIBRATION) == field.read_bytes(CALIBRATION)
    report = json.loads((folder / "r.json").read_text())
    assert report["cross_validated"]["photos"] == 8
    assert report["cross_validated"]["individuals"] == 4
    assert "left and right from efficientnet-lite0; cross-validated by individual: " in output


def test_the_new_pack_predicts_the_viewpoint_of_a_photo_that_states_none(trained, tmp_path):
    folder, _ = trained
    identifier = Identifier(open_pack(folder / "pack"), "cpu")
    photo = read_photo(folder / "0.jpg")
    with Gallery.create(tmp_path / "empty.sqlite") as gallery:
        (decision,) = identifier.identify(photo, identifier.candidates(gallery))
        (stated,) = identifier.identify(photo, identifier.candidates(gallery), Query(viewpoint="left"))
    assert decision.animal.viewpoint.name == "left"
    assert 0.5 < decision.animal.viewpoint.probability <= 1
    assert decision.animal.viewpoint.warning in decision.warnings
    assert stated.animal.viewpoint is None


def test_individuals_that_are_trained_on_cannot_test_the_head(trained, tmp_path):
    folder, _ = trained
    rows = [(name, side, fold) for name in "abcd" for side in ("left", "right") for fold in ("train", "test")]
    labels = table(tmp_path, rows)
    arguments = [
        "viewpoint",
        labels,
        "--fold",
        "train",
        "--test-fold",
        "test",
        "--pack",
        folder / "pack",
        "--out",
        tmp_path / "out",
    ]
    result = CliRunner().invoke(train_head, list(map(str, arguments)))
    assert isinstance(result.exception, UsageError)
    assert "4 individuals are trained on and in the fold test, such as a" in result.exception.message
    assert not (tmp_path / "out").exists()
