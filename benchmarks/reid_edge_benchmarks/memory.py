"""The highest resident memory of a process."""

from __future__ import annotations

import sys
from pathlib import Path


def peak_memory_of(process: int) -> int | None:
    """The highest resident memory of another process of this machine so far, bytes, memory that it shares with others included; None where
    Linux does not say."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)


def peak_memory() -> int:
    """The highest resident memory of this process so far, bytes. Pages of files that are mapped count while they are resident."""
    try:
        # Linux lets a child inherit its parent's ru_maxrss; VmHWM begins anew with the program.
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def memory_now() -> dict[str, int]:
    """Resident memory of this process, bytes, as Linux takes it apart: `anonymous` is its own, `file` is mapped files, which the system
    may take back. Empty elsewhere.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    names = {"RssAnon:": "anonymous", "RssFile:": "file"}
    return {names[key]: int(line.split()[1]) * 1024 for line in lines if (key := line.split("\t")[0]) in names}
