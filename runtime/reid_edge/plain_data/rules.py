"""What the declaration of a field may say beyond its type, and the error where a value does not fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Scalar: TypeAlias = "bool | int | float | str"


class InvalidValue(Exception):
    """A value that its declaration does not allow. As text, it is a sentence without its full stop: `recipe.match[0].best must be ...`.

    Args:
        problem: what follows the path in the sentence, such as `is missing`.
        hint: what to do about it; empty where the caller knows better.
        path: the key, with a dot or bracket in front: `.match[0].best`. Whoever reads the table around it puts its own key in front.

    Attributes:
        further: the other errors of the same table.
    """

    def __init__(self, problem: str, hint: str = "", path: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint
        self.path = path
        self.further: list[InvalidValue] = []

    def __str__(self) -> str:
        path = self.path.removeprefix(".")
        return f"{path}{self.problem}" if path and self.problem.startswith(":") else f"{path} {self.problem}".lstrip(": ")


def must_be(wanted: str, value: object, secret: bool = False) -> InvalidValue:
    """The error `must be WANTED, not VALUE`; a secret value is not shown."""
    return InvalidValue(f"must be {wanted}, not {'(hidden)' if secret else repr(value)[:80]}")


@dataclass(frozen=True, eq=False)
class Range:
    """Of a number: from `low` to `high`, both included."""

    low: float = -math.inf
    high: float = math.inf

    def __str__(self) -> str:
        return f" from {self.low} to {self.high}" if self.high < math.inf else f" of {self.low} or more"


@dataclass(frozen=True, eq=False)
class Pattern:
    """Of a text: what it matches as a whole, in words where the expression would not do, and whether it must be printable."""

    regex: str
    wanted: str = ""
    printable: bool = True


@dataclass(frozen=True, eq=False)
class Keys:
    """Of a mapping: exactly these keys, in whose order it is read; a function makes them of the context of `decode`."""

    names: Callable[[Any], Collection[str]]


@dataclass(frozen=True, eq=False)
class Tagged:
    """Of a union of dataclasses: which one it is, is written under `key`."""

    key: str
    kinds: Mapping[str, type[Any]]


@dataclass(frozen=True, eq=False)
class Convert:
    """Of any type: `read(value, context)` stands in for the reading by type; it raises InvalidValue or a ReidEdgeError."""

    read: Callable[[Any, Any], Any]


@dataclass(frozen=True, eq=False)
class Then:
    """Of any type: what becomes of the value once it is read (`str.lower`); it raises InvalidValue or a ReidEdgeError."""

    change: Callable[[Any], Any]


def each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    """For `Then`: one name or more, none of them twice."""
    if not names or len(set(names)) < len(names):
        raise must_be("one name or more, none of them twice", list(names))
    return names
