"""Answers: photos, each content once, and the animals on them with their decisions."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from reid_edge.storage.clock import now
from reid_edge.watch.ledger.records import AnsweredAnimal, EventPhoto, LedgerPhoto, NewPhoto, PhotoAnimal, PhotoSummary
from reid_edge.watch.ledger.rows import PAGE, Rows, marks, pages

_PHOTO = (
    "id, sha256, camera, taken_at, width, height, latitude, longitude, verdict, event_id, answered_at, pack, gallery_revision"
)
_MESSAGE = ("sha256", "path", "camera", "taken_at", "width", "height", "latitude", "longitude")
_ANIMAL = (
    "SELECT animal.id, photo_id, sha256, camera, animal_index, animal.verdict, animal.identity, decision, vector, current, event_group, "
    "drawn "
    "FROM animal JOIN photo ON photo.id = photo_id"
)


def is_no_animal(answer: Mapping[str, Any]) -> bool:
    """Whether a person said of an answer, as plain data, that it is not about an animal."""
    return (answer.get("review") or {}).get("kind") == "not_an_animal"


class Answers(Rows):
    """The tables of photos and animals."""

    def photos(self, after: int = 0) -> Iterator[LedgerPhoto]:
        """The answered photos with an id above `after`, in the order they were answered."""
        sql = f"SELECT {_PHOTO} FROM photo WHERE id > ? AND state = 'decided' ORDER BY id LIMIT ?"
        rows = pages(lambda last: self.database.rows(sql, (last, PAGE)), lambda row: int(row[0]), after)
        return map(self._photo, rows)

    def photo(self, sha256: str) -> LedgerPhoto | None:
        """The answered photo with this content; None where there is none."""
        rows = self.database.rows(f"SELECT {_PHOTO} FROM photo WHERE sha256 = ? AND state = 'decided'", (sha256,))
        return self._photo(rows[0]) if rows else None

    def is_decided(self, sha256: str) -> bool:
        """Whether this content is answered already."""
        return bool(self.database.rows("SELECT 1 FROM photo WHERE sha256 = ? AND state = 'decided'", (sha256,)))

    def photo_summaries(self, after: int, limit: int) -> list[PhotoSummary]:
        """The next answered photos with an id above `after`, without their animals."""
        columns = "id, camera, taken_at, answered_at, latitude, longitude, event_id"
        sql = f"SELECT {columns} FROM photo WHERE id > ? AND state = 'decided' ORDER BY id LIMIT ?"
        return [PhotoSummary(*row) for row in self.database.rows(sql, (after, limit))]

    def frames_until(self, photo_id: int) -> list[LedgerPhoto]:
        """The frames of the video that a photo is a frame of, up to this one, in their order; none of a photo that is no frame."""
        rows = self.database.rows(
            f"SELECT {_PHOTO} FROM photo WHERE frame_of = (SELECT frame_of FROM photo WHERE id = ?) AND id <= ? ORDER BY id",
            (photo_id, photo_id),
        )
        return [self._photo(row) for row in rows]

    def photo_of_video(self, file_id: int, frame_sha256: str | None) -> int:
        """The id of a video's photo: its first frame with an animal, else its first.

        Args:
            file_id: of the video.
            frame_sha256: of a frame that another file brought, where that holds the same video.
        """
        rows = self.database.rows(
            "SELECT id FROM photo WHERE frame_of IN (?, (SELECT frame_of FROM photo WHERE sha256 = ?)) "
            "ORDER BY verdict = 'empty', id LIMIT 1",
            (file_id, frame_sha256),
        )
        return int(rows[0][0])

    def paths_of(self, photo_id: int) -> tuple[bytes, ...]:
        """The files that carry a photo, or the video that it is a frame of, where they are now, the first one seen first."""
        rows = self.database.rows("SELECT path, moved_to FROM file WHERE photo_id = ? ORDER BY id", (photo_id,))
        if not rows:
            rows = self.database.rows(
                "SELECT path, moved_to FROM file WHERE id = (SELECT frame_of FROM photo WHERE id = ?)", (photo_id,)
            )
        return tuple(moved or path for path, moved in rows)

    def add_photo(self, photo: NewPhoto) -> int:
        """Store an answered photo; returns its id."""
        return self.database.insert("photo", **asdict(photo), state="decided", answered_at=now())

    def add_animal(self, photo_id: int, decision: Mapping[str, Any], vector: bytes | None, evidence: bytes | None = None) -> None:
        """Store one animal of a photo.

        Args:
            decision: as plain data, without evidence.
            vector: the bytes of its first embedding, float32 [D]; None where there is none.
            evidence: for the report of its event; None where it is in none.
        """
        number = self.database.insert(
            "animal",
            photo_id=photo_id,
            animal_index=decision["animal"]["index"],
            verdict=decision["verdict"],
            identity=decision["identity"],
            probability=decision["probability"],
            decision=json.dumps(decision, ensure_ascii=False),
            vector=vector,
        )
        if evidence is not None:
            self.database.insert("evidence", animal_id=number, data=evidence)

    def evidence(self, photo_id: int) -> dict[int, bytes]:
        """The evidence that is kept for the animals of a photo, by their index."""
        return dict(
            self.database.rows(
                "SELECT animal_index, data FROM evidence JOIN animal ON animal.id = animal_id WHERE photo_id = ?", (photo_id,)
            )
        )

    def drop_evidence(self, event_id: int | None = None) -> None:
        """Delete the evidence of an event's animals, or of all."""
        self.database.execute(
            "DELETE FROM evidence WHERE ? IS NULL OR animal_id IN "
            "(SELECT animal.id FROM animal JOIN photo ON photo.id = photo_id WHERE event_id = ?)",
            (event_id, event_id),
        )

    def photos_of_event(self, event_id: int) -> list[EventPhoto]:
        """The photos of an event, also those without an animal."""
        rows = self.database.rows(
            "SELECT id, sha256, width, height, answered_at FROM photo WHERE event_id = ? ORDER BY id", (event_id,)
        )
        return [EventPhoto(*row) for row in rows]

    def event_ids(self, after: int, limit: int) -> list[int]:
        """The next events with an id above `after`."""
        rows = self.database.rows("SELECT id FROM event WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
        return [number for (number,) in rows]

    def animals_of_event(self, event_id: int) -> list[PhotoAnimal]:
        """The animals of an event's photos, photo by photo in the order they were taken."""
        return self._animals("event_id = ? ORDER BY photo.taken_at, photo.id, animal_index", event_id)

    def answered_animals(self, after: int) -> list[AnsweredAnimal]:
        """Every animal with an id above `after` as it was computed, in the order they were answered; without those that people drew."""
        sql = (
            "SELECT animal.id, camera, taken_at, event_id, decision FROM animal JOIN photo ON photo.id = photo_id "
            "WHERE animal.id > ? AND drawn = 0 ORDER BY animal.id LIMIT ?"
        )
        rows = pages(lambda last: self.database.rows(sql, (last, PAGE)), lambda row: int(row[0]), after)
        return [
            AnsweredAnimal(number, camera, taken_at, event, json.loads(decision))
            for number, camera, taken_at, event, decision in rows
        ]

    def photo_animal(self, animal_id: int) -> PhotoAnimal | None:
        """One animal of a photo; None of a frame of a video."""
        return next(iter(self._animals("animal.id = ? AND frame_of IS NULL", animal_id)), None)

    def photo_message(self, sha256: str, revised: bool = False) -> dict[str, Any]:
        """The body of a photo's message, made from the photo and its animals as they are now; `revised`: it was posted again."""
        ((photo_id, event, verdict, revision, age, *facts),) = self.database.rows(
            f"SELECT id, event_id, verdict, revision, replica_age_seconds, {', '.join(_MESSAGE)} FROM photo WHERE sha256 = ?",
            (sha256,),
        )
        animals = [{key: value for key, value in decision.items() if key != "matches"} for decision in self._decisions(photo_id)]
        if revision:
            verdict = next((each["verdict"] for each in animals if not is_no_animal(each)), "empty")
        body = {"photo": dict(zip(_MESSAGE, facts, strict=True)), "event": event, "verdict": verdict, "animals": animals}
        if age is not None:
            body["replica_age_seconds"] = round(age)
        return {**body, "revision": revision} if revised else body

    def _animals(self, where: str, value: int) -> list[PhotoAnimal]:
        rows = self.database.rows(f"{_ANIMAL} WHERE {where}", (value,))
        return [
            PhotoAnimal(
                *(number, photo_id, sha256, camera, index, verdict, identity, json.loads(decision), vector),
                *(json.loads(current) if current else None, group, bool(drawn)),
            )
            for number, photo_id, sha256, camera, index, verdict, identity, decision, vector, current, group, drawn in rows
        ]

    def _photo(self, row: tuple[Any, ...]) -> LedgerPhoto:
        facts = dict(zip(_PHOTO.split(", "), row, strict=True))
        return LedgerPhoto(**facts, paths=self.paths_of(row[0]), animals=tuple(self._decisions(row[0])))

    def _decisions(self, photo_id: int) -> list[dict[str, Any]]:
        rows = self.database.rows(
            "SELECT coalesce(nullif(current, ''), decision) FROM animal WHERE photo_id = ? ORDER BY animal_index", (photo_id,)
        )
        return [json.loads(decision) for (decision,) in rows]

    def computed_decisions(self, photo_id: int) -> list[dict[str, Any]]:
        """The decisions of a photo's animals as they were computed, without what people decided since."""
        rows = self.database.rows(
            "SELECT decision FROM animal WHERE photo_id = ? AND drawn = 0 ORDER BY animal_index", (photo_id,)
        )
        return [json.loads(decision) for (decision,) in rows]

    def has_evidence(self, event_id: int) -> bool:
        """Whether evidence is kept for an animal of an event."""
        return bool(
            self.database.rows(
                "SELECT 1 FROM evidence JOIN animal ON animal.id = animal_id JOIN photo ON photo.id = photo_id WHERE event_id = ? LIMIT 1",
                (event_id,),
            )
        )

    def event_groups(self, first: int, last: int) -> dict[int, tuple[int, int]]:
        """By row id of each animal of the events from `first` to `last`: its event, and which animal of it it was taken for."""
        rows = self.database.rows(
            "SELECT animal.id, event_id, event_group FROM animal JOIN photo ON photo.id = photo_id "
            "WHERE event_id BETWEEN ? AND ? AND event_group IS NOT NULL",
            (first, last),
        )
        return {animal: (event, group) for animal, event, group in rows}

    def set_groups(self, groups: Sequence[Sequence[int]]) -> None:
        """Note which animals of an event, by their row ids, were taken for one."""
        for number, animals in enumerate(groups):
            self.database.execute(f"UPDATE animal SET event_group = ? WHERE id IN ({marks(animals)})", (number, *animals))

    def set_current(self, animal_id: int, decision: Mapping[str, Any] | None) -> None:
        """Note the decision of an animal with what people decided since; None where nobody decided anything."""
        text = "" if decision is None else json.dumps(decision, ensure_ascii=False)
        self.database.execute("UPDATE animal SET current = ? WHERE id = ?", (text, animal_id))

    def draw_animal(self, photo_id: int, decision: Mapping[str, Any]) -> None:
        """Store an animal that a person drew, or what was said of it since."""
        index = decision["animal"]["index"]
        self.database.execute("DELETE FROM animal WHERE photo_id = ? AND animal_index = ? AND drawn = 1", (photo_id, index))
        self.add_animal(photo_id, decision, None)
        self.database.execute("UPDATE animal SET drawn = 1 WHERE photo_id = ? AND animal_index = ?", (photo_id, index))

    def erase_drawn(self, animal_id: int) -> None:
        """Delete an animal that a person drew."""
        self.database.execute("DELETE FROM animal WHERE id = ? AND drawn = 1", (animal_id,))

    def events_of_photos(self, photos: Collection[str]) -> list[int]:
        """The events of answered photos, by their hashes."""
        found: set[int] = set()
        hashes = list(photos)
        for start in range(0, len(hashes), PAGE):
            page = hashes[start : start + PAGE]
            rows = self.database.rows(
                f"SELECT DISTINCT event_id FROM photo WHERE event_id IS NOT NULL AND sha256 IN ({marks(page)})", page
            )
            found.update(event for (event,) in rows)
        return sorted(found)
