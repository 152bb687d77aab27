"""A recipe's names, networks and sizes must fit together: checked when a pack is opened, not when a photo arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from reid_edge.errors import PackError, raise_together
from reid_edge.pack.manifest import Manifest
from reid_edge.recipe.network_checks import check_widths, network_checks, one_of, presence_checks
from reid_edge.recipe.recipe import Recipe
from reid_edge.recipe.species_checks import check_species
from reid_edge.recipe.stages import Gate, Step


def check_references(recipe: Recipe, manifest: Manifest) -> None:
    """Check names, networks, and widths of vectors. What relies on names is checked where these are right.

    Raises:
        PackError: a name that is there twice, a stage that asks for one that is not there or cannot use it, a network that the pack
            does not have, or vectors of another width than a network takes; the first one, with the others as `further`.
    """
    raise_together([*_name_checks(recipe), *presence_checks(recipe, manifest)])
    raise_together([partial(check_species, recipe), *network_checks(recipe, manifest)])
    check_widths(recipe, manifest)


def _check_names(recipe: Recipe) -> None:
    for what, names in (
        ("scores", list(recipe.score_names)),
        ("sets of keypoints", [extract.name for extract in recipe.extract]),
        ("fusions", [fuse.name for fuse in recipe.fuse]),
    ):
        if len(set(names)) != len(names):
            raise PackError(f"The recipe gives two {what} the same name: {names}.", "Name every one differently.")
    for fuse in recipe.fuse:
        if fuse.name in recipe.score_names:
            raise PackError(f"The recipe calls a fusion and a score {fuse.name!r}.", "Name one of them differently.")


def _name_checks(recipe: Recipe) -> Iterator[Callable[[], None]]:
    """That names are given once, and that each stage names what it can use; a check for each stage."""
    yield partial(_check_names, recipe)
    yield partial(one_of, "recipe.retrieve.embedding", recipe.retrieve.embedding, recipe.embedding_names)
    yield from (partial(_check_concatenation, recipe, place) for place in range(len(recipe.concatenate)))
    yield from (partial(_check_match, recipe, place) for place in range(len(recipe.match)))
    named = [(stage.name, stage.embedding) for stage in recipe.rerank] + [(stage.name, stage.embedding) for stage in recipe.head]
    for name, embedding in named:
        if embedding:
            yield partial(one_of, f"The embedding of {name}", embedding, recipe.embedding_names)
    if recipe.viewpoint:
        of_networks = [embed.name for embed in recipe.embed]
        yield partial(one_of, "The embedding of recipe.viewpoint", recipe.viewpoint.embedding, of_networks)
    for fuse in recipe.fuse:
        for name in (name for group in fuse.groups for name in group.scores):
            yield partial(one_of, f"A score of the fusion {fuse.name}", name, recipe.score_names)
    checks = (_check_learnt, _check_early_exit, _check_in_doubt, _check_decision, _check_retrieves, _check_fused_rerank)
    yield from (partial(check, recipe) for check in checks)
    yield from (partial(_check_step, recipe, step) for step in recipe.step)


def _check_concatenation(recipe: Recipe, place: int) -> None:
    each = recipe.concatenate[place]
    for name in each.of:
        one_of(f"A part of the concatenation {each.name}", name, recipe.embedding_names[: len(recipe.embed) + place])


def _check_match(recipe: Recipe, place: int) -> None:
    match, extracts = recipe.match[place], {extract.name: extract for extract in recipe.extract}
    one_of(f"The matcher {match.name}'s keypoints", match.keypoints, list(extracts))
    pictures = extracts[match.keypoints].detector == "picture"
    if pictures != match.rules.pictures:
        wants, has = ("pictures", "keypoints") if not pictures else ("keypoints", "a picture")
        raise PackError(
            f"The matcher {match.name} ({match.matcher}) compares {wants}, but {match.keypoints} is {has}.",
            "Give it another one.",
        )
    if match.order:
        _check_order(recipe, place)


def _check_learnt(recipe: Recipe) -> None:
    learnt = [fuse for fuse in recipe.fuse if fuse.fit in ("powell", "network")]
    if len(learnt) > 1:
        raise PackError(
            f"The recipe leaves the weights of several fusions open: {[fuse.name for fuse in learnt]}.", "Leave one open."
        )
    for fuse in learnt:
        if fuse.candidates or not all(group.calibrated and not group.calibration for group in fuse.groups):
            raise PackError(
                f"The weights of the fusion {fuse.name} are fitted on the calibrated scores of the whole shortlist.",
                "Leave candidates, calibrated and calibration out, or write its weights.",
            )


def _check_decision(recipe: Recipe) -> None:
    if recipe.step and not recipe.fuse:
        raise PackError("The recipe has steps but no fusion that they begin with.", "Add [[recipe.fuse]].")
    if recipe.fuse and recipe.decide is None:
        raise PackError("The recipe fuses scores itself but does not decide on them.", "Add [recipe.decide].")
    if recipe.decide is not None and not recipe.fuse:
        raise PackError(
            "The recipe decides on a fusion that it does not have.", "Add [[recipe.fuse]], or leave [recipe.decide] out."
        )
    thresholds = (recipe.decide.threshold, *recipe.decide.species.values()) if recipe.decide else ()
    if 0 in thresholds and any(isinstance(step, Gate) and step.then == "new" for step in recipe.step):
        raise PackError(
            "A threshold of 0 calls every animal known, also where a gate calls it new.",
            "Give recipe.decide a threshold above 0, however small.",
        )


def _check_step(recipe: Recipe, step: Step) -> None:
    one_of("The source of a step", step.source, [*(fuse.name for fuse in recipe.fuse), *recipe.score_names])
    if isinstance(step, Gate) and step.cosine and step.source not in recipe.embedding_names:
        raise PackError(f"A step takes {step.source} for a cosine, which it is not.", "Leave cosine out.")
    if isinstance(step, Gate) and step.calibrated and step.source not in recipe.score_names:
        raise PackError(f"A step takes {step.source} for a score with a calibrator, which it is not.", "Leave calibrated out.")
    if isinstance(step, Gate) and step.calibrated and step.cosine:
        raise PackError(f"A step takes {step.source} both as a cosine and as calibrated.", "Leave one of the two out.")


def _check_order(recipe: Recipe, place: int) -> None:
    match, early = recipe.match[place], recipe.score_names[: len(recipe.embedding_names) + place]
    fuse = next((fuse for fuse in recipe.ordering_fusions if fuse.name == match.order), None)
    if fuse is None:
        one_of(f"The matcher {match.name}'s order", match.order, early)
    elif (
        fuse.fit != "none"
        or fuse.candidates
        or any(group.calibrated or not set(group.scores) <= set(early) for group in fuse.groups)
    ):
        raise PackError(
            f"recipe.match[{place}].order is {match.order!r}, a fusion that has to be calibrated or fitted first, or has later scores.",
            "Name one with written weights and calibrated = false in each group, without candidates, of scores computed before this one.",
        )


def _check_fused_rerank(recipe: Recipe) -> None:
    fusions = {fuse.name: fuse for fuse in recipe.fuse}
    early = (*recipe.embedding_names, *(match.name for match in recipe.match))
    for place, stage in enumerate(recipe.rerank):
        if not stage.fusion:
            continue
        key = f"recipe.rerank[{place}].fusion"
        one_of(key, stage.fusion, list(fusions))
        fuse = fusions[stage.fusion]
        if fuse.fit != "none" or any(name not in early for group in fuse.groups for name in group.scores):
            raise PackError(
                f"{key} is {stage.fusion!r}, whose weights are fitted, or which has scores beside those of vectors and matchers.",
                "Name a fusion with written weights, of scores of vectors and matchers.",
            )


def _check_retrieves(recipe: Recipe) -> None:
    names = [recipe.retrieve.embedding]
    for place, each in enumerate(recipe.retrieve_also, start=1):
        key = f"recipe.retrieve[{place}]"
        one_of(f"{key}.embedding", each.embedding, recipe.embedding_names)
        if each.unit != recipe.retrieve.unit:
            raise PackError(f"{key}.unit is {each.unit!r}, but the first one counts {recipe.retrieve.unit}.", "Count the same.")
        if each.any_view:
            raise PackError(f"{key}.any_view is said by the first [[recipe.retrieve]], for all of them.", "Move it there.")
        if each.embedding in names:
            raise PackError(f"{key}.embedding is {each.embedding!r}, by which another one retrieves already.", "Remove one.")
        names.append(each.embedding)


def _check_early_exit(recipe: Recipe) -> None:
    if recipe.early_exit is None:
        return
    if recipe.rerank or recipe.head or recipe.fuse:
        raise PackError(
            "An early exit is for recipes whose last score is a matcher's and that leave the decision to the calibration.",
            "Leave [recipe.early_exit] out.",
        )
    counts = {match.name: match.count for match in recipe.match}
    last = recipe.match[-1] if recipe.match else None
    if last is None or last.rules.pictures or last.order not in counts:
        raise PackError(
            "An early exit needs a last matcher of keypoints, given its candidates in the order of an earlier matcher's score.",
            "Give the last [[recipe.match]] best and order, or leave [recipe.early_exit] out.",
        )
    if recipe.early_exit.per_match and {"share", "distinctive"} & {last.count, counts[last.order]}:
        raise PackError("per_match of an early exit compares counts of matches.", "Leave per_match and spare out.")
    if last.count == "distinctive":
        raise PackError(
            "A distinctive score depends on every candidate, so no candidate can be left out.", "Leave [recipe.early_exit] out."
        )


def _check_in_doubt(recipe: Recipe) -> None:
    place = next((place for place, match in enumerate(recipe.match) if match.in_doubt), None)
    if place is None:
        return
    if recipe.rerank or recipe.head or recipe.fuse or place != len(recipe.match) - 1 or place == 0:
        raise PackError(
            f"recipe.match[{place}].in_doubt is for the last of several matchers, of a recipe that leaves the decision to the calibration.",
            "Leave in_doubt out.",
        )
    if recipe.early_exit:
        raise PackError("A matcher that runs in doubt only has no early exit.", "Leave in_doubt or [recipe.early_exit] out.")
