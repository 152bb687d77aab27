"""The daemon's settings as options of `reid-edge watch run` and as the table of docs/watch.md, both made from their declarations.

`python -m reid_edge.cli.watch_settings docs/watch.md` writes the table between its two marks in that file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import Field
from pathlib import Path
from typing import Any, TypeVar

import click

from reid_edge.cli.options import GalleryPlace
from reid_edge.markdown import markdown_table
from reid_edge.watch.configuration import Configuration, Mqtt, Setting, Webhook, settings

F = TypeVar("F", bound=Callable[..., Any])

BEGIN = "<!-- Made by: python -m reid_edge.cli.watch_settings docs/watch.md -->"
END = "<!-- end -->"
_TABLES = {"webhook": Webhook, "mqtt": Mqtt}
_TYPES = {"PATH": click.Path(path_type=Path, readable=False), "PATH|URL": GalleryPlace(), "N": int, "KM/H": float}
_UNITS = (("d", 86400), ("h", 3600), ("min", 60))
_SIZES = (("GB", 10**9), ("MB", 10**6))


def setting_options(command: F) -> F:
    """Adds the option of each setting to a command; `read_configuration` checks the values."""
    for each, setting in reversed(list(settings())):
        name, _, value = setting.option.partition(" ")
        if not name.startswith("--"):
            continue
        default = _default(each, setting)
        options: dict[str, Any] = {"metavar": value, "type": _TYPES.get(value, str)}
        if isinstance(each.default, bool):
            options = {"is_flag": True}
            yes, _, no = name.partition("/")
            default = (yes if each.default else no).lstrip("-")
        command = click.option(
            name,
            each.name,
            help=setting.help + (f" [default: {default}]" if default not in ("", "none") else ""),
            envvar=setting.variable,
            show_envvar=True,
            **options,
        )(command)
    return command


def settings_table() -> str:
    """All settings as a Markdown table: key of the file, option of the command line, default, meaning."""
    header = ("in the file", "on the command line", "default", "what it sets")
    return markdown_table(header, list(_rows("", Configuration)), padded=False)


def _rows(prefix: str, kind: type[Any]) -> Iterator[tuple[str, str, str, str]]:
    for each, setting in settings(kind):
        key = f"`{prefix}{each.name}`" + ("" if setting.live or prefix else " *")
        option = f"`{setting.option}`".replace("|", "\\|") if setting.option else ""
        yield key, option, _default(each, setting), setting.help
        if each.name in _TABLES:
            yield from _rows(f"{each.name}.", _TABLES[each.name])


def _default(each: Field[Any], setting: Setting) -> str:
    """The default as a person would write it: `2s`, `1 GB`, `true`."""
    value = each.default
    if setting.unset:
        return setting.unset
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        unit, size = next(((unit, size) for unit, size in _UNITS if value % size == 0), ("s", 1))
        return f"{value / size:g}{unit}"
    if isinstance(value, int):
        return next((f"{value / size:g} {unit}" for unit, size in _SIZES if value >= size), str(value))
    return str(value) if isinstance(value, (str, Path)) else "required"


def main(page: Path) -> None:
    """Write the table into a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{settings_table()}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
