"""The command that adds an extra fits how reid-edge was installed."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest

from reid_edge import installation


class _Distribution:
    def __init__(self, noted: object) -> None:
        self.noted = noted

    def read_text(self, name: str) -> str | None:
        return json.dumps(self.noted) if name == "direct_url.json" and self.noted is not None else None


def test_in_a_checkout_the_command_is_for_the_checkout() -> None:
    checkout = Path(installation.__file__).parents[2]
    assert installation.install_command("calibration") == f"pip install '.[calibration]' in the folder {checkout}"


@pytest.mark.parametrize(
    ("noted", "command"),
    [
        (None, "pip install 'reid-edge[cpu]'"),
        ({"url": "file:///home/me/reid_edge-0.1.0-py3-none-any.whl", "archive_info": {}},
         "pip install 'reid-edge[cpu] @ file:///home/me/reid_edge-0.1.0-py3-none-any.whl'"),
        ({"url": "https://host/reid-edge.git", "vcs_info": {"vcs": "git"}}, "pip install 'reid-edge[cpu] @ git+https://host/reid-edge.git'"),
        ({"url": "file:///gone/checkout", "dir_info": {}}, "pip install 'reid-edge[cpu]'"),
    ],
)  # fmt: skip
def test_of_a_wheel_the_command_names_where_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noted: object, command: str
) -> None:
    monkeypatch.setattr(installation, "__file__", str(tmp_path / "site-packages" / "reid_edge" / "installation.py"))
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: _Distribution(noted))
    assert installation.install_command("cpu") == command


def test_of_a_folder_that_was_installed_the_command_is_for_that_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = tmp_path / "my checkout"
    checkout.mkdir()
    (checkout / "pyproject.toml").write_text("")
    monkeypatch.setattr(installation, "__file__", str(tmp_path / "site-packages" / "reid_edge" / "installation.py"))
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: _Distribution({"url": checkout.as_uri(), "dir_info": {}}))
    assert installation.install_command("cpu") == f"pip install '.[cpu]' in the folder {checkout}"


@pytest.mark.parametrize(
    ("prefix", "installer", "command"),
    [
        ("/home/me/.local/share/pipx/venvs/reid-edge", "pip\n", "pipx install --force"),
        ("/home/me/.local/share/uv/tools/reid-edge", "uv\n", "uv tool install --force"),
        ("/srv/venv", "uv\n", "uv pip install"),
        ("/srv/venv", "pip\n", "pip install"),
    ],
)
def test_the_command_is_that_of_the_tool_that_installed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str, installer: str, command: str
) -> None:
    monkeypatch.setattr(installation, "__file__", str(tmp_path / "site-packages" / "reid_edge" / "installation.py"))
    monkeypatch.setattr(installation, "_noted", lambda file: installer if file == "INSTALLER" else "")
    monkeypatch.setattr(installation.sys, "prefix", prefix)
    assert installation.install_command("cpu") == f"{command} 'reid-edge[cpu]'"


def test_on_a_jetson_the_hints_are_about_jetpack_and_elsewhere_about_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "[tensorrt]" in installation.how_to_install_tensorrt()
    assert "[gpu]" in installation.how_to_install_onnxruntime_gpu()
    release = tmp_path / "nv_tegra_release"
    release.write_text("# R36 (release), REVISION: 4.0")
    monkeypatch.setattr(installation, "_JETSON_RELEASE", release)
    assert "--system-site-packages" in installation.how_to_install_tensorrt()
    assert "[jetson]" in installation.how_to_install_cuda()
    assert "[tensorrt-rtx]" in installation.how_to_install_tensorrt("tensorrt_rtx")
    assert "use TensorRT" in installation.how_to_install_onnxruntime_gpu()
