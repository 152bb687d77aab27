"""What is made before a person asks for it: the pictures of the next questions, and evidence that the store of answers does not hold."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from reid_edge.decide.decision import Decision
from reid_edge.errors import ReidEdgeError
from reid_edge.review.pair.view import Look
from reid_edge.review.pictures import sighting_picture
from reid_edge.review.queue import Item
from reid_edge.review.services import Services

log = logging.getLogger(__name__)


class Ahead:
    """Works in one thread, behind whoever looks now."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._pool = ThreadPoolExecutor(1, "ahead")

    def prepare(self, items: Sequence[Item]) -> None:
        """Cut the pictures of these questions, so that they are there when they are shown."""
        for item in items:
            self._pool.submit(self._prepare, item)

    def pictures(self, items: Sequence[Item]) -> list[str]:
        """The addresses of these questions' pictures, for a browser to fetch ahead."""
        found = []
        for item in items:
            sighting = item.answer.sighting
            found += [item.answer.picture, *([] if sighting is None else [sighting_picture(sighting)])]
        return found

    def evidence(self, item: Item) -> bool:
        """Match the animal again, where its photo can be read, and keep what is found; False where a newer request took the turn.

        Raises:
            PhotoError, PackError, EngineError, GalleryError: it cannot be matched.
        """
        services, answer = self._services, item.answer
        stored = services.views.named_now(services.source.decision(answer))
        names = [ranked.identity for ranked in services.views.candidates(item, stored)]
        photo = services.reader.find(services.source.paths(answer), answer.sha256)
        if photo is None or not names:
            return True
        made = services.identification.evidence(photo, stored.animal.box, names)
        if made is not None:
            services.source.keep_evidence(answer, _with_evidence(stored, made))
        return made is not None

    def _prepare(self, item: Item) -> None:
        try:
            self._services.views.view(item, self._services.source.decision(item.answer), Look())
        except ReidEdgeError as error:
            log.debug("%s is not prepared: %s", item.answer.photo, error.message)


def _with_evidence(stored: Decision, made: Decision) -> Decision:
    """The stored answer with the outline, the best photos and the matched points of one that was made again."""
    found = {ranked.identity: ranked for ranked in made.ranking}
    ranking = tuple(
        replace(ranked, sighting=again.sighting, photo=again.photo, matches=again.matches)
        if (again := found.get(ranked.identity))
        else ranked
        for ranked in stored.ranking
    )
    return replace(stored, ranking=ranking, animal=replace(stored.animal, outline=made.animal.outline))
