"""Reports: for each closed event that a person should look at a page with its animals beside the candidates, with matched points.

An event waits for its page in the outbox as messages wait for a sink, so a kill costs none. Its photos are read and answered once more,
with evidence, which is dear: only where the event has an animal that is new or uncertain, and only when nothing waits to be answered.
A page shows what the gallery says when it is made; an animal that is known by then is left out of it.
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

from reid_edge.errors import GalleryError, StorageError
from reid_edge.report import Report
from reid_edge.storage.errors import file_errors
from reid_edge.watch.answer.answering import Answerer, BoxesOf
from reid_edge.watch.intake.rereading import read_again
from reid_edge.watch.ledger.ledger import Ledger, Message
from reid_edge.watch.outputs.rotation import RotatingFolder

log = logging.getLogger(__name__)

NAME = "reports"
_UNSURE = ("new", "ask")
_MOST_PHOTOS = 3  # of one animal: further ones of a burst show little more
_MOST_ON_A_PAGE = 12  # a herd's: the daemon does nothing else meanwhile, and systemd's watchdog waits for it
_LOOKED_AT = 50


class Reports:
    """Pages `<number>-event-<id>-<revision>.html` in a folder; the oldest go when there are too many bytes.

    Attributes:
        keep_bytes: how many; may be changed.
    """

    def __init__(self, ledger: Ledger, answerer: Answerer, boxes_of: BoxesOf, folder: Path, keep_bytes: int) -> None:
        """Make the folder. Events from before reports were first asked for get none.

        Raises:
            StorageError, LedgerError: the folder or the ledger cannot be used.
        """
        self._ledger = ledger
        self._answerer = answerer
        self._boxes_of = boxes_of
        self._folder = RotatingFolder(folder, keep_bytes)
        self.keep_bytes = keep_bytes
        if not ledger.knows_sink(NAME):
            ledger.mark_delivered(NAME, ledger.last_message())

    def step(self) -> bool:
        """Make the next page; returns whether there may be another one.

        Raises:
            GalleryError, StorageError: not now; the event waits.
        """
        done = None
        for message in self._ledger.messages_after(self._ledger.delivered(NAME), _LOOKED_AT):
            page = self._photos(message)
            if page:
                self._write(message, page)
            done = message.id
            if page:
                break
        if done is None:
            return False
        self._ledger.mark_delivered(NAME, done)
        return True

    def _photos(self, message: Message) -> list[str]:
        """Hashes of the photos to show, in the order of the event; none where nobody need look, or a newer revision says more."""
        if message.kind != "event" or not message.body["closed"]:
            return []
        if self._ledger.event(message.body["event"]).revision != message.body["revision"]:
            return []
        unsure = [animal for animal in message.body["animals"] if animal["verdict"] in _UNSURE]
        return list(dict.fromkeys(sha256 for animal in unsure for sha256 in animal["photos"][:_MOST_PHOTOS]))[:_MOST_ON_A_PAGE]

    def _write(self, message: Message, photos: list[str]) -> None:
        self._answerer.refresh()
        report, shown = Report(self._answerer.gallery), 0
        for sha256 in photos:
            answered = self._ledger.photo(sha256)
            photo = read_again(answered.paths, sha256) if answered else None
            if photo is None:
                continue
            try:
                answer = self._answerer.answer(photo, self._boxes_of(os.fsencode(photo.path or ""), photo), with_evidence=True)
            except (GalleryError, StorageError):
                raise
            except Exception as error:  # no report is worth stopping for
                log.warning("A photo is missing in the report of event %d: %s", message.body["event"], error)
                continue
            decisions = [decision for decision in answer.decisions if decision.verdict in _UNSURE]
            if decisions:
                report.add(photo, decisions)
                shown += 1
        if not shown:
            return
        with file_errors(self._folder.folder), tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.html"
            report.write(page)
            data = page.read_bytes()
        self._folder.keep_bytes = self.keep_bytes
        self._folder.add(f"event-{message.body['event']}-{message.body['revision']}.html", data)
