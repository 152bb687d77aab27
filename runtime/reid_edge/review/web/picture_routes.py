"""Pictures by address: of answers, of whole photos, of sightings, and their thumbnails."""

from __future__ import annotations

import hashlib

from fastapi import FastAPI, Request
from fastapi.responses import Response

from reid_edge.errors import UsageError
from reid_edge.review.answers.stored import StoredAnswer
from reid_edge.review.pictures import Crop
from reid_edge.review.services import Services

_BLANK = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 3"><rect width="4" height="3" fill="#8a938c"/></svg>'


class PictureRoutes:
    """Serves JPEGs; a browser keeps them and asks whether they changed."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        app.get("/pictures/answer/{answer_id}.jpg", include_in_schema=False)(self.answer)
        app.get("/pictures/whole/{answer_id}.jpg", include_in_schema=False)(self.whole)
        app.get("/pictures/sighting/{sighting_id}.jpg", include_in_schema=False)(self.sighting)
        app.get("/pictures/thumbnail/{sighting_id}.jpg", include_in_schema=False)(self.thumbnail)

    def answer(self, request: Request, answer_id: str) -> Response:
        """The animal of an answer."""
        return _of_this_photo(request, self._services.pictures.of_answer(self._answer(answer_id)))

    def whole(self, request: Request, answer_id: str) -> Response:
        """The whole photo of an answer."""
        return _of_this_photo(request, self._services.pictures.whole(self._answer(answer_id)))

    def sighting(self, request: Request, sighting_id: int) -> Response:
        """The animal of a sighting, as large as the photo has it."""
        (sighting,) = self._services.gallery.sightings_of([sighting_id])
        return picture(request, self._services.pictures.of_sighting(sighting).jpeg)

    def thumbnail(self, request: Request, sighting_id: int) -> Response:
        """The gallery's thumbnail of a sighting."""
        return picture(request, self._services.gallery.thumbnail(sighting_id))

    def _answer(self, answer_id: str) -> StoredAnswer:
        self._services.queue.refresh()
        group = self._services.queue.group(answer_id)
        item = next((each for each in group.items if each.answer.id == answer_id), None) if group else None
        if item is None:
            raise UsageError("There is no such answer.", "Open the queue again.")
        return item.answer


def picture(request: Request, jpeg: bytes | None, keep: bool = False) -> Response:
    """A JPEG, or a blank where there is none.

    Args:
        request: whose browser may hold it already.
        jpeg: the picture.
        keep: for an hour without asking. Only where the address can mean nothing else: a row id is another animal's in another gallery,
            and a thumbnail stands in until the photo is back.
    """
    data, kind = (_BLANK, "image/svg+xml") if jpeg is None else (jpeg, "image/jpeg")
    tag = f'"{hashlib.sha256(data).hexdigest()[:20]}"'
    caching = "no-store" if jpeg is None else "private, max-age=3600" if keep else "private, no-cache"
    headers = {"etag": tag, "cache-control": caching}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=kind, headers=headers)


def _of_this_photo(request: Request, crop: Crop) -> Response:
    """A picture whose address holds the hash of its photo and the box."""
    return picture(request, crop.jpeg, keep=crop.is_original)
