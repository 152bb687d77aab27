"""The types of the settings that `plain_data` does not have: times, sizes, paths, addresses; each with the words for what it must be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from reid_edge.errors import UsageError
from reid_edge.name_time import NameTime
from reid_edge.plain_data import Convert, InvalidValue, Pattern, decode, must_be
from reid_edge.storage.address import Place, ServerAddress, read_place

T = TypeVar("T")

_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_YEAR = 366 * 86400.0


def seconds(low: float, high: float = _YEAR) -> Convert:
    """A time in seconds, or with its unit: 2, '2s', '5min'."""
    longest = f"{high / 86400:g} days" if high >= 86400 else f"{high:g} s"

    def read(value: Any, folder: Path) -> float:
        measured = _measured(value, _SECONDS)
        if not low <= measured <= high:
            raise must_be(f"a time from {low:g} s to {longest}, such as 2, '2s', '5min' or '1h'", value)
        return measured

    return Convert(read)


def _read_bytes(value: Any, folder: Path) -> int:
    size = _measured(value, _BYTES)
    if not 0 <= size <= 10**18:
        raise must_be("a size in bytes, such as 500000000 or '500 MB'", value)
    return int(size)


def _measured(value: Any, units: Mapping[str, float]) -> float:
    """A number with or without a unit; nan where it is neither."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if abs(value) < 1e300 else math.nan
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", value) if isinstance(value, str) else None
    if found is None:
        return math.nan
    return float(found[1]) * units.get(found[2], units.get(found[2].upper(), math.nan))


def _read_path(value: Any, folder: Path) -> Path:
    if not isinstance(value, (str, Path)) or not str(value) or "\0" in str(value):
        raise must_be("a path", value)
    return folder / Path(value).expanduser()


def _read_gallery(value: Any, folder: Path) -> Place:
    if isinstance(value, ServerAddress):
        return value
    try:
        place = read_place(value) if isinstance(value, str) else None
    except UsageError as error:
        raise InvalidValue("must be a path, or postgresql://USER@HOST/DATABASE, not (hidden)") from error
    return place if isinstance(place, ServerAddress) else _read_path(value, folder)


def _read_paths(value: Any, folder: Path) -> tuple[Path, ...]:
    listed = [value] if isinstance(value, (str, Path)) else value
    if not isinstance(listed, (list, tuple)):
        raise must_be("a list of folders", value)
    return tuple(dict.fromkeys(_read_path(each, folder) for each in listed))


def _read_pack(value: Any, folder: Path) -> str:
    """The name of a pack as it is; a path becomes absolute."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise must_be("the name or the path of a pack", value)
    return str(_read_path(value, folder)) if "/" in value or (folder / value).exists() else value


def _read_http(value: Any, folder: Path) -> str:
    """`host:port`; a port alone is one of this machine only."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    found = re.fullmatch(r"(?:(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):)?([0-9]{1,5})", value) if isinstance(value, str) else None
    if found is None or int(found[2]) > 65535:
        raise must_be("a port, or an address such as '127.0.0.1:9464'", value)
    return f"{found[1] or '127.0.0.1'}:{int(found[2])}"


def url(*schemes: str) -> Convert:
    """The address of a host with one of the schemes. One with a password is not shown in errors."""

    def read(value: Any, folder: Path) -> str:
        try:
            parts = urlsplit(value if isinstance(value, str) else "")
            fits = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            fits = False
        if not fits or not value.isprintable() or " " in value:
            wanted = " or ".join(f"{scheme}://" for scheme in schemes)
            raise must_be(f"an address that begins with {wanted}", value, secret="@" in str(value))
        return str(value)

    return Convert(read)


def _read_headers(value: Any, folder: Path) -> dict[str, str]:
    """Names and texts of HTTP headers, RFC 9110, 5.6.2; never shown in errors."""
    if not isinstance(value, Mapping):
        raise must_be("a table of header names and texts", value, secret=True)
    for name, text in value.items():
        is_name = re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name)
        if not is_name or not isinstance(text, str) or not re.fullmatch(r"[\t\x20-\x7e]*", text):
            raise InvalidValue("must be the plain ASCII text of a header, not (hidden)", path=f".{name}")
    return dict(value)


def _read_topic(value: Any, folder: Path) -> str:
    plain = re.sub(r"\{(camera|kind|sink)\}", "", value) if isinstance(value, str) else "{"
    if not value or not plain.isprintable() or re.search(r"[+#{}]", plain):
        raise must_be("a topic without + and #, with no other fields than {camera}, {kind} and {sink}", value)
    return str(value)


def _read_name_pattern(value: Any, folder: Path) -> str:
    if value == "":
        return ""
    try:
        return NameTime(value).pattern if isinstance(value, str) else _read_name_pattern("%", folder)
    except UsageError as error:
        raise must_be("a pattern with %Y %m %d %H %M, such as IMG_%Y%m%d_%H%M%S", value) from error


def address_or_table(kind: Callable[..., T]) -> Convert:
    """A table as the dataclass `kind`, or its `url` alone; what is neither is not shown in errors."""

    def read(value: Any, folder: Path) -> T | None:
        if value is None:
            return None
        if not isinstance(value, (str, Mapping)):
            raise must_be("an address, or a table with a url", value, secret=True)
        return decode(kind, {"url": value} if isinstance(value, str) else value, context=folder)  # type: ignore[arg-type]

    return Convert(read)


Seconds = Annotated[float, seconds(0.0)]
Timeout = Annotated[float, seconds(0.1, 3600.0)]
FilePath = Annotated[Path, Convert(_read_path)]
GalleryPlace = Annotated[Place, Convert(_read_gallery)]
Folders = Annotated[tuple[Path, ...], Convert(_read_paths)]
PackName = Annotated[str, Convert(_read_pack)]
Line = Annotated[str, Pattern(r"[^\n\t]*", "text in one line")]
FilledLine = Annotated[str, Pattern(r"[^\n\t]+", "text in one line that is not empty")]
ByteCount = Annotated[int, Convert(_read_bytes)]
HttpAddress = Annotated[str, Convert(_read_http)]
Headers = Annotated[Mapping[str, str], Convert(_read_headers)]
NamePattern = Annotated[str, Convert(_read_name_pattern)]
Topic = Annotated[str, Convert(_read_topic)]
