"""The HTTP API: photos in, answers out; individuals, sightings and decisions as resources; health and metrics."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import FastAPI, File, HTTPException, Query, Request, UploadFile
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, Field

from reid_edge.errors import PhotoError, ReidEdgeError
from reid_edge.gallery import Individual, NewReview, Review, Sighting
from reid_edge.gallery.history import acting_as
from reid_edge.gallery.records import Box
from reid_edge.gallery.review_records import ReviewKind
from reid_edge.review.pictures import cut
from reid_edge.review.services import Services
from reid_edge.review.web.metrics import Counters
from reid_edge.review.web.rendering import Renderer
from reid_edge.review.web.uploads import read_upload
from reid_edge.watch.monitoring.metrics import CONTENT_TYPE

_MOST_PHOTOS = 50


class AnsweredPhoto(BaseModel):
    """One photo of a request: its answers, or why there are none."""

    name: str
    sha256: str | None = None
    animals: list[dict[str, Any]] = Field(
        default_factory=list, description="One decision per animal, as docs/decision.schema.json has it."
    )
    crops: list[str] = Field(default_factory=list, description="One JPEG per animal, in base64; only with crops=true.")
    error: str = ""
    hint: str = ""


class SentDecision(BaseModel):
    """What a person says of one animal of one photo."""

    photo_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    kind: ReviewKind
    person: str = Field(min_length=1, max_length=200)
    identity: str | None = Field(None, max_length=200)
    animal_index: int = Field(0, ge=0, lt=1000)
    box: Box | None = None
    photo_name: str = Field("", max_length=1000)
    expected: int | None = Field(
        None, ge=0, description="Sequence of the newest decision that was seen, 0 for none; 409 where it is another by now."
    )


class Undone(BaseModel):
    """What was taken back."""

    batch: str
    summary: str


class Health(BaseModel):
    """Whether the server can do its work."""

    healthy: bool
    reasons: list[str]


class Api:
    """The routes of the API."""

    def __init__(self, services: Services, counters: Counters, renderer: Renderer) -> None:
        self._services = services
        self._counters = counters
        self._renderer = renderer

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        app.post("/api/identify", tags=["answers"])(self.identify)
        app.get("/api/individuals", tags=["individuals"])(self.individuals)
        app.get("/api/individuals/{name:path}", tags=["individuals"])(self.individual)
        app.get("/api/sightings", tags=["sightings"])(self.sightings)
        app.get("/api/sightings/{sighting_id}", tags=["sightings"])(self.sighting)
        app.get("/api/sightings/{sighting_id}/crop.jpg", tags=["sightings"], response_class=Response)(self.crop)
        app.get("/api/decisions", tags=["decisions"])(self.decisions)
        app.post("/api/decisions", tags=["decisions"], status_code=201)(self.decide)
        app.post("/api/decisions/{sequence}/undo", tags=["decisions"])(self.undo)
        app.get("/healthz", tags=["monitoring"], response_model=Health)(self.health)
        app.get("/metrics", tags=["monitoring"], response_class=PlainTextResponse)(self.metrics)
        app.get("/docs", include_in_schema=False, response_class=HTMLResponse)(self.docs)

    def identify(
        self,
        photos: Annotated[list[UploadFile], File(description="One photo or several, of all formats that `identify` reads.")],
        species: Annotated[str, Query(max_length=200, description="Compare with this species only.")] = "",
        viewpoint: Annotated[str, Query(max_length=200, description="The side that the photos show, such as left.")] = "",
        top: Annotated[int, Query(ge=1, le=100, description="Identities in the ranking.")] = 5,
        evidence: Annotated[bool, Query(description="With outline and matched points.")] = False,
        crops: Annotated[bool, Query(description="With a JPEG of each animal.")] = False,
    ) -> list[AnsweredPhoto]:
        """Say which individual each photo shows; a photo that cannot be read has an error in its place."""
        from reid_edge.describe.query import Query as PhotoQuery

        if len(photos) > _MOST_PHOTOS:
            raise HTTPException(413, f"At most {_MOST_PHOTOS} photos at once.")
        query = PhotoQuery(species, viewpoint, top=top, with_evidence=evidence)
        return [self._answered(each, query, crops) for each in photos]

    def individuals(self, species: str | None = None) -> list[Individual]:
        """All individuals, or those of one species."""
        return self._services.gallery.individuals(species)

    def individual(self, name: str) -> Individual:
        """One individual by name."""
        stored = self._services.gallery.stored_name(name)
        if stored is None:
            raise HTTPException(404, f"The gallery has no individual {name!r}.")
        return self._services.gallery.individual(stored)

    def sightings(self, individual: str | None = None, species: str | None = None) -> list[Sighting]:
        """All sightings, or those of one individual or species."""
        return self._services.gallery.sightings(species=species, individual=individual)

    def sighting(self, sighting_id: int) -> Sighting:
        """One sighting."""
        return self._sighting(sighting_id)

    def crop(self, sighting_id: int) -> Response:
        """The animal of a sighting as JPEG."""
        jpeg = self._services.pictures.of_sighting(self._sighting(sighting_id)).jpeg
        if jpeg is None:
            raise HTTPException(404, "Neither the photo nor a thumbnail is there.")
        return Response(jpeg, media_type="image/jpeg")

    def decisions(self, after: Annotated[int, Query(ge=0)] = 0, photo_sha256: str | None = None) -> list[dict[str, Any]]:
        """What people decided and did not take back, oldest first: with a sequence above `after`, or about one photo."""
        gallery = self._services.gallery
        found: Sequence[Review] = gallery.reviews(after) if photo_sha256 is None else gallery.reviews_of(photo_sha256)
        return [asdict(review) for review in found if review.sequence > after]

    def decide(self, sent: SentDecision) -> dict[str, Any]:
        """Store a decision about one animal of one photo."""
        fields = sent.model_dump()
        expected = fields.pop("expected")
        review = self._services.gallery.review(NewReview(**fields), expected)
        self._services.enroller.wake()
        return asdict(review)

    def undo(self, sequence: int, person: Annotated[str, Query(min_length=1, max_length=200)]) -> Undone:
        """Take back a decision with all that was decided together with it."""
        found = [each for each in self._services.gallery.reviews(sequence - 1) if each.sequence == sequence]
        if not found:
            raise HTTPException(404, f"There is no decision {sequence} that is not undone.")
        with acting_as(person):
            undone = self._services.gallery.undo_batch(found[0].batch, person)
        return Undone(batch=undone.batch, summary=undone.summary)

    def health(self) -> JSONResponse:
        """Whether the gallery and the answers can be read; 503 where they cannot."""
        reasons = []
        try:
            self._services.queue.refresh()
        except ReidEdgeError as error:
            reasons.append(error.message)
        return JSONResponse({"healthy": not reasons, "reasons": reasons}, 503 if reasons else 200)

    def metrics(self) -> PlainTextResponse:
        """Figures in Prometheus' text format."""
        return PlainTextResponse(self._counters.page(self._services), media_type=CONTENT_TYPE)

    def docs(self, request: Request) -> HTMLResponse:
        """This API for people, from its own schema."""
        return self._renderer.page(request, "docs.html", schema=request.app.openapi())

    def _answered(self, upload: UploadFile, query: Any, crops: bool) -> AnsweredPhoto:
        name = (upload.filename or "photo").replace("\\", "/").rpartition("/")[2][:200] or "photo"
        try:
            photo = read_upload(upload.file, name, self._services.reader)
            decisions = self._services.identification.identify(photo, query)
        except PhotoError as error:
            return AnsweredPhoto(name=name, error=error.message, hint=error.hint)
        self._counters.count_answers(len(decisions))
        pictures = [base64.b64encode(cut(photo, each.animal.box).jpeg or b"").decode() for each in decisions] if crops else []
        return AnsweredPhoto(
            name=name, sha256=photo.sha256, animals=[decision.as_json() for decision in decisions], crops=pictures
        )

    def _sighting(self, sighting_id: int) -> Sighting:
        found = self._services.gallery.present_sightings([sighting_id]).get(sighting_id)
        if found is None:
            raise HTTPException(404, f"There is no sighting {sighting_id}.")
        return found
