"""The stages of a recipe that can run before its heads are trained."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from typing import Any

Tables = list[dict[str, Any]]


def without_heads(recipe: Mapping[str, Any], missing: Collection[str]) -> dict[str, Any]:
    """The stages of a recipe without those that need heads that are not trained.

    Left out are the stages of these heads, concatenations that go through one of them, and whatever listens to what is left out: scores of
    a fusion, re-ranking, steps, further retrievals. An embedder that goes through one of them stays with the vector that its network gives.

    Args:
        recipe: the table `recipe` of a recipe file, as plain nested data; it is not changed.
        missing: names of heads.

    Returns:
        The stages of the pack, in which `reid-edge train-head` sets the others once it has trained their heads.
    """
    kept = deepcopy(dict(recipe))
    for embed in _tables(kept, "embed"):
        if embed.get("projection") in missing:
            del embed["projection"]
    gone: set[str] = set()
    for table, reads in (("concatenate", _parts), ("rerank", _embedding), ("head", _embedding)):
        stays: Tables = []
        for stage in _tables(kept, table):
            if stage.get("projection") in missing or stage.get("network") in missing or gone & reads(stage):
                gone.add(str(stage.get("name")))
            else:
                stays.append(stage)
        _replace(kept, table, stays)
    if isinstance(several := kept.get("retrieve"), list):  # the first one stays: without it, the recipe is refused
        kept["retrieve"] = several[:1] + [each for each in several[1:] if each.get("embedding") not in gone]
    fusions: Tables = []
    for fuse in _tables(kept, "fuse"):
        groups = [{**group, "scores": [s for s in group.get("scores", []) if s not in gone]} for group in fuse.get("groups", [])]
        if groups := [group for group in groups if group["scores"]]:
            fusions.append({**fuse, "groups": groups})
        else:
            gone.add(str(fuse.get("name")))
    _replace(kept, "fuse", fusions)
    _replace(kept, "step", [step for step in _tables(kept, "step") if step.get("source") not in gone])
    return kept


def _tables(recipe: Mapping[str, Any], key: str) -> Tables:
    return list(recipe.get(key, []))


def _replace(recipe: dict[str, Any], key: str, tables: Tables) -> None:
    """Set an array of tables; one that has become empty is left out."""
    recipe.pop(key, None)
    if tables:
        recipe[key] = tables


def _parts(concatenation: Mapping[str, Any]) -> set[str]:
    return set(concatenation.get("of", []))


def _embedding(stage: Mapping[str, Any]) -> set[str]:
    return {str(stage.get("embedding"))}
