"""The systemd unit of a daemon: started at boot, watched, always restarted, and without rights that it does not need.

`daemon.service` is the template of the unit, `system_only.conf` of the part that only a service of the machine can have.
Directives: systemd.service(5), systemd.exec(5), systemd.resource-control(5).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

from reid_edge.errors import StorageError, UsageError
from reid_edge.storage.durable import replacing


@dataclass(frozen=True)
class Unit:
    """What differs between one service and another.

    Attributes:
        command: the daemon's command line, absolute program first.
        needed: paths whose disks must be mounted before the daemon starts: its output folder and its gallery.
        writable: folders that it may write into; everything else is read-only for it.
        account: the user that it runs as; None for a service of the user's own systemd.
        memory: `MemoryMax`, such as `75%` or `2G`.
        environment: variables of the daemon.
    """

    command: Sequence[str]
    needed: Sequence[Path]
    writable: Sequence[Path]
    account: str | None
    memory: str
    environment: Mapping[str, str]


def unit_text(unit: Unit) -> str:
    """The unit file.

    Raises:
        UsageError: a path holds a line break or bytes that are not text, which a unit file cannot hold.
    """
    system_only = ""
    if unit.account is not None:
        writable = " ".join(_quoted(f"-{path}") for path in unit.writable)
        system_only = _template("system_only.conf").substitute(account=unit.account, writable=writable)
    return _template("daemon.service").substitute(
        needed=" ".join(_quoted(os.fspath(path)) for path in unit.needed),
        command=" ".join(_argument(word) for word in unit.command),
        memory=unit.memory,
        environment="\n".join(f"Environment={_quoted(f'{key}={value}')}" for key, value in unit.environment.items()),
        system_only=system_only,
        wanted_by="default.target" if unit.account is None else "multi-user.target",
    )


def install(text: str, path: Path) -> None:
    """Write the unit file, whole or not at all.

    Raises:
        StorageError: it cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise StorageError(
            f"The unit {path} cannot be written: {error.strerror or error}.",
            "Run it with sudo, use --user, or use --print and write the file yourself.",
        ) from error


def check_name_and_memory(name: str, memory: str) -> None:
    """Check the name of a service (systemd.unit(5)) and an amount of memory.

    Raises:
        UsageError: one of them cannot be used.
    """
    if not re.fullmatch(r"[A-Za-z0-9:_.-]{1,200}", name) or name.startswith("."):
        raise UsageError(f"{name!r} cannot be the name of a service.", "Use letters, digits, dot, dash and underscore.")
    if not re.fullmatch(r"[1-9][0-9]*[KMGT]?|[1-9][0-9]?%|100%|infinity", memory):
        raise UsageError(f"{memory!r} is not an amount of memory.", "Give 2G, 800M, or 75% of the machine's memory.")


def _template(name: str) -> Template:
    return Template(resources.files(__package__).joinpath(name).read_text("utf-8"))


def _argument(text: str) -> str:
    """One word of ExecStart: neither a specifier (%) nor a variable ($) is expanded in it."""
    return _quoted(text).replace("$", "$$")


def _quoted(text: str) -> str:
    """A word in double quotes as systemd.syntax(7) reads it."""
    if not text.isprintable():
        raise UsageError(
            f"{text!r} has a character that a systemd unit cannot hold.", "Rename it, or write it into a file: --config FILE."
        )
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
