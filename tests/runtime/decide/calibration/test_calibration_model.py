"""The calibration file is read strictly, and its fusion never punishes evidence or rewards its absence.

What a score would have been that was not computed is unknown: the lowest of the query stands in for it. So evidence for one candidate may
raise others that lack that score, but puts none of them ahead of it.
"""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reid_edge.decide.calibration import (
    Calibrator,
    Entry,
    Evidence,
    Pooling,
    Stacking,
    WeightedMean,
    read_calibration,
)
from reid_edge.describe.quality import QUALITY
from reid_edge.errors import PackError

ROUNDING = 1e-15
CURVE = {"kind": "pchip", "x": [0.0, 10.0, 40.0, 100.0], "y": [0.01, 0.1, 0.8, 0.97]}
QUALITY_TERMS = {name: {"weight": 0.1, "typical": 2.0, "low": 1.0, "high": 3.0} for name in QUALITY}
ENTRY = {
    "calibrators": {"embedding": {"kind": "pchip", "x": [0.1, 0.5, 0.9], "y": [0.0, 0.3, 0.6]}, "matches": CURVE},
    "fusion": {"kind": "mean", "weights": {"embedding": 1.0, "matches": 3.0}},
    "pooling": {"sharpness": 0.0},
    "evidence": {
        "bias": -1.0,
        "fused": 0.5,
        "leads": {"embedding": 0.0, "matches": 2.0},
        "photos": -0.2,
        "quality": QUALITY_TERMS,
        "rivals": {"embedding": 1.7, "matches": 3.0},
        "levels": {"embedding": 0.0, "matches": 0.4},
        "others": -0.3,
        "order": {"embedding": 20.0, "matches": 1.5},
    },
    "identity": {"kind": "linear", "x": [0.0, 1.0], "y": [0.05, 0.95]},
    "unknown": {"kind": "linear", "x": [0.0, 1.0], "y": [0.05, 0.95]},
    "threshold": 0.4,
    "ask_low": 0.3,
    "ask_high": 0.5,
}
NETWORK = {
    "kind": "network",
    "hidden_bias": [0.0, -1.0],
    "hidden": {"embedding": [1.0, 0.0], "matches": [0.5, 2.0]},
    "bias": -1.0,
    "out": [1.0, 2.0],
    "typical": {"embedding": -2.0, "matches": -3.0},
}
FILE = {
    "format_version": 5,
    "scores": ["embedding", "matches"],
    "species": {"plains zebra": {**ENTRY, "threshold": 0.45}},
    "generic": ENTRY,
    "data": {"queries": 12, "note": "free", "list": [1, None, {"nested": True}]},
}
BEFORE = {
    "scores": ["embedding"],
    "species": {},
    "generic": {
        **ENTRY,
        "calibrators": {"embedding": ENTRY["calibrators"]["embedding"]},
        "fusion": {"kind": "mean", "weights": {"embedding": 1.0}},
        "evidence": {
            **ENTRY["evidence"],
            **{table: {"embedding": 0.5} for table in ("leads", "rivals", "levels", "order")},
        },
        "threshold": 0.35,
    },
    "data": {},
}
NAMES = ("a", "b", "c")
CURVES = (
    Calibrator("pchip", (0.0, 1.0, 2.0, 3.0), (0.0, 0.0, 0.7, 0.7)),
    Calibrator("pchip", (-5.0, 0.0, 5.0), (0.1, 0.5, 1.0)),
    Calibrator("linear", (0.0, 100.0), (0.02, 0.9)),
)
scores = st.floats(-10, 200) | st.just(math.nan)
tables = st.integers(1, 6).flatmap(lambda n: arrays(np.float64, (n, 3), elements=scores))
weightings = st.tuples(*[st.floats(0, 5)] * 3).filter(lambda weights: sum(weights) > 1e-3)


