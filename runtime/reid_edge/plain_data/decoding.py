"""Reading a table by the type hints of a dataclass, and writing the dataclass as a table."""

from __future__ import annotations

import re
import types
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from reid_edge.errors import ReidEdgeError
from reid_edge.plain_data.rules import Convert, InvalidValue, Keys, Pattern, Range, Tagged, Then, must_be
from reid_edge.suggestions import nearest, similar

T = TypeVar("T")


def decode(kind: type[T], data: object, path: str = "", context: Any = None) -> T:
    """Read a table as a dataclass.

    Args:
        kind: the dataclass.
        data: the table as `tomllib` and `json` give it.
        path: of the table in the file, put in front of the keys that errors name.
        context: handed to the functions of `Convert` and `Keys`, such as the folder that relative paths start at.

    Raises:
        InvalidValue: an unknown or missing key, or a value of another type or out of range; the first one, with the others as `further`.
            The caller makes it an error of its own.
    """
    with _below(f".{path}" if path else ""):
        read: T = _table(kind, data, context)
        return read


def encode(value: Any, hint: Any = None) -> Any:
    """A dataclass as plain tables and lists, in the order of its fields; `decode` reads them back as an equal one."""
    hint, rules = _split(hint)
    if tagged := _rule(rules, Tagged):
        name = next(name for name, kind in tagged.kinds.items() if type(value) is kind)
        return {tagged.key: name, **encode(value)}
    if is_dataclass(value):
        return {key: encode(getattr(value, key), hint) for key, (hint, _) in _declared(cast(Any, type(value))).items()}
    items = get_args(hint) or (None,)
    if isinstance(value, Mapping):
        return {key: encode(item, items[-1]) for key, item in value.items()}
    return [encode(item, items[0]) for item in value] if isinstance(value, (tuple, list)) else value


def _table(kind: Any, data: object, context: Any) -> Any:
    declared = _declared(kind)
    optional = {key for key, (hint, has_default) in declared.items() if has_default or _admits_none(hint)}
    table = _as_table(data)
    found = _Errors(_wrong_keys(table, declared, [key for key in declared if key not in optional]))
    values: dict[str, Any] = {}
    for key, (hint, has_default) in declared.items():
        if key in table:
            with found.below(_step(key)):
                values[key] = _read(hint, table[key], context)
        elif not has_default:
            values[key] = None
    found.raise_first()
    return kind(**values)


def _read(hint: Any, value: Any, context: Any) -> Any:
    """The value as the hint wants it: by `Convert` or by type, then through each `Then`."""
    hint, rules = _split(hint)
    convert = _rule(rules, Convert)
    result = convert.read(value, context) if convert else _by_type(hint, rules, value, context)
    for rule in rules:
        if isinstance(rule, Then):
            result = rule.change(result)
    return result


def _by_type(hint: Any, rules: tuple[Any, ...], value: Any, context: Any) -> Any:
    origin, parts = get_origin(hint), get_args(hint)
    if tagged := _rule(rules, Tagged):
        return _tagged(tagged, value, context)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in parts:
            return None
        kinds = [part for part in parts if part is not type(None)]
        return _read(kinds[0], value, context) if len(kinds) == 1 else _plain(value, nested=False)
    if origin is Literal:
        if not any(value == choice and type(value) is type(choice) for choice in parts):
            raise must_be(f"one of {', '.join(map(repr, parts))}", value)
        return value
    if origin is tuple:
        return _list(parts, value, context)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(parts, _rule(rules, Keys), value, context)
    if is_dataclass(hint):
        return _table(hint, value, context)
    return _plain(value) if hint is Any else _simple(hint, rules, value)


def _tagged(tagged: Tagged, value: Any, context: Any) -> Any:
    table = _as_table(value)
    _Errors(_wrong_keys(table, None, [tagged.key])).raise_first()
    kind = table[tagged.key]
    with _below(_step(tagged.key)):
        if not isinstance(kind, str) or kind not in tagged.kinds:
            raise must_be(f"one of {', '.join(map(repr, tagged.kinds))}", kind)
    return _table(tagged.kinds[kind], {key: each for key, each in table.items() if key != tagged.key}, context)


def _list(parts: tuple[Any, ...], value: Any, context: Any) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise must_be("a list", value)
    hints = [parts[0]] * len(value) if parts[-1] is ... else parts
    if len(hints) != len(value):
        raise must_be(f"a list of {len(hints)}", value)
    items, found = [], _Errors()
    for place, (hint, item) in enumerate(zip(hints, value, strict=True)):
        with found.below(f"[{place}]"):
            items.append(_read(hint, item, context))
    found.raise_first()
    return tuple(items)


