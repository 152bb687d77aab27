"""Messages by HTTP: one POST for each, with its idempotency key; any 2xx is the receipt."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from email.message import Message as Headers
from email.utils import parsedate_to_datetime
from typing import IO, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from reid_edge import __version__
from reid_edge.watch.configuration import Webhook
from reid_edge.watch.delivery.payload import payload
from reid_edge.watch.delivery.sending import DeliveryError, deliver_in_order
from reid_edge.watch.ledger.ledger import Message

# Of the answers 4xx, those that say nothing about the message: credentials that are wrong or expired, and a receiver that is busy.
_NOT_ABOUT_THE_MESSAGE = frozenset({401, 407, 408, 425, 429})
_SHOWN_BYTES = 300


class WebhookSink:
    """Posts each message as JSON to one address, in order.

    The receiver must answer 2xx also to a key that it has already seen.

    Headers: `Content-Type: application/json`, `Idempotency-Key` with the message's key, and those of the configuration. A name and a
    password in the address are sent as `Authorization`. Redirections are not followed, because a POST that becomes a GET would count as
    delivered. The proxies of the environment (`https_proxy`, `no_proxy`) are used.
    """

    name = "webhook"

    def __init__(self, webhook: Webhook) -> None:
        self._url, authorization = _without_password(webhook.url)
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": f"reid-edge/{__version__}",
            **authorization,
            **webhook.headers,
        }
        self._timeout = webhook.timeout_seconds
        self._opener = urllib.request.build_opener(_NoRedirect)

    def deliver(self, messages: Sequence[Message]) -> int:
        """Post the messages one after the other; returns how many of them, from the first on, got a 2xx.

        Raises:
            DeliveryError: the first one did not.
        """
        return deliver_in_order(messages, self._post)

    def close(self) -> None:
        """Nothing stays open between two messages."""

    def _post(self, message: Message) -> None:
        request = urllib.request.Request(
            self._url, payload(message), {**self._headers, "Idempotency-Key": message.key}, method="POST"
        )
        try:
            with self._opener.open(request, timeout=self._timeout):
                return
        except urllib.error.HTTPError as answer:
            with answer:
                raise self._refusal(answer) from answer
        except urllib.error.URLError as error:
            raise self._unreachable(error.reason) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error

    def _refusal(self, answer: urllib.error.HTTPError) -> DeliveryError:
        try:
            text = answer.read(_SHOWN_BYTES).decode("utf-8", "backslashreplace").strip()
        except (OSError, http.client.HTTPException):
            text = ""
        answered = f"{answer.code} {answer.reason}" + (f", {text}" if text else "")
        if 300 <= answer.code < 400:
            location = answer.headers.get("Location", "")
            return DeliveryError(
                f"The webhook {self._url} has moved to {location!r}.", "Write that address into the configuration."
            )
        refused = 400 <= answer.code < 500 and answer.code not in _NOT_ABOUT_THE_MESSAGE
        hint = "Check the address and the headers of the configuration." if answer.code < 500 else "See the log of the receiver."
        verb = "refuses a message" if refused else "takes no messages now"
        return DeliveryError(f"The webhook {self._url} {verb}: {answered}.", hint, refused, _retry_after(answer.headers))

    def _unreachable(self, reason: object) -> DeliveryError:
        if isinstance(reason, ssl.SSLCertVerificationError):
            return DeliveryError(
                f"The certificate of the webhook {self._url} is not accepted: {reason.verify_message}.",
                "Check the clock of this device, its certificates (SSL_CERT_FILE), and the address.",
            )
        what = "it did not answer in time" if isinstance(reason, (TimeoutError, socket.timeout)) else _cause(reason)
        return DeliveryError(f"The webhook {self._url} is not reached: {what}.", "Delivery is tried again.")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        """No redirection: the answer becomes an HTTPError."""


def _without_password(url: str) -> tuple[str, dict[str, str]]:
    """The address without its name and password, and the header that carries them (RFC 7617)."""
    parts = urlsplit(url)
    if parts.username is None:
        return url, {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return plain, {"Authorization": "Basic " + base64.b64encode(pair).decode("ascii")}


def _retry_after(headers: Headers) -> float | None:
    """`Retry-After` in seconds (RFC 9110, 10.2.3). A date counts from the answer's own `Date`: this device's clock may be wrong."""
    value = (headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, (parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("Date") or "")).total_seconds())
    except (TypeError, ValueError, IndexError):
        return None


def _cause(reason: object) -> str:
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return str(reason) or type(reason).__name__
