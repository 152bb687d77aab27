"""The outbox: messages in the order in which they were made, how far each sink has taken them, and pruning what all have taken.

The message of a photo is not stored: it is made from the photo and its animals, so that a decision stands in the ledger once. After
pruning, photos and the newest revisions of events are still delivered to a sink that starts late, because they are made the same way;
earlier revisions, and notices of folders and of quarantined files, are then gone.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from reid_edge.gallery.changes import Position
from reid_edge.storage.clock import now
from reid_edge.watch.ledger.answers import Answers
from reid_edge.watch.ledger.events import Events
from reid_edge.watch.ledger.records import Message
from reid_edge.watch.ledger.rows import PAGE
from reid_edge.watch.ledger.schema import MESSAGE_SCHEMA

KEPT_MESSAGES = 1000
_PRUNED_AT_ONCE = 500


class Outbox(Answers, Events):
    """Messages and deliveries."""

    def post(self, kind: str, key: str, camera: str, body: Mapping[str, Any]) -> int:
        """Put a message into the outbox, within the transaction that makes it true; returns its id.

        One with the same key is in it only once: then nothing is changed, and the id is 0.
        """
        return self._post(kind, key, camera, _json(kind, body), now())

    def post_photo(self, photo_id: int) -> None:
        """Put the message of a new photo into the outbox: only a reference to the photo is stored."""
        ((sha256, camera, answered_at),) = self.database.rows(
            "SELECT sha256, camera, answered_at FROM photo WHERE id = ?", (photo_id,)
        )
        number = self._post("photo", f"photo:{sha256}", camera, "", answered_at)
        self.database.execute("UPDATE photo SET message_id = ? WHERE id = ?", (number, photo_id))

    def post_revised_photo(self, photo_id: int) -> None:
        """Put the message of a photo into the outbox again: people decided something about it."""
        self.database.execute("UPDATE photo SET revision = revision + 1 WHERE id = ?", (photo_id,))
        ((sha256, camera, revision),) = self.database.rows("SELECT sha256, camera, revision FROM photo WHERE id = ?", (photo_id,))
        self._post("photo", f"photo:{sha256}:{revision}", camera, "", now())

    def post_event(self, event_id: int, reviewed: bool = False) -> None:
        """Put an event, as it is now, into the outbox; `reviewed` where people decided something about it."""
        event, made_at = self.event(event_id), now()
        key = f"event:{event_id}:{event.revision}"
        body = {**event.body, "reviewed": True} if reviewed else event.body
        number = self._post("event", key, event.camera, _json("event", body), made_at)
        self.database.execute("UPDATE event SET message_id = ?, message_at = ? WHERE id = ?", (number, made_at, event_id))

    def messages_after(self, message_id: int, limit: int = PAGE) -> list[Message]:
        """The next messages of the outbox, in their order."""
        with self.snapshot():
            found = self._pruned_messages(message_id, limit)
            rows = self.database.rows(
                "SELECT id, kind, key, camera, body, made_at FROM message WHERE id > ? ORDER BY id LIMIT ?",
                (message_id, limit - len(found)),
            )
            for number, kind, key, camera, text, made_at in rows:
                body = json.loads(text) if text and not self._is_revised(key) else _body("photo", self._photo_body(key))
                found.append(Message(number, kind, key, camera, body, made_at))
        return found

    def last_message(self) -> int:
        """The id of the newest message; 0 where there is none. Ids are given without a gap."""
        return int(self.database.rows("SELECT coalesce(max(id), 0) FROM message")[0][0])

    def delivered(self, sink: str) -> int:
        """The id up to which a sink has delivered everything; 0 where it has delivered nothing."""
        rows = self.database.rows("SELECT last_id FROM delivery WHERE sink = ?", (sink,))
        return int(rows[0][0]) if rows else 0

    def knows_sink(self, sink: str) -> bool:
        """Whether the progress of a sink was ever noted."""
        return bool(self.database.rows("SELECT 1 FROM delivery WHERE sink = ?", (sink,)))

    def mark_delivered(self, sink: str, message_id: int) -> None:
        """Note that everything up to `message_id` is delivered."""
        self.database.execute(
            "INSERT INTO delivery VALUES (?, ?) ON CONFLICT (sink) DO UPDATE SET last_id = excluded.last_id", (sink, message_id)
        )

    def prune(self, sinks: Collection[str], kept: int = KEPT_MESSAGES) -> bool:
        """Delete some of the oldest messages that all of `sinks` have taken, and that are not among the newest `kept`.

        Returns:
            Whether anything was deleted. That happens only where it is worth a transaction.
        """
        ((first, last),) = self.database.rows("SELECT (SELECT min(id) FROM message), (SELECT max(id) FROM message)")
        if first is None or last - first < kept + _PRUNED_AT_ONCE:
            return False
        end = min([last - kept, *(self.delivered(sink) for sink in sinks)])
        if end - first + 1 < _PRUNED_AT_ONCE:
            return False
        self.database.execute("DELETE FROM message WHERE id <= ?", (min(end, first + 2 * _PRUNED_AT_ONCE),))
        return True

    def followed(self) -> Position:
        """How far the gallery's events were followed."""
        rows = self.database.rows("SELECT event, batch FROM followed")
        return Position(*rows[0]) if rows else Position()

    def note_followed(self, position: Position) -> None:
        """Note that the gallery's events were followed up to this one."""
        self.database.execute("INSERT OR REPLACE INTO followed VALUES (1, ?, ?)", (position.event, position.batch))

    def _photo_body(self, key: str) -> dict[str, Any]:
        _, sha256, *revision = key.split(":")
        return self.photo_message(sha256, bool(revision))

    def _is_revised(self, key: str) -> bool:
        """Whether it is the key of a photo about which people decided something: then its stored body is out of date."""
        kind, sha256, *_ = key.split(":")
        return kind == "photo" and bool(self.database.rows("SELECT 1 FROM photo WHERE sha256 = ? AND revision > 0", (sha256,)))

    def _post(self, kind: str, key: str, camera: str, text: str, made_at: str) -> int:
        if self.database.rows("SELECT 1 FROM message WHERE key = ?", (key,)):
            return 0
        return self.database.insert("message", kind=kind, key=key, camera=camera, body=text, made_at=made_at)

    def _pruned_messages(self, message_id: int, limit: int) -> list[Message]:
        """The next messages from before the oldest one in the outbox, as far as photos and events still hold them."""
        rows = self.database.rows("SELECT id FROM message ORDER BY id LIMIT 1")
        first = rows[0][0] if rows else 0
        if message_id + 1 >= first:
            return []
        bounds = (message_id, first)
        found = []
        for number, kind, row_id, made_at in self.database.rows(
            "SELECT message_id, 'photo', id, answered_at FROM photo WHERE message_id > ? AND message_id < ? UNION ALL "
            "SELECT message_id, 'event', id, message_at FROM event WHERE message_id > ? AND message_id < ? ORDER BY 1 LIMIT ?",
            (*bounds, *bounds, limit),
        ):
            if kind == "photo":
                ((key,),) = self.database.rows("SELECT 'photo:' || sha256 FROM photo WHERE id = ?", (row_id,))
                body: Mapping[str, Any] = self._photo_body(key)
                camera = body["photo"]["camera"]
            else:
                event = self.event(row_id)
                key, camera, body = f"event:{row_id}:{event.revision}", event.camera, event.body
            found.append(Message(number, kind, key, camera, _body(kind, body), made_at))
        return found


def _body(kind: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {"schema": MESSAGE_SCHEMA, "kind": kind, **facts}


def _json(kind: str, facts: Mapping[str, Any]) -> str:
    return json.dumps(_body(kind, facts), ensure_ascii=False)
