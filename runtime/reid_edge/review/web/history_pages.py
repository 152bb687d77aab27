"""The history: every change of the gallery, who made it and when, each with a button that takes it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse

from reid_edge.gallery import Event
from reid_edge.review.services import Services
from reid_edge.review.web.rendering import Renderer
from reid_edge.review.web.requests import first, form_of

_SHOWN = 200
_OF_A_BATCH = 5


@dataclass(frozen=True)
class Batch:
    """What one command or key press changed, newest first; `more` events of it are not listed."""

    id: str
    at: str
    person: str
    events: Sequence[Event]
    more: int
    undone: bool
    is_undo: bool


class HistoryPages:
    """Lists and undoes."""

    def __init__(self, services: Services, renderer: Renderer) -> None:
        self._services = services
        self._renderer = renderer

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        app.get("/history", response_class=HTMLResponse, include_in_schema=False)(self.history)
        app.post("/history/undo", response_class=HTMLResponse, include_in_schema=False)(self.undo)

    def history(self, request: Request, status: str = "") -> HTMLResponse:
        """The newest changes."""
        batches = in_batches(self._services.gallery.history(limit=_SHOWN))
        return self._renderer.page(request, "history.html", batches=batches, status=status)

    async def undo(self, request: Request) -> HTMLResponse:
        """Take one batch back."""
        fields = await form_of(request, self._services)
        person = self._services.person_of(request.cookies)
        undone = await run_in_threadpool(self._services.gallery.undo_batch, first(fields, "batch"), person)
        return await run_in_threadpool(self.history, request, f"Taken back: {undone.summary}.")


def in_batches(events: Sequence[Event]) -> list[Batch]:
    """The events by batch, the batch with the newest event first."""
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.batch, []).append(event)
    return [
        Batch(
            id=batch,
            at=members[0].at,
            person=next((str(each.payload["person"]) for each in members if each.payload.get("person")), ""),
            events=members[:_OF_A_BATCH],
            more=max(0, len(members) - _OF_A_BATCH),
            undone=all(each.undone for each in members),
            is_undo=members[0].kind == "undo",
        )
        for batch, members in found.items()
    ]
