"""What figures were measured on: without it, milliseconds mean nothing."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# Processes running or waiting, averaged over the last minute: above this, someone else is at work.
_QUIET_LOAD = 0.7
_LIBRARIES = ("numpy", "opencv-python-headless", "onnxruntime", "onnxruntime-gpu", "torch")


def machine_facts() -> dict[str, Any]:
    """Processor, cores that this process may use, load of the last minute (ask before measuring), Python and library versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "cores": cores,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "libraries": {name: found for name in _LIBRARIES if (found := _version(name))},
    }


def describe_machine(facts: dict[str, Any]) -> str:
    """One line for a person, with a warning where other work was going on."""
    line = f"{facts['processor']}, {facts['cores']} cores, load {facts['load']} before, Python {facts['python']}"
    return f"{line}; BUSY with other work, so times compare nothing" if float(facts["load"] or 0) > _QUIET_LOAD else line


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
