"""Every key of a recipe as Markdown tables, made from the declarations that recipes are checked against.

`python -m reid_edge_export.recipe_reference docs/recipes.md` writes them between the two marks in that page; `reid-edge recipe keys` prints
them.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from reid_edge.markdown import markdown_table
from reid_edge.plain_data import Pattern, Range, Tagged
from reid_edge.recipe import Agree, Gate, Group, Recipe
from reid_edge.recipe.matchers import MATCHERS
from reid_edge_export.catalogue.own import OWN_NETWORK_KEYS
from reid_edge_export.recipe_file import FILE_KEYS, HEAD_KEYS, NETWORK_KEYS, TRAINING_KEYS

BEGIN = "<!-- Made by: python -m reid_edge_export.recipe_reference docs/recipes.md -->"
END = "<!-- end -->"
_HEADER = ("key", "value", "default", "what it says")
_ORDER = (
    "segment", "orient", "embed", "concatenate", "viewpoint", "extract", "retrieve", "match", "early_exit", "rerank", "head",
    "fuse", "step", "decide",
)  # fmt: skip
_ENTRY = re.compile(r"([\w, ]+): (.*)", re.S)


@dataclass(frozen=True)
class Section:
    """One table of a recipe file.

    Attributes:
        name: how `reid-edge recipe keys` calls it, such as ``match``.
        header: as it is written in the file, such as ``[[recipe.match]]``.
        purpose: what it is for; one paragraph or more.
        rows: of each key its name, values, default and meaning.
    """

    name: str
    header: str
    purpose: str
    rows: tuple[tuple[str, str, str, str], ...]

    def as_markdown(self) -> str:
        """Heading, purpose and table."""
        rows = [(f"`{key}`", values.replace("|", "\\|"), default, meaning) for key, values, default, meaning in self.rows]
        parts = [f"### `{self.header}`", self.purpose, markdown_table(_HEADER, rows, padded=False) if rows else ""]
        if self.name == "match":
            parts += ["The matchers:", _matchers()]
        return "\n\n".join(filter(None, parts))


def sections() -> list[Section]:
    """Every table that a recipe file may have, in the order in which the stages run."""
    found = [
        Section("file", "top of the file", "What the pack is called, and the two tables that it has to have.", FILE_KEYS),
        Section(
            "networks",
            "[networks.NAME]",
            "A network to export, by its name in the catalogue (`reid-edge export --list`), `timm:NAME`, `onnx:FILE` or "
            "`torch:MODULE:FUNCTION`; every further key is a parameter of that network.",
            NETWORK_KEYS,
        ),
        Section(
            "networks.own",
            '[networks.NAME] with network = "onnx:FILE" or "torch:MODULE:FUNCTION"',
            "A network of your own, with how it wants its picture. FILE is relative to the current folder.",
            OWN_NETWORK_KEYS,
        ),
    ]
    hints = get_type_hints(Recipe, include_extras=True)
    for name in _ORDER:
        kind, repeated = _kind(hints[name])
        header = f"[[recipe.{name}]]" if repeated or name == "retrieve" else f"[recipe.{name}]"
        if name == "step":
            found += [
                _section(f"step.{do}", f'{header} with do = "{do}"', step) for do, step in (("gate", Gate), ("agree", Agree))
            ]
            continue
        found.append(_section(name, header, kind))
        if name == "fuse":
            found.append(_section("fuse.groups", "groups of [[recipe.fuse]]", Group))
    found.append(
        Section(
            "heads", "[heads.NAME]", "A network that `reid-edge train-head` trains on your animals after the export.", HEAD_KEYS
        )
    )
    found.append(Section("heads.training", "[heads.NAME.training]", "How it is trained; each is optional.", TRAINING_KEYS))
    return found


def reference() -> str:
    """All sections as Markdown."""
    return "\n\n".join(section.as_markdown() for section in sections())


def main(page: Path) -> None:
    """Write the reference into a page."""
    start, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text(f"{start}{BEGIN}\n\n{reference()}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def _section(name: str, header: str, kind: type[Any]) -> Section:
    text = inspect.getdoc(kind) or ""
    purpose, _, attributes = text.partition("Attributes:")
    meanings = _meanings(attributes)
    hints = get_type_hints(kind, include_extras=True)
    rows = tuple(
        (each.name, _values(hints[each.name]), _default(each, hints[each.name]), meanings[each.name]) for each in fields(kind)
    )
    if name.startswith("step."):
        rows = (("do", f'`"{name.removeprefix("step.")}"`', "required", "the kind of step."), *rows)
    return Section(name, header, _plain(purpose), rows)


def _meanings(attributes: str) -> Mapping[str, str]:
    """What the docstring says of each attribute."""
    found: dict[str, str] = {}
    for entry in re.split(r"\n {4}(?! )", f"\n{attributes.strip(chr(10))}"):
        if match := _ENTRY.fullmatch(entry.strip()):
            found |= {key.strip(): _plain(match[2]) for key in match[1].split(",")}
    return found


def _plain(text: str) -> str:
    return re.sub(r"\s*\n\s*(?!\n)", " ", text.strip().replace("``", "`")).replace("\n", "\n\n")


def _kind(hint: Any) -> tuple[Any, bool]:
    """The dataclass of a stage, and whether a recipe may have several."""
    if get_origin(hint) is tuple:
        return get_args(hint)[0], True
    return next((part for part in get_args(hint) if part is not type(None)), hint), False


def _default(each: Field[Any], hint: Any) -> str:
    """What holds where the key is left out: ``none`` where that is no value that a file could give."""
    if each.default is MISSING and each.default_factory is MISSING:
        return "none" if "None" in str(each.type) else "required"
    value = each.default if each.default is not MISSING else ()
    allowed = (
        next((rule for rule in get_args(hint)[1:] if isinstance(rule, Range)), None) if get_origin(hint) is Annotated else None
    )
    if value in ("", (), None) or (allowed and isinstance(value, (int, float)) and value < allowed.low):
        return "none"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _values(hint: Any) -> str:
    """What a key may be, in words."""
    rules: tuple[Any, ...] = ()
    while get_origin(hint) is Annotated:
        hint, *found = get_args(hint)
        rules = (*rules, *found)
    origin, parts = get_origin(hint), get_args(hint)
    if any(isinstance(rule, Tagged) for rule in rules):
        return "a table"
    if origin is Literal:
        return ", ".join(f'`"{part}"`' if isinstance(part, str) else f"`{part}`" for part in parts)
    if origin is tuple and parts[-1] is ...:
        return f"list of {_plural(parts[0])}"
    if origin is tuple:
        return f"list of {len(parts)}: each {_values(parts[0])}"
    if origin is not None and type(None) in parts:
        return _values(next(part for part in parts if part is not type(None)))
    if origin is not None and issubclass(origin, Mapping):
        return f"table: {_values(parts[0])} = {_values(parts[1])}"
    if hint is bool:
        return "`true`, `false`"
    if hint is str:
        named = any(isinstance(rule, Pattern) for rule in rules)
        return "letters, digits, `.`, `_`, `-`" if named else "text"
    allowed = next((rule for rule in rules if isinstance(rule, Range)), None)
    number = "whole number" if hint is int else "number"
    return number if allowed is None else f"{number}{_range(allowed)}"


def _range(allowed: Range) -> str:
    return f" {allowed.low:g} to {allowed.high:.15g}" if allowed.high < float("inf") else f" of {allowed.low:g} or more"


def _plural(hint: Any) -> str:
    words = _values(hint)
    return {"text": "names", "a table": "tables"}.get(
        words, "tables" if inspect.isclass(hint) else words.replace("number", "numbers", 1)
    )


def _matchers() -> str:
    rows: Iterator[tuple[str, str, str, str]] = (
        (
            f"`{name}`",
            "pictures" if rules.pictures else "keypoints",
            "a matching network" if rules.network else "no network, it runs on the host",
            ", ".join(f"`{count}`" for count in rules.counts),
        )
        for name, rules in MATCHERS.items()
    )
    return markdown_table(("matcher", "compares", "needs", "may count"), list(rows), padded=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
