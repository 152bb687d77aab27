"""Stages that are for some species only: none may need what another stage does not compute of its species."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from reid_edge.errors import PackError
from reid_edge.recipe.recipe import Recipe
from reid_edge.recipe.stages import Head, Rerank

_NOBODY = ("",)


def check_species(recipe: Recipe) -> None:
    """Check the keys `species` of all stages against each other.

    Raises:
        PackError: a stage for a species that something it reads is not computed of, or species that no stage of the recipe can tell apart.
    """
    for place, each in enumerate(recipe.concatenate):
        if recipe.species_of(each.name) == _NOBODY:
            raise PackError(
                f"recipe.concatenate[{place}].of has no species that all its parts are computed of.",
                "Give the parts the same species.",
            )
    for key, species, name, limit in _uses(recipe):
        if limit and (not species or not set(species) <= set(limit)):
            raise PackError(
                f"{key} is for {_named(species)}, but {name} is computed of {_named(limit)} only.",
                f"Give both the same species, or limit this one to {_named(limit)}.",
            )
    for place, step in enumerate(recipe.step):
        limit = recipe.species_of(step.source)
        if limit and step.species and not set(step.species) <= set(limit):
            raise PackError(
                f"recipe.step[{place}].species is for {_named(step.species)}, but {step.source} is computed of {_named(limit)} only.",
                "Correct the species of one of them.",
            )
    _check_scores(recipe)


def _check_scores(recipe: Recipe) -> None:
    limited = [name for name in recipe.score_names if recipe.species_of(name) and name not in {head.name for head in recipe.head}]
    if limited and not recipe.fuse:
        raise PackError(
            f"The score {limited[0]} has species, but the recipe leaves the fusion to calibration, which needs every score for all.",
            "Leave species out, or add [[recipe.fuse]] and [recipe.decide].",
        )
    if recipe.fuse and all(recipe.species_of(name) for group in recipe.fuse[0].groups for name in group.scores):
        raise PackError(
            f"The fusion {recipe.fuse[0].name} comes first, so it is for all species, but each of its scores has species.",
            "Add a score without species.",
        )


def _uses(recipe: Recipe) -> Iterator[tuple[str, Collection[str], str, Collection[str]]]:
    """What reads what: the key that reads, its species, the name that it reads, and that one's species."""
    keypoints = {extract.name: extract.species for extract in recipe.extract}
    yield "recipe.retrieve.embedding", (), recipe.retrieve.embedding, recipe.species_of(recipe.retrieve.embedding)
    if recipe.viewpoint:
        embedding = recipe.viewpoint.embedding
        yield "recipe.viewpoint.embedding", (), embedding, recipe.species_of(embedding)
    for place, match in enumerate(recipe.match):
        yield f"recipe.match[{place}].species", match.species, match.keypoints, keypoints[match.keypoints]
        fused = (name for fuse in recipe.fuse if fuse.name == match.order for group in fuse.groups for name in group.scores)
        for name in fused if match.order not in recipe.score_names else (match.order,):
            yield f"recipe.match[{place}].species", match.species, name, recipe.species_of(name)
    by_table: dict[str, tuple[Rerank | Head, ...]] = {"rerank": recipe.rerank, "head": recipe.head}
    for table, stages in by_table.items():
        for place, stage in enumerate(stages):
            if stage.embedding:
                yield f"recipe.{table}[{place}].species", stage.species, stage.embedding, recipe.species_of(stage.embedding)


def _named(species: Collection[str]) -> str:
    return " and ".join(species) or "all species"
