"""One labelled photo, and the labels of one source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reid_edge.gallery.enrolment_list import Enrolment


@dataclass(frozen=True)
class LabelledPhoto:
    """Whom a photo shows, and where that is written.

    Attributes:
        enrolment: the photo and what its source says of it; its identity is '' where the source knows no name for the animal.
        where: the row, annotation or file that says it, for messages.
        split: ``database``, ``query``, or what else the source says; '' where it says nothing.
        fold: the source's fold, '' where it says nothing.
        animal: the label is of one animal of the photo, which may show others that have labels of their own.
        area: of that animal's box, in pixels or in shares of the photo; None where it is not known.
    """

    enrolment: Enrolment
    where: str
    split: str = ""
    fold: str = ""
    animal: bool = False
    area: float | None = None


@dataclass(frozen=True)
class LabelledSource:
    """The labels of one source.

    Attributes:
        name: its folder's name, for messages and file names.
        photos: one label a photo; of a photo that is both database and query, one in each.
        notes: what was left out and why, a sentence each.
    """

    name: str
    photos: tuple[LabelledPhoto, ...]
    notes: tuple[str, ...] = ()


def first_few(names: Sequence[str], most: int = 5) -> str:
    """Some of the names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def counted(count: int, noun: str) -> str:
    """As ``1 photo`` or ``2 photos``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
