"""An individual's photos in groups: photos of one group resemble each other more than they do any other individual."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from reid_edge.audit.margins import Margins
from reid_edge.audit.pairs import PairTable
from reid_edge.gallery import Sighting


def groups_that_agree(photos: Sequence[Sighting], table: PairTable, margins: Margins) -> list[list[Sighting]]:
    """The groups, largest first; a photo that agrees with none is a group of its own.

    Average linkage (Sokal & Michener 1958) of the pairs that were compared: one photo that resembles another group by chance does not join
    the two.
    """
    groups = {photo.id: [photo] for photo in photos}
    links = _links(photos, table, margins)
    while True:
        joined = max(
            (
                (total / count, -one, -other)
                for one, each in links.items()
                for other, (total, count) in each.items()
                if one < other
            ),
            default=(0.0, 0, 0),
        )
        if joined[0] <= 0:
            return sorted(groups.values(), key=lambda group: (-len(group), group[0].id))
        kept, absorbed = -joined[1], -joined[2]
        groups[kept] = sorted(groups[kept] + groups.pop(absorbed), key=lambda each: each.id)
        for other, (total, count) in links.pop(absorbed).items():
            del links[other][absorbed]
            if other != kept:
                before, number = links[kept].get(other, (0.0, 0))
                links[kept][other] = links[other][kept] = (before + total, number + count)


def _links(photos: Sequence[Sighting], table: PairTable, margins: Margins) -> dict[int, dict[int, tuple[float, int]]]:
    """By two sighting ids, the sum of the margins of their pairs and how many there are."""
    ids = {photo.id for photo in photos}
    links: dict[int, dict[int, tuple[float, int]]] = defaultdict(dict)
    for photo in photos:
        for pair in table.of_photo[photo.id]:
            other = pair.of(photo).id
            margin = margins.of_pair(pair) if other in ids and photo.id < other else None
            if margin is not None:
                links[photo.id][other] = links[other][photo.id] = (margin, 1)
    return links
