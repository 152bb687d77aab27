"""A table is read as its dataclass declares it, or refused with the path of the key that is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.errors import UsageError
from reid_edge.plain_data import (
    Convert,
    InvalidValue,
    Keys,
    Pattern,
    Range,
    Scalar,
    Tagged,
    Then,
    decode,
    encode,
    must_be,
)


@dataclass(frozen=True)
class Square:
    side: Annotated[float, Range(0)]


@dataclass(frozen=True)
class Box:
    width: float
    height: float

    def __post_init__(self) -> None:
        if self.height > self.width:
            raise UsageError("a box is wider than it is high.", "Turn it.")


def read_seconds(value: Any, units: Mapping[str, float]) -> float:
    if isinstance(value, str) and value[-1:] in units:
        return float(value[:-1]) * units[value[-1]]
    raise must_be("a time such as '5m'", value, secret=True)


Shape = Annotated[Square | Box, Tagged("kind", {"square": Square, "box": Box})]


@dataclass(frozen=True)
class Everything:
    name: Annotated[str, Pattern(r"[a-z]+")]
    count: Annotated[int, Range(1, 10)]
    on: bool
    colour: Literal["red", "blue", 5]
    shape: Shape
    maybe: Square | None
    pair: tuple[float, float] = (0.0, 0.0)
    shapes: tuple[Shape, ...] = ()
    weights: Annotated[Mapping[Annotated[str, Then(str.lower)], float], Keys(list)] | None = None
    wait: Annotated[float, Convert(read_seconds)] = 1.0
    facts: Mapping[str, Scalar] = field(default_factory=dict)
    free: Any = None


LEAST = {"name": "a", "count": 3, "on": True, "colour": "red", "shape": {"kind": "square", "side": 2}}
UNITS = {"s": 1.0, "m": 60.0}


def test_a_table_becomes_the_dataclass_and_its_numbers_their_type():
    read = decode(Everything, LEAST, context=UNITS)
    assert read == Everything("a", 3, True, "red", Square(2.0), None)
    assert isinstance(read.shape.side, float)
    more = {
        "maybe": {"side": 0},
        "pair": [1, 2],
        "shapes": [{"kind": "box", "width": 2, "height": 1}],
        "weights": {"m": 2, "s": 1},
        "wait": "5m",
        "facts": {"a": 1, "b": "x"},
        "free": [1, {"x": None}],
    }
    read = decode(Everything, {**LEAST, **more}, context=UNITS)
    assert (read.maybe, read.pair, read.shapes) == (Square(0.0), (1.0, 2.0), (Box(2.0, 1.0),))
    assert list(read.weights.items()) == [("s", 1.0), ("m", 2.0)]
    assert (read.wait, read.facts, read.free) == (300.0, {"a": 1, "b": "x"}, [1, {"x": None}])


REFUSED = {
    "no table": ([], "must be a table, not []"),
    "an unknown key": ({**LEAST, "colr": "red"}, "file.colr is an unknown key; the nearest known one is 'colour'"),
    "a missing key": ({"name": "a"}, "file.count is missing"),
    "a text of another form": ({**LEAST, "name": "A"}, "file.name must be text of the form [a-z]+, not 'A'"),
    "a number out of range": ({**LEAST, "count": 11}, "file.count must be an integer from 1 to 10, not 11"),
    "true as a number": ({**LEAST, "count": True}, "file.count must be an integer from 1 to 10, not True"),
    "a number as true": ({**LEAST, "on": 1}, "file.on must be true or false, not 1"),
    "another choice": ({**LEAST, "colour": 5.0}, "file.colour must be one of 'red', 'blue', 5, not 5.0"),
    "no kind": ({**LEAST, "shape": {"side": 1}}, "file.shape.kind is missing"),
    "another kind": ({**LEAST, "shape": {"kind": []}}, "file.shape.kind must be one of 'square', 'box', not []"),
    "a number below": (
        {**LEAST, "shape": {"kind": "square", "side": -1}},
        "file.shape.side must be a finite number of 0 or more",
    ),
    "no number": ({**LEAST, "shape": {"kind": "square", "side": math.nan}}, "file.shape.side must be a finite number"),
    "an item": ({**LEAST, "shapes": [LEAST["shape"], {"kind": "box", "width": 1}]}, "file.shapes[1].height is missing"),
    "a rule of the whole": (
        {**LEAST, "shapes": [{"kind": "box", "width": 1, "height": 2}]},
        "file.shapes[0]: a box is wider than it is high",
    ),
    "too long a list": ({**LEAST, "pair": [1, 2, 3]}, "file.pair must be a list of 2, not [1, 2, 3]"),
    "a key too many": ({**LEAST, "weights": {"s": 1, "m": 2, "n": 3}}, "file.weights.n is an unknown key"),
    "a key too few": ({**LEAST, "weights": {"s": 1}}, "file.weights.m is missing"),
    "a secret": ({**LEAST, "wait": "hunter2"}, "file.wait must be a time such as '5m', not (hidden)"),
    "a nested fact": ({**LEAST, "facts": {"a": []}}, "file.facts.a must be a finite number, true, false or text, not []"),
    "an unprintable text": ({**LEAST, "free": {"a": ["\x1b"]}}, "file.free.a[0] holds a character that cannot be printed"),
    "an unprintable key": ({**LEAST, "\x1b": 1}, "file.'\\x1b' is an unknown key"),
}


@pytest.mark.parametrize(("table", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_the_dataclass_does_not_allow_is_refused_with_its_path(table, sentence):
    with pytest.raises(InvalidValue) as refused:
        decode(Everything, table, "file", UNITS)
    assert sentence in str(refused.value)


def test_all_that_is_wrong_in_a_table_is_found_each_with_its_path():
    wrong = {"colr": "red", "count": 11, "shapes": [LEAST["shape"], {"kind": "box", "width": "x"}, {"kind": "ball"}]}
    table = {**LEAST, **wrong, "weights": {"s": "x", "n": 3}}
    del table["on"]
    with pytest.raises(InvalidValue) as refused:
        decode(Everything, table, "file", UNITS)
    found = [str(each) for each in (refused.value, *refused.value.further)]
    paths = [sentence.split()[0] for sentence in found]
    assert paths == [
        "file.colr",
        "file.on",
        "file.count",
        "file.shapes[1].height",
        "file.shapes[1].width",
        "file.shapes[2].kind",
        "file.weights.n",
        "file.weights.m",
        "file.weights.s",
    ]


def test_the_hint_of_a_rule_of_the_whole_is_kept_and_a_top_table_has_no_path():
    with pytest.raises(InvalidValue) as refused:
        decode(Box, {"width": 1, "height": 2})
    assert (str(refused.value), refused.value.hint) == ("a box is wider than it is high", "Turn it.")


shapes = st.builds(Square, st.floats(0, 9)) | st.builds(Box, st.floats(5, 9), st.floats(0, 5))


@given(
    st.builds(
        Everything,
        name=st.text("abc", min_size=1),
        count=st.integers(1, 10),
        on=st.booleans(),
        colour=st.sampled_from(["red", "blue", 5]),
        shape=shapes,
        maybe=st.none() | st.builds(Square, st.floats(0, 9)),
        pair=st.tuples(st.floats(-9, 9), st.floats(-9, 9)),
        shapes=st.lists(shapes, max_size=3).map(tuple),
        weights=st.none() | st.fixed_dictionaries({"s": st.floats(0, 1), "m": st.floats(0, 1)}),
        wait=st.just(1.0),
        facts=st.dictionaries(st.text("xyz", min_size=1), st.booleans() | st.integers() | st.floats(0, 1)),
    )
)
def test_what_is_encoded_is_decoded_as_an_equal_dataclass(value):
    table = {key: item for key, item in encode(value).items() if key != "wait"}
    assert decode(Everything, table, context=UNITS) == value


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*Everything.__dataclass_fields__, "x"]), plain, max_size=4), plain)
def test_any_data_is_read_or_refused(some, other):
    for data in ({**LEAST, **some}, other):
        with suppress(InvalidValue):
            assert isinstance(decode(Everything, data, "file", UNITS), Everything)
