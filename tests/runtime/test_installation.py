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
        assert name == "direct_url.json"
        return None if self.noted is None else json.dumps(self.noted)


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
