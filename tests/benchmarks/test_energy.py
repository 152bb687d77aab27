"""Energy is read where the machine tells, from files and programs laid out as theirs."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from reid_edge_benchmarks.energy import Rapl, Tegrastats, energy_meter

# A line of a Jetson Orin Nano (NVIDIA Jetson Linux developer guide, "tegrastats utility").
ORIN = (
    "RAM 2448/7620MB (lfb 2x2MB) CPU [3%@729,off] gpu@45.5C VDD_IN 5000mW/4900mW VDD_CPU_GPU_CV 524mW/500mW VDD_SOC 1400mW/1398mW"
)
# Of a Jetson AGX Orin, which has no rail for its input: 3.2 + 1.2 + 3.6 W.
AGX_ORIN = "CPU [0%@729] tj@45C VDD_GPU_SOC 3200mW/3100mW VDD_CPU_CV 1200mW/900mW VIN_SYS_5V0 3600mW/3600mW"


def zone(root: Path, name: str, label: str, microjoules: int) -> Path:
    folder = root / name
    folder.mkdir(exist_ok=True)
    (folder / "name").write_text(f"{label}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text("262143328850\n")
    return folder


def test_rapl_adds_the_packages_and_leaves_their_parts_out(tmp_path: Path) -> None:
    packages = [zone(tmp_path, f"intel-rapl:{number}", f"package-{number}", 1_000_000) for number in range(2)]
    core, whole = zone(tmp_path, "intel-rapl:0:0", "core", 0), zone(tmp_path, "intel-rapl:2", "psys", 0)
    meter = Rapl(tmp_path)
    for each in (*packages, core, whole):
        (each / "energy_uj").write_text("3500000")
    assert meter.joules() == pytest.approx(5.0)
    assert meter.joules() == pytest.approx(5.0)


def test_rapl_goes_on_where_a_counter_runs_over(tmp_path: Path) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", 262_143_000_000)
    meter = Rapl(tmp_path)
    (package / "energy_uj").write_text("671150")
    assert meter.joules() == pytest.approx(1.0, abs=1e-5)


def test_a_machine_without_counters_has_no_meter(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=str(tmp_path)):
        Rapl(tmp_path)
    with pytest.raises(OSError, match="no-such-tegrastats"):
        Tegrastats("no-such-tegrastats")


def program(folder: Path, line: str) -> str:
    script = folder / "tegrastats"
    script.write_text(f"#!{sys.executable}\nimport time\nwhile True:\n    print({line!r}, flush=True)\n    time.sleep(0.05)\n")
    script.chmod(0o755)
    return str(script)


@pytest.mark.skipif(sys.platform == "win32", reason="Jetsons run Linux")
@pytest.mark.parametrize(("line", "watts"), [(ORIN, 5.0), (AGX_ORIN, 8.0)], ids=["an input", "three rails"])
def test_tegrastats_power_is_summed_over_time(tmp_path: Path, line: str, watts: float) -> None:
    meter = Tegrastats(program(tmp_path, line))
    try:
        before, start = meter.joules(), time.monotonic()
        time.sleep(0.2)
        joules, seconds = meter.joules() - before, time.monotonic() - start
    finally:
        meter.close()
    assert joules == pytest.approx(watts * seconds, rel=0.2)  # the two clocks are read microseconds apart


@pytest.mark.skipif(sys.platform == "win32", reason="Jetsons run Linux")
@pytest.mark.parametrize("line", ["RAM 2448/7620MB CPU [3%@729]", "VIN_SYS_5V0 3600mW/3600mW"], ids=["none", "a part"])
def test_a_tegrastats_that_does_not_tell_the_whole_power_is_no_meter(tmp_path: Path, line: str) -> None:
    with pytest.raises(OSError, match="no power"):
        Tegrastats(program(tmp_path, line))


def test_the_meter_of_this_machine_counts_upwards_if_there_is_one() -> None:
    meter = energy_meter(on_gpu=False)
    if meter is None:
        pytest.skip("this machine has no counter of energy that may be read")
    before = meter.joules()
    time.sleep(0.3)
    assert meter.joules() > before
    meter.close()
