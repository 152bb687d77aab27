"""A TOML table read strictly: an unknown key, a missing key or a wrong type is an error that names it."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from reid_edge.errors import PackError
from reid_edge.pack.members import EXPORT_AGAIN, MANIFEST, nearest

Scalar: TypeAlias = "bool | int | float | str"


class Table:
    """One table of pack.toml, whose keys are checked as a whole before any is read.

    Args:
        data: the parsed table.
        name: its dotted name as in the file, empty for the top.
        required: the keys that must be there.
        optional: the keys that may be there.

    Raises:
        PackError: an unknown or missing key.
    """

    def __init__(self, data: Mapping[str, Any], name: str, required: Collection[str], optional: Collection[str] = ()) -> None:
        self._data = data
        self._name = name
        known = {*required, *optional}
        for key in data:
            if key not in known:
                raise PackError(f"{self._where(key)} is an unknown key; {nearest(key, known)}.", "Correct or remove the key.")
        for key in required:
            if key not in data:
                raise PackError(f"{self._where(key)} is missing.", EXPORT_AGAIN)

    def text(self, key: str, pattern: str = r"(?s).+") -> str:
        """A non-empty, printable string that matches the pattern as a whole."""
        value = self._data[key]
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            self._refuse(key, "text" if pattern == r"(?s).+" else f"text of the form {pattern}")
        return _printable(value, self._where(key))

    def choice(self, key: str, *choices: str) -> str:
        """One of the given strings."""
        value = self._data[key]
        if value not in choices:
            self._refuse(key, f"one of {', '.join(map(repr, choices))}")
        return str(value)

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """An integer from low to high; the default where the key is absent."""
        value = self._data.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self._refuse(key, f"an integer from {low} to {high}")
        return int(value)

    def number(self, key: str, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number from low to high."""
        value = self._data[key]
        if not _is_number(value) or not low <= value <= high:
            self._refuse(key, "a finite number" + (f" from {low:g} to {high:g}" if math.isfinite(low + high) else ""))
        return float(value)

    def truth(self, key: str) -> bool:
        """True or false."""
        value = self._data[key]
        if not isinstance(value, bool):
            self._refuse(key, "true or false")
        return bool(value)

    def numbers(self, key: str) -> tuple[float, ...]:
        """A list of finite numbers."""
        value = self._data[key]
        if not isinstance(value, list) or not all(map(_is_number, value)):
            self._refuse(key, "a list of finite numbers")
        return tuple(map(float, value))

    def text_list(self, key: str) -> tuple[str, ...]:
        """A list of non-empty, printable strings."""
        value = self._data[key]
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            self._refuse(key, "a list of names")
        return tuple(_printable(item, self._where(key)) for item in value)

    def table(self, key: str) -> dict[str, Any]:
        """A table, raw, for another Table or a free reading; empty where the key is absent."""
        value = self._data.get(key, {})
        if not isinstance(value, dict):
            self._refuse(key, "a table")
        return dict(value)

    def table_list(self, key: str) -> list[dict[str, Any]]:
        """An array of tables, raw."""
        value = self._data[key]
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self._refuse(key, "an array of tables")
        return list(value)

    def texts(self, key: str) -> dict[str, str]:
        """A table of free keys whose values are strings; empty where the key is absent."""
        values = self.scalars(key)
        for name, value in values.items():
            if not isinstance(value, str):
                raise PackError(f"{self._where(key)}.{name} must be text, not {value!r}.", EXPORT_AGAIN)
        return {name: str(value) for name, value in values.items()}

    def scalars(self, key: str) -> dict[str, Scalar]:
        """A table of free keys whose values are numbers, booleans or strings; empty where the key is absent."""
        values = self.plain(key)
        for name, value in values.items():
            if isinstance(value, (dict, list)):
                raise PackError(f"{self._where(key)}.{name} must be a number, true, false or text.", EXPORT_AGAIN)
        return values

    def plain(self, key: str) -> dict[str, Any]:
        """A table of free keys and nested plain values: numbers, booleans, strings, lists and tables."""
        value = self.table(key)
        _check_plain(value, self._where(key))
        return value

    def _where(self, key: str) -> str:
        return f"{MANIFEST} {self._name}.{key}" if self._name else f"{MANIFEST} {key}"

    def _refuse(self, key: str, wanted: str) -> None:
        raise PackError(f"{self._where(key)} must be {wanted}, not {str(self._data[key])[:80]!r}.", EXPORT_AGAIN)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300 and math.isfinite(value)


def _printable(text: str, where: str) -> str:
    if not all(character.isprintable() or character in "\n\t" for character in text):
        raise PackError(f"{where} holds a character that cannot be printed.", EXPORT_AGAIN)
    return text


def _check_plain(value: object, where: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _check_plain(item, f"{where}.{_printable(key, where)}")
    elif isinstance(value, list):
        for item in value:
            _check_plain(item, where)
    elif isinstance(value, str):
        _printable(value, where)
    elif not isinstance(value, bool) and not _is_number(value):
        raise PackError(f"{where} must be a finite number, true, false or text, not {value!r}.", EXPORT_AGAIN)
