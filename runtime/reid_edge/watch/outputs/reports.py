"""Reports: for each closed event that a person should look at a page with its animals beside the candidates, with matched points.

A page shows the answers as they were stored. While reports are made, the ledger keeps the evidence beside each answer that a person
should look at; it is deleted in the transaction that notes the page as written. A kill in between finds the page by its name, so that no
event has two. A photo is read again only for its picture: where that fails, the page shows the animal's thumbnail.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from reid_edge.errors import UsageError
from reid_edge.report import Report
from reid_edge.storage.errors import file_errors
from reid_edge.watch.answer.answering import Answerer
from reid_edge.watch.answer.evidence import UNSURE, join_evidence
from reid_edge.watch.intake.rereading import read_again
from reid_edge.watch.ledger.ledger import Ledger, LedgerPhoto, Message
from reid_edge.watch.outputs.rotation import RotatingFolder
from reid_edge.watch.outputs.thumbnails import THUMBNAILS, find_thumbnail

log = logging.getLogger(__name__)

NAME = "reports"
_MOST_PHOTOS = 3  # of one animal: further ones of a burst show little more
_MOST_ON_A_PAGE = 12  # a herd's: the daemon does nothing else meanwhile, and systemd's watchdog waits for it
_LOOKED_AT = 50


class Reports:
    """Pages `<number>-event-<id>-<revision>.html` in a folder; the oldest go when there are too many bytes.

    Attributes:
        keep_bytes: how many; may be changed.
    """

    def __init__(self, ledger: Ledger, answerer: Answerer, out: Path, keep_bytes: int) -> None:
        """Make the folder in the daemon's folder `out`. Events from before reports were first asked for get none.

        Raises:
            StorageError, LedgerError: the folder or the ledger cannot be used.
        """
        self._ledger = ledger
        self._answerer = answerer
        self._thumbnails = out / THUMBNAILS
        self._folder = RotatingFolder(out / NAME, keep_bytes)
        self.keep_bytes = keep_bytes
        if not ledger.knows_sink(NAME):
            ledger.mark_delivered(NAME, ledger.last_message())

    def step(self) -> bool:
        """Make the next page; returns whether there may be another one.

        Raises:
            GalleryError, StorageError: not now; the event waits.
        """
        done, closed = 0, []
        for message in self._ledger.messages_after(self._ledger.delivered(NAME), _LOOKED_AT):
            done = message.id
            if not self._is_final(message):
                continue
            closed.append(message.body["event"])
            photos = photos_to_show(message)
            if photos:
                self._make_page(f"event-{message.body['event']}-{message.body['revision']}.html", photos)
                break
        if not done:
            return False
        with self._ledger.transaction():
            self._ledger.mark_delivered(NAME, done)
            for event in closed:
                self._ledger.drop_evidence(event)
        return True

    def _is_final(self, message: Message) -> bool:
        """Whether it is the message of a closed event that no newer revision has followed."""
        if message.kind != "event" or not message.body["closed"]:
            return False
        if message.body.get("reviewed") and not self._ledger.has_evidence(message.body["event"]):
            return False  # its page was made before people decided
        return bool(self._ledger.event(message.body["event"]).revision == message.body["revision"])

    def _make_page(self, name: str, photos: list[str]) -> None:
        if self._folder.holds(name):  # the daemon was killed before it could note that
            return
        self._answerer.refresh()
        report = Report(self._answerer.gallery)
        shown = [self._add(report, photo) for sha256 in photos if (photo := self._ledger.photo(sha256)) is not None]
        if not any(shown):
            return
        with file_errors(self._folder.folder), tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.html"
            report.write(page)
            data = page.read_bytes()
        self._folder.keep_bytes = self.keep_bytes
        self._folder.add(name, data)

    def _add(self, report: Report, answered: LedgerPhoto) -> bool:
        """Add the animals of a photo that a person should look at; returns whether there are any."""
        evidence = self._ledger.evidence(answered.id)
        asked = {animal["animal"]["index"] for animal in answered.animals if animal["verdict"] in UNSURE}
        unsure = [plain for plain in self._ledger.computed_decisions(answered.id) if plain["animal"]["index"] in asked]
        try:
            decisions = [join_evidence(plain, evidence.get(plain["animal"]["index"])) for plain in unsure]
        except UsageError as error:  # an answer of an earlier version
            log.warning("A photo is missing in a report: %s", error.message)
            return False
        photo = read_again(answered.paths, answered.sha256) if decisions else None
        thumbnails = {}
        if photo is None:
            indices = [decision.animal.index for decision in decisions]
            found = {index: find_thumbnail(self._thumbnails, answered.sha256, index) for index in indices}
            thumbnails = {index: jpeg for index, jpeg in found.items() if jpeg is not None}
        report.add(photo, decisions, thumbnails)
        return bool(decisions)


def photos_to_show(message: Message) -> list[str]:
    """Hashes of an event's photos that a page shows, in the order of the event; none where nobody need look."""
    unsure = [animal for animal in message.body["animals"] if animal["verdict"] in UNSURE]
    return list(dict.fromkeys(sha256 for animal in unsure for sha256 in animal["photos"][:_MOST_PHOTOS]))[:_MOST_ON_A_PAGE]
