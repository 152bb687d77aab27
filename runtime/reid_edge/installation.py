"""How reid-edge was installed and on which machine, and so the command that adds an extra to it."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

_NAME = "reid-edge"
# NVIDIA's system for Jetson writes its version there.
_JETSON_RELEASE = Path("/etc/nv_tegra_release")


def install_command(extra: str) -> str:
    """The command that installs an extra of reid-edge: with the tool that installed it, from the checkout or file that this one came from,
    else from the package index.

    Not every reid-edge comes from an index, and then `pip install 'reid-edge[...]'` finds nothing; and a tool that keeps programs in
    environments of their own does not see what pip installs.
    """
    checkout, address = _origin()
    install = _installer()
    if checkout is not None:
        return f"{install} '.[{extra}]' in the folder {checkout}"
    return f"{install} '{_NAME}[{extra}] @ {address}'" if address else f"{install} '{_NAME}[{extra}]'"


def is_jetson() -> bool:
    """Whether this is an NVIDIA Jetson, whose CUDA and TensorRT belong to its system (JetPack)."""
    return _JETSON_RELEASE.is_file()


def how_to_install_tensorrt(library: str = "tensorrt") -> str:
    """What to do where ``tensorrt`` or ``tensorrt_rtx`` cannot be imported."""
    if library == "tensorrt" and is_jetson():
        return (
            "It comes with JetPack: sudo apt install python3-libnvinfer; and make the environment of reid-edge with "
            "python3 -m venv --system-site-packages."
        )
    return f"Install it: {install_command(library.replace('_', '-'))}."


def how_to_install_cuda() -> str:
    """What to do where cuda-bindings cannot be imported, or do not fit the driver."""
    if is_jetson():
        return f"Install those of JetPack's CUDA: {install_command('jetson')}."
    return f"Install it: {install_command('tensorrt')} (with a driver of CUDA 12: pip install 'cuda-bindings==12.*')."


def how_to_install_onnxruntime_gpu() -> str:
    """What to do where ONNX Runtime has no provider for an NVIDIA GPU."""
    if is_jetson():
        return (
            "The package index has no ONNX Runtime for the GPU of a Jetson; use TensorRT, which JetPack brings: "
            f"{install_command('jetson')}, and --device tensorrt."
        )
    return f"Install the GPU build of ONNX Runtime instead of the CPU one: pip uninstall -y onnxruntime; then: {install_command('gpu')}."


def _installer() -> str:
    """The beginning of the command: pip, or the tool in whose folder this environment lies."""
    parts = Path(sys.prefix).parts
    for first, second, command in (("pipx", "venvs", "pipx install --force"), ("uv", "tools", "uv tool install --force")):
        if (first, second) in pairwise(parts):
            return command
    return "uv pip install" if _noted("INSTALLER").strip() == "uv" else "pip install"


def _origin() -> tuple[Path | None, str]:
    """The checkout, or the address of the wheel; neither where it came from an index. PEP 610 says where pip notes it."""
    around = Path(__file__).resolve().parents[2]
    if (around / "pyproject.toml").is_file():
        return around, ""
    try:
        noted = json.loads(_noted("direct_url.json") or "{}")
    except ValueError:
        return None, ""
    address = noted.get("url", "")
    if "dir_info" in noted:
        folder = Path(unquote(urlsplit(address).path))
        return (folder, "") if (folder / "pyproject.toml").is_file() else (None, "")
    return None, f"git+{address}" if "vcs_info" in noted else address


def _noted(file: str) -> str:
    """What the installer wrote into this file beside the package; empty where it wrote none."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return distribution(_NAME).read_text(file) or ""
    except (PackageNotFoundError, OSError):
        return ""
