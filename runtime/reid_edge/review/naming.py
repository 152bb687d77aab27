"""The name that is suggested for a new individual, and a probability in words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from reid_edge.decide.wording import in_percent
from reid_edge.gallery.names import name_key

_NUMBERED = re.compile(r"^(.*?)(\d+)$", re.DOTALL)
_START = "New-1"

_WORDS = (
    (0.99, "almost certainly"),
    (0.9, "very likely"),
    (0.66, "probably"),
    (0.4, "perhaps"),
    (0.1, "unlikely to be"),
    (0.0, "very unlikely to be"),
)


def suggested_name(names: Iterable[str]) -> str:
    """The next number after the names that the catalogue numbers: after `zebra_z09` and `zebra_z12` it is `zebra_z13`, else `New-1`."""
    names = list(names)
    numbered = [match.groups() for name in names if (match := _NUMBERED.match(name))]
    taken = {name_key(name) for name in names}
    prefixes = Counter(prefix for prefix, _ in numbered)
    prefix, count = prefixes.most_common(1)[0] if prefixes else ("", 0)
    if count * 2 <= len(names):
        prefix, width = _NUMBERED.match(_START).group(1), 1  # type: ignore[union-attr]
    else:
        width = min(len(digits) for start, digits in numbered if start == prefix)
    largest = max((int(digits) for start, digits in numbered if start == prefix), default=0)
    number = largest + 1
    while name_key(f"{prefix}{number:0{width}}") in taken:
        number += 1
    return f"{prefix}{number:0{width}}"


def in_words(name: str, probability: float) -> str:
    """Such as `very likely Chipo (94 %)`."""
    words = next(words for least, words in _WORDS if probability >= least)
    return f"{words} {name} ({in_percent(probability)})"
