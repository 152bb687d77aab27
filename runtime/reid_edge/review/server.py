"""Listening: one address, one process, until it is stopped."""

from __future__ import annotations

import ipaddress
import socket

import uvicorn

from reid_edge.errors import UsageError
from reid_edge.review.services import Services
from reid_edge.review.web.application import application
from reid_edge.review.web.security import LEAST_TOKEN


def check_address(host: str, token: str) -> None:
    """Refuse an address that strangers can reach without a token.

    Raises:
        UsageError: the token is missing or short.
    """
    if not _is_this_computer(host) and len(token) < LEAST_TOKEN:
        raise UsageError(
            f"The address {host} can be reached from other computers, so an access token of {LEAST_TOKEN} characters or more is needed.",
            'Give --token, or set REID_EDGE_TOKEN. One is printed by: python -c "import secrets; print(secrets.token_urlsafe())"',
        )


def listen(host: str, port: int) -> socket.socket:
    """A socket at this address, where whoever connects waits until `run` answers; port 0 takes a free one.

    Raises:
        UsageError: the address is in use, or is not one of this computer.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((host, port))
        server.listen()
    except OSError as error:
        server.close()
        raise UsageError(
            f"The address {host}:{port} cannot be used: {error.strerror or error}.",
            "Give another --port, or port 0 for a free one.",
        ) from error
    return server


def run(services: Services, server: socket.socket, pages: bool = True) -> None:
    """Answer requests until SIGINT or SIGTERM; closes the services at the end."""
    config = uvicorn.Config(
        application(services, pages),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
        limit_concurrency=200,
    )
    uvicorn.Server(config).run(sockets=[server])


def _is_this_computer(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
