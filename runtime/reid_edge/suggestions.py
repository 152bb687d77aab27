"""Did you mean: the known names that a mistyped one resembles."""

from __future__ import annotations

from collections.abc import Iterable


def similar(name: str, known: Iterable[str], count: int = 3, likeness: float = 0.6) -> list[str]:
    """The known names that resemble this one, most similar first.

    Args:
        name: as it was typed.
        known: the names there are.
        count: at most so many.
        likeness: 0 for any name to 1 for this very name, see `difflib.SequenceMatcher.ratio`.
    """
    from difflib import get_close_matches  # only where a name is wrong: --help is to be quick

    return get_close_matches(name, list(known), count, likeness)


def did_you_mean(name: str, known: Iterable[str], otherwise: str, count: int = 3) -> str:
    """A hint that names the similar ones; `otherwise` where there is none."""
    names = similar(name, known, count)
    return f"Did you mean {' or '.join(names)}?" if names else otherwise


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error: the nearest known name, or all of them where none is near: `the nearest known one is 'threshold'`."""
    known = sorted(known)
    close = similar(name, known, 1, 0.5)
    if close:
        return f"the nearest known one is {close[0]!r}"
    return f"known are {', '.join(map(repr, known))}" if known else "none is known here"
