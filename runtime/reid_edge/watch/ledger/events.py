"""Events: bursts of photos with their combined animals, and the new individuals that are to be enrolled."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from reid_edge.decide.combining import CombinedAnswer
from reid_edge.storage.clock import now
from reid_edge.watch.ledger.records import Enrolment, LedgerEvent, OpenEvent
from reid_edge.watch.ledger.rows import PAGE, Rows, pages
from reid_edge.watch.ledger.schema import LedgerError

_EVENT = "id, camera, first_taken_at, last_taken_at, closed, revision"


class Events(Rows):
    """The tables of events, their animals, and enrolments."""

    def events(self, after: int = 0) -> Iterator[LedgerEvent]:
        """Every event with an id above `after` in its newest revision, in their order."""
        sql = "SELECT id FROM event WHERE id > ? ORDER BY id LIMIT ?"
        rows = pages(lambda last: self.database.rows(sql, (last, PAGE)), lambda row: int(row[0]), after)
        return (self.event(number) for (number,) in rows)

    def event(self, event_id: int) -> LedgerEvent:
        """One event; LedgerError where there is none."""
        rows = self.database.rows(f"SELECT {_EVENT} FROM event WHERE id = ?", (event_id,))
        if not rows:
            raise LedgerError(f"The ledger has no event {event_id}.", "See: reid-edge watch list.")
        number, camera, first, last, closed, revision = rows[0]
        hashes = dict(
            self.database.rows(
                "SELECT animal.id, photo.sha256 FROM animal JOIN photo ON photo.id = animal.photo_id WHERE photo.event_id = ?",
                (event_id,),
            )
        )
        animals = [
            {"index": index, **animal.as_json(), "photos": [hashes[each] for each in animal.animals]}
            for _, index, animal in self.event_animals(event_id, event_id)
        ]
        body = {
            "event": number,
            "camera": camera,
            "first_taken_at": first,
            "last_taken_at": last,
            "revision": revision,
            "closed": bool(closed),
            "animals": animals,
        }
        return LedgerEvent(number, camera, first, last, bool(closed), revision, body)

    def is_closed(self, event_id: int) -> bool:
        """Whether nothing more is expected of an event."""
        return bool(self.database.rows("SELECT 1 FROM event WHERE id = ? AND closed = 1", (event_id,)))

    def event_animals(self, first: int, last: int) -> list[tuple[int, int, CombinedAnswer]]:
        """Event, index and animal, of all events whose ids are from `first` to `last`, in their order."""
        rows = self.database.rows(
            'SELECT event_id, animal_index, verdict, identity, probability, "unknown", ranking, photos, review FROM event_animal '
            "WHERE event_id BETWEEN ? AND ? ORDER BY event_id, animal_index",
            (first, last),
        )
        found = []
        for event, index, verdict, identity, probability, unknown, ranking, animals, review in rows:
            ranked = tuple((each["identity"], each["probability"]) for each in json.loads(ranking))
            said = json.loads(review) if review else None
            facts = CombinedAnswer(verdict, identity, probability, unknown, ranked, tuple(json.loads(animals)), said)
            found.append((event, index, facts))
        return found

    def open_events(self) -> list[OpenEvent]:
        """Those that further photos may join, in their order."""
        return [
            OpenEvent(*row)
            for row in self.database.rows("SELECT id, camera, last_taken_at FROM event WHERE closed = 0 ORDER BY id")
        ]

    def event_of_video(self, file_id: int, most: int) -> int | None:
        """The newest event of a video's frames, where it has fewer than `most` photos."""
        rows = self.database.rows(
            "SELECT event_id FROM photo WHERE frame_of = ? AND event_id = (SELECT max(event_id) FROM photo WHERE frame_of = ?) "
            "GROUP BY event_id HAVING count(*) < ?",
            (file_id, file_id, most),
        )
        return int(rows[0][0]) if rows else None

    def event_between(self, camera: str, earliest: str, latest: str, most: int) -> int | None:
        """The newest event of a camera that has photos between two times of its clock, and fewer than `most`."""
        rows = self.database.rows(
            "SELECT id FROM event WHERE camera = ? AND first_taken_at <= ? AND last_taken_at >= ? "
            "AND (SELECT count(*) FROM photo WHERE event_id = event.id) < ? ORDER BY id DESC LIMIT 1",
            (camera, latest, earliest, most),
        )
        return int(rows[0][0]) if rows else None

    def add_event(self, camera: str, taken_at: str | None) -> int:
        """A new event; returns its id."""
        return self.database.insert("event", camera=camera, first_taken_at=taken_at, last_taken_at=taken_at)

    def extend_event(self, event_id: int, taken_at: str) -> None:
        """A photo that was taken at this time joins an event, which is open again."""
        self.database.execute(
            "UPDATE event SET first_taken_at = min(first_taken_at, ?), last_taken_at = max(last_taken_at, ?), closed = 0 WHERE id = ?",
            (taken_at, taken_at, event_id),
        )

    def revise_event(self, event_id: int, animals: Sequence[CombinedAnswer], closed: bool) -> None:
        """Replace an event's animals in a new revision. When it is closed, the vectors of its animals are deleted."""
        self.database.execute("DELETE FROM event_animal WHERE event_id = ?", (event_id,))
        for index, animal in enumerate(each.rounded() for each in animals):
            ranking = [{"identity": name, "probability": value} for name, value in animal.ranking]
            self.database.insert(
                "event_animal",
                event_id=event_id,
                animal_index=index,
                verdict=animal.verdict,
                identity=animal.identity,
                probability=animal.probability,
                unknown=animal.unknown,
                photos=json.dumps(animal.animals),
                ranking=json.dumps(ranking, ensure_ascii=False),
                review=json.dumps(animal.review, ensure_ascii=False) if animal.review else "",
            )
        self.database.execute("UPDATE event SET revision = revision + 1, closed = ? WHERE id = ?", (int(closed), event_id))
        if closed:
            self.database.execute(
                "UPDATE animal SET vector = NULL WHERE photo_id IN (SELECT id FROM photo WHERE event_id = ?)", (event_id,)
            )

    def request_enrolments(self, event_id: int) -> None:
        """The new individuals of an event are to be enrolled."""
        self.database.execute(
            "INSERT OR IGNORE INTO enrolment SELECT event_id, animal_index, '', '', ? FROM event_animal "
            "WHERE event_id = ? AND verdict = 'new'",
            (now(), event_id),
        )

    def pending_enrolments(self) -> list[Enrolment]:
        """Those that wait, in the order of their events."""
        return [
            Enrolment(*row)
            for row in self.database.rows(
                "SELECT event_id, animal_index, identity FROM enrolment WHERE batch = '' ORDER BY event_id, animal_index"
            )
        ]

    def name_enrolment(self, enrolment: Enrolment, identity: str) -> None:
        """Note the name before anything is added to the gallery, so that a kill in between continues with it."""
        self._update_enrolment(enrolment, identity, "")

    def finish_enrolment(self, enrolment: Enrolment, identity: str, batch: str) -> None:
        """It was enrolled with this command of the gallery; `-` where it was not, and `identity` is who it may be."""
        self._update_enrolment(enrolment, identity, batch)

    def enrolled_identities(self) -> set[str]:
        """All names that were ever given."""
        return {identity for (identity,) in self.database.rows("SELECT identity FROM enrolment")}

    def enrolled_animals(self) -> set[tuple[int, int]]:
        """Event and index of every animal that was enrolled, or that was found to be in the gallery."""
        return set(self.database.rows("SELECT event_id, animal_index FROM enrolment WHERE identity <> '' AND batch <> ''"))

    def _update_enrolment(self, enrolment: Enrolment, identity: str, batch: str) -> None:
        self.database.execute(
            "UPDATE enrolment SET identity = ?, batch = ?, at = ? WHERE event_id = ? AND animal_index = ?",
            (identity, batch, now(), enrolment.event_id, enrolment.animal_index),
        )
