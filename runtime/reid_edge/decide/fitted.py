"""Weights and limits that a recipe leaves to `reid-edge calibrate`, and the recipe with those that were fitted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from reid_edge.recipe import Recipe
from reid_edge.recipe.stages import Agree, Fuse, Step


@dataclass(frozen=True)
class OpenValue:
    """One value that is fitted.

    Attributes:
        key: of it in the recipe: ``fuse[0].weight``, ``step[1].weight`` or ``step[2].limit``.
        grid: the values that are tried.
        stated: what the recipe writes.
        species: those that it decides for; all where empty.
    """

    key: str
    grid: tuple[float, ...]
    stated: float
    species: Collection[str]


def open_values(recipe: Recipe) -> list[OpenValue]:
    """What a recipe leaves to be fitted by ``fit = "geomean"``, in the order in which it decides."""
    found = [
        OpenValue(f"fuse[{place}].weight", fuse.grid, fuse.groups[0].weight, ())
        for place, fuse in enumerate(recipe.fuse)
        if fuse.fit == "geomean"
    ]
    for place, step in enumerate(recipe.step):
        if step.fit == "geomean":
            name, stated = ("weight", step.weights[0]) if isinstance(step, Agree) else ("limit", step.limit)
            found.append(OpenValue(f"step[{place}].{name}", step.grid, stated, step.species))
    return found


def with_fitted(recipe: Recipe, fitted: Mapping[str, float]) -> Recipe:
    """The recipe with these values, by the keys of `OpenValue`, in place of those that it writes."""
    if not fitted:
        return recipe
    fuse = tuple(_fuse(each, fitted.get(f"fuse[{place}].weight")) for place, each in enumerate(recipe.fuse))
    step = tuple(
        _step(each, fitted.get(f"step[{place}].{'weight' if isinstance(each, Agree) else 'limit'}"))
        for place, each in enumerate(recipe.step)
    )
    return replace(recipe, fuse=fuse, step=step)


def _fuse(fuse: Fuse, weight: float | None) -> Fuse:
    if weight is None:
        return fuse
    first, second = fuse.groups
    return replace(fuse, groups=(replace(first, weight=weight), replace(second, weight=1 - weight)))


def _step(step: Step, value: float | None) -> Step:
    if value is None:
        return step
    return replace(step, weights=(value, 1 - value)) if isinstance(step, Agree) else replace(step, limit=value)
