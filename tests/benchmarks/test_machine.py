"""The machine that figures were measured on is told, as far as it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reid_edge_benchmarks import machine
from reid_edge_benchmarks.machine import (
    Descendants,
    ProcessorTime,
    describe_machine,
    governor,
    is_busy,
    machine_facts,
    others_share,
    temperatures,
)


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


def test_what_others_did_during_a_measurement_counts_and_the_load_before_it_does_not() -> None:
    facts = {**machine_facts(), "load": 3.0, "others": 0.02}
    assert not is_busy(facts)
    assert "2.0% of its processors' time taken by others" in describe_machine(facts)
    assert "load" not in describe_machine(facts)
    assert is_busy({**facts, "load": 0.0, "others": 0.2})


def test_the_time_of_others_is_that_of_everybody_without_this_process_and_its_children(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 2)
    ticks = machine.os.sysconf("SC_CLK_TCK")
    (tmp_path / "stat").write_text(f"cpu  {3 * ticks} {ticks} {ticks} {99 * ticks} 5 {ticks} {ticks} {ticks} 7 7\ncpu0 1 1\n")
    moment = ProcessorTime.now(tmp_path / "stat")
    assert moment is not None
    assert moment.everybody == 8
    assert moment.others_since(ProcessorTime(0.0, moment.own - 6, moment.moment - 10)) == pytest.approx(0.1)
    assert moment.others_since(ProcessorTime(0.0, moment.own - 9, moment.moment - 10)) == 0
    assert ProcessorTime.now(tmp_path / "missing") is None


def test_a_child_that_has_ended_is_not_another() -> None:
    begin = ProcessorTime.now()
    if begin is None:
        pytest.skip("this system does not count processor time in /proc/stat")
    subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"], check=True)
    after = ProcessorTime.now()
    assert after is not None
    assert after.own - begin.own > 0.1
    assert 0 <= others_share(begin) <= 1


def test_the_time_of_a_process_whose_end_is_not_learned_of_counts_as_own_where_it_was_looked_at() -> None:
    begin = ProcessorTime.now()
    if begin is None:
        pytest.skip("this system does not count processor time in /proc/stat")
    works = "sum(range(20_000_000)); print(flush=True); input()"
    descendants = Descendants()
    with subprocess.Popen([sys.executable, "-c", works], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        descendants.look()
        descendants.look()
        assert 0.1 < descendants.seconds < 100
        assert others_share(begin, descendants.seconds + 1000) == 0
        process.stdin.write(b"\n")
