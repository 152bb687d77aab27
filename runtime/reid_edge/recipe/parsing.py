"""Recipes are read strictly: an unknown or missing key, or a value out of range, is refused by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reid_edge.errors import PackError
from reid_edge.pack.manifest import Manifest
from reid_edge.pack.members import EXPORT_AGAIN, MANIFEST
from reid_edge.plain_data import InvalidValue, decode
from reid_edge.recipe.checking import check_references
from reid_edge.recipe.recipe import Recipe


def parse_recipe(data: Mapping[str, Any], manifest: Manifest) -> Recipe:
    """Read the recipe of a pack and check it against the pack's networks.

    Args:
        data: the table ``recipe`` of pack.toml.
        manifest: the rest of pack.toml.

    Raises:
        PackError: an unknown or missing key, a value out of range, or a stage that asks for something the pack does not hold.
    """
    try:
        recipe = decode(Recipe, data, "recipe")
    except InvalidValue as error:
        raise PackError(f"{MANIFEST} {error}.", error.hint or EXPORT_AGAIN) from None
    if recipe.early_exit and ("per_match" in data["early_exit"]) != ("spare" in data["early_exit"]):
        raise PackError("recipe.early_exit: per_match and spare go together.", "Give both, or neither for what is certain alone.")
    check_references(recipe, manifest)
    return recipe
