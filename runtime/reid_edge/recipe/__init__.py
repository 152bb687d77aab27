"""Recipes: TOML in, frozen dataclasses out."""

from reid_edge.recipe.parsing import parse_recipe, read_recipe
from reid_edge.recipe.recipe import FEATURES_VERSION, Recipe
from reid_edge.recipe.stages import (
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
    Viewpoint,
)

__all__ = [
    "FEATURES_VERSION",
    "Agree",
    "Concatenate",
    "Decide",
    "EarlyExit",
    "Embed",
    "Extract",
    "Fuse",
    "Gate",
    "Group",
    "Head",
    "Match",
    "Orient",
    "Recipe",
    "Rerank",
    "Retrieve",
    "Segment",
    "Step",
    "Viewpoint",
    "parse_recipe",
    "read_recipe",
]
