"""Who uses the browser: the name that is asked once, and the access token that is kept in a cookie."""

from __future__ import annotations

import hmac
from contextlib import suppress
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from reid_edge.errors import StorageError
from reid_edge.gallery.person import store_person
from reid_edge.gallery.records import person_name
from reid_edge.review.services import PERSON_COOKIE, Services
from reid_edge.review.web.security import SESSION_COOKIE

_YEAR = 31_536_000


class VisitorRoutes:
    """Sets the two cookies."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        app.get("/enter", include_in_schema=False)(self.enter)
        app.post("/person", include_in_schema=False, response_class=HTMLResponse)(self.person)

    def enter(self, token: str = "") -> Response:
        """Keep the access token, which the guard has checked already, and go on to the page without it in the address."""
        response = RedirectResponse("/", 303)
        if self._services.access.token:
            response.set_cookie(SESSION_COOKIE, self._services.access.token, _YEAR, httponly=True, samesite="strict")
        return response

    async def person(self, request: Request) -> Response:
        """Keep the name of the person who decides: in the browser, and for the commands of this computer."""
        form = await request.form(max_files=0, max_fields=5)
        offered = str(form.get("form_token", ""))
        if not hmac.compare_digest(offered.encode(), self._services.access.form_token.encode()):
            raise HTTPException(403, "The page is from before this server was started. Open it again.")
        name = person_name(str(form.get("person", "")))
        if not self._services.access.token:  # whoever uses the page sits at this computer
            with suppress(StorageError):
                store_person(name)
        response = RedirectResponse("/", 303)
        response.set_cookie(PERSON_COOKIE, quote(name), _YEAR, httponly=True, samesite="strict")
        return response
