"""What is asked of labelled photos: which of them, and how they become database and queries."""

from __future__ import annotations

from dataclasses import dataclass

SPLITS = ("given", "photo", "encounter", "time")


@dataclass(frozen=True)
class LabelRequest:
    """Which labels to read, and how to split them.

    Attributes:
        fold: rows of this fold only; None for all.
        species: of these only; none for all. Where a source names no species, the one that is given here is that of its photos.
        split: one of `SPLITS`; None for the source's own where it has one, or else by what is known of the photos.
        unknown_share: of the individuals, how many are held out as unknown; more than 0, less than 1.
        query_share: of the others' photos, encounters or dates, how many are queries; more than 0, less than 1.
        drop_leaks: leave out queries that are nearly in the database.
        skip_conflicts: leave out photos that have two names, instead of refusing the labels.
        seed: of the split.
    """

    fold: str | None = None
    species: tuple[str, ...] = ()
    split: str | None = None
    unknown_share: float = 0.2
    query_share: float = 0.4
    drop_leaks: bool = True
    skip_conflicts: bool = False
    seed: int = 0
