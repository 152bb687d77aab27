"""Recipes are read strictly: an unknown or missing key, or a value out of range, is refused by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reid_edge.errors import PackError
from reid_edge.pack.manifest import Manifest
from reid_edge.pack.tables import Table
from reid_edge.recipe.checking import check_references
from reid_edge.recipe.recipe import Recipe
from reid_edge.recipe.stages import (
    NETWORK_MATCHERS,
    Agree,
    Concatenate,
    Decide,
    EarlyExit,
    Embed,
    Extract,
    Fuse,
    Gate,
    Group,
    Head,
    Match,
    Orient,
    Rerank,
    Retrieve,
    Segment,
    Step,
)

# Part of the names under which a gallery stores features.
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}"
_LISTS = ("concatenate", "rerank", "head", "fuse", "step")


def parse_recipe(data: Mapping[str, Any], manifest: Manifest) -> Recipe:
    """Read the recipe of a pack and check it against the pack's networks.

    Args:
        data: the table ``recipe`` of pack.toml.
        manifest: the rest of pack.toml.

    Raises:
        PackError: an unknown or missing key, a value out of range, or a stage that asks for something the pack does not hold.
    """
    required = ("embed", "retrieve", "extract", "match")
    top = Table(data, "recipe", required=required, optional=("segment", "orient", "decide", "early_exit", *_LISTS))
    lists = {key: top.table_list(key) if key in data else [] for key in (*required, *_LISTS) if key != "retrieve"}
    recipe = Recipe(
        segment=_segment(top.table("segment")) if "segment" in data else None,
        orient=_orient(top.table("orient")) if "orient" in data else None,
        embed=tuple(_embed(item, f"recipe.embed[{i}]") for i, item in enumerate(lists["embed"])),
        concatenate=tuple(_concatenate(item, f"recipe.concatenate[{i}]") for i, item in enumerate(lists["concatenate"])),
        retrieve=_retrieve(top.table("retrieve")),
        extract=tuple(_extract(item, f"recipe.extract[{i}]") for i, item in enumerate(lists["extract"])),
        match=tuple(_match(item, f"recipe.match[{i}]") for i, item in enumerate(lists["match"])),
        rerank=tuple(_rerank(item, f"recipe.rerank[{i}]") for i, item in enumerate(lists["rerank"])),
        head=tuple(_head(item, f"recipe.head[{i}]") for i, item in enumerate(lists["head"])),
        fuse=tuple(_fuse(item, f"recipe.fuse[{i}]") for i, item in enumerate(lists["fuse"])),
        step=tuple(_step(item, f"recipe.step[{i}]") for i, item in enumerate(lists["step"])),
        decide=_decide(top.table("decide")) if "decide" in data else None,
        early_exit=_early_exit(top.table("early_exit")) if "early_exit" in data else None,
    )
    check_references(recipe, manifest)
    return recipe


def _segment(data: Mapping[str, Any]) -> Segment:
    names = ("network", "threshold", "min_contrast", "min_area", "min_relative_area", "max_animals", "margin")
    table = Table(data, "recipe.segment", required=names)
    return Segment(
        network=table.text("network"),
        threshold=_share(table, "threshold"),
        min_contrast=_share(table, "min_contrast"),
        min_area=_share(table, "min_area"),
        min_relative_area=_share(table, "min_relative_area"),
        max_animals=table.integer("max_animals", 1, 100),
        margin=_share(table, "margin"),
    )


def _orient(data: Mapping[str, Any]) -> Orient:
    table = Table(data, "recipe.orient", required=("turn",), optional=("species",))
    turn = table.scalars("turn")
    for viewpoint, degrees in turn.items():
        if isinstance(degrees, bool) or degrees not in (90, 180, -90):
            raise PackError(f"recipe.orient.turn.{viewpoint} must be 90, 180 or -90, not {degrees!r}.", "Correct it.")
    return Orient({viewpoint.lower(): int(degrees) for viewpoint, degrees in turn.items()}, _species(table, data))


def _embed(data: Mapping[str, Any], where: str) -> Embed:
    table = Table(data, where, required=("name", "network"), optional=("projection", "crops", "crop_share"))
    crops = table.integer("crops", 1, 5, default=1)
    if crops not in (1, 5):
        raise PackError(f"{where}.crops must be 1 or 5, not {crops}.", "Give one crop, or the centre and four corners.")
    if (crops == 5) != ("crop_share" in data):
        raise PackError(f"{where}: crops = 5 and crop_share go together.", "Give both, or neither.")
    share = table.number("crop_share", 0.1, 1.0) if crops == 5 else 0.0
    return Embed(table.text("name", _NAME), table.text("network"), _optional_text(table, data, "projection"), crops, share)


def _concatenate(data: Mapping[str, Any], where: str) -> Concatenate:
    table = Table(data, where, required=("name", "of"), optional=("projection",))
    return Concatenate(table.text("name", _NAME), _texts(table, data, "of"), _optional_text(table, data, "projection"))


def _retrieve(data: Mapping[str, Any]) -> Retrieve:
    table = Table(data, "recipe.retrieve", required=("embedding", "candidates"))
    return Retrieve(table.text("embedding"), table.integer("candidates", 1, 100_000))


def _extract(data: Mapping[str, Any], where: str) -> Extract:
    table = Table(data, where, required=("name", "mask", "mask_margin"), optional=("network", "detector", "keypoints", "size"))
    detector = table.choice("detector", "network", "sift", "picture") if "detector" in data else "network"
    wanted = {"network": {"network"}, "sift": {"keypoints", "size"}, "picture": {"size"}}[detector]
    for key in ("network", "keypoints", "size"):
        if (key in data) != (key in wanted):
            raise PackError(f"{where}: the detector {detector} {'needs' if key in wanted else 'takes no'} {key}.", "Correct it.")
    return Extract(
        name=table.text("name", _NAME),
        network=_optional_text(table, data, "network"),
        mask=table.truth("mask"),
        mask_margin=_share(table, "mask_margin"),
        detector=detector,  # type: ignore[arg-type]
        keypoints=table.integer("keypoints", 1, 100_000) if "keypoints" in data else 0,
        size=table.integer("size", 16, 4096) if "size" in data else 0,
    )


def _match(data: Mapping[str, Any], where: str) -> Match:
    optional = ("network", "best", "order", "count", "inlier_pixels")
    table = Table(data, where, required=("name", "keypoints", "matcher", "min_score"), optional=optional)
    matcher = table.choice("matcher", "mutual-nearest", "lightglue", "loftr", "adalam", "fginn")
    best = table.integer("best", 0, 100_000, default=0)
    network, order = (_optional_text(table, data, key) for key in ("network", "order"))
    if (matcher in NETWORK_MATCHERS) != bool(network):
        needs = "needs a" if matcher in NETWORK_MATCHERS else "takes no"
        raise PackError(f"{where}: the matcher {matcher} {needs} network.", "Correct it.")
    if bool(best) != bool(order):
        raise PackError(f"{where}: best and order go together.", "Give both, or neither to match the whole shortlist.")
    count = table.choice("count", "matches", "inliers", "share") if "count" in data else "matches"
    if (count == "inliers") != ("inlier_pixels" in data):
        raise PackError(f'{where}: count = "inliers" and inlier_pixels go together.', "Give both, or neither.")
    return Match(
        name=table.text("name", _NAME),
        keypoints=table.text("keypoints"),
        matcher=matcher,  # type: ignore[arg-type]
        network=network,
        min_score=_share(table, "min_score"),
        best=best,
        order=order,
        count=count,  # type: ignore[arg-type]
        inlier_pixels=table.number("inlier_pixels", 0.1, 1000.0) if count == "inliers" else 0.0,
    )


def _rerank(data: Mapping[str, Any], where: str) -> Rerank:
    table = Table(data, where, required=("name", "embedding", "k1", "k2"))
    k1 = table.integer("k1", 1, 1000)
    return Rerank(table.text("name", _NAME), table.text("embedding"), k1, table.integer("k2", 1, k1))


def _head(data: Mapping[str, Any], where: str) -> Head:
    table = Table(data, where, required=("name", "kind", "network", "embedding"), optional=("species",))
    kind = table.choice("kind", "classifier", "boosting")
    return Head(table.text("name", _NAME), kind, table.text("network"), table.text("embedding"), _species(table, data))  # type: ignore[arg-type]


def _fuse(data: Mapping[str, Any], where: str) -> Fuse:
    table = Table(data, where, required=("name", "groups"), optional=("fit", "candidates"))
    groups = tuple(_group(item, f"{where}.groups[{i}]") for i, item in enumerate(table.table_list("groups")))
    if not groups or not sum(group.weight for group in groups) > 0:
        raise PackError(f"{where}.groups must have one group or more, one of a weight above 0.", "Say which scores are fused.")
    fit = table.choice("fit", "none", "powell") if "fit" in data else "none"
    return Fuse(table.text("name", _NAME), groups, fit, table.integer("candidates", 0, 100_000, default=0))  # type: ignore[arg-type]


def _group(data: Mapping[str, Any], where: str) -> Group:
    table = Table(data, where, required=("scores", "weight"), optional=("calibrated",))
    calibrated = table.truth("calibrated") if "calibrated" in data else True
    return Group(_texts(table, data, "scores"), table.number("weight", 0.0, 1e6), calibrated)


def _step(data: Mapping[str, Any], where: str) -> Step:
    if data.get("do") == "agree":
        table = Table(data, where, required=("do", "source", "weights", "boost", "differ", "differ_boost"), optional=("species",))
        weights = table.numbers("weights")
        if len(weights) != 2 or min(weights) < 0:
            raise PackError(
                f"{where}.weights must be two numbers of 0 or more.", "One for the answer so far, one for the source."
            )
        return Agree(
            source=table.text("source"),
            weights=(weights[0], weights[1]),
            boost=table.number("boost", 0.0, 100.0),
            differ=table.choice("differ", "source", "higher"),  # type: ignore[arg-type]
            differ_boost=table.number("differ_boost", 0.0, 100.0),
            species=_species(table, data),
        )
    table = Table(data, where, required=("do", "source", "then", "limit"), optional=("cosine", "species", "calibrated"))
    table.choice("do", "gate", "agree")
    then = table.choice("then", "take", "new")
    cosine, calibrated = (table.truth(key) if key in data else False for key in ("cosine", "calibrated"))
    return Gate(table.text("source"), then, _share(table, "limit"), cosine, _species(table, data), calibrated)  # type: ignore[arg-type]


def _decide(data: Mapping[str, Any]) -> Decide:
    table = Table(data, "recipe.decide", required=(), optional=("threshold", "species"))
    species = table.scalars("species")
    for name, threshold in species.items():
        if isinstance(threshold, (bool, str)) or not 0 <= threshold <= 1:
            raise PackError(f"recipe.decide.species.{name} must be a number from 0 to 1, not {threshold!r}.", "Correct it.")
    return Decide(
        _share(table, "threshold") if "threshold" in data else None, {name.lower(): float(each) for name, each in species.items()}
    )


def _early_exit(data: Mapping[str, Any]) -> EarlyExit:
    table = Table(data, "recipe.early_exit", required=("tolerance",), optional=("per_match", "spare"))
    if ("per_match" in data) != ("spare" in data):
        raise PackError("recipe.early_exit: per_match and spare go together.", "Give both, or neither for what is certain alone.")
    if "per_match" not in data:
        return EarlyExit(_share(table, "tolerance"))
    return EarlyExit(_share(table, "tolerance"), table.number("per_match", 0.01, 100.0), table.number("spare", 0.0, 1e6))


def _species(table: Table, data: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name.lower() for name in _texts(table, data, "species")) if "species" in data else ()


def _texts(table: Table, data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = table.text_list(key)
    if not values or len(set(values)) < len(values):
        raise PackError(f"A recipe's {key} must be one name or more, each once, not {list(data[key])!r}.", "Correct it.")
    return values


def _optional_text(table: Table, data: Mapping[str, Any], key: str) -> str:
    return table.text(key) if key in data else ""


def _share(table: Table, key: str) -> float:
    return table.number(key, 0.0, 1.0)
