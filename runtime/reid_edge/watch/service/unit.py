"""The systemd unit of a daemon: started at boot, watched, restarted for ever, and allowed no more than it needs.

Directives: systemd.service(5), systemd.exec(5), systemd.resource-control(5).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_edge.errors import StorageError, UsageError
from reid_edge.storage.durable import replacing

WATCHDOG_SECONDS = 300


@dataclass(frozen=True)
class Unit:
    """What differs between one service and another.

    Attributes:
        name: of the service, without `.service`.
        command: the daemon's command line, absolute program first.
        needed: paths whose disks must be mounted before the daemon starts: its output folder and its gallery's.
        writable: folders that it may write into; everything else is read-only for it.
        account: the user that it runs as; None for a service of the user's own systemd.
        memory: `MemoryMax`, such as `75%` or `2G`.
        environment: variables of the daemon.
    """

    name: str
    command: Sequence[str]
    needed: Sequence[Path]
    writable: Sequence[Path]
    account: str | None
    memory: str
    environment: Mapping[str, str]


def unit_text(unit: Unit) -> str:
    """The unit file.

    Raises:
        UsageError: a path that is no text, or with a line break, which a unit file cannot hold.
    """
    wanted_by = "default.target" if unit.account is None else "multi-user.target"
    return "\n".join(
        [
            "[Unit]",
            "Description=reid-edge watch: which individual is on each new photo",
            "After=local-fs.target network.target",
            "RequiresMountsFor=" + " ".join(_quoted(os.fspath(path)) for path in unit.needed),
            "# A device in the field has nobody who would start it again, so it never gives up.",
            "StartLimitIntervalSec=0",
            "",
            "[Service]",
            "Type=notify",
            "NotifyAccess=main",
            "ExecStart=" + " ".join(_argument(each) for each in unit.command),
            "ExecReload=/bin/kill -HUP $MAINPID",
            "Restart=always",
            "RestartSec=5",
            f"WatchdogSec={WATCHDOG_SECONDS}",
            "TimeoutStartSec=900",
            "TimeoutStopSec=10",
            "# The daemon ends its own decoder; what is left after the time is killed.",
            "KillMode=mixed",
            "# A photo that needs too much memory costs the decoder, not the daemon.",
            "OOMPolicy=continue",
            f"MemoryMax={unit.memory}",
            *([] if unit.account is None else [f"User={unit.account}"]),
            *(f"Environment={_quoted(f'{key}={value}')}" for key, value in unit.environment.items()),
            "",
            *_HARDENING,
            *([] if unit.account is None else _system_hardening(unit)),
            "",
            "[Install]",
            f"WantedBy={wanted_by}",
            "",
        ]
    )


def install(text: str, path: Path) -> None:
    """Write the unit file, whole or not at all.

    Raises:
        StorageError: it may not or cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise StorageError(
            f"The unit {path} cannot be written: {error.strerror or error}.",
            "Run it with sudo, use --user, or take --print and place it yourself.",
        ) from error


# What an unprivileged systemd can give, too. Neither MemoryDenyWriteExecute nor PrivateDevices: CUDA and TensorRT compile at run time
# and need /dev/nvidia*; ProtectClock would close /dev as well.
_HARDENING = (
    "NoNewPrivileges=yes",
    "LockPersonality=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RestrictNamespaces=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "SystemCallArchitectures=native",
)


_TEMPORARY = ("/tmp", "/var/tmp")  # reports are put together there, and ProtectSystem=strict closes them


def _system_hardening(unit: Unit) -> list[str]:
    # With - before it, a path may be missing when the service starts: a card that is not put in.
    paths = " ".join(_quoted(f"-{path}") for path in (*unit.writable, *_TEMPORARY))
    return [
        "CapabilityBoundingSet=",
        "ProtectSystem=strict",
        "ProtectHome=read-only",
        f"ReadWritePaths={paths}",
        "ProtectControlGroups=yes",
        "ProtectKernelLogs=yes",
        "ProtectKernelModules=yes",
        "ProtectHostname=yes",
    ]


def _argument(text: str) -> str:
    """One word of ExecStart: neither a specifier (%) nor a variable ($) is expanded in it."""
    return _quoted(text).replace("$", "$$")


def _quoted(text: str) -> str:
    """A word in double quotes as systemd.syntax(7) reads it."""
    if not text.isprintable():
        raise UsageError(
            f"{text!r} holds a character that a systemd unit cannot.", "Rename it, or give it in a file: --config FILE."
        )
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def check_name_and_memory(name: str, memory: str) -> None:
    """Refuse a name that is no unit's (systemd.unit(5)) and a size that is none.

    Raises:
        UsageError: one of them is not.
    """
    if not re.fullmatch(r"[A-Za-z0-9:_.-]{1,200}", name) or name.startswith("."):
        raise UsageError(f"{name!r} cannot be the name of a service.", "Use letters, digits, dot, dash and underscore.")
    if not re.fullmatch(r"[1-9][0-9]*[KMGT]?|[1-9][0-9]?%|100%|infinity", memory):
        raise UsageError(f"{memory!r} is no amount of memory.", "Give 2G, 800M, or 75% of the machine's.")
