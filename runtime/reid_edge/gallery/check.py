"""Checks of a gallery: damage, warnings and information, each with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reid_edge.errors import ReidEdgeError
from reid_edge.gallery.arrays import StoredArray, damage
from reid_edge.gallery.records import Sighting
from reid_edge.gallery.store import Gallery

_ARRAYS = 64  # read at a time, so that a writer is never kept waiting for long and memory stays small
_RESTORE = "Restore a backup, or keep what can be read: reid-edge gallery check --repair."
_EMBED = "A repair leaves it out, so that it is made again from the photo: reid-edge gallery check --repair."


@dataclass(frozen=True)
class Finding:
    """`damage`: data is lost or wrong. `warning`: perhaps a mistake. `info`: no fault."""

    severity: Literal["damage", "warning", "info"]
    what: str
    hint: str


def check(gallery: Gallery) -> list[Finding]:
    """Everything that was found; an empty list for a gallery without damage, warnings and information."""
    findings: list[Finding] = []
    for part in (_file, _arrays, _catalogue, _photos):
        try:
            findings.extend(part(gallery))
        except ReidEdgeError as error:  # SQLite gives up on a page that is too broken to read
            findings.append(Finding("damage", error.message, error.hint or _RESTORE))
    return findings


def _file(gallery: Gallery) -> Iterator[Finding]:
    for problem in gallery.database.problems():
        yield Finding("damage", f"{problem}.", _RESTORE)


def _arrays(gallery: Gallery) -> Iterator[Finding]:
    last = -1
    while rows := gallery.database.rows(
        "SELECT id, sighting_id, name, dtype, shape, crc32, data FROM feature WHERE id > ? ORDER BY id LIMIT ?", (last, _ARRAYS)
    ):
        last = rows[-1][0]
        for _, sighting, name, *stored in rows:
            problem = damage(StoredArray(*stored))
            if problem:
                yield Finding("damage", f"The feature {name} of sighting {sighting} is damaged: {problem}.", _EMBED)


def _catalogue(gallery: Gallery) -> Iterator[Finding]:
    for (sighting,) in gallery.database.rows(
        "SELECT s.id FROM sighting s LEFT JOIN individual i ON i.id = s.individual_id AND i.live = 1 "
        "WHERE s.live = 1 AND i.id IS NULL"
    ):
        yield Finding("damage", f"Sighting {sighting} belongs to no individual.", _RESTORE)
    for (review,) in gallery.database.rows(
        "SELECT r.id FROM review r LEFT JOIN individual i ON i.id = r.individual_id AND i.live = 1 "
        "WHERE r.live = 1 AND i.id IS NULL AND r.kind IN ('confirmed', 'new', 'rejected')"
    ):
        yield Finding("damage", f"Review {review} names no individual.", _RESTORE)
    for individual in gallery.individuals():
        if not individual.sightings:
            yield Finding(
                "warning", f"{individual.name} has no sighting, so no photo can be matched to it.", "Add photos, or remove it."
            )
        elif " / " in individual.species:
            yield Finding(
                "warning",
                f"{individual.name} has sightings of more than one species: {individual.species}.",
                "See reid-edge gallery show NAME.",
            )


def missing_photos(gallery: Gallery) -> list[Sighting]:
    """The sightings whose photo is no longer where it was enrolled from."""
    return [sighting for sighting in gallery.sightings() if sighting.photo_path and not Path(sighting.photo_path).is_file()]


def _photos(gallery: Gallery) -> Iterator[Finding]:
    photos = sum(bool(sighting.photo_path) for sighting in gallery.sightings())
    moved = [sighting.photo_path for sighting in missing_photos(gallery)]
    if moved:
        yield Finding(
            "info",
            f"{len(moved)} of {photos} photos are no longer where they were enrolled from, such as {moved[0]}.",
            "Only another pack needs them, to compute their features again. List them: reid-edge gallery check --missing. If they "
            "were moved: reid-edge gallery relink OLD NEW.",
        )
