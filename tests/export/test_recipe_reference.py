"""docs/recipes.md has every key that the parser knows, and no other, and its examples are recipes."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from click.testing import CliRunner

from reid_edge.recipe import Agree, Gate, Group, Recipe
from reid_edge_export.recipe_check import check_recipe
from reid_edge_export.recipe_cli import recipe as command
from reid_edge_export.recipe_reference import main, sections

PAGE = Path(__file__).resolve().parents[2] / "docs" / "recipes.md"
EXAMPLES = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)


def test_the_page_has_the_reference_of_the_declared_stages(tmp_path: Path) -> None:
    copy = tmp_path / "recipes.md"
    copy.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    main(copy)
    assert copy.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8"), (
        "run: python -m reid_edge_export.recipe_reference docs/recipes.md"
    )


def stage_of(hint: Any) -> type[Any]:
    if get_origin(hint) is tuple:
        return get_args(hint)[0]  # type: ignore[no-any-return]
    return next((part for part in get_args(hint) if part is not type(None)), hint)


def test_every_key_that_the_parser_knows_is_on_the_page_and_no_other() -> None:
    hints = get_type_hints(Recipe)
    known = {
        name: {each.name for each in fields(stage_of(hint))}
        for name, hint in hints.items()
        if name not in ("step", "retrieve_also")
    }
    known |= {
        "fuse.groups": {each.name for each in fields(Group)},
        "step.gate": {"do", *(each.name for each in fields(Gate))},
        "step.agree": {"do", *(each.name for each in fields(Agree))},
    }
    files = ("file", "networks", "networks.own", "heads", "heads.training")
    listed = {section.name: {row[0] for row in section.rows} for section in sections() if section.name not in files}
    assert listed == known
    assert {section.name for section in sections()} == {*known, *files}


def test_every_key_is_explained_in_words_that_need_no_source_code() -> None:
    for section in sections():
        for key, values, default, meaning in section.rows:
            assert len(meaning) > 10, f"{section.name}.{key}: {meaning}"
            assert meaning.endswith("."), f"{section.name}.{key}: {meaning}"
            assert all((values, default)), f"{section.name}.{key}"
            assert "reid_edge" not in meaning, f"{section.name}.{key}: {meaning}"


def test_the_first_example_of_the_page_is_a_whole_recipe(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(EXAMPLES[0], encoding="utf-8")
    assert check_recipe(str(path)).recipe.score_names == ("lite0", "aliked-nearest", "aliked-lightglue")


@pytest.mark.parametrize("example", EXAMPLES[1:], ids=lambda example: example.split("\n")[1].split('"')[1])
def test_every_further_example_can_be_added_to_that_recipe(example: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"{EXAMPLES[0]}\n{example}", encoding="utf-8")
    check_recipe(str(path))


def test_the_command_line_describes_one_table_or_all_of_them() -> None:
    one = CliRunner().invoke(command, ["keys", "match"])
    assert one.output.startswith("### `[[recipe.match]]`")
    assert "| `min_score` | number 0 to 1 | required |" in one.output
    every = CliRunner().invoke(command, ["keys"]).output
    assert all(f"### `{section.header}`" in every for section in sections())


def test_a_table_that_does_not_exist_names_the_nearest() -> None:
    failed = CliRunner().invoke(command, ["keys", "mtach"])
    assert failed.exit_code == 1
    assert "Did you mean match" in getattr(failed.exception, "hint", "")
