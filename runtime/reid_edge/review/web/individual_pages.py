"""The individuals' routes: the grid, one individual with its sightings, what a person changes there, and the audit's list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from reid_edge.errors import UsageError
from reid_edge.gallery import NewPairAnswer, StateConflict
from reid_edge.gallery.history import acting_as
from reid_edge.gallery.records import LIFE_STAGES, SEXES
from reid_edge.gallery.unchanged import About
from reid_edge.gallery.viewpoints import refuse_mistyped_viewpoint
from reid_edge.review.audit_list import different_individuals, is_settled
from reid_edge.review.individuals import by_time, card_of
from reid_edge.review.map import map_of
from reid_edge.review.naming import suggested_name
from reid_edge.review.services import Services
from reid_edge.review.web.rendering import Renderer
from reid_edge.review.web.requests import first, form_of, seen_of

_PAGE = 120


class IndividualPages:
    """Known individuals."""

    def __init__(self, services: Services, renderer: Renderer) -> None:
        self._services = services
        self._renderer = renderer

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        app.get("/individuals", response_class=HTMLResponse, include_in_schema=False)(self.grid)
        app.get("/individual", response_class=HTMLResponse, include_in_schema=False)(self.individual)
        app.post("/individual/{change}", include_in_schema=False)(self.change)
        app.get("/doubles", response_class=HTMLResponse, include_in_schema=False)(self.doubles)
        app.post("/doubles/start", include_in_schema=False)(self.start_audit)

    def grid(self, request: Request, search: str = "", species: str = "", page: int = 0) -> HTMLResponse:
        """All individuals whose name holds what is searched for."""
        cards = [
            card
            for card in self._services.cards.all()
            if search.casefold() in card.individual.name.casefold()
            and (not species or species.casefold() in card.individual.species.casefold().split(" / "))
        ]
        kinds = sorted({card.individual.species for card in self._services.cards.all() if card.individual.species})
        start = max(0, page) * _PAGE
        return self._renderer.page(
            request,
            "individuals.html",
            cards=cards[start : start + _PAGE],
            total=len(cards),
            start=start,
            page=max(0, page),
            has_more=start + _PAGE < len(cards),
            search=search,
            species=species,
            kinds=kinds,
        )

    def individual(self, request: Request, name: str) -> HTMLResponse:
        """One individual."""
        return self._individual(request, name)

    def _individual(self, request: Request, name: str, code: int = 200, conflict: str = "", typed: str = "") -> HTMLResponse:
        gallery = self._services.gallery
        seen = gallery.position()  # before what is shown, so that nothing that it lacks counts as seen
        found = gallery.individual(name)
        sightings = gallery.sightings(individual=found.name)
        return self._renderer.page(
            request,
            "individual.html",
            code,
            seen=seen,
            conflict=conflict,
            typed=typed,
            card=card_of(found, sightings),
            sightings=by_time(sightings),
            map=map_of(sightings),
            names=[other for other in gallery.names() if other != found.name],
            suggestion=suggested_name(gallery.names()),
            sexes=SEXES,
            life_stages=LIFE_STAGES,
            viewpoints=sorted(gallery.viewpoints() | {"left", "right"}),
        )

    async def change(self, request: Request, change: str) -> Response:
        """Rename, merge, split, move, note, or state sides; then show the individual again."""
        fields = await form_of(request, self._services)
        from_audit = first(fields, "back") == "doubles"
        try:
            name = await run_in_threadpool(self._change, change, fields, self._services.person_of(request.cookies))
        except StateConflict as error:
            if from_audit:
                return await run_in_threadpool(self._doubles, request, 409, error.message)
            if not error.name:
                raise
            typed = first(fields, "notes") if change == "notes" else first(fields, "new")
            return await run_in_threadpool(self._individual, request, error.name, 409, error.message, typed)
        return RedirectResponse("/doubles" if from_audit else f"/individual?name={quote(name, safe='')}", 303)

    def doubles(self, request: Request) -> HTMLResponse:
        """What the audit found: individuals that may be one or two, and photos that do not fit."""
        return self._doubles(request)

    def _doubles(self, request: Request, code: int = 200, conflict: str = "") -> HTMLResponse:
        seen = self._services.gallery.position()
        gallery, state = self._services.gallery, self._services.audit.state
        names, different = set(gallery.names()), different_individuals(gallery)
        findings = [each for each in state.report.findings if not is_settled(each, names, different)] if state.report else []
        settled = len(state.report.findings) - len(findings) if state.report else 0
        template = "doubles_list.html" if "hx-request" in request.headers else "doubles.html"
        facts: dict[str, Any] = {"state": state, "findings": findings, "settled": settled, "suggestion": suggested_name(names)}
        return self._renderer.page(request, template, code, **facts, seen=seen, conflict=conflict)

    async def start_audit(self, request: Request) -> Response:
        """Compare the gallery with itself."""
        await form_of(request, self._services)
        self._services.audit.start()
        return RedirectResponse("/doubles", 303)

    def _change(self, change: str, fields: Mapping[str, list[str]], person: str) -> str:
        """Make one change; returns the name of the individual to show.

        Raises:
            StateConflict: somebody changed what it is about since the page was made.
            UsageError, GalleryError, StorageError: it is not made.
        """
        gallery, name = self._services.gallery, first(fields, "name")
        numbers = [int(each) for each in fields.get("sighting", []) if each.isdecimal()]
        others = (first(fields, "into"),) if change in ("merge", "different", "move") else ()
        about = About((name, *others), tuple(numbers), with_photos=change in ("merge", "different"))
        with gallery.transaction(), acting_as(person):
            gallery.check_unchanged(seen_of(fields), about)
            if change == "rename":
                gallery.rename(name, first(fields, "new"))
                return first(fields, "new")
            if change == "merge":
                gallery.merge([name], first(fields, "into"))
                return first(fields, "into")
            if change == "different":
                pair = gallery.individual(name).name, gallery.individual(first(fields, "into")).name
                gallery.answer_pair(
                    NewPairAnswer(
                        of="individuals", first=pair[:1], second=pair[1:], answer="different", person=person, shown=pair
                    )
                )
                return name
            if change == "split":
                gallery.split(name, numbers, first(fields, "new"))
                return first(fields, "new")
            if change == "move":
                gallery.reassign(numbers, first(fields, "into"))
            elif change == "viewpoint":
                viewpoint = first(fields, "viewpoint")
                if viewpoint:
                    refuse_mistyped_viewpoint(viewpoint, gallery.viewpoints())
                gallery.set_viewpoint(numbers, viewpoint)
            elif change == "notes":
                gallery.annotate(name, first(fields, "sex"), first(fields, "life_stage"), first(fields, "notes"))
            else:
                raise UsageError(f"There is no change {change[:40]!r}.", "Open the individual again.")
        return name
