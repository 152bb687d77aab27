"""Which species a stage is for."""

from __future__ import annotations

from collections.abc import Collection


def applies_to(species: Collection[str], asked: str) -> bool:
    """Whether a stage for these species, or for all where there are none, is for the one asked for.

    Args:
        species: of the stage.
        asked: of the animal, in any case of letters; where it is empty, only a stage for all species is for it.
    """
    return not species or asked.strip().casefold() in {name.casefold() for name in species}
