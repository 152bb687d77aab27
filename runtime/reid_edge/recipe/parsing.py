"""Recipes are read strictly: an unknown or missing key, or a value out of range, is refused by its name."""

from __future__ import annotations

import re
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
        PackError: an unknown or missing key, a value out of range, or a stage that asks for something the pack does not hold; the first one
            that was found, with others as `further`.
    """
    recipe = read_recipe(data)
    check_references(recipe, manifest)
    return recipe


def read_recipe(data: Mapping[str, Any]) -> Recipe:
    """Read a recipe by itself, as `parse_recipe`; what it needs of a pack is not checked.

    Raises:
        PackError: an unknown or missing key, or a value out of range; the first one, with the others as `further`.
    """
    try:
        recipe = decode(Recipe, _one_retrieve(data), "recipe")
    except InvalidValue as error:
        first, *further = (_pack_error(each, data) for each in (error, *error.further))
        first.further = tuple(further)
        raise first from None
    if recipe.early_exit and ("per_match" in data["early_exit"]) != ("spare" in data["early_exit"]):
        raise PackError("recipe.early_exit: per_match and spare go together.", "Give both, or neither for what is certain alone.")
    return recipe


def _pack_error(error: InvalidValue, data: Mapping[str, Any]) -> PackError:
    error.path = _as_written(error.path, data)
    return PackError(f"{MANIFEST} {error}.", error.hint or EXPORT_AGAIN)


def _one_retrieve(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Several [[recipe.retrieve]] as the first and the further ones, see `Recipe`."""
    if "retrieve_also" in data:
        raise InvalidValue(
            "is an unknown key; write [[recipe.retrieve]] several times", "Correct the key.", ".recipe.retrieve_also"
        )
    several = data.get("retrieve")
    if not isinstance(several, list):
        return data
    if not several:
        raise InvalidValue("must be one table or more", path=".recipe.retrieve")
    return {**data, "retrieve": several[0], "retrieve_also": several[1:]}


def _as_written(path: str, data: Mapping[str, Any]) -> str:
    """The path of a key in the file."""
    if isinstance(data.get("retrieve"), list):
        path = re.sub(r"^\.recipe\.retrieve(?=\.|$)", ".recipe.retrieve[0]", path)
        path = re.sub(r"^\.recipe\.retrieve_also\[(\d+)\]", lambda found: f".recipe.retrieve[{int(found[1]) + 1}]", path)
    return path
