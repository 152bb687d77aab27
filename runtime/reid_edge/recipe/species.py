"""Which species a stage is for."""

from __future__ import annotations

from collections.abc import Collection


def applies_to(species: Collection[str], asked: str) -> bool:
    """Whether a stage applies to an animal of this species.

    Args:
        species: that the stage is for; all where empty.
        asked: of the animal, in any case of letters; where it is empty, only a stage for all species applies.
    """
    return not species or asked.strip().casefold() in {name.casefold() for name in species}
