"""What a request must satisfy before any route sees it: its Host, its origin, the access token, the size of its body.

The page listens on this computer alone unless it is told otherwise. Even so, every web site that the browser shows could send requests to
it, by its address or by a name that points here (DNS rebinding): so the Host must be one of this server's, a change must come from its
own pages, and a form must carry the token that these pages hold.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SESSION_COOKIE = "reid_edge_access"
LEAST_TOKEN = 16
MAX_BODY_BYTES = 50_000_000
_SAFE = ("GET", "HEAD", "OPTIONS")
_OPEN = ("/healthz", "/static/")
_LOCAL = ("localhost", "127.0.0.1", "::1")
_POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True)
class Access:
    """Who may use the server.

    Attributes:
        hosts: names, beside this computer's own addresses, by which it may be called.
        token: what every request must bring; '' where only this computer can connect.
        form_token: what the forms of the pages carry; made anew with every start.
        max_body_bytes: of one request.
    """

    hosts: Collection[str] = ()
    token: str = ""
    form_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    max_body_bytes: int = MAX_BODY_BYTES

    def is_own_host(self, host: str) -> bool:
        """Whether a Host header names this server: localhost, an address, or a name that it was given."""
        name = _host_name(host)
        if name in _LOCAL or name in {each.casefold() for each in self.hosts}:
            return True
        if not self.token:
            return False
        try:
            return bool(ipaddress.ip_address(name))
        except ValueError:
            return False

    def has_token(self, headers: Mapping[str, str], query: str = "") -> bool:
        """Whether a request brings the access token: as a bearer, in the cookie, or, once, in the address."""
        if not self.token:
            return True
        offered = headers.get("authorization", "").removeprefix("Bearer ").strip()
        cookie = SimpleCookie(headers.get("cookie", "")).get(SESSION_COOKIE)
        candidates = [offered, cookie.value if cookie else "", *parse_qs(query).get("token", [])]
        return any(hmac.compare_digest(each.encode(), self.token.encode()) for each in candidates if each)


class Guard:
    """The middleware around all routes."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that must not pass, or pass it on with a bounded body and the headers that confine its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._refusal(scope, headers)
        if refused:
            await _respond(send, *refused)
            return
        body = _BoundedBody(receive, self._access.max_body_bytes)

        async def confined(message: Message) -> None:
            if message["type"] == "http.response.start":
                if body.is_too_large:  # the framework makes an error of its own of a body that ends early
                    message["status"] = 413
                present = {name for name, _ in message["headers"]}
                message["headers"] += [
                    (name.encode(), value.encode()) for name, value in _HEADERS.items() if name.encode() not in present
                ]
            await send(message)

        await self._app(scope, body.receive, confined)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        access = self._access
        if len(headers.getlist("host")) != 1 or not access.is_own_host(headers["host"]):
            return 400, "This server is not called by that name. See the option --allow-host."
        if scope["method"] not in _SAFE and not _is_same_origin(headers):
            return 403, "A change must come from a page of this server."
        if not scope["path"].startswith(_OPEN) and not access.has_token(headers, scope["query_string"].decode("latin-1")):
            return 401, "An access token is needed: open /enter?token=TOKEN once, or send Authorization: Bearer TOKEN."
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit():
            return 400, "The Content-Length is not a number."
        if int(length) > access.max_body_bytes:
            return 413, f"The request has more than {access.max_body_bytes:,} bytes."
        return None


class _BoundedBody:
    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._left = most
        self.is_too_large = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.is_too_large = True
            return {"type": "http.disconnect"}
        return message


def _is_same_origin(headers: Headers) -> bool:
    """What no browser lets a foreign page forge: where the request comes from. Programs send neither header."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc.casefold() == headers.get("host", "").casefold()


def _host_name(host: str) -> str:
    """The name of a Host header, without port and brackets, in small letters."""
    try:
        return (urlsplit(f"//{host}").hostname or "").casefold().rstrip(".")
    except ValueError:
        return ""


async def _respond(send: Send, status: int, text: str) -> None:
    headers = {"content-type": "text/plain; charset=utf-8", "connection": "close", **_HEADERS}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": (text + "\n").encode()})
