"""The routes of a synchronisation's questions: one after the other with the photos of both sides, and what a person answers."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse

from reid_edge.gallery import StateConflict
from reid_edge.gallery.sync import open_questions
from reid_edge.review.deciding import last_batch
from reid_edge.review.questions import QuestionConflict, answer_question, question_card
from reid_edge.review.services import Services
from reid_edge.review.web.rendering import Renderer
from reid_edge.review.web.requests import form_of, seen_of

_LISTED = 40


class QuestionPages:
    """Decisions of stations that contradict each other."""

    def __init__(self, services: Services, renderer: Renderer) -> None:
        self._services = services
        self._renderer = renderer

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        app.get("/questions", response_class=HTMLResponse, include_in_schema=False)(self.questions)
        app.post("/questions/undo", response_class=HTMLResponse, include_in_schema=False)(self.undo)
        app.post("/questions/{number}/{code}", response_class=HTMLResponse, include_in_schema=False)(self.answer)

    def questions(self, request: Request, at: int = 0) -> HTMLResponse:
        """The question with this number, or the next one, and a list of the others."""
        return self._show(request, at)

    async def answer(self, request: Request, number: int, code: str) -> HTMLResponse:
        """Make the decision of an answer, close the question, and show the next one."""
        fields = await form_of(request, self._services)
        return await run_in_threadpool(self._answer, request, number, code, fields)

    async def undo(self, request: Request) -> HTMLResponse:
        """Take back the person's last decision."""
        await form_of(request, self._services)
        return await run_in_threadpool(self._undo, request)

    def _answer(self, request: Request, number: int, code: str, fields: dict[str, list[str]]) -> HTMLResponse:
        gallery, person = self._services.gallery, self._services.person_of(request.cookies)
        if code == "later":
            return self._show(request, number + 1)
        try:
            done = answer_question(gallery, number, code, person, seen_of(fields))
        except (QuestionConflict, StateConflict) as error:
            return self._show(request, number, conflict=error.message, code=409)
        self._services.enroller.wake()
        return self._show(request, number + 1, f"{done}. The question is closed.")

    def _undo(self, request: Request) -> HTMLResponse:
        gallery, person = self._services.gallery, self._services.person_of(request.cookies)
        undone = gallery.undo_batch(last_batch(gallery, person), person)
        numbers = [int(event.payload["question"]) for event in undone.events if event.kind == "close"]
        return self._show(request, min(numbers, default=0), f"Taken back: {undone.summary}.")

    def _show(self, request: Request, at: int, status: str = "", conflict: str = "", code: int = 200) -> HTMLResponse:
        """The first question from this number on, else the first of all."""
        gallery = self._services.gallery
        seen, questions = gallery.position(), open_questions(gallery)
        shown = next((each for each in questions if each.number >= at), questions[0] if questions else None)
        facts: dict[str, Any] = {
            "card": question_card(gallery, shown) if shown is not None else None,
            "others": [each for each in questions if each is not shown][:_LISTED],
            "total": len(questions),
            "seen": seen,
            "status": status,
            "conflict": conflict,
        }
        template = "questions_list.html" if "hx-request" in request.headers else "questions.html"
        return self._renderer.page(request, template, code, **facts)
