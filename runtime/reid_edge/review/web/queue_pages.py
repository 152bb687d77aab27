"""The queue's routes: the page, one question after the other, and the decisions about them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from reid_edge.errors import UsageError
from reid_edge.gallery import ReviewConflict, StateConflict
from reid_edge.gallery.changes import Position
from reid_edge.report.pictures import Frame
from reid_edge.review.deciding import Choice, decide, last_batch, review_kind
from reid_edge.review.naming import suggested_name
from reid_edge.review.pair.drawing import STEPS
from reid_edge.review.pair.view import Look
from reid_edge.review.queue import SHOWS, Filter, Group, Item, following
from reid_edge.review.services import Services
from reid_edge.review.web.ahead import Ahead
from reid_edge.review.web.rendering import Renderer
from reid_edge.review.web.requests import filter_of, first, form_of, look_of, plain

_LISTED = 40


class QueuePages:
    """Questions, and what a person answers."""

    def __init__(self, services: Services, renderer: Renderer) -> None:
        self._services = services
        self._renderer = renderer
        self._ahead = Ahead(services)

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        app.get("/", response_class=HTMLResponse)(self.queue)
        app.get("/question", response_class=HTMLResponse)(self.next_question)
        app.get("/question/{answer_id}", response_class=HTMLResponse)(self.question)
        app.get("/question/{answer_id}/lines", response_class=HTMLResponse)(self.lines)
        app.get("/question/{answer_id}/box", response_class=HTMLResponse)(self.box_editor)
        app.post("/question/{answer_id}/box", response_class=HTMLResponse)(self.move_box)
        app.post("/question/{answer_id}/decide", response_class=HTMLResponse)(self.decide)
        app.post("/undo", response_class=HTMLResponse)(self.undo)

    def queue(self, request: Request) -> Response:
        """The page: filters, progress, what is next; the first question follows by itself. Without answers, the groups instead."""
        if self._services.groups is not None and not self._services.has_queue:
            return RedirectResponse("/groups", 303)
        wanted = filter_of(request.query_params)
        queue = self._services.queue
        queue.refresh()
        species, cameras = queue.choices()
        groups = queue.groups(wanted)
        return self._renderer.page(
            request,
            "queue.html",
            wanted=wanted,
            shows=SHOWS,
            species=species,
            cameras=cameras,
            progress=queue.progress(wanted),
            groups=groups[:_LISTED],
            more=max(0, len(groups) - _LISTED),
            at=request.query_params.get("at", ""),
            names=self._services.gallery.names(),
        )

    def next_question(self, request: Request) -> HTMLResponse:
        """The first question that is open."""
        self._services.queue.refresh()
        wanted = filter_of(request.query_params)
        groups = self._services.queue.groups(wanted)
        return self._show(request, groups[0].lead if groups else None, wanted, look_of(request.query_params))

    def question(self, request: Request, answer_id: str) -> HTMLResponse:
        """One animal, beside the candidate that the look asks for."""
        self._services.queue.refresh()
        return self._show(request, self._item(answer_id), filter_of(request.query_params), look_of(request.query_params))

    def lines(self, request: Request, answer_id: str) -> HTMLResponse:
        """The same, after the matched points were made again from the photo; where a newer request took the turn, the page asks again."""
        item, look = self._item(answer_id), look_of(request.query_params)
        is_done = self._ahead.evidence(item)
        return self._show(request, item, filter_of(request.query_params), look, with_lines=not is_done)

    def box_editor(self, request: Request, answer_id: str) -> HTMLResponse:
        """The whole photo with its animals' boxes, to move one or draw another."""
        item = self._item(answer_id)
        decision = self._services.source.decision(item.answer)
        others = [each for each in self._group(item).items if each is not item and each.answer.sha256 == item.answer.sha256]
        boxes = [self._services.source.decision(each.answer).animal for each in others]
        whole = self._services.pictures.whole(item.answer)
        wanted = filter_of(request.query_params)
        facts: dict[str, Any] = {
            "item": item,
            "decision": decision,
            "others": boxes,
            "has_photo": whole.jpeg is not None,
            "wanted": wanted,
        }
        return self._renderer.page(request, "box.html", **facts)

    async def move_box(self, request: Request, answer_id: str) -> HTMLResponse:
        """Answer again for another box."""
        fields = await form_of(request, self._services)
        return await run_in_threadpool(self._move_box, request, answer_id, plain(fields))

    async def decide(self, request: Request, answer_id: str) -> HTMLResponse:
        """Store a decision, and show the next question."""
        fields = await form_of(request, self._services)
        return await run_in_threadpool(self._decide, request, answer_id, fields)

    async def undo(self, request: Request) -> HTMLResponse:
        """Take back the person's last decision, and show that question again."""
        fields = await form_of(request, self._services)
        return await run_in_threadpool(self._undo, request, plain(fields))

    def _move_box(self, request: Request, answer_id: str, fields: dict[str, str]) -> HTMLResponse:
        item, wanted = self._item(answer_id), filter_of(fields)
        box = _box(fields.get("box", ""))
        photo = self._services.reader.find(self._services.source.paths(item.answer), item.answer.sha256)
        if photo is None:
            raise UsageError("The photo is not where it was, so that it cannot be answered again.", "Bring it back first.")
        decision = self._services.identification.in_box(photo, box)
        index = item.answer.index
        if fields.get("as") == "another":
            taken = [each.index for each in self._services.source.answers() if each.sha256 == item.answer.sha256]
            index = self._services.gallery.free_animal_index(item.answer.sha256, max(taken) + 1)
        answer = self._services.source.correct(item.answer, index, decision)
        self._services.queue.refresh()
        return self._show(request, self._item(answer.id), wanted, look_of(fields), status="The photo was answered again.")

    def _decide(self, request: Request, answer_id: str, fields: dict[str, list[str]]) -> HTMLResponse:
        services, wanted = self._services, filter_of(plain(fields))
        services.queue.refresh()
        item = self._item(answer_id)
        chosen = set(fields.get("member", [answer_id]))
        items = [each for each in self._group(item).items if each.answer.id in chosen]
        expected = {key: int(value) for key, _, value in (each.rpartition(":") for each in fields.get("expected", []))}
        kind = review_kind(first(fields, "kind"))
        field = "new_name" if kind == "new" else "other_name" if first(fields, "other") else "identity"
        seen = Position.parse(first(fields, "seen"))
        choice = Choice(kind, services.person_of(request.cookies), first(fields, field).strip(), expected, seen)
        groups = services.queue.groups(wanted)
        try:
            stored = decide(services.gallery, services.source, items, choice)
        except (ReviewConflict, StateConflict) as error:
            services.queue.refresh()
            return self._show(request, self._item(answer_id), wanted, look_of(plain(fields)), 409, conflict=error.message)
        services.enroller.wake()
        services.queue.refresh()
        column = Look(column=first(fields, "column") == "1")
        if choice.kind == "rejected":  # the same animal, beside the next candidate
            return self._show(request, self._item(answer_id), wanted, column, status=f"Not {stored[0].identity}.")
        group_id = self._group(item).id
        open_now = {group.id for group in services.queue.groups(wanted)}
        rest = [each for each in following(groups, group_id) if each.id in open_now and each.id != group_id]
        if choice.kind != "skipped" and group_id in open_now:  # some of the group were not ticked
            rest = [self._group(item), *rest]
        status = f"{_said(choice.kind, stored[0].identity)}: {len(stored)} animal{'s' if len(stored) != 1 else ''}."
        following_item = rest[0].lead if rest else None
        return self._show(request, following_item, wanted, column, status=status, upcoming=rest[1:3])

    def _undo(self, request: Request, fields: dict[str, str]) -> HTMLResponse:
        services, wanted = self._services, filter_of(fields)
        person = services.person_of(request.cookies)
        undone = services.gallery.undo_batch(last_batch(services.gallery, person), person)
        services.queue.refresh()
        keys = [
            f"{event.payload['photo_sha256']}-{event.payload['animal_index']}"
            for event in undone.events
            if "photo_sha256" in event.payload
        ]
        group = next((found for key in keys if (found := services.queue.group(key))), None)
        item = group.lead if group else None
        if item is None:
            groups = services.queue.groups(wanted)
            item = groups[0].lead if groups else None
        return self._show(request, item, wanted, look_of(fields), status=f"Taken back: {undone.summary}.")

    def _show(
        self,
        request: Request,
        item: Item | None,
        wanted: Filter,
        look: Look,
        code: int = 200,
        *,
        status: str = "",
        conflict: str = "",
        upcoming: list[Group] | None = None,
        with_lines: bool = True,
    ) -> HTMLResponse:
        services = self._services
        if item is None:
            facts: dict[str, Any] = {"wanted": wanted, "status": status, "waiting": services.waiting}
            return self._renderer.page(request, "done.html", code, progress=services.queue.progress(wanted), **facts)
        group = self._group(item)
        if upcoming is None:
            upcoming = following(services.queue.groups(wanted), group.id)[:2]
        view = services.views.view(item, services.source.decision(item.answer), look)
        self._ahead.prepare([each.lead for each in upcoming])
        return self._renderer.page(
            request,
            "question.html",
            code,
            group=group,
            item=item,
            view=view,
            look=look,
            wanted=wanted,
            progress=services.queue.progress(wanted),
            status=status,
            conflict=conflict,
            seen=services.queue.position,
            suggestion=suggested_name(services.gallery.names()),
            ahead=self._ahead.pictures([each.lead for each in upcoming]),
            with_lines=with_lines,
            steps=STEPS,
        )

    def _item(self, answer_id: str) -> Item:
        group = self._services.queue.group(answer_id)
        item = next((each for each in group.items if each.answer.id == answer_id), None) if group else None
        if item is None:
            raise UsageError("There is no such question.", "Open the queue again.")
        return item

    def _group(self, item: Item) -> Group:
        group = self._services.queue.group(item.answer.id)
        if group is None:
            raise UsageError("There is no such question.", "Open the queue again.")
        return group


def _said(kind: str, identity: str | None) -> str:
    words = {"confirmed": f"Confirmed as {identity}", "new": f"New: {identity}", "skipped": "Skipped"}
    return words.get(kind, "Not an animal")


def _box(text: str) -> Frame:
    try:
        x0, y0, x1, y1 = (float(edge) for edge in text.split(","))
    except ValueError:
        raise UsageError(f"The box {text[:60]!r} is none.", "Draw it on the photo.") from None
    if not (x0 < x1 and y0 < y1 and all(abs(edge) < 1e6 for edge in (x0, y0, x1, y1))):
        raise UsageError(f"The box {text[:60]!r} is empty.", "Draw it on the photo.")
    return x0, y0, x1, y1
