"""The TOML writer against the standard library's reader."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.pack.toml_text import toml_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

text = st.text(st.characters(codec="utf-8"), max_size=12)
scalars = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | text
data = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=20)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(text, data, max_size=5))
def test_what_is_written_is_read_back_the_same(document):
    assert tomllib.loads(toml_text(document)) == document


def test_tables_are_headed_and_a_table_of_tables_needs_no_header_of_its_own():
    document = {"a": 1, "b": {"c": {"d": True}}, "e": [{"f": 0.5}, {"g": {"h": "x"}}], "i": {}}
    assert toml_text(document) == 'a = 1\n\n[b.c]\nd = true\n\n[[e]]\nf = 0.5\n\n[[e]]\n\n[e.g]\nh = "x"\n\n[i]\n'


@pytest.mark.parametrize("value", [None, b"bytes", {1, 2}, object()])
def test_what_toml_cannot_hold_is_a_type_error(value):
    with pytest.raises(TypeError, match="TOML cannot hold"):
        toml_text({"a": value})
