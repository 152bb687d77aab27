"""Every component of the five accounts is in a recipe, with that very value, or has a reason."""

from __future__ import annotations

import pytest

from reid_edge_benchmarks.systems.components import Component, component_tables, components, missing, value_at
from reid_edge_export.recipe_file import read_recipe_file

ROWS = [(system, each) for system, rows in components().items() for each in rows]


@pytest.mark.parametrize(("system", "component"), ROWS, ids=[f"{system}: {each.component}" for system, each in ROWS])
def test_a_component_is_said_by_its_recipe_or_has_a_reason(system: str, component: Component) -> None:
    assert bool(component.says) != bool(component.reason)
    assert missing(system, component) == []
    assert component.recipe.partition("@")[0] in ("", system)


def test_the_five_accounts_are_there() -> None:
    systems = ["hybrid", "wildfusion-cascade", "global-local-semantic", "classifier-fusion", "arcface-lightglue"]
    assert list(components()) == systems
    assert all(len(rows) >= 6 for rows in components().values())


def test_a_key_that_a_recipe_lacks_is_missed() -> None:
    wrong = Component("x", "1", says={"match.loftr.best": 300, "match.loftr.count": "sum", "match.orb.best": 1, "rerank.9.k1": 2})
    assert missing("wildfusion-cascade", wrong) == ["match.loftr.count", "match.orb.best", "rerank.9.k1"]
    recipe = read_recipe_file("wildfusion-cascade")["recipe"]
    assert value_at(recipe, "retrieve.both.candidates") == value_at(recipe, "retrieve.1.candidates") == 10


def test_each_component_has_a_tick_or_its_reason_in_the_tables() -> None:
    tables = component_tables()
    assert tables.count("✓") == sum(bool(each.says) for _, each in ROWS)
    for _, each in ROWS:
        assert f"| {each.component} | {each.source} | " in tables
        assert each.reason in tables
