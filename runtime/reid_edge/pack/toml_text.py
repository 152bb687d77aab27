"""Plain nested data to TOML text: the same data always gives the same bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def toml_text(document: Mapping[str, Any]) -> str:
    """TOML 1.0 text of tables, lists, strings, booleans, integers and floats, in the order given.

    Raises:
        TypeError: a value TOML cannot hold (None, bytes, an array).
    """
    return "\n\n".join(_blocks(document, (), "")) + "\n"


def _blocks(table: Mapping[str, Any], name: tuple[str, ...], header: str) -> list[str]:
    """A table's values under its header, then each table below it; a header without values is left out."""
    lines = [f"{_key(key)} = {_value(item)}" for key, item in table.items() if not _has_header(item)]
    needs_header = bool(lines) or not table or header.startswith("[[")
    blocks = ["\n".join([header, *lines] if header else lines)] if needs_header else []
    for key, item in table.items():
        if not _has_header(item):
            continue
        path = (*name, key)
        dotted = ".".join(map(_key, path))
        if isinstance(item, Mapping):
            blocks += _blocks(item, path, f"[{dotted}]")
        else:
            blocks += [block for element in item for block in _blocks(element, path, f"[[{dotted}]]")]
    return blocks


def _has_header(value: object) -> bool:
    """Whether a value is written as [table] or [[array of tables]] rather than after an equals sign."""
    return isinstance(value, Mapping) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)
    )


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return "[" + ", ".join(map(_value, value)) + "]"
    raise TypeError(f"TOML cannot hold {value!r}")


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _string(text: str) -> str:
    """A TOML basic string; JSON's escapes are TOML's, but for DEL, which only TOML escapes."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
