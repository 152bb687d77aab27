"""Did you mean: the end of an error about an unknown name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str:
    """The nearest known name, or all of them where none is near: `the nearest known one is 'threshold'`."""
    known = sorted(known)
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"the nearest known one is {close[0]!r}"
    return f"known are {', '.join(map(repr, known))}" if known else "none is known here"
