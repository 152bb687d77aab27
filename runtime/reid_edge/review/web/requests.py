"""What routes read from requests: the filter, the look, and the token and person that a change needs."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import asdict

from fastapi import HTTPException, Request

from reid_edge.errors import UsageError
from reid_edge.gallery.changes import Position
from reid_edge.review.pair.view import Look
from reid_edge.review.queue import SHOWS, Filter
from reid_edge.review.services import Services

_LONGEST = 300


def filter_of(values: Mapping[str, str]) -> Filter:
    """The filter of a query string or a form; what is not given lets all pass."""
    fields = {field: str(values.get(field, "")).strip()[:_LONGEST] for field in asdict(Filter())}
    if fields["show"] not in SHOWS:
        fields["show"] = "questions"
    return Filter(**fields)


def look_of(values: Mapping[str, str]) -> Look:
    """The look of a query string or a form."""
    return Look(_count(values.get("candidate")), _count(values.get("photo")), values.get("column") == "1")


async def form_of(request: Request, services: Services) -> dict[str, list[str]]:
    """The fields of a form of this page, as texts.

    Raises:
        HTTPException: it does not hold the token of this start's pages.
        UsageError: nobody has said who decides.
    """
    form = await request.form(max_files=0, max_fields=5000)
    fields: dict[str, list[str]] = {}
    for key, value in form.multi_items():
        fields.setdefault(key, []).append(str(value))
    offered = request.headers.get("x-form-token") or first(fields, "form_token")
    if not hmac.compare_digest(offered.encode(), services.access.form_token.encode()):
        raise HTTPException(403, "The page is from before this server was started. Open it again.")
    if not services.person_of(request.cookies):
        raise UsageError("Nobody has said who decides.", "Give your name at the top of the page.")
    return fields


def seen_of(fields: Mapping[str, list[str]]) -> Position:
    """How far the gallery was when the form was made.

    Raises:
        UsageError: the form does not say so.
    """
    seen = Position.parse(first(fields, "seen"))
    if seen is None:
        raise UsageError("The form does not say which state of the gallery it was made from.", "Open the page again.")
    return seen


def first(fields: Mapping[str, list[str]], name: str, otherwise: str = "") -> str:
    """The first value of a field."""
    return fields.get(name, [otherwise])[0]


def plain(fields: Mapping[str, list[str]]) -> dict[str, str]:
    """The first value of each field."""
    return {name: values[0] for name, values in fields.items()}


def _count(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 6 else 0
