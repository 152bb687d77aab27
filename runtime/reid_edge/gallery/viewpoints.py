"""Names of the sides of an animal, and what is none of them."""

from __future__ import annotations

from collections.abc import Collection

from reid_edge.errors import UsageError
from reid_edge.suggestions import did_you_mean, similar

_ENDS = ("front", "back")
_SIDES = (
    "left",
    "right",
    *_ENDS,
    "rear",
    "top",
    "bottom",
    "up",
    "down",
    "above",
    "below",
    "under",
    "dorsal",
    "ventral",
    "lateral",
)
_PARTS = ("head", "face", "tail", "fluke", "flank", "side", "dorsal fin", "carapace", "plastron", "full body")
_WORDS = (
    *_SIDES,
    *_PARTS,
    *(f"{side} {part}" for side in ("left", "right") for part in ("side", "flank", "head", "face", "fluke")),
    *(first + join + last for first in (*_ENDS, "top", "up", "down", "left", "right") for last in ("left", "right", *_ENDS)
      for join in ("", "-", "_", " ") if first != last),
)  # fmt: skip
COMMON_VIEWPOINTS = frozenset(_WORDS)


def is_mistyped(viewpoint: str, known: Collection[str], enrolling: bool = False) -> bool:
    """Whether this is no viewpoint: neither `known` nor common. One to enrol may be new, unless it is near another."""
    viewpoint = viewpoint.strip().lower()
    if not viewpoint or viewpoint in known or viewpoint in COMMON_VIEWPOINTS:
        return False
    return not enrolling or bool(similar(viewpoint, {*known, "left", "right", *_ENDS}, 1, 0.75))


def refuse_mistyped_viewpoint(viewpoint: str, known: Collection[str], enrolling: bool = False) -> None:
    """Refuse a viewpoint that nothing can be compared with.

    Args:
        viewpoint: as it was typed; '' for none.
        known: those of the gallery.
        enrolling: it may be a new one, unless it is near another.

    Raises:
        UsageError: with the nearest ones and those of the gallery.
    """
    if is_mistyped(viewpoint, known, enrolling):
        held = f"The gallery has {', '.join(sorted(known))}." if known else "Common ones are left and right."
        near = did_you_mean(viewpoint.lower(), {*known, "left", "right", *_ENDS}, "")
        raise UsageError(f"{viewpoint!r} is no viewpoint.", f"{near} {held}".strip())
