"""A person's decisions about who is who. Each one is one transaction and one event that undo reverts."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from reid_edge.errors import GalleryError
from reid_edge.gallery.catalogue import Catalogue
from reid_edge.gallery.changes import Changes, Position, changes_since, position
from reid_edge.gallery.history import UndoneBatch, read_events, recording, undo_batch, undo_batches
from reid_edge.gallery.names import name_key, new_identity_name
from reid_edge.gallery.records import Event, Sighting, checked_notes, identity_name, person_name
from reid_edge.gallery.unchanged import About, check_unchanged


class Decisions(Catalogue):
    """Decisions of people, recorded so that they can be undone. `batch` comes from `new_batch`; None makes a batch of one."""

    @staticmethod
    def new_batch() -> str:
        """An id for the decisions of one command, which one undo reverts together."""
        return uuid.uuid4().hex

    def rename(self, old: str, new: str, batch: str | None = None) -> None:
        """Give an individual another name; GalleryError where that one is taken."""
        new = new_identity_name(new)
        with self.database.transaction():
            row_id, old = self._individual_row(old)
            if name_key(old) != name_key(new) or old == new:
                self._check_free(new, "To make them one individual, merge them.")
            with recording(self.database, batch or self.new_batch(), "rename", {"old": old, "new": new}) as record:
                record.set("individual", row_id, "name", new)

    def merge(self, sources: Sequence[str], into: str, batch: str | None = None) -> None:
        """Give every sighting of the `sources` to the individual `into`; the sources' names are free again."""
        hint = "Name the individuals that are the same animal, and one to keep."
        into = identity_name(into)
        if not sources or into in map(identity_name, sources):
            raise GalleryError(f"{into!r} cannot be merged into itself.", hint)
        with self.database.transaction():
            target, into = self._individual_row(into)
            found = dict(self._individual_row(source) for source in sources)
            ids, names = list(found), list(found.values())
            if target in ids:
                raise GalleryError(f"{into!r} cannot be merged into itself.", hint)
            with recording(self.database, batch or self.new_batch(), "merge", {"sources": names, "into": into}) as record:
                for row_id in ids:  # hidden rows too: what was said of a sighting that was removed goes along
                    for table in ("sighting", "review"):
                        for (number,) in self.database.rows(
                            f"SELECT id FROM {table} WHERE individual_id = ? ORDER BY id", (row_id,)
                        ):
                            record.set(table, number, "individual_id", target)
                    record.set("individual", row_id, "merged_into", target)
                    record.set("individual", row_id, "live", 0)

    def split(self, name: str, sighting_ids: Sequence[int], new: str, batch: str | None = None) -> None:
        """Make some sightings of an individual a new individual.

        Raises:
            GalleryError: a sighting is not one of hers, none would stay with her, or the new name is taken.
        """
        new = new_identity_name(new)
        with self.database.transaction():
            name = self._individual_row(name)[1]
            ids = {sighting.id for sighting in self.sightings(individual=name)}
            chosen = self._chosen(sighting_ids)
            for sighting in chosen:
                if sighting.id not in ids:
                    raise GalleryError(
                        f"Sighting {sighting.id} is one of {sighting.identity}, not of {name}.", "See gallery show NAME."
                    )
            if len(chosen) == len(ids):
                raise GalleryError(f"These are all sightings of {name}, so nothing would be split.", "Use rename.")
            self._check_free(new, "Choose another name; a merge can follow.")
            payload = {"identity": name, "sightings": [sighting.id for sighting in chosen], "new": new}
            with recording(self.database, batch or self.new_batch(), "split", payload) as record:
                target = record.insert("individual", name=new)
                for sighting in chosen:
                    record.set("sighting", sighting.id, "individual_id", target)

    def reassign(self, sighting_ids: Sequence[int], identity: str, batch: str | None = None) -> None:
        """Give sightings to an individual of the gallery."""
        with self.database.transaction():
            (target, identity), chosen = self._individual_row(identity), self._chosen(sighting_ids)
            payload = {"sightings": [sighting.id for sighting in chosen], "identity": identity}
            with recording(self.database, batch or self.new_batch(), "reassign", payload) as record:
                for sighting in chosen:
                    record.set("sighting", sighting.id, "individual_id", target)

    def remove_individual(self, name: str, batch: str | None = None) -> None:
        """Remove an individual, all of her sightings, and what people said of her."""
        with self.database.transaction():
            row_id, name = self._individual_row(name)
            sightings = self.sightings(individual=name)
            payload = {"identity": name, "sightings": [sighting.id for sighting in sightings]}
            with recording(self.database, batch or self.new_batch(), "remove", payload) as record:
                for sighting in sightings:
                    record.set("sighting", sighting.id, "live", 0)
                for (review,) in self.database.rows(
                    "SELECT id FROM review WHERE individual_id = ? AND live = 1 ORDER BY id", (row_id,)
                ):
                    record.set("review", review, "live", 0)
                record.set("individual", row_id, "live", 0)

    def remove_sightings(self, sighting_ids: Sequence[int], batch: str | None = None) -> None:
        """Remove sightings; an individual that loses her last one stays known by name."""
        with self.database.transaction():
            chosen = self._chosen(sighting_ids)
            names = sorted({sighting.identity for sighting in chosen})
            payload = {"identity": ", ".join(names), "sightings": [sighting.id for sighting in chosen]}
            with recording(self.database, batch or self.new_batch(), "remove", payload) as record:
                for sighting in chosen:
                    record.set("sighting", sighting.id, "live", 0)

    def annotate(
        self, name: str, sex: str | None = None, life_stage: str | None = None, notes: str | None = None, batch: str | None = None
    ) -> None:
        """Note sex, life stage or anything else of an individual; None leaves what is noted.

        Raises:
            UsageError: a value is not one of its words (`records.SEXES`, `records.LIFE_STAGES`), or the notes are too long.
        """
        with self.database.transaction():
            noted = self.individual(name)
            row_id, name = self._individual_row(name)
            values = checked_notes(
                noted.sex if sex is None else sex,
                noted.life_stage if life_stage is None else life_stage,
                noted.notes if notes is None else notes,
            )
            changed = {column: value for column, value in values.items() if value != getattr(noted, column)}
            if changed:
                payload = {"identity": name, "what": ", ".join(f"{column} {value}" for column, value in changed.items())}
                with recording(self.database, batch or self.new_batch(), "annotate", payload) as record:
                    for column, value in changed.items():
                        record.set("individual", row_id, column, value)

    def set_viewpoint(self, sighting_ids: Sequence[int], viewpoint: str, batch: str | None = None) -> None:
        """State which side of the animal these sightings show; '' where it is not known."""
        viewpoint = viewpoint.strip().lower()
        with self.database.transaction():
            chosen = self._chosen(sighting_ids)
            payload = {"sightings": [sighting.id for sighting in chosen], "viewpoint": viewpoint}
            with recording(self.database, batch or self.new_batch(), "viewpoint", payload) as record:
                for sighting in chosen:
                    record.set("sighting", sighting.id, "viewpoint", viewpoint)

    def relink(self, places: Mapping[int, str], batch: str | None = None) -> None:
        """Note where photos lie now.

        Args:
            places: absolute path of the photo by the id of its sighting.

        Raises:
            GalleryError: a sighting is missing, or there is none.
        """
        with self.database.transaction():
            self._chosen(list(places))
            payload = {"sightings": list(places), "path": next(iter(places.values()))}
            with recording(self.database, batch or self.new_batch(), "relink", payload) as record:
                for sighting_id, path in places.items():
                    record.set("sighting", sighting_id, "photo_path", path)

    def relink_if_missing(self, sighting: Sighting, path: Path, batch: str | None = None) -> bool:
        """Note that all animals of this sighting's photo are at `path` now, where their photo is missing; whether it was."""
        stored = Path(sighting.photo_path)
        if sighting.photo_path and stored.is_file():
            return False
        self.relink({each.id: str(path.resolve()) for each in self.photo_sightings(sighting.photo_sha256)}, batch)
        return True

    def undo(self, count: int = 1) -> list[UndoneBatch]:
        """Undo the newest `count` batches that are not undone yet (fewer where there are fewer); newest first.

        Raises:
            GalleryError: nothing is left to undo, or it stands in the way of another command's decision.
        """
        return undo_batches(self.database, count, self.new_batch())

    def undo_batch(self, batch: str, person: str = "") -> UndoneBatch:
        """Undo one batch, also one that is not the newest; `person` is who undoes it.

        Raises:
            GalleryError: it is undone already, or a later decision stands on it.
        """
        return undo_batch(self.database, batch, self.new_batch(), person_name(person))

    def history(self, limit: int | None = None) -> list[Event]:
        """The newest `limit` events (all where None), newest first."""
        return read_events(self.database, limit)

    def position(self) -> Position:
        """The newest event, see `changes_since`."""
        return position(self.database)

    def changes_since(self, position: Position) -> Changes:
        """What the decisions after a position changed, for programs that follow a gallery; `Position()` for all."""
        return changes_since(self.database, position)

    def check_unchanged(self, seen: Position, about: About) -> None:
        """Refuse a decision on a state that somebody changed since; within its transaction. Errors as `unchanged.check_unchanged`."""
        check_unchanged(self.database, seen, about)

    def _chosen(self, sighting_ids: Sequence[int]) -> list[Sighting]:
        if not sighting_ids:
            raise GalleryError("No sighting was named.", "See the numbers: reid-edge gallery show NAME.")
        return self.sightings_of(list(dict.fromkeys(sighting_ids)))

    def _check_free(self, name: str, hint: str) -> None:
        stored = self.stored_name(name)
        if stored is not None:
            raise GalleryError(f"The gallery already has an individual {stored!r}.", hint)
