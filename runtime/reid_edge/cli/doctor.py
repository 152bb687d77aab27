"""``reid-edge doctor``: what this machine can run, whether it answers rightly, and what to install."""

from __future__ import annotations

import json
import platform
import sys
from typing import TYPE_CHECKING, Any

import click

from reid_edge import __version__
from reid_edge.cli.options import pack_option
from reid_edge.errors import ReidEdgeError
from reid_edge.installation import install_command

if TYPE_CHECKING:
    from reid_edge.pack import Pack
    from reid_edge.recipe import Recipe

_PACKAGES = ("numpy", "opencv-python-headless", "onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "openvino")
_GPU_PACKAGES = ("tensorrt", "tensorrt_rtx", "cuda-bindings")


@click.command(short_help="Say what this machine can run and what to install.")
@pack_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def doctor(pack_name: str, as_json: bool) -> int:
    """Check the libraries, the pack and every device, with a self-test of each. Exit code 3 when nothing can run."""
    pack, devices = _pack(pack_name), _devices(pack_name)
    findings = {"machine": _machine(), "libraries": _libraries(), "notes": _notes(), "pack": pack, "devices": devices}
    if as_json:
        click.echo(json.dumps(findings, ensure_ascii=False, indent=2))
    else:
        _print(findings)
    return 0 if pack["ok"] and any(device["ok"] for device in devices) else 3


def _machine() -> dict[str, Any]:
    from reid_edge.threads import default_threads

    return {
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "python": platform.python_version(),
        "threads": default_threads(),
    }


def _libraries() -> dict[str, str]:
    import sqlite3
    from importlib.metadata import PackageNotFoundError, version

    found = {"reid-edge": __version__, "sqlite": sqlite3.sqlite_version}
    for package in (*_PACKAGES, *_GPU_PACKAGES):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _notes() -> list[str]:
    """What is wrong with the installation, each with the commands that cure it."""
    from reid_edge.engines.onnx_runtime import conflicting_builds

    return [note for note in (conflicting_builds(),) if note]


def _pack(name: str) -> dict[str, Any]:
    from reid_edge.pack import find_pack, open_pack

    try:
        pack = open_pack(find_pack(name))
    except ReidEdgeError as error:
        return {"ok": False, "name": name, "says": error.message, "hint": error.hint}
    return {
        "ok": True,
        "name": pack.manifest.name,
        "version": pack.manifest.version,
        "sha256": pack.sha256,
        "says": "verified",
        "hint": "",
    }


def _devices(pack_name: str) -> list[dict[str, Any]]:
    """Every device: there, self-tested, or what to install. Builds no engine of TensorRT, which takes minutes."""
    from reid_edge.engines.selection import DEVICE_NAMES
    from reid_edge.pack import find_pack, open_pack
    from reid_edge.recipe import parse_recipe

    try:
        pack = open_pack(find_pack(pack_name))
        recipe = parse_recipe(pack.recipe, pack.manifest)
    except ReidEdgeError as error:
        return [{"name": "any", "ok": False, "says": "cannot be tested without a pack", "hint": error.hint}]
    return [{"name": name, **_device(name, pack_name, pack, recipe)} for name in DEVICE_NAMES[1:]]


def _device(name: str, pack_name: str, pack: Pack, recipe: Recipe) -> dict[str, Any]:
    from reid_edge.engines.contract import DeviceAbsentError
    from reid_edge.engines.networks import network_files
    from reid_edge.engines.openvino_engine import is_preferred
    from reid_edge.engines.selection import find_device, is_ready, missing_for, self_test

    try:
        device = find_device(name)
        probe, ranges = next(network_files(pack, recipe, device.is_gpu))
        if not is_ready(device, (probe, ranges), network_files(pack, recipe, device.is_gpu)):
            return {
                "ok": False,
                "says": f"{device.provider}, engine not built yet",
                "hint": _how_to_build(device.provider, pack_name),
            }
        self_test(device, probe, ranges)
        speed = ""
        if device.provider == "OpenVINO":
            faster = is_preferred(network_files(pack, recipe), device.threads)
            speed = "" if faster else "; not faster than cpu here, so auto does not take it"
    except DeviceAbsentError as error:
        absent = "not installed" if name == "openvino" else "not part of the installed ONNX Runtime"
        says = " ".join(lack.message for lack in missing_for(name)) or absent
        return {"ok": False, "says": f"{says} (optional)", "hint": error.hint}
    except ReidEdgeError as error:
        return {"ok": False, "says": error.message, "hint": error.hint}
    return {"ok": True, "says": f"{device.provider}, self-test passed{speed}", "hint": ""}


def _how_to_build(provider: str, pack_name: str) -> str:
    from reid_edge.engines.provider_options import TENSORRT_PROVIDER

    if provider == TENSORRT_PROVIDER:
        return f"The first --device tensorrt builds it. Better: {install_command('tensorrt')}, then reid-edge pack build-engines."
    device = " --device tensorrt-rtx" if provider == "TensorRT-RTX" else ""
    return f"Run: reid-edge pack build-engines {pack_name}{device}"


def _print(findings: dict[str, Any]) -> None:
    machine = findings["machine"]
    click.echo(f"{machine['system']}, Python {machine['python']} ({sys.executable}), {machine['threads']} threads")
    click.echo(", ".join(f"{name} {version}" for name, version in findings["libraries"].items()))
    for note in findings["notes"]:
        click.echo(click.style("note: ", fg="yellow") + note)
    for finding in (findings["pack"] | {"name": f"pack {findings['pack']['name']}"}, *findings["devices"]):
        mark = click.style("yes", fg="green") if finding["ok"] else click.style("no ", fg="yellow")
        click.echo(f"{mark} {finding['name']:<12} {finding['says']}")
        if finding["hint"]:
            click.echo(f"                 {finding['hint']}")
