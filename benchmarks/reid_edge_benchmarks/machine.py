"""The machine that figures were measured on; without it, milliseconds mean nothing."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from reid_edge.processes import find_program

# Above this share of the processors' time somebody else was at work.
_MOST_OTHERS = 0.05
# Processes running or waiting, averaged over the minute before; for results without the time of others.
_QUIET_LOAD = 0.7
_LIBRARIES = (
    *("numpy", "opencv-python-headless", "onnxruntime", "onnxruntime-gpu", "tensorrt", "torch", "timm", "kornia"),
    *("scipy", "scikit-learn", "usearch"),
)
_SYSTEM, _STATISTICS = Path("/sys"), Path("/proc/stat")
_ASK_SECONDS = 10


def machine_facts() -> dict[str, Any]:
    """Processor, cores that this process may use, memory (bytes), load of the last minute (ask before measuring), governor or power mode,
    temperatures (degrees Celsius), GPU, system, Python and library versions; None or empty if the machine does not report them.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "cores": cores,
        "memory": _memory(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "governor": governor(),
        "power mode": _said("nvpmodel", "-q"),
        "temperatures": temperatures(),
        "gpu": _said("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "libraries": {name: found for name in _LIBRARIES if (found := _version(name))},
    }


def gpu_memory_used() -> int | None:
    """MiB of the first GPU that all programs together use; None where the machine does not report it."""
    answer = _said("nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits")
    return int(answer.split()[0]) if answer and answer.split()[0].isdigit() else None


@dataclass(frozen=True)
class ProcessorTime:
    """Seconds of all processors together, at one moment.

    Attributes:
        everybody: that any process took since the machine started, a virtual machine's neighbours included (``steal``).
        own: that this process took, and its children that have ended.
        moment: of a clock that only goes forward.
    """

    everybody: float
    own: float
    moment: float

    @classmethod
    def now(cls, statistics: Path = _STATISTICS) -> ProcessorTime | None:
        """None where the system does not count it, as outside of Linux."""
        try:
            _, *counts = statistics.read_text(encoding="ascii").split("\n", 1)[0].split()
            user, nice, system, _, _, irq, softirq, steal = (int(count) for count in counts[:8])
        except (OSError, ValueError):
            return None
        ticks = user + nice + system + irq + softirq + steal
        return cls(ticks / os.sysconf("SC_CLK_TCK"), sum(os.times()[:4]), time.monotonic())

    def others_since(self, begin: ProcessorTime) -> float:
        """The share of all processors, 0..1, that others took since then. Children that measure have to have ended."""
        taken = (self.everybody - begin.everybody) - (self.own - begin.own)
        return min(1.0, max(0.0, taken / (max(1e-9, self.moment - begin.moment) * (os.cpu_count() or 1))))


class Descendants:
    """Processes that start under this one and whose end it does not learn of, as those of Ray, which end with another process of Ray."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[int, float], float] = {}

    def look(self) -> None:
        """Note what each of those that run now took so far; call it now and then, and before they end."""
        import psutil

        for process in psutil.Process().children(recursive=True):
            try:
                user, system, *_ = process.cpu_times()
                self._seconds[process.pid, process.create_time()] = user + system
            except psutil.Error:
                continue

    @property
    def seconds(self) -> float:
        """Of processor time that was noted, all together."""
        return sum(self._seconds.values())


def others_share(begin: ProcessorTime | None, descendants: float = 0.0) -> float | None:
    """See `ProcessorTime.others_since`; None where the system does not count it.

    Args:
        begin: at the beginning of the measurement.
        descendants: `Descendants.seconds`, which count as own.
    """
    now = ProcessorTime.now()
    return round(replace(now, own=now.own + descendants).others_since(begin), 3) if now and begin else None


def describe_machine(facts: dict[str, Any], timed: bool = True) -> str:
    """One line for a person, with a warning where other work was going on; of figures that are no times, what else ran is left out."""
    parts = [str(facts["processor"]), f"{facts['cores']} cores"]
    parts += [f"{facts['memory'] / 2**30:.0f} GiB"] if facts.get("memory") else []
    parts += [f"{facts[name]}" for name in ("gpu", "power mode") if facts.get(name)]
    parts += [f"governor {facts['governor']}"] if facts.get("governor") else []
    if facts.get("temperatures"):
        parts.append(f"{max(facts['temperatures'].values()):.0f} °C at most")
    if not timed:
        return f"{', '.join(parts)}, Python {facts['python']}"
    others = facts.get("others")
    work = f"load {facts['load']} before" if others is None else f"{others:.1%} of its processors' time taken by others"
    line = f"{', '.join(parts)}, {work}, Python {facts['python']}"
    return f"{line}; BUSY with other work, so times compare nothing" if is_busy(facts) else line


def is_busy(facts: dict[str, Any]) -> bool:
    """Whether other work was going on during the measurement; before it, where only that is known."""
    if facts.get("others") is not None:
        return float(facts["others"]) > _MOST_OTHERS
    return float(facts["load"] or 0) > _QUIET_LOAD


def governor(system: Path = _SYSTEM) -> str | None:
    """The frequency governors of the processors, each once; None where there are none, as in virtual machines."""
    files = system.glob("devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
    found = sorted({text for file in files if (text := _text(file))})
    return ", ".join(found) or None


def temperatures(system: Path = _SYSTEM) -> dict[str, float]:
    """Degrees Celsius by thermal zone; empty where the machine has none."""
    found = {}
    for zone in sorted(system.glob("class/thermal/thermal_zone*")):
        name, millidegrees = _text(zone / "type"), _text(zone / "temp")
        if name and millidegrees and millidegrees.lstrip("-").isdigit():
            found[name] = int(millidegrees) / 1e3
    return found


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _said(program: str, *arguments: str) -> str | None:
    """What a program says, on one line; None where it is not there or fails."""
    found = find_program(program)
    if not found:
        return None
    try:
        done = subprocess.run([found, *arguments], capture_output=True, text=True, timeout=_ASK_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return " / ".join(done.stdout.split("\n")).strip(" /") or None if done.returncode == 0 else None


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


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