def entry(weights=(1.0, 1.0, 1.0), names=NAMES, curves=CURVES):
    evidence = Evidence(0.0, 1.0, dict.fromkeys(names, 1.0), 0.0, {}, dict.fromkeys(names, 0.0))
    return Entry(
        dict(zip(names, curves, strict=True)),
        WeightedMean(dict(zip(names, weights, strict=True))),
        Pooling(),
        evidence,
        CURVES[2],
        CURVES[2],
        0.5,
        0.4,
        0.6,
    )


def test_a_species_has_its_own_entry_and_any_other_the_generic_one():
    model = read_calibration(json.dumps(FILE))
    own, used = model.entry("plains zebra")
    assert (own.threshold, used, own.scores) == (0.45, "species", ("embedding", "matches"))
    assert model.entry("okapi") == model.entry(None) == (model.generic, "generic")
    assert model.data["queries"] == 12


fusions = weightings.flatmap(
    lambda weights: st.sampled_from(
        [
            WeightedMean(dict(zip(NAMES, weights, strict=True))),
            Stacking(-0.5, dict(zip(NAMES, weights, strict=True)), dict.fromkeys(NAMES, -2.0)),
        ]
    )
)


def test_a_calibration_without_the_costly_score_comes_with_names_of_its_own():
    assert read_calibration(json.dumps({**FILE, "before": None})) == read_calibration(json.dumps(FILE))
    model = read_calibration(json.dumps({**FILE, "before": BEFORE}))
    assert model.before is not None
    assert (model.scores, model.before.scores) == (("embedding", "matches"), ("embedding",))
    assert (model.generic.threshold, model.before.generic.threshold) == (0.4, 0.35)
    assert model.before.generic.scores == ("embedding",)


@settings(deadline=None)
@given(tables, fusions, st.data())
def test_raising_a_score_lowers_nobody_and_raises_no_other_candidate_that_has_it(raw, fusion, data):
    row, column = data.draw(st.integers(0, len(raw) - 1)), data.draw(st.integers(0, 2))
    raised = raw.copy()
    raised[row, column] += data.draw(st.floats(0, 100))
    fuse = replace(entry(), fusion=fusion).fuse
    before, after = fuse(raw)[1], fuse(raised)[1]
    assert (after >= before - ROUNDING).all()
    others_with_it = ~np.isnan(raw[:, column]) & (np.arange(len(raw)) != row)
    assert (after[others_with_it] == before[others_with_it]).all()


@settings(deadline=None)
@given(tables, fusions, st.data())
def test_raising_a_score_puts_nobody_ahead_of_its_candidate(raw, fusion, data):
    row, column = data.draw(st.integers(0, len(raw) - 1)), data.draw(st.integers(0, 2))
    raised = raw.copy()
    raised[row, column] += data.draw(st.floats(0, 100))
    fuse = replace(entry(), fusion=fusion).fuse
    before, after = fuse(raw)[1], fuse(raised)[1]
    behind = before <= before[row]
    assert (after[behind] <= after[row] + 1e-12).all()


@settings(deadline=None)
@given(tables, fusions, st.data())
def test_computing_a_score_that_others_have_raises_no_other_and_lowers_its_own_only_below_all_of_theirs(raw, fusion, data):
    row, column = data.draw(st.integers(0, len(raw) - 1)), data.draw(st.integers(0, 2))
    raw[row, column] = math.nan
    looked_at = raw.copy()
    looked_at[row, column] = data.draw(st.floats(-1e6, 1e6))
    assume(not np.isnan(raw[:, column]).all())
    fuse = replace(entry(), fusion=fusion).fuse
    before, after = fuse(raw)[1], fuse(looked_at)[1]
    assert (np.delete(after, row) <= np.delete(before, row) + ROUNDING).all()
    if looked_at[row, column] >= np.nanmin(raw[:, column]):
        assert after[row] >= before[row] - ROUNDING


