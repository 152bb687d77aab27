"""The line of a recipe file that an error is about."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from reid_edge_export.toml_lines import Path, key_lines, line_of

_T = TypeVar("_T")

_DOTTED = re.compile(r"\b(?:recipe|networks|heads)(?:\.[A-Za-z0-9_-]+|\[\d+\])+")
_TOP = re.compile(r"(name|version|description|licence)\b")
_PART = re.compile(r"[A-Za-z0-9_-]+")
_VALUE = re.compile(r"(?<!\w)'([^']*)'|(?<=^A step takes )(\S+)")
_TASK = re.compile(r"The recipe's (\w+) network")
# The array of stages whose networks have a task, and words of an error that is about a stage without naming one.
_STAGE_OF_TASK = {"segmentation": "segment", "embedding": "embed", "keypoints": "extract", "matching": "match", "head": "head"}
_STAGE_OF_WORD = {"step": "step", "steps": "step", "fuses": "fuse", "fusion": "fuse", "decides": "decide", "threshold": "decide"}


def locate(text: str, data: Mapping[str, Any], message: str) -> int | None:
    """The line, from 1, that an error of a recipe is about; None where it is about none.

    Errors name the dotted key (``recipe.match[2].min_score``), or the value that is wrong and the stage by its name.

    Args:
        text: of the TOML file.
        data: what the text holds.
        message: of the error.
    """
    lines = key_lines(text)
    if top := _TOP.match(message):
        return line_of((top[1],), lines)
    if dotted := _DOTTED.search(message):
        path = tuple(int(part) if part.isdecimal() else part for part in _PART.findall(dotted[0]))
        return line_of(path, lines)
    return line_of(_path_in_words(data.get("recipe", {}), message), lines)


def _path_in_words(recipe: Mapping[str, Any], message: str) -> Path:
    """The key that a message is about which gives its value, or the stage that it names; the whole recipe for none."""
    values = Counter(quoted or word for quoted, word in _VALUE.findall(message))
    leaves = list(_leaves(recipe, ("recipe",)))
    for name, times in values.items():
        if times > 1:  # one name twice: the second is one too many
            return [path for path, value in leaves if path[-1] == "name" and value == name][-1]
    words = _VALUE.sub("", message)
    named = _mentioned({value: path[:-1] for path, value in leaves if path[-1] == "name"}, words)
    task = _TASK.search(message)
    table = _STAGE_OF_TASK.get(task[1], "") if task else _mentioned(_STAGE_OF_WORD, words)
    if found := [path for path, value in leaves if value in values]:

        def likeness(path: Path) -> tuple[bool, ...]:
            here = named is not None and path[: len(named)] == named
            return here, path[1] == table, bool(_mentioned({str(path[-1]): path}, words)), path[-1] != "name"

        return max(found, key=likeness)
    return named or (("recipe", table, 0) if table else ("recipe",))


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Every value that is no table, with its path; of a list of texts each."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            if isinstance(item, Mapping):
                yield from _leaves(item, (*path, place))
            else:
                yield path, item
    elif isinstance(value, str):
        yield path, value


def _mentioned(meanings: Mapping[str, _T], message: str) -> _T | None:
    """What the first of these words that a message has means; None where it has none."""
    places = ((re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", message), meaning) for word, meaning in meanings.items())
    return min(((place.start(), meaning) for place, meaning in places if place), key=lambda found: found[0], default=(0, None))[1]
