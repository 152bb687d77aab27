"""Which gallery animals a query is compared with, and why some or all of them are not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.query import Query
from reid_edge.gallery import LeftOut, Sighting


@dataclass(frozen=True)
class Selection:
    """Which gallery animals a query is compared with.

    Attributes:
        ids: int64, sighting ids; None for all.
        query: what was asked; where the gallery animals all are of one species, they give the query's.
        warnings: how the selection could not be what was asked for.
        nothing_to_compare: why there are none, one sentence; empty where there are some.
        may_be_known: there are none, yet the animal may be one of the gallery's: seen from another side, or not described.
        ambiguity: why an animal that resembles none of them may be known all the same; empty where there is no such reason.
    """

    ids: NDArray[np.int64] | None = None
    query: Query = field(default_factory=Query)
    warnings: tuple[str, ...] = ()
    nothing_to_compare: str = ""
    may_be_known: bool = False
    ambiguity: str = ""

    def ambiguity_reason(self, found: bool) -> str:
        """Why an animal that resembles none of them may not be new: `ambiguity`, or that no animal stood out in the photo."""
        return self.ambiguity if found else "No animal stands out in this photo, and there may be none."


def select(sightings: Collection[Sighting], left_out: LeftOut, query: Query, any_view: bool = False) -> Selection:
    """Restrict to the query's species, viewpoint and individuals; a gallery photo whose side is not known stays in.

    Args:
        sightings: of the gallery, those whose features are at hand.
        left_out: the others.
        query: what is asked.
        any_view: the side that the query shows restricts nothing, so that a side that is not known matters to nobody.
    """
    species, viewpoint = query.species, "" if any_view else query.viewpoint
    if not sightings and left_out != LeftOut():
        return _all_left_out(query, "photo", left_out)
    if not sightings:
        return _nothing(query, "The gallery is empty, so every animal is new to it.")
    chosen = [seen for seen in sightings if not species or agrees(seen.species, species)]
    if not chosen and left_out != LeftOut():
        return _all_left_out(query, species, left_out)
    if not chosen:
        held = ", ".join(sorted({seen.species for seen in sightings}))
        return _nothing(query, f"The gallery holds no {species}, so every one is new to it; it holds {held}.")
    if query.individuals is not None:
        chosen = [seen for seen in chosen if seen.identity in query.individuals]
        if not chosen:
            why = "None of the individuals to compare with has a photo in the gallery, so nothing was compared. A person should look."
            return _nothing(query, why, may_be_known=True)
    excluded = sorted({seen.identity for seen in chosen if seen.identity in query.excluded})
    chosen = [seen for seen in chosen if seen.identity not in excluded]
    if not chosen:
        return _nothing(
            query, f"A person said that it is none of {', '.join(excluded)}, and there is nobody else to compare with."
        )
    of_this_side = [seen for seen in chosen if not viewpoint or agrees(seen.viewpoint, viewpoint)]
    if not of_this_side:
        why = f"The gallery holds no photo from the {viewpoint}; the animal may be known from another side. A person should look."
        return _nothing(_with_species(query, chosen), why, may_be_known=True)
    chosen = of_this_side
    warnings, ambiguity = ([], "") if any_view else _about_sides(chosen, viewpoint)
    if excluded:
        warnings.append(f"Not compared with {', '.join(excluded)}: a person said that it is another animal.")
    warnings += _about_left_out(left_out)
    ids = None if len(chosen) == len(sightings) else np.array(sorted(sighting.id for sighting in chosen), np.int64)
    return Selection(ids, _with_species(query, chosen), tuple(warnings), ambiguity=ambiguity)


def agrees(stored: str, asked: str) -> bool:
    """Whether a fact of the gallery is the one asked for, or is not known."""
    return stored.casefold() in ("", asked.casefold())


def _about_sides(chosen: Sequence[Sighting], viewpoint: str) -> tuple[list[str], str]:
    """Warnings about the sides that the gallery photos show, and why these make an answer `new` ambiguous."""
    if viewpoint:
        unknown = sum(not seen.viewpoint for seen in chosen)
        warning = f"{unknown} of {len(chosen)} gallery photos do not say which side they show; all were compared."
        return [warning] if unknown else [], ""
    if not any(seen.viewpoint for seen in chosen):
        return [], ""
    sides = sorted({seen.viewpoint or "unknown" for seen in chosen})
    warning = (
        f"Which side the photo shows is not known (--viewpoint); it was compared with photos of these sides: {', '.join(sides)}."
    )
    return [warning], f"The gallery shows {sides[0]} sides only, and this photo may show another." if len(sides) == 1 else ""


def _about_left_out(left_out: LeftOut) -> list[str]:
    reasons = (
        ("this pack has not described them", left_out.undescribed),
        ("the replica has no room for them (replica_bytes)", left_out.without_room),
        ("they are still being copied from the server", left_out.on_their_way),
    )
    return [f"Gallery photos left out because {reason}: {count}." for reason, count in reasons if count]


def _all_left_out(query: Query, what: str, left_out: LeftOut) -> Selection:
    """There is nothing to compare with; `what` is a photo, or the species that is asked for."""
    why = f"No {what} of the gallery has been copied from the server yet"
    if left_out.undescribed:
        why = f"No {what} of the gallery could be described with this pack"
    elif left_out.without_room:
        why = f"The replica has no room for any {what} of the gallery (replica_bytes)"
    return _nothing(query, f"{why}, so nothing was compared. A person should look.", may_be_known=True)


def _nothing(query: Query, why: str, may_be_known: bool = False) -> Selection:
    return Selection(np.empty(0, np.int64), query, nothing_to_compare=why, may_be_known=may_be_known)


def _with_species(query: Query, chosen: Sequence[Sighting]) -> Query:
    """Of a gallery of one species it is that one, whether the query says so or not, and the animal is turned as the others are."""
    species = {seen.species.casefold(): seen.species for seen in chosen if seen.species}
    return replace(query, species=(next(iter(species.values())) if len(species) == 1 else "") or query.species)
