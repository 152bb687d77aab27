"""A message as the bytes that are sent: the same for every receiver and every repetition."""

from __future__ import annotations

import json

from reid_edge.watch.ledger.ledger import Message


def payload(message: Message) -> bytes:
    """JSON in UTF-8: the message's body with its `id`, `key`, `camera` and `made_at`.

    Two messages with the same `key` are the same message. Text that is not Unicode (a lone surrogate) is escaped.
    """
    whole = {"id": message.id, "key": message.key, "camera": message.camera, "made_at": message.made_at, **message.body}
    return json.dumps(whole, ensure_ascii=True).encode("ascii")
