"""What each system consists of, described from its recipe: stages, networks, and the origin of their weights."""

from __future__ import annotations

from collections.abc import Mapping

from reid_edge.recipe import Embed, Orient, Recipe, Rerank, Segment
from reid_edge_export.catalogue import Network
from reid_edge_export.recipe_check import CheckedRecipe, check_recipe
from reid_edge_export.recipe_file import recipe_names

ACCOUNTS: Mapping[str, str] = {
    "hybrid": "H, first place",
    "wildfusion-cascade": "W, second place",
    "classifier-fusion": "C, sixth place",
    "global-local-semantic": "S, 44th place",
    "arcface-lightglue": "A, not entered in the competition",
    "field": "the small default",
    "station": "for a machine with a GPU, or with time",
}
"""The systems in the order of the page, each with its rank or purpose. A variant has the name of its system, @ and a word."""


_OWN, _FREE = ("field", "station"), ("@open", "@light")


def system_of(recipe: str) -> str:
    """The system that a recipe is, or is a variant of."""
    return recipe.partition("@")[0]


def in_order(recipe: str) -> tuple[int, str]:
    """A key that sorts recipes as `ACCOUNTS` has their systems, variants behind the recipe itself; others come last."""
    names = list(ACCOUNTS)
    system = system_of(recipe)
    return (names.index(system) if system in names else len(names), recipe)


def measurable() -> list[str]:
    """The recipes with open weights: the variants and the project's own recipes, in the order of the page."""
    return sorted((name for name in recipe_names() if name.endswith(_FREE) or name in _OWN), key=in_order)


def overview() -> str:
    """A section of Markdown for every recipe that comes with reid-edge."""
    parts = []
    for name in sorted(recipe_names(), key=in_order):
        checked = check_recipe(name)
        if "@" not in name:
            parts.append(f"### `{name}`: {ACCOUNTS.get(name, 'of the project')}")
        parts.append(f"**`{name}`** {checked.data['description']}\n\n{_stages(checked.recipe)}\n\n{_networks(checked)}")
    return "\n\n".join(parts)


def _stages(recipe: Recipe) -> str:
    """The stages in a sentence each."""
    segment = recipe.segment
    finding = f"finds the animal{_who(segment)} with {segment.locator or segment.network}" if segment else "takes the whole frame"
    parts = [f"{finding} and outlines it with {segment.network}" if segment and segment.locator else finding]
    if recipe.orient:
        parts.append(f"turns photos{_who(recipe.orient)} by viewpoint")
    vectors = [f"{embed.name}{_who(embed)}{' (five crops)' if embed.crops == 5 else ''}" for embed in recipe.embed]
    parts.append(f"embeds with {', '.join(vectors)}")
    parts += [f"lays {' and '.join(each.of)} end to end as {each.name}" for each in recipe.concatenate]
    found = [f"{each.candidates} by {each.embedding}" for each in (recipe.retrieve, *recipe.retrieve_also)]
    parts.append(f"shortlists {' and '.join(found)}")
    if recipe.match:
        parts.append(f"scores by {_listed([match.name for match in recipe.match])}")
    parts += [
        f"re-ranks{_who(each)} by {each.name} of {each.embedding or each.fusion} (k1 {each.k1}, k2 {each.k2})"
        for each in recipe.rerank
    ]
    parts += [f"asks the trained {head.kind} {head.name}" for head in recipe.head]
    for fuse in recipe.fuse:
        fitted = {"none": "", "network": ", by a network that is trained"}.get(fuse.fit, ", weights fitted on GeoMean")
        parts.append(f"fuses {fuse.name}{fitted}")
    if recipe.step:
        parts.append(f"takes {len(recipe.step)} steps of agreement and gates")
    if recipe.decide is None:
        parts.append("leaves fusion and threshold to calibration")
    else:
        fixed = {**({"any": recipe.decide.threshold} if recipe.decide.threshold is not None else {}), **recipe.decide.species}
        parts.append(
            f"decides from {', '.join(f'{at:g} ({who})' for who, at in fixed.items())}" if fixed else "fits its threshold"
        )
    return f"It {'; '.join(parts)}."


def _who(stage: Segment | Orient | Embed | Rerank) -> str:
    """Of which species, where not of all."""
    return f" of {', '.join(stage.species)}" if stage.species else ""


def _listed(names: list[str]) -> str:
    return f"{len(names)} matchers ({', '.join(names)})" if len(names) > 1 else names[0]


def _networks(checked: CheckedRecipe) -> str:
    by_origin: dict[str, list[str]] = {}
    for named in checked.networks.values():
        by_origin.setdefault(_origin(named.network), []).append(f"`{named.network.name}`")
    if checked.heads:
        by_origin["trained with `reid-edge train-head`"] = [f"`{name}`" for name in checked.heads]
    return "\n".join(f"- {origin}: {', '.join(dict.fromkeys(names))}" for origin, names in by_origin.items())


def _origin(network: Network) -> str:
    if network.terms:
        return "only with `--accept-terms`"
    address = network.source.address
    if address.startswith("pypi:"):
        return "in a package"
    if address.startswith("hub:"):
        return "on a model hub"
    return "to be downloaded by you" if address else "to be trained by you"
