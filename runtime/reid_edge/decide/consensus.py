"""Answers of several sources become one, by the fusions and steps that a recipe writes down: the way of a system with rules of its own.

Where a recipe has no fusion, `reid_edge.decide.calibration.identities` answers by what was fitted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_edge.compare.fusing import as_they_are, fuse_groups
from reid_edge.decide.calibration import Calibrator, Entry, FusionNetwork, WeightedMean
from reid_edge.decide.calibration.identities import IdentityScores
from reid_edge.decide.fitted import with_fitted
from reid_edge.errors import PackError
from reid_edge.recipe import Recipe
from reid_edge.recipe.species import applies_to
from reid_edge.recipe.stages import Agree, Fuse, Gate, Group, Step


@dataclass(frozen=True)
class Vote:
    """Which individual a source takes an animal for.

    Attributes:
        identity: None for none of the gallery's.
        confidence: 0..1; 0 where there is no identity.
    """

    identity: str | None
    confidence: float


def score_by_recipe(
    raw: ArrayLike,
    owners: Sequence[str],
    recipe: Recipe,
    entry: Entry,
    species: str = "",
) -> IdentityScores:
    """Fuse and take the recipe's steps, in place of `reid_edge.decide.calibration.identities.score_identities`.

    An individual's score is its best photo's. Equal ones are ordered by identity, then by row, so the order of candidates changes nothing.

    Args:
        raw: [B, S] raw scores of the candidate photos, columns as in `recipe.score_names`, NaN where absent.
        owners: B names, whom each photo shows.
        recipe: with one fusion or more.
        entry: calibrators, and the weights of fusions that leave them to be fitted.
        species: of the query, for the steps that are for some species only; empty where unknown.

    Returns:
        The identity of the last step first, the others by the first fusion, which is `fused` of all (0 where it did not look at an
        individual). Steps whose source has no score for this query change nothing. Evidence of the first is the last step's
        confidence, 0 where a step called the animal new; the others' is their fused score, but none above the first one's.

    Raises:
        PackError: a fusion's weights were to be fitted, and the calibration has another kind of fusion.
    """
    raw = np.asarray(raw, np.float64)
    if not len(raw):
        return IdentityScores(raw, (), (), np.empty(0), np.empty(0))
    recipe, filled = with_fitted(recipe, entry.fitted), _calibrated(raw, entry.calibrators)
    fused = {fuse.name: fuse_scores(raw, filled, fuse, recipe, entry) for fuse in recipe.fuse}
    sources = {**dict(zip(recipe.score_names, raw.T, strict=True)), **fused}
    first = fused[recipe.fuse[0].name]
    rows = _best_photos(first, owners)
    answer = _top(first, first, owners)
    for step in recipe.step:
        scores = sources[step.source]
        if applies_to(step.species, species) and not np.isnan(scores).all():
            curve = filled[:, recipe.score_names.index(step.source)] if isinstance(step, Gate) and step.calibrated else None
            answer = take_step(step, answer, _top(scores, _confidence(scores, step) if curve is None else curve, owners))
    identities = sorted(rows, key=lambda identity: identity != answer.identity)
    chosen = [rows[identity] for identity in identities]
    of_each = np.nan_to_num(first[chosen], nan=0.0)
    evidence = np.minimum(of_each, answer.confidence)
    evidence[0] = answer.confidence
    return IdentityScores(np.where(np.isnan(raw), np.nan, filled), tuple(identities), tuple(chosen), of_each, evidence)


def fuse_scores(
    raw: NDArray[np.float64], calibrated: NDArray[np.float64], fuse: Fuse, recipe: Recipe, entry: Entry
) -> NDArray[np.float64]:
    """One fused score per candidate photo of one query.

    The sum over the groups of weight x mean of the group's scores, over the sum of the weights. Absent for some candidates counts as the
    lowest value there is; a score that is absent for all candidates of the query is left out, and so is its weight (see `Entry.fuse`).

    Args:
        raw: [B, S] as in `score_by_recipe`.
        calibrated: [B, S], the calibrators' values, that of minus infinity where raw is NaN.
        fuse: which scores, how weighted.
        recipe: names the columns and the shortlist's embedding.
        entry: its fusion has the weights of single scores, or the network, where the recipe leaves them to be fitted; and it has the
            further calibrators that a group asks for. Where it has none of that name, the others stand in.

    Returns:
        float64 [B] in [0, 1]; NaN of photos that the fusion does not look at, since they are not among its nearest `candidates`; 0 of
        all where no score that has a weight was learnt.

    Raises:
        PackError: see `score_by_recipe`.
    """

    def values(group: Group) -> NDArray[np.float64]:
        if group.calibration in entry.further:
            return _calibrated(raw, entry.further[group.calibration])
        return calibrated if group.calibrated else as_they_are(raw)

    names = recipe.score_names
    fused = fuse_groups(raw, names, fuse, values, partial(_fitted, entry) if fuse.fit == "powell" else None)
    if fused is None:
        fused = np.zeros(len(raw))
    elif fuse.fit == "network":
        if not isinstance(entry.fusion, FusionNetwork):
            raise _not_fitted()
        fused = entry.fusion(calibrated, np.asarray((~np.isnan(raw)).any(axis=0)))
    if 0 < fuse.candidates < len(raw):
        cosine = raw[:, names.index(recipe.retrieve.embedding)]
        fused[np.argsort(-cosine, kind="stable")[fuse.candidates :]] = np.nan
    return fused


def fused_by_name(recipe: Recipe, entry: Entry, name: str, raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """`fuse_scores` of the fusion of this name, with its fitted weights."""
    recipe = with_fitted(recipe, entry.fitted)
    fuse = next(fuse for fuse in recipe.fuse if fuse.name == name)
    return fuse_scores(raw, _calibrated(raw, entry.calibrators), fuse, recipe, entry)


def take_step(step: Step, answer: Vote, source: Vote) -> Vote:
    """The answer after a step, from the answer so far and that of the step's source, which names somebody.

    Agreement is that of the sixth AnimalCLEF 2025 system (its section 5), gates those of the second (its steps 4 and 5).
    """
    if isinstance(step, Gate):
        return _gate(step, answer, source)
    so_far, other = step.weights[0] * answer.confidence, step.weights[1] * source.confidence
    if answer.identity == source.identity:
        return Vote(answer.identity, _cut((so_far + other) / 2 * step.boost))
    if step.differ == "source" or other > so_far:
        return Vote(source.identity, _cut(other * step.differ_boost))
    return Vote(answer.identity, _cut(so_far))


def _gate(step: Gate, answer: Vote, source: Vote) -> Vote:
    if step.then == "take":
        return source if source.confidence >= step.limit else answer
    return Vote(None, 0.0) if source.confidence < step.limit else answer


def _calibrated(raw: NDArray[np.float64], calibrators: Mapping[str, Calibrator]) -> NDArray[np.float64]:
    columns = np.where(np.isnan(raw), -np.inf, raw).T
    return np.stack([curve(column) for curve, column in zip(calibrators.values(), columns, strict=True)], axis=1)


def _fitted(entry: Entry, score: str) -> float:
    if not isinstance(entry.fusion, WeightedMean):
        raise _not_fitted()
    return entry.fusion.weights[score]


def _not_fitted() -> PackError:
    return PackError("The recipe's weights are fitted ones, which the calibration does not have.", "Calibrate the pack again.")


def _best_photos(scores: NDArray[np.float64], owners: Sequence[str]) -> Mapping[str, int]:
    """Individuals, best first, each with the row of its best photo; NaN is below all."""
    level = np.where(np.isnan(scores), -np.inf, scores)
    rows: dict[str, int] = {}
    for row in sorted(range(len(level)), key=lambda row: (-level[row], owners[row], row)):
        rows.setdefault(owners[row], row)
    return rows


def _top(scores: NDArray[np.float64], confidence: NDArray[np.float64], owners: Sequence[str]) -> Vote:
    """The individual of the highest score with that photo's confidence."""
    identity, row = next(iter(_best_photos(scores, owners).items()))
    return Vote(identity, float(confidence[row]))


def _confidence(scores: NDArray[np.float64], step: Agree | Gate) -> NDArray[np.float64]:
    """Of a fusion or a probability itself, of a cosine c where the step says that it is one (c + 1) / 2; cut to 0..1."""
    return np.clip((scores + 1) / 2 if isinstance(step, Gate) and step.cosine else scores, 0, 1)


def _cut(confidence: float) -> float:
    return min(max(confidence, 0.0), 1.0)
