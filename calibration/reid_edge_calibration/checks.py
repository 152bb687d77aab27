"""Whether labelled pairs are enough to calibrate on, and what is missing where they are not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reid_edge.errors import UsageError
from reid_edge.recipe import Recipe
from reid_edge.recipe.species import applies_to
from reid_edge_calibration.calibrators.choice import FEWEST_POSITIVES
from reid_edge_calibration.score_table import ScoreTable
from reid_edge_calibration.trials import Pairs, TrialPlan


def check_tables(tables: Sequence[ScoreTable]) -> None:
    """Refuse tables that cannot be fitted together.

    Raises:
        UsageError: no tables, no scores or other ones in each, a species twice, or one individual only.
    """
    if not tables or not tables[0].score_names or not any(len(table.query) for table in tables):
        raise UsageError("there are no scores to calibrate on.", "Score the pairs of a labelled folder first.")
    for table in tables:
        if table.score_names != tables[0].score_names:
            raise UsageError(
                f"the scores of {table.species} are {', '.join(table.score_names)}, those of {tables[0].species} are "
                f"{', '.join(tables[0].score_names)}.",
                "Score all species with the same pack.",
            )
    if len({table.species for table in tables}) < len(tables):
        raise UsageError("two score tables are of the same species.", "Score its photos together.")
    if len({(table.species, name) for table in tables for name in table.query_identity + table.candidate_identity}) < 2:
        raise UsageError("all photos show one individual.", "Add photos of others; the difference is what is learnt.")


def shortage(tables: Sequence[ScoreTable], recipe: Recipe | None = None) -> str:
    """What is missing for an entry of its own, or nothing. A score that the recipe computes of other species only is not missed, nor one
    that is found by a fusion and so filled in later.
    """
    pairs, later = Pairs.of(tables), {stage.name for stage in recipe.rerank if stage.fusion} if recipe else set()
    for column, name in enumerate(tables[0].score_names):
        species = recipe.species_of(name) if recipe else ()
        if name in later or not any(applies_to(species, table.species) for table in tables):
            continue
        seen = ~np.isnan(pairs.raw[0, :, column]) & pairs.of_whole
        positives = int((pairs.same & seen).sum())
        if positives < FEWEST_POSITIVES:
            missing = FEWEST_POSITIVES - positives
            return f"{name} has {positives or 'no'} pairs of the same individual, {missing} more are needed"
        if len(np.unique(pairs.individual[pairs.query[pairs.same & seen]])) < 2:
            return f"{name} has pairs of the same individual for one individual only"
        if not (~pairs.same & seen).any():
            return f"{name} has no pair of different individuals"
    if TrialPlan(pairs).run(np.zeros(pairs.raw.shape[:2])).known.all():
        return "no query can be made unknown, because the gallery holds no other individual"
    return ""