def _mapping(parts: tuple[Any, ...], keys: Keys | None, value: Any, context: Any) -> dict[Any, Any]:
    names = keys.names(context) if keys else None
    table = _as_table(value)
    items, found = {}, _Errors(_wrong_keys(table, names, names or ()))
    for name in [each for each in names or table if each in table]:
        with found.below():
            key = _read_key(parts[0], name, context)
            with _below(_step(name)):
                items[key] = _read(parts[1], table[name], context)
    found.raise_first()
    return items


def _read_key(hint: Any, name: Any, context: Any) -> Any:
    try:
        return _read(hint, name, context)
    except InvalidValue as error:
        raise InvalidValue(f"has a key that {error.problem}", error.hint) from None


def _as_table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise must_be("a table", value)
    return value


def _wrong_keys(table: Mapping[str, Any], known: Collection[str] | None, required: Collection[str]) -> Iterator[InvalidValue]:
    """Keys beside the known ones, where these are given, then the required ones that are not there, not even mistyped."""
    unknown = [str(key) for key in table if known is not None and key not in known]
    for key in unknown:
        yield InvalidValue(f"is an unknown key; {nearest(key, known or ())}", "Correct or remove the key.", _step(key))
    for key in required:
        if key not in table and not similar(key, unknown, 1):
            yield InvalidValue("is missing", path=_step(key))


def _simple(hint: Any, rules: tuple[Any, ...], value: Any) -> Any:
    """A boolean, a number or a text."""
    if hint is bool:
        if not isinstance(value, bool):
            raise must_be("true or false", value)
    elif hint is str:
        pattern = _rule(rules, Pattern) or Pattern(r"(?s).+", "text")
        if not isinstance(value, str) or not re.fullmatch(pattern.regex, value):
            raise must_be(pattern.wanted or f"text of the form {pattern.regex}", value)
        if pattern.printable:
            _check_printable(value)
    else:
        allowed = _rule(rules, Range)
        fits = isinstance(value, int) and not isinstance(value, bool) if hint is int else _is_number(value)
        if not fits or (allowed and not allowed.low <= value <= allowed.high):
            raise must_be(f"{'an integer' if hint is int else 'a finite number'}{allowed or ''}", value)
    return float(value) if hint is float else value


def _plain(value: Any, nested: bool = True) -> Any:
    """A finite number, a boolean or a printable text, as it is; where it may be nested, null, lists and tables too."""
    if nested and isinstance(value, Mapping):
        for key, item in value.items():
            with _below(_step(key)):
                _check_printable(key)
                _plain(item)
    elif nested and isinstance(value, list):
        for place, item in enumerate(value):
            with _below(f"[{place}]"):
                _plain(item)
    elif isinstance(value, str):
        _check_printable(value)
    elif not (nested and value is None) and not isinstance(value, bool) and not _is_number(value):
        raise must_be("a finite number, true, false or text", value)
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def _check_printable(text: str) -> None:
    if not all(character.isprintable() or character in "\n\t" for character in text):
        raise InvalidValue("holds a character that cannot be printed")


@cache
def _declared(kind: type[Any]) -> dict[str, tuple[Any, bool]]:
    """The fields that a table gives: the hint, and whether there is a default."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        each.name: (hints[each.name], each.default is not MISSING or each.default_factory is not MISSING)
        for each in fields(kind)
        if each.init
    }


def _split(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """The type and the rules of `Annotated`."""
    return (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())


def _rule(rules: tuple[Any, ...], kind: type[T]) -> T | None:
    return next((rule for rule in rules if isinstance(rule, kind)), None)


def _admits_none(hint: Any) -> bool:
    return type(None) in get_args(_split(hint)[0])


def _step(key: object) -> str:
    shown = str(key)[:80]
    return f".{shown if shown and shown.isprintable() else repr(shown)}"


class _Errors:
    """The errors of one table or list: the first one is raised, with all others."""

    def __init__(self, errors: Iterable[InvalidValue] = ()) -> None:
        self._errors = list(errors)

    @contextmanager
    def below(self, step: str = "") -> Iterator[None]:
        """Keep the errors that are raised inside; see `_below`."""
        try:
            with _below(step):
                yield
        except InvalidValue as error:
            self._errors += [error, *error.further]

    def raise_first(self) -> None:
        if self._errors:
            self._errors[0].further = self._errors[1:]
            raise self._errors[0] from None


@contextmanager
def _below(step: str) -> Iterator[None]:
    """Errors below get this step in front of their path; a ReidEdgeError of a rule or a dataclass becomes an InvalidValue."""
    try:
        yield
    except ReidEdgeError as error:
        raise InvalidValue(f": {error.message.rstrip('.')}", error.hint, step) from None
    except InvalidValue as error:
        for each in (error, *error.further):
            each.path = step + each.path
        raise
