"""A recipe's names, networks and sizes must fit together: checked when a pack is opened, not when a photo arrives."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from reid_edge.errors import PackError
from reid_edge.pack.manifest import Manifest
from reid_edge.recipe.recipe import Recipe
from reid_edge.recipe.species_checks import check_species
from reid_edge.recipe.stages import Gate

_HEADS = "heads/{}.json"


def check_references(recipe: Recipe, manifest: Manifest) -> None:
    """Check names, networks, and widths of vectors.

    Raises:
        PackError: a name that is there twice, a stage that asks for one that is not there or cannot use it, a network that the pack
            does not have, or vectors of another width than a network takes.
    """
    _check_names(recipe)
    _check_uses(recipe)
    _check_retrieves(recipe)
    _check_fused_rerank(recipe)
    check_species(recipe)
    _check_networks(recipe, manifest)
    _check_widths(recipe, manifest)


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


def _check_uses(recipe: Recipe) -> None:
    vectors = recipe.embedding_names
    one_of("recipe.retrieve.embedding", recipe.retrieve.embedding, vectors)
    for place, each in enumerate(recipe.concatenate):
        for name in each.of:
            earlier = vectors[: len(recipe.embed) + place]
            one_of(f"A part of the concatenation {each.name}", name, earlier)
    extracts = {extract.name: extract for extract in recipe.extract}
    for place, match in enumerate(recipe.match):
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
    for name, embedding in [(s.name, s.embedding) for s in recipe.rerank if s.embedding] + [
        (s.name, s.embedding) for s in recipe.head
    ]:
        one_of(f"The embedding of {name}", embedding, vectors)
    if recipe.viewpoint:
        one_of("The embedding of recipe.viewpoint", recipe.viewpoint.embedding, [embed.name for embed in recipe.embed])
    for fuse in recipe.fuse:
        for name in (name for group in fuse.groups for name in group.scores):
            one_of(f"A score of the fusion {fuse.name}", name, recipe.score_names)
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
    _check_early_exit(recipe)
    _check_in_doubt(recipe)
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
    for step in recipe.step:
        one_of("The source of a step", step.source, [*(fuse.name for fuse in recipe.fuse), *recipe.score_names])
        if isinstance(step, Gate) and step.cosine and step.source not in vectors:
            raise PackError(f"A step takes {step.source} for a cosine, which it is not.", "Leave cosine out.")
        if isinstance(step, Gate) and step.calibrated and step.source not in recipe.score_names:
            raise PackError(
                f"A step takes {step.source} for a score with a calibrator, which it is not.", "Leave calibrated out."
            )
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


def _check_networks(recipe: Recipe, manifest: Manifest) -> None:
    for network, task in _wanted(recipe):
        one_of(f"The recipe's {task} network", network, [n for n, info in manifest.networks.items() if info.task == task])
        if task not in ("matching", "projection", "head") and manifest.networks[network].preprocessing is None:
            raise PackError(f"The {task} network {network} states no preprocessing.", "Export the pack again.")
    for extract in recipe.extract:
        preprocessing = manifest.networks[extract.network].preprocessing if extract.network else None
        if preprocessing is not None and preprocessing.resize == "letterbox":
            raise PackError(
                f"The keypoint network {extract.network} states a letterbox, on whose bars it would find keypoints.",
                "Give it long-side.",
            )
    _check_places(recipe, manifest)
    sizes = {extract.name: extract.size for extract in recipe.extract}
    for match in recipe.match:
        preprocessing = manifest.networks[match.network].preprocessing if match.rules.pictures else None
        if match.rules.pictures and preprocessing is None:
            raise PackError(f"The matching network {match.network} states no preprocessing.", "Export the pack again.")
        if preprocessing is not None and preprocessing.width != sizes[match.keypoints]:
            raise PackError(
                f"The network {match.network} takes pictures of {preprocessing.width} pixels, "
                f"but {match.keypoints} is of {sizes[match.keypoints]}.",
                f"Give {match.keypoints} the size {preprocessing.width}.",
            )
    files = {file.path for file in manifest.files}
    for head in recipe.head:
        if files and _HEADS.format(head.network) not in files:
            raise PackError(
                f"The head {head.name} has no {_HEADS.format(head.network)}, which lists the individuals of its probabilities.",
                "Train it: reid-edge train-head.",
            )
    if recipe.viewpoint and files and _HEADS.format(recipe.viewpoint.head) not in files:
        raise PackError(
            f"The viewpoint head has no {_HEADS.format(recipe.viewpoint.head)}, which lists the viewpoints of its probabilities.",
            "Train it: reid-edge train-head viewpoint.",
        )


def _check_places(recipe: Recipe, manifest: Manifest) -> None:
    """A network that takes more of a keypoint than its place needs keypoints that have it: SIFT's scale and orientation (4 numbers), or
    affine frames (6), which SIFT has too.
    """
    extracts = {extract.name: extract for extract in recipe.extract}
    for match in recipe.match:
        position = manifest.networks[match.network].parameters.get("position", 2) if match.rules.positions else 2
        extract = extracts[match.keypoints]
        frames = bool(extract.network) and manifest.networks[extract.network].parameters.get("frames") is True
        if position not in (2, 4, 6):
            raise PackError(
                f"The network {match.network} takes {position!r} numbers for a place, not 2, 4 or 6.", "Export the pack again."
            )
        if (position == 4 and extract.detector != "sift") or (position == 6 and extract.detector != "sift" and not frames):
            wants = "scale and orientation of SIFT" if position == 4 else "affine frames"
            raise PackError(
                f"The matcher {match.name} ({match.network}) needs the {wants}, which {match.keypoints} does not have.",
                "Give it other keypoints, or take another matcher.",
            )


def _wanted(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """The networks with their tasks."""
    if recipe.segment:
        yield recipe.segment.network, "segmentation"
        if recipe.segment.locator:
            yield recipe.segment.locator, "segmentation"
    yield from ((embed.network, "embedding") for embed in recipe.embed)
    projections = [embed.projection for embed in recipe.embed] + [each.projection for each in recipe.concatenate]
    yield from ((projection, "projection") for projection in projections if projection)
    yield from ((extract.network, "keypoints") for extract in recipe.extract if extract.network)
    yield from ((match.network, "matching") for match in recipe.match if match.network)
    yield from ((head.network, "head") for head in recipe.head)
    if recipe.viewpoint:
        yield recipe.viewpoint.head, "head"


def _check_widths(recipe: Recipe, manifest: Manifest) -> None:
    """Vectors are as wide as the networks that take them say, as far as both say it."""
    width: dict[str, object] = {}
    for embed in recipe.embed:
        dimension = manifest.networks[embed.network].parameters.get("dimension")
        width[embed.name] = _projected(embed.projection, dimension, embed.network, manifest)
    for each in recipe.concatenate:
        parts = [width[name] for name in each.of]
        total = sum(part for part in parts if isinstance(part, int)) if all(isinstance(part, int) for part in parts) else None
        width[each.name] = _projected(each.projection, total, each.name, manifest)
    heads = [(head.name, head.network, head.embedding, 1) for head in recipe.head]
    if recipe.viewpoint:
        heads.append((recipe.viewpoint.head, recipe.viewpoint.head, recipe.viewpoint.embedding, 2))
    for name, network, embedding, halves in heads:
        takes, one = manifest.networks[network].parameters.get("input_dimension"), width[embedding]
        gives = one * halves if isinstance(one, int) else one
        if takes is not None and gives is not None and takes != gives:
            raise PackError(
                f"The head {name} takes vectors of {takes} values, but {'two halves of ' if halves == 2 else ''}{embedding} gives {gives}.",
                "Train it on the vectors of this pack: reid-edge train-head.",
            )


def _projected(projection: str, gives: object, source: str, manifest: Manifest) -> object:
    """How many values a vector has behind its projection; None where no network states it."""
    if not projection:
        return gives
    parameters = manifest.networks[projection].parameters
    takes = parameters.get("input_dimension")
    if takes is None:
        raise PackError(
            f"The projection {projection} does not say how wide the vectors are that it takes.",
            f"Give networks.{projection}.parameters the input_dimension.",
        )
    if gives is not None and takes != gives:
        raise PackError(
            f"The projection {projection} takes vectors of {takes} values, but {source} gives {gives}.",
            "Fit the projection on the vectors of this pack: reid-edge calibrate --fit-projection.",
        )
    return parameters.get("dimension")


def one_of(what: str, value: str, choices: Collection[str]) -> None:
    """Refuse a value that is not among the choices."""
    if value not in choices:
        raise PackError(f"{what} is {value!r}, which the pack does not have.", f"It has: {', '.join(choices) or 'none'}.")
