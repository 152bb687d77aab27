"""The machine that figures were measured on is told, as far as it says."""

from __future__ import annotations

from pathlib import Path

from reid_edge_benchmarks.machine import describe_machine, governor, is_busy, machine_facts, temperatures


def test_governors_and_temperatures_are_read_from_the_system(tmp_path: Path) -> None:
    for number in range(2):
        file = tmp_path / f"devices/system/cpu/cpu{number}/cpufreq/scaling_governor"
        file.parent.mkdir(parents=True)
        file.write_text("schedutil\n")
    zone = tmp_path / "class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "type").write_text("cpu-thermal\n")
    (zone / "temp").write_text("48500\n")
    assert governor(tmp_path) == "schedutil"
    assert temperatures(tmp_path) == {"cpu-thermal": 48.5}


def test_a_machine_that_tells_neither_has_neither(tmp_path: Path) -> None:
    assert governor(tmp_path) is None
    assert temperatures(tmp_path) == {}


def test_this_machine_is_told_with_its_libraries() -> None:
    facts = machine_facts()
    assert facts["cores"] >= 1
    assert {"numpy", "torch"} <= set(facts["libraries"])
    assert facts["libraries"]["numpy"].count(".") == 2
    assert f"{facts['cores']} cores" in describe_machine(facts)


def test_a_busy_machine_is_called_so() -> None:
    facts = {**machine_facts(), "load": 3.0, "temperatures": {"cpu": 71.2}, "governor": "powersave"}
    assert is_busy(facts)
    line = describe_machine(facts)
    assert "BUSY" in line
    assert "governor powersave" in line
    assert "71 °C" in line
    assert not is_busy({**facts, "load": 0.1})
