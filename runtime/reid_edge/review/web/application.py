"""The application: all routes behind the guard, and what is answered where something fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles

import reid_edge
from reid_edge.errors import GalleryError, PhotoError, ReidEdgeError, StorageError, UsageError
from reid_edge.gallery import PairConflict, ReviewConflict, StateConflict
from reid_edge.review.services import Services
from reid_edge.review.web.api import Api
from reid_edge.review.web.group_pages import GroupPages
from reid_edge.review.web.history_pages import HistoryPages
from reid_edge.review.web.individual_pages import IndividualPages
from reid_edge.review.web.metrics import Counters, CountRequests
from reid_edge.review.web.picture_routes import PictureRoutes
from reid_edge.review.web.question_pages import QuestionPages
from reid_edge.review.web.queue_pages import QueuePages
from reid_edge.review.web.rendering import Renderer
from reid_edge.review.web.security import Guard
from reid_edge.review.web.visitors import VisitorRoutes

_STATUS: tuple[tuple[type[ReidEdgeError], int], ...] = (
    (ReviewConflict, 409),
    (PairConflict, 409),
    (StateConflict, 409),
    (UsageError, 422),
    (PhotoError, 422),
    (StorageError, 507),
    (GalleryError, 409),
)


def application(services: Services, pages: bool = True) -> FastAPI:
    """The application over these services, which it closes when it ends.

    Args:
        services: open.
        pages: whether there are pages for people, or the HTTP API alone.
    """
    counters, renderer = Counters(), Renderer(services, pages)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        services.start()
        yield
        await run_in_threadpool(services.close)

    app = FastAPI(
        title="reid-edge",
        version=reid_edge.__version__,
        description="Which individual animal is this? Answers, individuals, sightings and decisions of one gallery.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    Api(services, counters, renderer).add_to(app)
    VisitorRoutes(services).add_to(app)
    PictureRoutes(services).add_to(app)
    app.mount("/static", StaticFiles(directory=Path(str(resources.files(__package__).joinpath("static")))), "static")
    if pages:
        if services.groups is not None and services.found is not None:
            GroupPages(services, services.groups, services.found, renderer).add_to(app)
        QueuePages(services, renderer).add_to(app)
        IndividualPages(services, renderer).add_to(app)
        HistoryPages(services, renderer).add_to(app)
        QuestionPages(services, renderer).add_to(app)

    @app.exception_handler(ReidEdgeError)
    async def explain(request: Request, error: ReidEdgeError) -> Response:
        """The sentence and the hint of an error, as JSON or as a part of the page."""
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
        if request.url.path.startswith("/api/"):
            return JSONResponse({"error": error.message, "hint": error.hint}, status)
        template = "problem.html" if "hx-request" in request.headers else "problem_page.html"
        response = renderer.page(request, template, status, message=error.message, hint=error.hint)
        if template == "problem.html":
            response.headers.update({"hx-retarget": "#problem", "hx-reswap": "innerHTML"})
        return response

    app.add_middleware(CountRequests, counters=counters)
    app.add_middleware(Guard, access=services.access)
    return app