@settings(deadline=None)
@given(tables, fusions, st.data())
def test_a_candidate_that_was_not_looked_at_never_beats_one_that_was_and_is_otherwise_no_worse(raw, fusion, data):
    row, column = data.draw(st.integers(0, len(raw) - 1)), data.draw(st.integers(0, 2))
    unseen = np.vstack([raw, raw[row]])
    unseen[-1, column] = math.nan
    assume(not np.isnan(raw[row, column]))
    fused = replace(entry(), fusion=fusion).fuse(unseen)[1]
    assert fused[-1] <= fused[row] + ROUNDING


@settings(deadline=None)
@given(tables, weightings, st.randoms(use_true_random=False))
def test_the_order_of_the_candidates_does_not_matter(raw, weights, random):
    order = random.sample(range(len(raw)), len(raw))
    assert (entry(weights).fuse(raw[order])[1] == entry(weights).fuse(raw)[1][order]).all()


@settings(deadline=None)
@given(tables, st.tuples(st.floats(0.1, 5), st.floats(0.1, 5)))
def test_a_score_of_weight_zero_might_as_well_not_exist(raw, weights):
    without = entry(weights, NAMES[:2], CURVES[:2])
    with_zero = entry((*weights, 0.0))
    assert np.abs(with_zero.fuse(raw)[1] - without.fuse(raw[:, :2])[1]).max() <= ROUNDING


@settings(deadline=None)
@given(tables, weightings, st.floats(0.01, 100))
def test_only_the_ratio_of_the_weights_matters(raw, weights, factor):
    scaled = tuple(weight * factor for weight in weights)
    assert np.abs(entry(scaled).fuse(raw)[1] - entry(weights).fuse(raw)[1]).max() <= 1e-12


@settings(deadline=None)
@given(tables, weightings)
def test_fused_and_calibrated_scores_are_probabilities_and_absent_ones_stay_nan(raw, weights):
    calibrated, fused = entry(weights).fuse(raw)
    assert (np.isnan(calibrated) == np.isnan(raw)).all()
    seen = calibrated[~np.isnan(calibrated)]
    assert ((seen >= 0) & (seen <= 1)).all()
    assert ((fused >= 0) & (fused <= 1)).all()


def test_a_candidate_that_was_pruned_does_not_beat_one_whose_costly_match_came_out_low():
    raw = np.array([[1.5, 0.0, 5.0], [1.4, 0.0, math.nan]])
    fused = entry().fuse(raw)[1]
    assert fused[0] > fused[1]


def test_a_matcher_that_ran_for_no_candidate_is_left_out_of_the_mean():
    raw = np.array([[1.5, 0.0, math.nan], [1.4, 2.0, math.nan]])
    calibrated, fused = entry().fuse(raw)
    assert np.abs(fused - calibrated[:, :2].mean(axis=1)).max() <= ROUNDING


