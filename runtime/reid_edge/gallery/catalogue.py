"""Reading a gallery: individuals, their sightings, and which photos it has."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import fields
from typing import Any

from reid_edge.errors import GalleryError
from reid_edge.gallery.names import name_key, near_names
from reid_edge.gallery.records import Individual, Observation, Sighting, identity_name
from reid_edge.storage.database import Database
from reid_edge.suggestions import similar

_FACTS = tuple(field.name for field in fields(Observation) if field.name != "identity")
_SIGHTINGS = (
    f"SELECT s.id, s.added_at, i.name, {', '.join(f's.{fact}' for fact in _FACTS)} "
    "FROM sighting s JOIN individual i ON i.id = s.individual_id WHERE s.live = 1"
)


class Catalogue:
    """The reading side of a gallery. Only live individuals and sightings are seen."""

    database: Database

    def individuals(self, species: str | None = None) -> list[Individual]:
        """Every individual, or those with a sighting of this species, by name."""
        rows = self.database.rows(
            "SELECT i.name, i.sex, i.life_stage, i.notes, s.id, s.species, s.viewpoint, s.taken_at "
            "FROM individual i LEFT JOIN sighting s ON s.individual_id = i.id AND s.live = 1 "
            "WHERE i.live = 1 ORDER BY i.name, s.id"
        )
        by_name: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        for row in rows:
            sightings = by_name.setdefault(row[:4], [])
            if row[4] is not None:
                sightings.append(row[4:])
        found = [_individual(facts, sightings) for facts, sightings in by_name.items()]
        if species is None:
            return found
        return [one for one in found if species.casefold() in one.species.casefold().split(" / ")]

    def individual(self, name: str) -> Individual:
        """The individual of this name; GalleryError with the nearest names where there is none."""
        row_id, stored = self._individual_row(name)
        rows = self.database.rows(
            "SELECT id, species, viewpoint, taken_at FROM sighting WHERE individual_id = ? AND live = 1", (row_id,)
        )
        (notes,) = self.database.rows("SELECT sex, life_stage, notes FROM individual WHERE id = ?", (row_id,))
        return _individual((stored, *notes), rows)

    def individual_id(self, name: str) -> int:
        """Row id of the live individual of this name; GalleryError with the nearest names where there is none."""
        return self._individual_row(name)[0]

    def stored_name(self, name: str) -> str | None:
        """The name of the same individual as the gallery spells it (`names.name_key`); None where there is none.

        Raises:
            GalleryError: the gallery has two spellings of this name, and this is neither.
        """
        found = self._find(name)
        return found[1] if found else None

    def check_name(self, name: str, new: bool) -> None:
        """Refuse a name to enrol that is probably a slip.

        Args:
            name: as a person typed it.
            new: it is said to be of a new individual.

        Raises:
            GalleryError: it is near the name of an individual and not said to be new, or said to be new and the gallery has it.
        """
        stored = self.stored_name(name)
        if stored is not None and new:
            raise GalleryError(f"The gallery already has an individual {stored!r}.", "Leave --new out, or choose another name.")
        if stored is None and not new:
            near = near_names(identity_name(name), self.names())
            if near:
                raise GalleryError(
                    f"The gallery has no individual {name!r}, but {' and '.join(near[:3])}.",
                    f"If it is the same animal: --identity {near[0]!r}. If it is another one: add --new.",
                )

    def species_of(self, identity: str, given: str = "") -> tuple[str, tuple[str, ...]]:
        """The species of a photo to enrol, and, where it is not clear, the species between which it is not.

        It is the given one, as the gallery spells it; else the one of the individual's sightings; else the only one of the gallery.
        """
        rows = self.database.rows("SELECT DISTINCT species FROM sighting WHERE live = 1 AND species <> '' ORDER BY species")
        held = {species.casefold(): species for (species,) in reversed(rows)}
        if given:
            return held.get(given.casefold(), given), ()
        found = self._find(identity)
        own = self.database.rows(
            "SELECT DISTINCT species FROM sighting WHERE live = 1 AND species <> '' AND individual_id = ? ORDER BY species",
            (found[0] if found else -1,),
        )
        species = {each.casefold(): each for (each,) in reversed(own)} or held
        return (next(iter(species.values())), ()) if len(species) == 1 else ("", tuple(species.values())[::-1])

    def viewpoints(self) -> set[str]:
        """Those of the sightings, without ''."""
        return {
            each for (each,) in self.database.rows("SELECT DISTINCT viewpoint FROM sighting WHERE live = 1 AND viewpoint <> ''")
        }

    def names(self) -> list[str]:
        """Of the individuals, sorted."""
        return [name for (name,) in self.database.rows("SELECT name FROM individual WHERE live = 1 ORDER BY name")]

    def _find(self, name: str) -> tuple[int, str] | None:
        """Row id and stored name of the live individual with this name: this very spelling, else another one of it."""
        name = identity_name(name)
        rows = self.database.rows("SELECT id, name FROM individual WHERE name = ? AND live = 1", (name,))
        if not rows:
            key = name_key(name)
            every = self.database.rows("SELECT id, name FROM individual WHERE live = 1 ORDER BY name")
            rows = [row for row in every if name_key(row[1]) == key]
        if len(rows) > 1:
            spellings = " and ".join(stored for _, stored in rows)
            raise GalleryError(
                f"The gallery has {spellings}, which are spellings of one name.", "Give one of them exactly, or merge them."
            )
        return rows[0] if rows else None

    def _individual_row(self, name: str) -> tuple[int, str]:
        found = self._find(name)
        if found:
            return found
        names = {stored.casefold(): stored for (stored,) in self.database.rows("SELECT name FROM individual WHERE live = 1")}
        close = [names[key] for key in similar(name.casefold(), names, 3, 0.5)]
        hint = f"Did you mean {', '.join(close)}?" if close else "See the names: reid-edge gallery list."
        raise GalleryError(f"The gallery has no individual {name!r}.", hint)

    def sightings(
        self, species: str | None = None, viewpoint: str | None = None, individual: str | None = None
    ) -> list[Sighting]:
        """Sightings that fit every filter given, ordered by photo hash and animal, which no order of insertion changes."""
        where = ""
        values: list[str] = []
        if species is not None:
            where, values = where + " AND s.species = ? COLLATE NOCASE", [*values, species]
        if viewpoint is not None:
            where, values = where + " AND s.viewpoint = ? COLLATE NOCASE", [*values, viewpoint]
        if individual is not None:
            where, values = where + " AND i.name = ?", [*values, self.individual(individual).name]
        rows = self.database.rows(f"{_SIGHTINGS}{where} ORDER BY s.photo_sha256, s.animal_index", values)
        return [_sighting(row) for row in rows]

    def sighting(self, sighting_id: int) -> Sighting:
        """The sighting of this id; GalleryError where there is none."""
        return self.sightings_of([sighting_id])[0]

    def sightings_of(self, sighting_ids: Collection[int]) -> list[Sighting]:
        """The sightings of these ids, in the order of the ids; GalleryError where one is missing."""
        found = self.present_sightings(sighting_ids)
        for sighting_id in sighting_ids:
            if sighting_id not in found:
                raise GalleryError(f"The gallery has no sighting {sighting_id}.", "See the numbers: reid-edge gallery show NAME.")
        return [found[sighting_id] for sighting_id in sighting_ids]

    def present_sightings(self, sighting_ids: Collection[int]) -> dict[int, Sighting]:
        """The sightings of these ids, by id; those that were removed are left out."""
        rows = self.database.rows(f"{_SIGHTINGS} AND s.id IN (SELECT value FROM json_each(?))", (json.dumps(list(sighting_ids)),))
        return {sighting.id: sighting for sighting in map(_sighting, rows)}

    def current_names(self, sighting_ids: Collection[int] | None = None) -> dict[int, tuple[str, str]]:
        """By id of these sightings, or of all, also of removed ones: the name of the photo and of the individual as they are now."""
        sql = "SELECT s.id, s.photo_name, i.name FROM sighting s JOIN individual i ON i.id = s.individual_id"
        if sighting_ids is not None:
            sql += " WHERE s.id IN (SELECT value FROM json_each(?))"
        rows = self.database.rows(sql, () if sighting_ids is None else (json.dumps(list(sighting_ids)),))
        return {sighting: (photo, name) for sighting, photo, name in rows}

    def has_photo(self, photo_sha256: str, animal_index: int | None = None) -> Sighting | None:
        """The first sighting of this photo, or that of one animal in it; None where there is none."""
        rows = self.database.rows(
            f"{_SIGHTINGS} AND s.photo_sha256 = ? AND s.animal_index = coalesce(?, s.animal_index) "
            "ORDER BY s.animal_index LIMIT 1",
            (photo_sha256, animal_index),
        )
        return _sighting(rows[0]) if rows else None

    def sightings_of_photos(self, photos: Collection[str]) -> list[Sighting]:
        """The sightings of several photos, in the order of their ids."""
        rows = self.database.rows(
            f"{_SIGHTINGS} AND s.photo_sha256 IN (SELECT value FROM json_each(?)) ORDER BY s.id", (json.dumps(list(photos)),)
        )
        return [_sighting(row) for row in rows]

    def photo_sightings(self, photo_sha256: str) -> list[Sighting]:
        """The sightings of this photo, one per animal, in the order of their animals."""
        rows = self.database.rows(f"{_SIGHTINGS} AND s.photo_sha256 = ? ORDER BY s.animal_index", (photo_sha256,))
        return [_sighting(row) for row in rows]

    def photo_path(self, photo_sha256: str) -> str:
        """Where this photo lay when one of its animals was last enrolled, also where that was removed since; '' where none ever was."""
        rows = self.database.rows(
            "SELECT photo_path FROM sighting WHERE photo_sha256 = ? AND photo_path != '' ORDER BY live DESC, id DESC LIMIT 1",
            (photo_sha256,),
        )
        return str(rows[0][0]) if rows else ""

    def thumbnail(self, sighting_id: int) -> bytes | None:
        """JPEG of the animal; None where none was stored."""
        rows = self.database.rows("SELECT thumbnail FROM sighting WHERE id = ?", (sighting_id,))
        return rows[0][0] if rows else None


def stored_facts(seen: Observation) -> dict[str, Any]:
    """The facts of an observation by column, without the identity."""
    return {fact: json.dumps(value) if isinstance(value := getattr(seen, fact), tuple) else value for fact in _FACTS}


def _individual(facts: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Individual:
    name, sex, life_stage, notes = facts
    seen = sorted(taken_at for *_, taken_at in rows if taken_at)
    return Individual(
        name=name,
        species=" / ".join(sorted({species for _, species, _, _ in rows if species})),
        sightings=len(rows),
        viewpoints=tuple(sorted({viewpoint for _, _, viewpoint, _ in rows if viewpoint})),
        first_seen=seen[0] if seen else "",
        last_seen=seen[-1] if seen else "",
        sex=sex,
        life_stage=life_stage,
        notes=notes,
    )


def _sighting(row: tuple[Any, ...]) -> Sighting:
    sighting_id, added_at, identity, *values = row
    facts = dict(zip(_FACTS, values, strict=True))
    facts["box"] = tuple(json.loads(facts["box"])) if facts["box"] else None
    return Sighting(id=sighting_id, added_at=added_at, identity=identity, **facts)
