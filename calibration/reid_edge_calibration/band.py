"""How sure an answer has to be to go out unattended, so that no more than a named share of all photos is answered wrongly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from reid_edge.decide.calibration import Calibrator
from reid_edge_calibration.identity import fit_identity, fit_unknown, natural_weight
from reid_edge_calibration.trials import Trials

LEAST_SURE = 0.5
"""Below, an answer is more likely wrong than right, and a person is asked whatever the target is."""
RESAMPLES = 500


@dataclass(frozen=True)
class Confidence:
    """How sure the answer to each trial is, by curves that saw no individual of its fold, and whether it is wrong.

    Attributes:
        probability: float64 [T], that the answer which the threshold gives is right.
        wrong: bool [T], it is not.
        weight: float64 [T], as often as such a photo comes.
    """

    probability: NDArray[np.float64]
    wrong: NDArray[np.bool_]
    weight: NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """Where a person is asked.

    Attributes:
        ask_low, ask_high: evidence between which a person is asked; they enclose the threshold.
        sure: the probability that an answer needs to go out unattended; more than 1 where none may.
        asked: share of the trials that become questions.
        wrong: share of all trials that are answered unattended and wrongly.
        bound: its upper 95 % bound: 95 % of bootstrap resamples of individuals have no larger share of such, nor is it less than what as
            many independent photos could vouch for (Clopper & Pearson 1934); trials without a mistake say nothing by resampling.
    """

    ask_low: float
    ask_high: float
    sure: float
    asked: float
    wrong: float
    bound: float


def confidence_of(trials: Trials, fold: NDArray[np.int64], threshold: float, share: float | None = None) -> Confidence:
    """Cross-fit the final probabilities.

    Args:
        trials: with cross-fitted evidence.
        fold: int [T].
        threshold: evidence from which the answer is `known`.
        share: of unknown animals, see `identity.fit_identity`.
    """
    identity, unknown = np.empty((2, len(fold)))
    for held in np.unique(fold):
        test = fold == held
        train = trials.only(~test) if (~test).any() else trials
        identity[test] = fit_identity(train, share)(trials.score[test])
        unknown[test] = fit_unknown(train, share)(1 - trials.score[test])
    known = trials.score >= threshold
    return Confidence(
        probability=np.where(known, identity, np.minimum(unknown, 1 - identity)),
        wrong=np.where(known, ~trials.right, trials.known),
        weight=natural_weight(trials, share),
    )


def sure_enough(confidences: list[Confidence], most_wrong: float, one_more: bool = True) -> float:
    """The least probability that an answer needs, so that answers which have it are wrong for no more than this share of all photos.

    Conformal risk control (Angelopoulos, Bates, Fisch, Lei & Schuster 2024, Conformal Risk Control, eq. 4): the smallest value at which
    (n R + 1) / (n + 1) <= most_wrong, R being the share of the n labelled trials that would be answered unattended and wrongly. It holds
    on average over sets of labels for a further photo that comes like the labelled ones; photos of one individual are alike, so it
    holds less well the fewer the individuals are. n is `effective_photos`.
    Without `one_more`, R <= most_wrong: what the trials themselves allow, with no word on any further photo.

    Args:
        confidences: of one species or more, counted together.
        most_wrong: the share, 0..1.
        one_more: count one more trial, a wrong one.

    Returns:
        At least LEAST_SURE; infinity where so few labels vouch for no answer at all.
    """
    probability = np.concatenate([each.probability for each in confidences])
    weight = np.concatenate([each.weight for each in confidences])
    lost = np.concatenate([each.weight * each.wrong for each in confidences])
    count = effective_photos(weight)
    order = np.argsort(-probability, kind="stable")
    level, risk = probability[order], np.cumsum(lost[order]) / weight.sum()
    last = np.concatenate([level[:-1] != level[1:], [True]])  # all answers of one probability go out together
    extra = 1 / count if one_more else 0.0
    allowed = (risk + extra) / (1 + extra) <= most_wrong
    first_refused = int(np.argmin(allowed)) if not allowed.all() else len(allowed)
    let_out = np.flatnonzero(last[:first_refused])
    if extra / (1 + extra) > most_wrong:
        return float("inf")
    if not len(let_out):
        return float(np.nextafter(level[0], 2))
    return max(LEAST_SURE, float(level[let_out[-1]]))


def effective_photos(weight: NDArray[np.float64]) -> float:
    """As how many independent photos trials with these weights, float64 [T], count: (sum of weights)^2 / sum of squares, but no more than
    there were photos, which is the sum of `identity.natural_weight`. A photo of a known individual is two trials, and still one photo.
    """
    return float(min(weight.sum() ** 2 / (weight**2).sum(), weight.sum()))


def ask_band(
    trials: Trials, confidence: Confidence, identity: Calibrator, unknown: Calibrator, threshold: float, sure: float, seed: int
) -> Band:
    """The evidence between which answers are less sure than asked for, and what it leads to on the trials.

    Args:
        trials: with cross-fitted evidence.
        confidence: of these trials.
        identity, unknown: the final curves, as the runtime has them.
        threshold: evidence from which the answer is `known`.
        sure: see `sure_enough`.
        seed: of the bootstrap.
    """
    grid = np.union1d(np.linspace(0, 1, 2001), [threshold])
    known = np.minimum(identity(grid), 1.0) >= sure
    new = np.minimum(unknown(1 - grid), 1 - identity(grid)) >= sure
    above, below = grid >= threshold, grid < threshold
    high = float(grid[above & ~known].max(initial=threshold))
    low = float(grid[below & ~new].min(initial=threshold))
    out = confidence.probability >= sure
    lost = confidence.weight * (out & confidence.wrong)
    people = np.unique(trials.individual)
    rng = np.random.default_rng(seed)
    shares = []
    for _ in range(RESAMPLES):
        times = np.bincount(rng.choice(people, len(people)), minlength=people.max() + 1)[trials.individual]
        shares.append((times * lost).sum() / max(1e-12, (times * confidence.weight).sum()))
    total, photos = confidence.weight.sum(), effective_photos(confidence.weight)
    wrong = float(lost.sum() / total)
    return Band(
        ask_low=low,
        ask_high=high,
        sure=sure,
        asked=float((confidence.weight * ~out).sum() / total),
        wrong=wrong,
        bound=max(float(np.quantile(shares, 0.95)), float(beta.ppf(0.95, wrong * photos + 1, max(1e-9, (1 - wrong) * photos)))),
    )
