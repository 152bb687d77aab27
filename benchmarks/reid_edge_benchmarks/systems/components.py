"""What each account describes, component by component, with the recipe that says it or the reason why none does."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Annotated, Any

from reid_edge.markdown import markdown_table
from reid_edge.plain_data import Convert, decode
from reid_edge_benchmarks.systems.overview import ACCOUNTS
from reid_edge_export.recipe_file import read_recipe_file

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def _as_it_is(value: Any, _: Any) -> Any:
    return value


@dataclass(frozen=True)
class Component:
    """One part of a system, as its account describes it.

    Attributes:
        component: what it is.
        source: the sections of the account.
        says: by the path of a key in the recipe, its value; empty where there is a reason.
        recipe: that says it, a variant of the system; empty for the system itself.
        reason: why no recipe says it; empty where one does.
    """

    component: str
    source: str
    says: Annotated[Mapping[str, Any], Convert(_as_it_is)] = field(default_factory=dict)
    recipe: str = ""
    reason: str = ""


def components() -> dict[str, list[Component]]:
    """By system, in the order of the accounts."""
    text = files("reid_edge_benchmarks").joinpath("systems").joinpath("components.toml").read_text("utf-8")
    return {
        system: [decode(Component, {("recipe" if key == "in" else key): value for key, value in row.items()}) for row in rows]
        for system, rows in tomllib.loads(text).items()
    }


def value_at(recipe: Mapping[str, Any], path: str) -> Any:
    """What a recipe has at a path such as ``match.loftr.size``; a stage of an array by its name, its embedding or its place.

    Raises:
        KeyError: it has nothing there.
    """
    found: Any = recipe
    for step in path.split("."):
        if isinstance(found, list):
            named = [each for each in found if step in (each.get("name"), each.get("embedding"))]
            if not named and not (step.isdecimal() and int(step) < len(found)):
                raise KeyError(path)
            found = named[0] if named else found[int(step)]
        else:
            found = found[step]
    return found


def missing(system: str, component: Component) -> list[str]:
    """The keys of a component that its recipe does not have, or has with another value."""
    recipe = read_recipe_file(component.recipe or system)["recipe"]
    wrong = []
    for path, value in component.says.items():
        try:
            if value_at(recipe, path) != value:
                wrong.append(path)
        except (KeyError, TypeError):
            wrong.append(path)
    return wrong


def component_tables() -> str:
    """A section of Markdown for every account: each component with a tick and its keys, or the reason why it has none."""
    parts = []
    for system, rows in components().items():
        cells = []
        for each in rows:
            keys = ", ".join(f"`{path}`" for path in each.says)
            where = f"{keys} of `{each.recipe}`" if each.recipe else keys
            cells.append((each.component, each.source, f"✓ {where}" if each.says and not missing(system, each) else each.reason))
        table = markdown_table(("component", "section", "in the recipe"), cells, padded=False)
        parts.append(f"### `{system}`: {ACCOUNTS[system]}\n\n{table}")
    return "\n\n".join(parts)
