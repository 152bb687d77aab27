"""Where a database is: a file, or a server. An address never shows its password."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from reid_edge.errors import UsageError

_SCHEMES = ("postgresql://", "postgres://")
_FORM = (
    "Give postgresql://USER@HOST/DATABASE, with %40 for @ and %2F for / in a name or password; the password may be in ~/.pgpass."
)


@dataclass(frozen=True)
class ServerAddress:
    """The address of a database on a PostgreSQL server.

    Attributes:
        host, port, user, database: '' and 0 for what the driver takes by default: PGHOST and so on, see the manual of libpq.
        schema: that holds the tables; `public` unless the address says `?schema=NAME`.
        password: '' where PGPASSWORD or ~/.pgpass has it. Not shown by `str` and `repr`.
        options: what else the address says to the driver, such as sslmode.
    """

    host: str
    port: int
    user: str
    database: str
    schema: str = "public"
    password: str = field(default="", repr=False)
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        is_socket = self.host.startswith("/")
        options = {"host": self.host if is_socket else "", "schema": "" if self.schema == "public" else self.schema}
        options |= {key: value for key, value in self.options if "password" not in key}
        query = urlencode({key: value for key, value in options.items() if value}, safe="/")
        return f"postgresql://{user}{'' if is_socket else self.host}{port}/{quote(self.database)}{'?' if query else ''}{query}"

    @property
    def fingerprint(self) -> str:
        """Hex digits that name this server and database, whoever asks."""
        text = f"{self.host or os.environ.get('PGHOST', '')}:{self.port or 5432}/{self.database}/{self.schema}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


Place = Path | ServerAddress
"""Where a database is."""


def read_place(text: str | os.PathLike[str] | ServerAddress) -> Place:
    """The address or the path that a person wrote.

    Raises:
        UsageError: it begins as an address does and is none; the message does not repeat it, since it may hold a password.
    """
    if isinstance(text, ServerAddress):
        return text
    text = os.fspath(text)
    if not text.startswith(_SCHEMES):
        return Path(text)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port or 0
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        raise UsageError("The address of the gallery is not that of a PostgreSQL database.", _FORM) from None
    database, schema = unquote(parts.path.strip("/")), options.pop("schema", "public")
    host = options.pop("host", unquote(host))
    if "/" in database or not database or not schema.isidentifier() or parts.fragment:
        raise UsageError("The address of the gallery does not name one database of a PostgreSQL server.", _FORM)
    password = options.pop("password", unquote(parts.password or ""))
    return ServerAddress(host, port, unquote(parts.username or ""), database, schema, password, tuple(options.items()))


def absolute_place(place: Place) -> Place:
    """The same place, whatever the current folder."""
    return place.absolute() if isinstance(place, Path) else place


def resolved_place(place: Place) -> Place:
    """The same place, by the one name that it has after all links."""
    return place.resolve() if isinstance(place, Path) else place


def need_file(place: Place, action: str, instead: str) -> Path:
    """The path of what has to be a file; UsageError where it is on a server.

    Args:
        place: a path or an address.
        action: what cannot be done with a server, as in `back it up`.
        instead: what to do instead.
    """
    if isinstance(place, Path):
        return place
    raise UsageError(f"{place} is on a server, so reid-edge cannot {action}.", instead)
