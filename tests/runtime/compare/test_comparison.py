"""A query against a gallery: who is on the shortlist, who is matched, and that the order of enrolment changes nothing.

The galleries hold made-up features with many equal scores, where an answer that leaned on the order of rows would show.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.compare.comparison import Comparer
from reid_edge.compare.fusing import order_scores
from reid_edge.compare.selection import Selection
from reid_edge.decide.calibration import Entry, Evidence, Pooling, WeightedMean
from reid_edge.decide.calibration.calibrator import Calibrator
from reid_edge.decide.ranking import Ranker
from reid_edge.describe.features import Features, to_arrays
from reid_edge.describe.keypoints import Keypoints
from reid_edge.describe.orientation import Chip
from reid_edge.describe.sift import extract_sift
from reid_edge.gallery import Gallery, NewSighting
from reid_edge.photo import read_photo
from reid_edge.recipe import EarlyExit, Extract, Fuse, Group, Match
from reid_edge.timings import Timings

KEY = "0123456789abcdef"
LINE = Calibrator("linear", (0.0, 8.0), (0.0, 1.0))
ENTRY = Entry(
    {"cosine": LINE, "nearest": LINE, "again": LINE},
    WeightedMean({"cosine": 1.0, "nearest": 1.0, "again": 1.0}),
    Pooling(),
    Evidence(0.0, 1.0, {"cosine": 0.0, "nearest": 0.0, "again": 0.0}, 0.0, {}, {"cosine": 1.7, "nearest": 2.0, "again": 2.0}),
    LINE,
    LINE,
    0.5,
    0.4,
    0.6,
)


@cache
def made(kind: int, matching: int) -> Features:
    """Features of one of few kinds; `matching` of its keypoints look like those of every other photo."""
    random = np.random.default_rng(kind)
    vector = np.eye(4, dtype=np.float32)[kind % 3] * np.float32(0.8) + np.float32([0, 0, 0, 0.6])
    own, common = random.normal(size=(8, 16)), np.random.default_rng(99).normal(size=(8, 16))
    descriptors = np.where(np.arange(8)[:, None] < matching, common, own)
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    xy = random.uniform(0, 99, (8, 2)).astype(np.float32)
    keypoints = Keypoints(xy, np.ones(8, np.float32), descriptors.astype(np.float32), np.float32([0, 0, 99, 99]))
    return Features({"cosine": vector}, {"points": keypoints})


@pytest.fixture(scope="module")
def recipe(identifier):
    """Embedding, mutual nearest neighbours, and the same again for the best three only: no network is run."""
    (embed,), (extract,) = identifier.recipe.embed, identifier.recipe.extract
    nearest = Match("nearest", "points", "mutual-nearest", 0.9)
    return replace(
        identifier.recipe,
        embed=(replace(embed, name="cosine"),),
        extract=(replace(extract, name="points"),),
        retrieve=replace(identifier.recipe.retrieve, embedding="cosine", candidates=6, unit="photos", photos=0),
        match=(nearest, replace(nearest, name="again", best=3, order="nearest")),
    )


def enrol(gallery: Gallery, photos: list[tuple[int, int, int]], order: list[int]) -> None:
    for number in order:
        kind, matching, who = photos[number]
        seen = NewSighting(photo_sha256=f"{number:064x}", identity="ABC"[who], photo_name=f"{number}.jpg")
        gallery.add_sighting(seen, to_arrays(made(kind, matching)), KEY, gallery.new_batch())


def answer(gallery: Gallery, recipe, identifier, allowed=None):
    candidates = GalleryCandidates(gallery, KEY)
    comparison = Comparer(recipe, identifier.networks, candidates).compare(made(7, 8), Selection(allowed), Timings())
    ranking = Ranker(candidates, ENTRY).rank(comparison)
    return comparison, list(
        zip(ranking.scores.identities, ranking.photos, ranking.probabilities, ranking.scores.fused, strict=True)
    )


photos = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([2, 5, 8]), st.integers(0, 2)), max_size=9)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(photos=photos, shuffle=st.randoms(use_true_random=False))
def test_the_order_of_enrolment_does_not_change_the_answer(memory_folder, recipe, identifier, photos, shuffle):
    order = list(range(len(photos)))
    shuffle.shuffle(order)
    answers = []
    for number, one in enumerate((range(len(photos)), order)):
        path = memory_folder / f"{number}.sqlite"
        path.unlink(missing_ok=True)
        with Gallery.create(path) as gallery:
            enrol(gallery, photos, list(one))
            answers.append(answer(gallery, recipe, identifier)[1])
        for rest in memory_folder.glob(f"{number}.sqlite-*"):
            rest.unlink()
    assert answers[0] == answers[1]


@pytest.fixture
def gallery(memory_folder):
    """Nine photos: kinds 0, 1, 2 three times over, with 2, 5 and 8 of the eight keypoints in common."""
    with Gallery.create(memory_folder / "gallery.sqlite") as made_gallery:
        enrol(made_gallery, [(number, (2, 5, 8)[number // 3], number % 3) for number in range(9)], list(range(9)))
        yield made_gallery


def test_the_shortlist_is_the_nearest_and_matchers_see_it_or_the_best_of_it(gallery, recipe, identifier):
    comparison, _ = answer(gallery, recipe, identifier)
    cosine, nearest, again = comparison.raw.T
    assert len(comparison.sighting_ids) == 6
    assert (np.diff(cosine) <= 1e-6).all()
    assert cosine[0] == pytest.approx(1.0)
    assert not np.isnan(nearest).any()
    matched = ~np.isnan(again)
    assert matched.sum() == 3
    assert nearest[matched].min() >= nearest[~matched].max()
    assert np.array_equal(again[matched], nearest[matched])
    assert set(comparison.matches["nearest"]) == set(range(6))
    assert set(comparison.matches["again"]) == set(np.flatnonzero(matched).tolist())
    for row, matches in comparison.matches["nearest"].items():
        assert len(matches) == nearest[row]


def test_a_matcher_sees_the_best_of_a_fusion_of_scores_as_they_are(gallery, recipe, identifier):
    early = Fuse("early", (Group(("cosine",), 3.0, calibrated=False), Group(("nearest",), 1.0, calibrated=False)))
    last = replace(recipe.match[1], order="early")
    fused = replace(recipe, match=(recipe.match[0], last), fuse=(early,))
    comparison = Comparer(fused, identifier.networks, GalleryCandidates(gallery, KEY)).compare(made(7, 8), Selection(), Timings())
    cosine, nearest, again = comparison.raw.T
    expected = (3 * np.clip(cosine, 0, 1) + np.clip(nearest, 0, 1)) / 4
    best = np.argsort(-expected, kind="stable")[:3]
    assert sorted(best) == np.flatnonzero(~np.isnan(again)).tolist()
    assert np.array_equal(order_scores(fused, "early", comparison.raw), expected)
    assert np.isnan(order_scores(fused, "early", np.full((2, 3), np.nan))).all()


def test_the_last_matcher_stops_when_the_answer_is_settled_and_asks_only_where_the_recipe_says_so(gallery, recipe, identifier):
    asked = []

    def settled(comparison, column, ceilings):
        asked.append((int((~np.isnan(comparison.raw[:, column])).sum()), dict(ceilings)))
        return len(asked) == 2

    def matched(exits: EarlyExit | None, judge) -> int:
        candidates = GalleryCandidates(gallery, KEY)
        comparer = Comparer(replace(recipe, early_exit=exits), identifier.networks, candidates)
        comparison = comparer.compare(made(7, 8), Selection(), Timings(), judge)
        assert set(comparison.matches["again"]) == set(np.flatnonzero(~np.isnan(comparison.raw[:, 2])).tolist())
        return len(comparison.matches["again"])

    assert matched(EarlyExit(0.1), None) == matched(None, settled) == 3
    assert not asked
    assert matched(EarlyExit(0.1), settled) == 2
    # Two of three were still to come, then one; without an estimate, all of the eight keypoints might match.
    assert [number for number, _ in asked] == [1, 2]
    assert [sorted(ceilings.values()) for _, ceilings in asked] == [[8, 8], [8]]
    asked.clear()
    assert matched(EarlyExit(0.1, per_match=0.5, spare=1.0), settled) == 2
    comparison, _ = answer(gallery, recipe, identifier)
    for _, ceilings in asked:
        for row, ceiling in ceilings.items():
            assert ceiling == min(8, 0.5 * comparison.raw[row, 1] + 1)


def test_a_matcher_that_runs_in_doubt_only_is_left_out_where_the_others_are_clear(gallery, recipe, identifier):
    *first, last = recipe.match
    recipe = replace(recipe, match=(*first, replace(last, in_doubt=True)))
    candidates, asked = GalleryCandidates(gallery, KEY), []

    def compared(is_clear: bool | None):
        def may_stop(comparison, column, ceilings):
            asked.append((comparison.score_names[column], comparison.raw.copy(), dict(ceilings)))
            return is_clear

        comparer, timings = Comparer(recipe, identifier.networks, candidates), Timings()
        return comparer.compare(made(7, 8), Selection(), timings, None if is_clear is None else may_stop)

    whole, in_doubt, clear = compared(None), compared(False), compared(True)
    np.testing.assert_array_equal(in_doubt.raw, whole.raw)
    assert set(whole.matches) == set(in_doubt.matches) == {"nearest", "again"}
    assert np.isnan(clear.raw[:, 2]).all()
    np.testing.assert_array_equal(clear.raw[:, :2], whole.raw[:, :2])
    assert set(clear.matches) == {"nearest"}
    for name, raw, ceilings in asked:  # asked once, when all other scores are there
        assert name == "again"
        assert np.isnan(raw[:, 2]).all()
        assert not np.isnan(raw[:, :2]).any()
        assert not ceilings
    assert len(asked) == 2


def test_only_allowed_sightings_are_compared(gallery, recipe, identifier):
    comparison, _ = answer(gallery, recipe, identifier, np.array([2, 5], np.int64))
    assert sorted(comparison.sighting_ids.tolist()) == [2, 5]
    comparison, ranked = answer(gallery, recipe, identifier, np.empty(0, np.int64))
    assert comparison.raw.shape == (0, 3)
    assert ranked == []


def test_stages_are_timed(gallery, recipe, identifier):
    timings = Timings()
    Comparer(recipe, identifier.networks, GalleryCandidates(gallery, KEY)).compare(made(7, 8), Selection(), timings)
    assert list(timings.milliseconds) == ["retrieve", "load", "nearest", "again"]
    assert all(milliseconds > 0 for milliseconds in timings.milliseconds.values())


def test_an_empty_gallery_gives_an_empty_comparison(memory_folder, recipe, identifier):
    with Gallery.create(memory_folder / "empty.sqlite") as empty:
        comparison, ranked = answer(empty, recipe, identifier)
    assert comparison.raw.shape == (0, 3)
    assert ranked == []


def test_a_photo_that_another_process_adds_meanwhile_waits_for_the_next_question(gallery, recipe, identifier):
    candidates = GalleryCandidates(gallery, KEY)
    with Gallery.open(gallery.path) as other:
        seen = NewSighting(photo_sha256="f" * 64, identity="D", photo_name="late.jpg")
        other.add_sighting(seen, to_arrays(made(7, 8)), KEY, other.new_batch())
    comparison = Comparer(recipe, identifier.networks, candidates).compare(made(7, 8), Selection(), Timings())
    assert "D" not in Ranker(candidates, ENTRY).rank(comparison).scores.identities
    assert "D" in [identity for identity, *_ in answer(gallery, recipe, identifier)[1]]


def test_geometric_matchers_and_what_is_counted_are_the_recipes(memory_folder, recipe, identifier, samples):
    """SIFT of three sample photos: the query itself, another of the same animal, and one of another."""
    sift = Extract("points", False, 0.0, "", "sift", 200, 384)
    told = {"fginn": ("fginn", "matches"), "inliers": ("fginn", "inliers"), "share": ("fginn", "share")}
    told |= {"adalam": ("adalam", "matches"), "voted": ("adalam", "inliers")}
    matchers = tuple(
        Match(name, "points", matcher, 0.0, count=count, inlier_pixels=8.0 if count == "inliers" else 0.0)
        for name, (matcher, count) in told.items()
    )
    recipe = replace(recipe, extract=(sift,), match=matchers)
    vector = made(0, 0).vectors
    photos = {}
    for name in ("asha_1", "asha_2", "baraka_1"):
        rgb = read_photo(samples / "gallery" / name[:-2].title() / f"{name}.jpg").rgb
        chip = Chip(rgb, np.ones(rgb.shape[:2], np.bool_), (0, 0, rgb.shape[1], rgb.shape[0]), 0)
        photos[name] = Features(vector, {"points": extract_sift(chip, sift)})
    with Gallery.create(memory_folder / "gallery.sqlite") as gallery:
        for number, (name, features) in enumerate(photos.items()):
            seen = NewSighting(photo_sha256=f"{number:064x}", identity=name, photo_name=name)
            gallery.add_sighting(seen, to_arrays(features), KEY, gallery.new_batch())
        candidates = GalleryCandidates(gallery, KEY)
        comparison = Comparer(recipe, identifier.networks, candidates).compare(photos["asha_1"], Selection(), Timings())
        who = [candidates.identity_of(int(sighting)) for sighting in comparison.sighting_ids]
    assert comparison.score_names == ("cosine", *told)
    scores = {who[row]: dict(zip(comparison.score_names, comparison.raw[row], strict=True)) for row in range(3)}
    matched = {name: {who[row]: len(found) for row, found in each.items()} for name, each in comparison.matches.items()}
    count = len(photos["asha_1"].keypoints["points"])
    assert scores["asha_1"]["fginn"] == count
    assert scores["asha_1"]["share"] == 1.0
    for name, score in scores.items():
        assert score["fginn"] == matched["fginn"][name]
        assert score["adalam"] == matched["adalam"][name]
        assert score["share"] == score["fginn"] / count
        assert score["inliers"] <= score["fginn"]
        assert score["voted"] <= score["adalam"]
    assert scores["asha_1"]["inliers"] > scores["asha_2"]["inliers"] > scores["baraka_1"]["inliers"]


@pytest.fixture(scope="module")
def by_individual(recipe):
    """Individuals are counted; a distinctive score of all, and inliers of the best two by their best photo."""
    nearest = recipe.match[0]
    distinctive = replace(nearest, name="nearest", count="distinctive")
    verified = Match(
        "again", "points", "mutual-nearest", 0.9, best=2, order="nearest", photos=1, count="inliers", geometry="similarity",
        inlier_pixels=25.0,
    )  # fmt: skip
    return replace(
        recipe, retrieve=replace(recipe.retrieve, unit="individuals", candidates=2, photos=2), match=(distinctive, verified)
    )


@pytest.fixture
def uneven(memory_folder):
    """Six photos of one individual, and one of each of two others."""
    photos = [(kind, 5, 0) for kind in (0, 3, 0, 3, 0, 3)] + [(1, 8, 1), (2, 2, 2)]
    with Gallery.create(memory_folder / "uneven.sqlite") as gallery:
        enrol(gallery, photos, list(range(len(photos))))
        yield gallery
    for file in memory_folder.glob("uneven.sqlite*"):
        shutil.rmtree(file) if file.is_dir() else file.unlink()


def test_an_individual_with_many_photos_pushes_nobody_out_of_the_comparison(uneven, by_individual, identifier):
    comparison, _ = answer(uneven, by_individual, identifier)
    assert len(set(comparison.owners)) == 2
    assert max(comparison.owners.count(name) for name in comparison.owners) <= 2


def test_a_costly_matcher_sees_the_best_photo_of_the_best_individuals(uneven, by_individual, identifier):
    comparison, _ = answer(uneven, by_individual, identifier)
    matched = [owner for owner, score in zip(comparison.owners, comparison.raw[:, 2], strict=True) if score == score]
    assert sorted(matched) == sorted(set(comparison.owners))


def test_a_query_compared_with_parts_of_a_gallery_finds_what_it_finds_in_each_alone(uneven, by_individual, identifier):
    candidates = GalleryCandidates(uneven, KEY)
    ids = [sighting.id for sighting in uneven.sightings()]
    keeping = Comparer(by_individual, identifier.networks, candidates).keeping_matches()
    for part in (ids, ids[3:], ids[:7], ids[6:]):
        selection = Selection(np.array(part, np.int64))
        alone = Comparer(by_individual, identifier.networks, candidates).compare(made(7, 8), selection, Timings())
        again = keeping.compare(made(7, 8), selection, Timings())
        assert (again.sighting_ids == alone.sighting_ids).all()
        np.testing.assert_array_equal(again.raw, alone.raw)
