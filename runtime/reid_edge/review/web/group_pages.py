"""The routes of a discovery: the pair that settles most, the groups to name, one group with all its photos, and what was said of pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, Response

from reid_edge.errors import UsageError
from reid_edge.gallery import PairConflict
from reid_edge.gallery.pair_answers import PairAnswerKind
from reid_edge.review.groups.groups import Groups, GroupsChanged
from reid_edge.review.groups.pair import FoundPictures
from reid_edge.review.queue import Progress
from reid_edge.review.services import Services
from reid_edge.review.web.picture_routes import picture
from reid_edge.review.web.rendering import Renderer
from reid_edge.review.web.requests import first, form_of

_CARDS = 60
_ANSWERS: dict[str, tuple[PairAnswerKind, str]] = {
    "same": ("same", "One animal"),
    "different": ("different", "Two animals"),
    "unsure": ("unsure", "Cannot tell"),
}


class GroupPages:
    """Pairs and groups, and what a person says of them."""

    def __init__(self, services: Services, groups: Groups, found: FoundPictures, renderer: Renderer) -> None:
        self._services = services
        self._groups = groups
        self._found = found
        self._renderer = renderer

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        app.get("/groups", response_class=HTMLResponse, include_in_schema=False)(self.groups)
        app.get("/groups/{token}", response_class=HTMLResponse, include_in_schema=False)(self.group)
        app.post("/groups/pair/{answer}", response_class=HTMLResponse, include_in_schema=False)(self.answer)
        app.post("/groups/undo", response_class=HTMLResponse, include_in_schema=False)(self.undo)
        app.post("/groups/take-back", response_class=HTMLResponse, include_in_schema=False)(self.take_back)
        app.post("/groups/{token}/{change}", response_class=HTMLResponse, include_in_schema=False)(self.change)
        app.get("/pictures/found/{sighting_id}.jpg", include_in_schema=False)(self.picture)
        app.get("/pictures/found-thumbnail/{sighting_id}.jpg", include_in_schema=False)(self.thumbnail)

    def groups(self, request: Request, page: int = 0, column: str = "0") -> HTMLResponse:
        """The page; what changes with every answer follows by itself."""
        if "hx-request" not in request.headers:
            return self._renderer.page(request, "groups.html", page=max(0, page), names=self._services.gallery.names())
        return self._show(request, {"page": [str(page)], "column": [column]})

    def group(self, request: Request, token: str) -> HTMLResponse:
        """One group with all its photos."""
        card = self._groups.card(token)
        facts: dict[str, Any] = {"card": card, "found": self._found, "names": self._services.gallery.names()}
        return self._renderer.page(request, "group.html", **facts)

    async def answer(self, request: Request, answer: str) -> HTMLResponse:
        """Store what a person says of a pair, and show the next one."""
        fields = await form_of(request, self._services)
        return await run_in_threadpool(self._answer, request, answer, fields)

    async def change(self, request: Request, token: str, change: str) -> HTMLResponse:
        """Name a group, or take photos out of it, and show the groups."""
        fields = await form_of(request, self._services)
        return await run_in_threadpool(self._change, request, token, change, fields)

    async def undo(self, request: Request) -> HTMLResponse:
        """Take back the person's last decision."""
        fields = await form_of(request, self._services)
        undone = await run_in_threadpool(self._groups.undo, self._person(request))
        return await run_in_threadpool(self._show, request, fields, f"Taken back: {undone.summary}.")

    async def take_back(self, request: Request) -> HTMLResponse:
        """Take back one answer about a pair."""
        fields = await form_of(request, self._services)
        undone = await run_in_threadpool(self._groups.take_back, first(fields, "batch"), self._person(request))
        return await run_in_threadpool(self._show, request, fields, f"Taken back: {undone.summary}.")

    def picture(self, request: Request, sighting_id: int) -> Response:
        """An animal of the working file, as large as the photo has it."""
        return picture(request, self._found.found(sighting_id).jpeg)

    def thumbnail(self, request: Request, sighting_id: int) -> Response:
        """Its thumbnail."""
        return picture(request, self._groups.work.thumbnail(sighting_id))

    def _answer(self, request: Request, answer: str, fields: dict[str, list[str]]) -> HTMLResponse:
        if answer not in _ANSWERS:
            raise UsageError(f"There is no answer {answer[:40]!r}.", f"There are: {', '.join(_ANSWERS)}.")
        kind, words = _ANSWERS[answer]
        try:
            self._groups.answer(first(fields, "first"), first(fields, "second"), kind, self._person(request))
        except (PairConflict, GroupsChanged) as error:
            return self._show(request, fields, conflict=error.message, code=409)
        return self._show(request, fields, f"{words}: the animals are grouped by it.")

    def _change(self, request: Request, token: str, change: str, fields: dict[str, list[str]]) -> HTMLResponse:
        person, keys = self._person(request), fields.get("animal", [])
        try:
            if change == "name":
                name = first(fields, "name").strip()
                count = self._groups.name(token, name, person)
                status = f"Enrolled {count} photo{'' if count == 1 else 's'} as {name}."
            elif change == "split":
                status = f"{self._groups.split(token, keys, person)} taken out of the group."
            elif change == "not-an-animal":
                status = f"{self._groups.not_animals(token, keys, person)} not an animal."
            else:
                raise UsageError(f"There is no change {change[:40]!r}.", "Open Groups again.")
        except GroupsChanged as error:
            return self._show(request, fields, conflict=error.message, code=409)
        self._services.enroller.wake()
        return self._show(request, fields, status)

    def _person(self, request: Request) -> str:
        return self._services.person_of(request.cookies)

    def _show(
        self, request: Request, fields: Mapping[str, list[str]], status: str = "", conflict: str = "", code: int = 200
    ) -> HTMLResponse:
        """The pair that settles most, and the groups."""
        state, page = self._groups.state, int(first(fields, "page", "0")) if first(fields, "page", "0").isdecimal() else 0
        question = state.report.questions[0] if state.report.questions else None
        cards = list(state.cards.values())
        facts: dict[str, Any] = {
            "state": state,
            "progress": Progress(state.total, state.named, 0),
            "question": question,
            "drawing": self._found.drawing(question.pair, first(fields, "column") == "1") if question else "",
            "cards": cards[page * _CARDS : (page + 1) * _CARDS],
            "page": page,
            "has_more": (page + 1) * _CARDS < len(cards),
            "answers": self._groups.answers()[:_CARDS],
            "found": self._found,
            "status": status,
            "conflict": conflict,
        }
        if "hx-request" in request.headers:
            return self._renderer.page(request, "groups_list.html", code, **facts)
        return self._renderer.page(request, "groups.html", code, **facts, names=self._services.gallery.names())
