"""Reading single values of the configuration: each is checked and made what the daemon uses, or refused with what it must be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reid_edge.suggestions import nearest

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


class UnfitError(Exception):
    """A value that does not fit. `shown`: as it may be shown; `wanted`: what it must be; `inner`: `.key` where it is inside a table."""

    def __init__(self, value: object, wanted: str, inner: str = "", secret: bool = False) -> None:
        super().__init__()
        self.shown = "(hidden)" if secret else repr(value) if isinstance(value, str) else str(value)
        self.wanted = wanted
        self.inner = inner


Reader = Callable[
    [Any, Path], Any
]  # (value, folder at which relative paths start) -> the value as the daemon uses it; or UnfitError


def read_text(value: Any, base: Path) -> str:
    """Text in one line."""
    if not isinstance(value, str) or not value.isprintable():
        raise UnfitError(value, "text in one line")
    return value


def read_filled(value: Any, base: Path) -> str:
    """Text in one line that is not empty."""
    if not read_text(value, base):
        raise UnfitError(value, "text that is not empty")
    return str(value)


def read_truth(value: Any, base: Path) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise UnfitError(value, "true or false")
    return value


def choice(*choices: str) -> Reader:
    """One of some words."""

    def read(value: Any, base: Path) -> str:
        if value not in choices:
            raise UnfitError(value, "one of " + ", ".join(map(repr, choices)))
        return str(value)

    return read


def whole(low: int, high: int) -> Reader:
    """A whole number within bounds, both included."""

    def read(value: Any, base: Path) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise UnfitError(value, f"a whole number from {low} to {high}")
        return value

    return read


def seconds(low: float, high: float = 366 * 86400.0) -> Reader:
    """A time in seconds, or with its unit, within bounds in seconds."""

    def read(value: Any, base: Path) -> float:
        measured = _measure(value, _UNITS)
        if not low <= measured <= high:
            raise UnfitError(value, f"a time from {low:g} s to {_in_words(high)}, such as 2, '2s', '5min' or '1h'")
        return measured

    return read


def _in_words(seconds: float) -> str:
    return f"{seconds / 86400:g} days" if seconds >= 86400 else f"{seconds:g} s"


def read_bytes(value: Any, base: Path) -> int:
    """A size in bytes, or with its unit."""
    size = _measure(value, _BYTES)
    if not 0 <= size <= 10**18:
        raise UnfitError(value, "a size in bytes, such as 500000000 or '500 MB'")
    return int(size)


def _measure(value: Any, units: Mapping[str, float]) -> float:
    """A number with or without a unit; nan where it is neither."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", value) if isinstance(value, str) else None
    if found is None:
        return math.nan
    scale = units.get(found[2], units.get(found[2].upper(), math.nan))
    return float(found[1]) * scale


def read_place(value: Any, base: Path) -> Path:
    """A path; a relative one starts at `base`."""
    if not isinstance(value, (str, Path)) or not str(value) or "\0" in str(value):
        raise UnfitError(value, "a path")
    return base / Path(value).expanduser()


def read_places(value: Any, base: Path) -> tuple[Path, ...]:
    """One path or several, each once."""
    listed = [value] if isinstance(value, (str, Path)) else value
    if not isinstance(listed, (list, tuple)):
        raise UnfitError(value, "a list of folders")
    return tuple(dict.fromkeys(read_place(each, base) for each in listed))


def read_pack(value: Any, base: Path) -> str:
    """A pack's name stays one; what looks like a path becomes absolute."""
    name = read_filled(value, base)
    return str(read_place(name, base)) if "/" in name or (base / name).exists() else name


def read_address(value: Any, base: Path) -> str:
    """A port, or `host:port`; without a host it is of this machine alone."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = f"127.0.0.1:{value}"
    found = re.fullmatch(r"(?:(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):)?([0-9]{1,5})", value) if isinstance(value, str) else None
    if found is None or int(found[2]) > 65535:
        raise UnfitError(value, "a port, or an address such as '127.0.0.1:9464'")
    return f"{found[1] or '127.0.0.1'}:{int(found[2])}"


def url(*schemes: str) -> Reader:
    """The address of a host, with one of the schemes."""

    def read(value: Any, base: Path) -> str:
        try:
            parts = urlsplit(value if isinstance(value, str) else "")
            fit = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            fit = False
        if not fit or not str(value).isprintable() or " " in str(value):
            raise UnfitError(
                value, f"an address that begins with {' or '.join(each + '://' for each in schemes)}", secret="@" in str(value)
            )
        return str(value)

    return read


def read_headers(value: Any, base: Path) -> dict[str, str]:
    """The headers of HTTP messages."""
    if not isinstance(value, Mapping):
        raise UnfitError(value, "a table of header names and texts", secret=True)
    for name, text in value.items():
        # https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
        if (
            not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name)
            or not isinstance(text, str)
            or not re.fullmatch(r"[\t\x20-\x7e]*", text)
        ):
            raise UnfitError(text, "the plain ASCII text of a header", inner=f".{name}", secret=True)
    return dict(value)


def read_topic(value: Any, base: Path) -> str:
    """A template of an MQTT topic."""
    unknown = set(re.findall(r"\{([^{}]*)\}", read_filled(value, base))) - {"camera", "kind", "sink"}
    if unknown or re.search(r"[+#]", value) or re.search(r"[{}]", re.sub(r"\{[a-z]+\}", "", value)):
        raise UnfitError(value, "a topic without + and #, with no other fields than {camera}, {kind} and {sink}")
    return str(value)


def table(kind: type[Any], **readers: Reader) -> Reader:
    """A TOML table as a dataclass; its address alone stands for it."""

    def read(value: Any, base: Path) -> Any:
        raw = {"url": value} if isinstance(value, str) else value
        if not isinstance(raw, Mapping) or "url" not in raw:
            raise UnfitError(value, "an address, or a table with a url", secret=True)
        values = {}
        for key, each in raw.items():
            if key not in readers:
                raise UnfitError(each, f"left out: the key is unknown; {nearest(key, readers)}", inner=f".{key}", secret=True)
            try:
                values[key] = readers[key](each, base)
            except UnfitError as error:
                error.inner = f".{key}{error.inner}"
                raise
        return kind(**values)

    return read


def optional(reader: Reader) -> Reader:
    """None, or what the reader takes."""
    return lambda value, base: None if value is None else reader(value, base)
