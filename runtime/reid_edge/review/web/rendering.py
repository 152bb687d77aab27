"""Templates to pages. Everything is escaped unless a module of this package made it; names cannot turn the text around them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

import reid_edge
from reid_edge.decide.wording import in_percent
from reid_edge.errors import ReidEdgeError
from reid_edge.gallery.history import describe
from reid_edge.gallery.review_records import describe_review
from reid_edge.gallery.sync import open_questions
from reid_edge.review.individuals import camera_of
from reid_edge.review.services import Services

_API = (("/docs", "HTTP API"),)
_PAGES = (("/individuals", "Individuals"), ("/doubles", "Doubles"), ("/history", "History"), *_API)


class Renderer:
    """Renders the templates of the page, each with the services' facts that all of them need."""

    def __init__(self, services: Services, pages: bool) -> None:
        self._services = services
        self._environment = Environment(
            loader=PackageLoader("reid_edge.review.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            name=_name,
            percent=in_percent,
            quoted=_quoted,
            time=_time,
            camera=camera_of,
            event=describe,
            review=describe_review,
            capitalize_first=lambda text: text[:1].upper() + text[1:],
            safe_svg=Markup,
        )
        self._environment.globals.update(version=reid_edge.__version__, pages=_pages(services) if pages else _API)

    def page(self, request: Request, template: str, code: int = 200, **facts: Any) -> HTMLResponse:
        """A page or a part of one.

        Args:
            request: of whom.
            template: its file.
            code: of HTTP.
            facts: what the template shows.
        """
        common = {
            "person": self._services.person_of(request.cookies),
            "form_token": self._services.access.form_token,
            "path": request.url.path,
            "gallery": self._services.gallery.path,
            "open_questions": self._open_questions(),
        }
        text = self._environment.get_template(template).render(**common, **facts)
        return HTMLResponse(text.encode("utf-8", "replace"), code, {"cache-control": "no-store"})

    def _open_questions(self) -> int:
        """How many questions of synchronisations there are; 0 where the gallery cannot be asked: the page of that error is shown, too."""
        try:
            return len(open_questions(self._services.gallery))
        except ReidEdgeError:
            return 0


def _pages(services: Services) -> tuple[tuple[str, str], ...]:
    queue = (("/", "Queue"),) if services.has_queue or services.groups is None else ()
    groups = (("/groups", "Groups"),) if services.groups is not None else ()
    return (*queue, *groups, *_PAGES)


def _name(value: object) -> Markup:
    return Markup("<bdi>{}</bdi>").format(escape(str(value)))


def _quoted(value: object) -> str:
    return quote(str(value).encode("utf-8", "surrogateescape"), safe="")


def _time(value: str | None) -> str:
    """A time as people read it: `2026-03-09 06:20`."""
    return (value or "").replace("T", " ").removesuffix("Z").removesuffix("+00:00")[:16]