def test_no_evidence_and_no_candidates_give_zero_and_nothing():
    assert entry().fuse(np.full((2, 3), math.nan))[1].tolist() == [0, 0]
    assert entry().fuse(np.zeros((0, 3)))[1].shape == (0,)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("format_version",), 1, "format_version"),
        (("format_version",), True, "format_version"),
        (("scores",), [], "scores"),
        (("scores",), ["embedding", "embedding"], "twice"),
        (("scores",), ["embedding"], "matches"),
        (("extra",), 1, "extra"),
        (("data",), [], "data"),
        (("data", "share"), math.nan, "NaN"),
        (("species",), [], "species"),
        (("species", ""), ENTRY, "name"),
        (("species", "plains zebra", "treshold"), 1, "treshold"),
        (("generic", "threshold"), "0.4", "threshold"),
        (("generic", "threshold"), True, "threshold"),
        (("generic", "threshold"), 0.6, "ask_high"),
        (("generic", "ask_high"), 1.2, "ask_high"),
        (("generic", "fusion", "weights", "matches"), -1, "weights"),
        (("generic", "fusion", "weights"), {"embedding": 0, "matches": 0}, "weights"),
        (("generic", "fusion", "weights"), {"embedding": 1}, "matches"),
        (("generic", "fusion", "kind"), "vote", "fusion.kind must be one of 'mean', 'stacking', 'network'"),
        (("generic", "fusion"), {"kind": "stacking", "bias": 0.0, "weights": {"embedding": 1.0, "matches": 1.0}}, "typical"),
        (("generic", "fusion"), {**NETWORK, "out": [1.0]}, "as many weights as hidden units"),
        (("generic", "fusion"), {**NETWORK, "out": [1.0, -1.0]}, "out[1] must be a finite number of 0 or more"),
        (("generic", "pooling", "sharpness"), -1, "sharpness"),
        (("generic", "evidence", "quality", "size", "low"), 2.5, "low <= typical <= high"),
        (("generic", "evidence", "photos"), None, "evidence.photos"),
        (("generic", "calibrators", "other"), CURVE, "other"),
        (("generic", "calibrators", "matches", "kind"), "spline", "matches"),
        (("generic", "calibrators", "matches", "y"), [0.01, 0.8, 0.1, 0.97], "matches"),
        (("generic", "calibrators", "matches", "x"), [0.0, 10.0, 10.0, 100.0], "matches"),
        (("generic", "calibrators", "matches", "x"), "0 1 2 3", "matches.x"),
        (("generic", "identity", "y"), [0.05, math.inf], "Infinity"),
        (("generic", "identity", "y"), [0.05, None], "identity.y"),
        (("generic", "identity"), None, "identity"),
        (("generic", "evidence", "fused"), -0.1, "evidence.fused must be a finite number of 0 or more"),
        (("generic", "evidence", "bias"), None, "evidence.bias"),
        (("generic", "evidence", "leads"), {"embedding": 1.0}, "evidence.leads.matches is missing"),
        (("generic", "evidence", "levels"), {"embedding": 1.0}, "evidence.levels.matches is missing"),
        (("generic", "evidence", "levels", "matches"), -0.1, "evidence.levels.matches must be a finite number of 0 or more"),
        (("generic", "evidence", "others"), "many", "evidence.others"),
        (("generic", "evidence", "order"), {"matches": 1.0}, "evidence.order.embedding is missing"),
        (("generic", "evidence", "order", "matches"), -1.0, "evidence.order.matches must be a finite number of 0 or more"),
        (("before",), "nothing", "before must be a calibration"),
        (("before",), {**BEFORE, "before": BEFORE}, "before must be a calibration without another one"),
        (("before",), {**BEFORE, "generic": ENTRY}, "before.generic.calibrators.matches"),
        (("before",), {**BEFORE, "scores": []}, "before.scores"),
        (("before",), {**BEFORE, "treshold": 1}, "before.treshold"),
    ],
)
def test_a_file_with_one_wrong_thing_is_refused_by_its_name(path, value, named):
    broken = copy.deepcopy(FILE)
    table = broken
    for key in path[:-1]:
        table = table[key]
    table[path[-1]] = value
    with pytest.raises(PackError) as caught:
        read_calibration(json.dumps(broken), "calibration/field.json")
    assert named in caught.value.message
    assert caught.value.message.startswith("calibration/field.json")
    assert caught.value.hint


@pytest.mark.parametrize("key", ["format_version", "scores", "species", "generic", "data"])
def test_a_file_that_lacks_a_key_is_refused(key):
    with pytest.raises(PackError, match=key):
        read_calibration(json.dumps({name: value for name, value in FILE.items() if name != key}))


@pytest.mark.parametrize(
    "text", ["", "[", "[]", "null", '{"data": {}, "data": {}}', "[" * 100_000, b"\xff\xfe\x00", '{"data": 1e999}', "9" * 5000]
)
def test_text_that_is_no_calibration_is_refused_without_a_traceback(text):
    with pytest.raises(PackError):
        read_calibration(text)
