from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from reid_edge.cli.watch import run
from reid_edge.cli.watch_settings import main, setting_options, settings_table
from reid_edge.watch.configuration import Configuration, read_configuration, settings

PAGE = Path(__file__).resolve().parents[3] / "docs" / "watch.md"


def test_the_page_has_the_table_of_the_declared_settings(tmp_path: Path) -> None:
    copy = tmp_path / "watch.md"
    copy.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    main(copy)
    assert copy.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8"), (
        "run: python -m reid_edge.cli.watch_settings docs/watch.md"
    )


def test_every_key_of_the_file_is_in_the_table() -> None:
    table = settings_table()
    for each, setting in settings():
        assert f"| `{each.name}`" in table
        assert setting.help.endswith(".")


def given(*arguments: str) -> dict[str, Any]:
    """What the options of the daemon make of a command line."""
    found: dict[str, Any] = {}

    @click.command()
    @setting_options
    def command(**values: Any) -> None:
        found.update(values)

    CliRunner().invoke(command, list(arguments), catch_exceptions=False, standalone_mode=False)
    return found


def test_every_option_is_a_setting_of_the_file_and_reads_as_one(tmp_path: Path) -> None:
    values = {
        "--gallery": "g.sqlite", "--out": "o", "--pack": "other", "--device": "cpu", "--threads": "2", "--species": "zebra",
            "--max-speed": "30",
        "--settle": "3s", "--rescan": "1min", "--flat": None, "--once": None, "--enrol-new": "auto", "--move": None, "--event": "5s",
        "--camera": "exif", "--time-from-name": "%Y%m%d_%H%M", "--no-json-lines": None, "--no-csv": None, "--camtrap-dp": None,
        "--sidecar": None,
        "--sidecar-dir": "xmp", "--reports": None, "--megadetector": "boxes.json", "--video": "2s", "--webhook": "http://x/",
        "--mqtt": "mqtt://x", "--http": "9464", "--log": "json",
    }  # fmt: skip
    words = [word for option, value in values.items() for word in (option, value) if word is not None]
    read = read_configuration(None, {"folders": ["a"], **given(*words)})
    with_options = [each.name for each, setting in settings() if setting.option.startswith("--")]
    assert len(with_options) == len(values)
    assert [name for name in with_options if getattr(read, name) == getattr(Configuration(), name)] == []
    assert (read.settle_seconds, read.threads, read.recursive, read.http) == (3.0, 2, False, "127.0.0.1:9464")


@pytest.mark.parametrize("arguments", [["--settle", "soon"], ["--threads", "0"], ["--enrol-new", "maybe"]])
def test_an_option_that_is_not_allowed_names_its_setting(arguments: list[str], tmp_path: Path) -> None:
    key = {"--settle": "settle_seconds"}.get(arguments[0], arguments[0].removeprefix("--").replace("-", "_"))
    with pytest.raises(Exception, match=f"{key} must be"):
        CliRunner().invoke(run, [str(tmp_path), *arguments], catch_exceptions=False, standalone_mode=False)
