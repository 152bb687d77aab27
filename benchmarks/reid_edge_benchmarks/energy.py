"""Energy counters: RAPL of processors, NVML of NVIDIA's cards, tegrastats of Jetsons."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from reid_edge.processes import find_program

_POWERCAP = Path("/sys/class/powercap")
# The input of the module: VDD_IN on Orin Nano and NX, POM_5V_IN on Nano; other rails are parts of it. "VDD_IN 4936mW/4936mW".
_INPUT_POWER = re.compile(r"\b(?:VDD_IN|POM_5V_IN) (\d+)(?:mW)?/")
# AGX Orin measures no input, but three rails beside each other, which together are the module's.
_RAIL_POWER = re.compile(r"\b(VDD_GPU_SOC|VDD_CPU_CV|VIN_SYS_5V0) (\d+)(?:mW)?/")
_RAILS = 3
_TEGRASTATS_MILLISECONDS = 100


class EnergyMeter(Protocol):
    """A counter of energy; `name` says of what."""

    name: str

    def joules(self) -> float:
        """Since some moment in the past; only differences mean something."""

    def close(self) -> None:
        """Stop what was started for it."""


class Rapl:
    """Running Average Power Limit: the processor packages' counters in ``/sys/class/powercap`` (Linux, powercap documentation)."""

    name = "RAPL, processor packages"

    def __init__(self, root: Path = _POWERCAP) -> None:
        """Read the counters.

        Raises:
            OSError: there are none, or only root may read them.
        """
        # intel-rapl:0 is a package; intel-rapl:0:1 a part of it, which must not be counted again. psys holds the packages.
        zones = [zone for zone in sorted(root.glob("*-rapl:[0-9]*")) if zone.name.count(":") == 1]
        self._zones = [zone for zone in zones if (zone / "name").read_text().startswith("package")]
        if not self._zones:
            raise FileNotFoundError(root)
        self._span = [int((zone / "max_energy_range_uj").read_text()) for zone in self._zones]
        self._last = self._read()
        self._microjoules = 0

    def joules(self) -> float:
        """See `EnergyMeter`; the counters run over, at most once between two calls."""
        now = self._read()
        self._microjoules += sum((new - old) % (span + 1) for new, old, span in zip(now, self._last, self._span, strict=True))
        self._last = now
        return self._microjoules / 1e6

    def close(self) -> None:
        """Nothing was started."""

    def _read(self) -> list[int]:
        return [int((zone / "energy_uj").read_text()) for zone in self._zones]


class Nvml:
    """The energy counter of the first NVIDIA card (Volta and later)."""

    def __init__(self) -> None:
        """Find the card.

        Raises:
            OSError: no card, driver or counter, or nvidia-ml-py is not installed.
        """
        try:
            import pynvml  # type: ignore[import-untyped]
        except ModuleNotFoundError as error:
            raise FileNotFoundError("nvidia-ml-py") from error
        self._nvml = pynvml
        try:
            pynvml.nvmlInit()
            self._card = pynvml.nvmlDeviceGetHandleByIndex(0)
            name = pynvml.nvmlDeviceGetName(self._card)
            self.name = f"NVML, {name.decode() if isinstance(name, bytes) else name}"
            self.joules()
        except pynvml.NVMLError as error:
            raise OSError(str(error)) from error

    def joules(self) -> float:
        """See `EnergyMeter`; of the card alone."""
        return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._card)) / 1e3

    def close(self) -> None:
        """Leave the driver's library."""
        self._nvml.nvmlShutdown()


class Tegrastats:
    """Power of the Jetson's module, read ten times a second and summed up; what the carrier board takes beside it is not measured."""

    name = "tegrastats, the module"

    def __init__(self, program: str = "tegrastats") -> None:
        """Start it and wait for its first line.

        Raises:
            OSError: it is not installed, or reports no power of the module.
        """
        found = find_program(program)
        if not found:
            raise FileNotFoundError(program)
        self._process = subprocess.Popen([found, "--interval", str(_TEGRASTATS_MILLISECONDS)], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self._watts = _watts(self._process.stdout.readline())
        if self._watts is None:
            self.close()
            raise OSError("tegrastats reports no power of the module")
        self._joules, self._since, self._lock = 0.0, time.monotonic(), threading.Lock()
        threading.Thread(target=self._follow, daemon=True).start()

    def joules(self) -> float:
        """See `EnergyMeter`."""
        with self._lock:
            self._add()
            return self._joules

    def close(self) -> None:
        """Stop the program."""
        self._process.terminate()
        self._process.wait()

    def _follow(self) -> None:
        assert self._process.stdout
        with suppress(ValueError):  # closed meanwhile
            for line in self._process.stdout:
                watts = _watts(line)
                with self._lock:
                    self._add()
                    self._watts = self._watts if watts is None else watts

    def _add(self) -> None:
        now = time.monotonic()
        self._joules += (self._watts or 0.0) * (now - self._since)
        self._since = now


def energy_meter(on_gpu: bool) -> EnergyMeter | None:
    """The energy counter of this machine: the module's, else the card's for work on the GPU and the processor's for other work; None if
    none is readable.
    """
    for kind in (Tegrastats, Nvml if on_gpu else Rapl):
        with suppress(OSError, ValueError):
            return kind()
    return None


def _watts(line: str) -> float | None:
    if found := _INPUT_POWER.search(line):
        return int(found[1]) / 1e3
    rails = {name: int(milliwatts) for name, milliwatts in _RAIL_POWER.findall(line)}
    return sum(rails.values()) / 1e3 if len(rails) == _RAILS else None
