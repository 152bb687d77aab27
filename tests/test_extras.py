"""The wheels of the extras for devices exist for the machines that the extras are for, as the package index has them today."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXTRAS = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
# The oldest glibc of each: 2.35 is that of Ubuntu 22.04, on which JetPack 6 stands.
GLIBC = {"x86_64": ("2_17", "2_27", "2_28"), "aarch64": ("2_17", "2_27", "2_28", "2_34", "2_35")}
# Extra, processor and Python. tensorrt and tensorrt-rtx are source packages that fetch wheels of NVIDIA's, so no wheel tells of them.
CASES = [
    *(("cpu", machine, python) for machine in GLIBC for python in ("3.10", "3.13")),
    ("gpu", "x86_64", "3.10"),
    ("gpu", "x86_64", "3.13"),
    ("jetson", "aarch64", "3.10"),
    ("jetson", "aarch64", "3.12"),
    *(("openvino", machine, python) for machine in GLIBC for python in ("3.10", "3.13")),
]


def requirements(extra: str, machine: str, python: str) -> list[Requirement]:
    """What the extra installs there, and what the extras of the project that it names install."""
    environment = {
        "platform_machine": machine,
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
    }
    found = [Requirement(text) for text in EXTRAS[extra]]
    wanted = [each for each in found if each.marker is None or each.marker.evaluate(environment)]
    of_others = [
        each
        for requirement in wanted
        if requirement.name == "reid-edge"
        for name in requirement.extras
        for each in requirements(name, machine, python)
    ]
    return [each for each in wanted if each.name != "reid-edge"] + of_others


def versions(package: str, machine: str, python: str) -> tuple[list[str], str]:
    """The versions that have a wheel for this machine, and what pip says where it finds none."""
    command = [sys.executable, "-m", "pip", "index", "versions", package, "--only-binary=:all:", "--implementation=cp"]
    command += [f"--python-version={python}", "--disable-pip-version-check"]
    command += [f"--platform=manylinux_{glibc}_{machine}" for glibc in GLIBC[machine]] + [f"--platform=manylinux2014_{machine}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    except subprocess.TimeoutExpired:
        return [], "no answer within two minutes"
    lines = [line for line in done.stdout.splitlines() if line.startswith("Available versions:")]
    return (lines[0].partition(":")[2].replace(" ", "").split(",") if lines else []), done.stderr


@pytest.fixture(scope="module")
def index() -> dict[tuple[str, str, str], tuple[list[str], str]]:
    """What the index has, asked once for each package and machine."""
    asked = {(each.name, machine, python) for extra, machine, python in CASES for each in requirements(extra, machine, python)}
    with ThreadPoolExecutor(4) as pool:
        answers = dict(zip(sorted(asked), pool.map(lambda key: versions(*key), sorted(asked)), strict=True))
    if not any(found for found, _ in answers.values()):
        pytest.skip("there is no package index here")
    return answers


@pytest.mark.parametrize(("extra", "machine", "python"), CASES)
def test_every_package_of_an_extra_has_a_wheel_for_the_machines_that_it_is_for(
    index, extra: str, machine: str, python: str
) -> None:
    for requirement in requirements(extra, machine, python):
        found, said = index[requirement.name, machine, python]
        if "no answer" in said:
            pytest.skip(f"the package index gives no answer about {requirement.name}")
        assert any(requirement.specifier.contains(version) for version in found), (str(requirement), found[:5], said[-300:])


@pytest.mark.parametrize("extra", ["gpu", "tensorrt"])
def test_an_extra_brings_one_build_of_onnx_runtime(extra: str) -> None:
    names = {Requirement(text).name for text in EXTRAS[extra]}
    assert len(names & {"onnxruntime", "onnxruntime-gpu"}) == 1


def test_the_jetson_gets_no_onnx_runtime_for_gpus_which_the_index_has_for_other_cards() -> None:
    assert "onnxruntime-gpu" not in {Requirement(text).name for text in EXTRAS["jetson"]}
    assert [str(each) for each in requirements("jetson", "aarch64", "3.10")][1].startswith("cuda-bindings<13,>=12.6")
