"""The order of individuals is learnt from whom the queries show."""

from __future__ import annotations

import numpy as np

from reid_edge.decide.calibration import Evidence
from reid_edge_calibration.order import fit_order
from reid_edge_calibration.trials import Pairs, TrialPlan

NAMES = ("embedding", "cheap matcher", "costly matcher")


def everybody(plan):
    return np.ones(plan.individuals.max() + 1, bool)


def test_a_score_that_puts_the_right_individual_first_weighs_more_than_one_that_says_little(synthetic):
    plan = TrialPlan(Pairs.of([synthetic(known=20, separation=(0.1, 3, 0.1), costly=99)]))
    weights = fit_order(plan, everybody(plan))
    assert (weights >= 0).all()
    level, *_ = plan.known_groups(everybody(plan))
    told = weights * level.std(axis=0)
    assert told[1] > 2 * max(told[0], told[2])


def test_learnt_weights_rank_new_animals_no_worse_than_equal_ones(synthetic):
    plan, fresh = (TrialPlan(Pairs.of([synthetic(seed, known=25)])) for seed in (0, 7))

    def top(weights):
        trials = fresh.answers(fresh.shares(weights))
        return trials.right[trials.known].mean()

    assert top(fit_order(plan, everybody(plan))) > top(np.ones(3)) - 0.05


def test_where_no_query_has_its_individual_in_the_gallery_all_weights_are_equal(synthetic):
    plan = TrialPlan(Pairs.of([synthetic(known=10)]))
    assert (fit_order(plan, np.zeros(plan.individuals.max() + 1, bool)) == 1).all()


def test_individuals_that_are_left_out_change_nothing(synthetic):
    table = synthetic(known=12)
    plan = TrialPlan(Pairs.of([table]))
    chosen = everybody(plan)
    chosen[0] = False
    first = fit_order(plan, chosen)
    louder = table.raw.copy()
    own = np.isin(table.query, np.flatnonzero(np.array(table.query_identity) == table.query_identity[0]))
    louder[own] = np.where(np.isnan(louder[own]), np.nan, 0)
    other = TrialPlan(Pairs.of([type(table)(**{**table.__dict__, "raw": louder})]))
    assert np.allclose(fit_order(other, chosen), first, rtol=1e-3)


def test_shares_of_the_plan_are_those_of_the_runtime(synthetic):
    pairs = Pairs.of([synthetic(known=8)])
    plan, weights = TrialPlan(pairs), np.array([2.0, 0.5, 1.0])
    order = dict(zip(NAMES, weights, strict=True))
    zero = dict.fromkeys(NAMES, 0.0)
    evidence = Evidence(0.0, 1.0, zero, 0.0, {}, zero, order=order)
    shares = plan.shares(weights)
    groups = plan.groups
    for query in np.unique(pairs.query):
        rows = np.flatnonzero(pairs.query == query)
        owners = np.unique(pairs.candidate[rows])
        with np.errstate(all="ignore"):
            best = np.array([np.fmax.reduce(pairs.raw[0, rows[pairs.candidate[rows] == owner]]) for owner in owners])
        compared = ~np.isnan(best).all(axis=1)
        found = shares[0, groups == query]
        assert np.allclose(found[compared], evidence.shares(best[compared]))
        assert (found[~compared] == 0).all()
