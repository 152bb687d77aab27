"""Weights and limits of a recipe that are taken from the grid that it states: those with the best GeoMean."""

from __future__ import annotations

from collections.abc import Callable, Collection

from reid_edge.decide.fitted import open_values
from reid_edge.recipe import Recipe
from reid_edge.recipe.species import applies_to

PASSES = 2
"""A value that was chosen may be another once those after it were."""


def fit_grids(recipe: Recipe, species: Collection[str], geomean: Callable[[dict[str, float]], float]) -> dict[str, float]:
    """Choose one value after the other, the others held, in the order in which they decide.

    Args:
        recipe: leaves values open, see `reid_edge.decide.fitted.open_values`.
        species: of the labelled photos; what decides for none of them stays as the recipe states it.
        geomean: of the answers with these values.

    Returns:
        By key; of values that are equally good the one nearest to what the recipe states.
    """
    found = [value for value in open_values(recipe) if any(applies_to(value.species, each) for each in species)]
    chosen: dict[str, float] = {}
    for _ in range(PASSES if len(found) > 1 else 1):
        for value in found:
            nearest_first = sorted(value.grid, key=lambda each: (abs(each - value.stated), each))
            tried = [geomean({**chosen, value.key: each}) for each in nearest_first]
            chosen[value.key] = nearest_first[max(range(len(tried)), key=lambda place: (tried[place], -place))]
    return chosen
