"""The files of deploy/: what they copy exists, what they run is a command line of reid-edge, and nothing runs as root."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from reid_edge.cli import cli

ROOT = Path(__file__).parents[1]
CONTAINERFILES = sorted((ROOT / "deploy").glob("Containerfile*"))


def instructions(file: Path) -> list[tuple[str, str]]:
    """Each instruction with its arguments, continued lines joined."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(" ", 1)) for line in joined.splitlines()]


def parse(words: list[str]) -> None:
    """Read a command line as reid-edge would, without running it."""
    command, context = cli, click.Context(cli)
    while isinstance(command, click.Group):
        name, *words = words
        found = command.get_command(context, name)
        assert found is not None, name
        command = found
    command.make_context("reid-edge", list(words), resilient_parsing=False)


@pytest.mark.parametrize("file", CONTAINERFILES, ids=lambda file: file.name)
def test_what_an_image_copies_exists_and_it_runs_a_command_of_reid_edge_not_as_root(file: Path) -> None:
    found = instructions(file)
    for name, arguments in found:
        if name == "COPY" and not arguments.startswith("--from"):
            *sources, _ = arguments.split()
            assert all((ROOT / source).exists() for source in sources), arguments
    names = [name for name, _ in found]
    assert names.index("USER") < names.index("CMD")
    (user,) = (arguments for name, arguments in found if name == "USER")
    assert user == "reid-edge"
    (entry,) = (json.loads(arguments) for name, arguments in found if name == "ENTRYPOINT")
    (default,) = (json.loads(arguments) for name, arguments in found if name == "CMD")
    assert entry == ["reid-edge"]
    parse(default)
    assert "HEALTHCHECK" in names
    assert "REID_EDGE_HOME=/data" in file.read_text()


@pytest.mark.parametrize("file", CONTAINERFILES, ids=lambda file: file.name)
def test_the_extras_of_an_image_are_extras_of_the_package(file: Path) -> None:
    extras = re.findall(r"^ARG EXTRAS=(\S+)", file.read_text(), re.MULTILINE)[0].split(",")
    known = (ROOT / "pyproject.toml").read_text()
    assert all(re.search(rf"^{extra} = \[", known, re.MULTILINE) for extra in extras)


@pytest.mark.parametrize(
    ("file", "names"), [("compose.yaml", {"watch", "broker", "prometheus"}), ("compose.shared.yaml", {"db", "review", "watch"})]
)
def test_the_services_of_compose_run_commands_of_reid_edge_and_mount_files_that_exist(file: str, names: set[str]) -> None:
    services = yaml.safe_load((ROOT / "deploy" / file).read_text())["services"]
    assert names == services.keys()
    for service in services.values():
        if service.get("image") == "reid-edge":
            parse(shlex.split(service["command"]))
            assert service["read_only"]
            assert service["cap_drop"] == ["ALL"]
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith("./") or (ROOT / "deploy" / source).is_file()


def test_prometheus_asks_where_the_daemon_answers() -> None:
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    port = re.search(r"--http 0\.0\.0\.0:(\d+)", services["watch"]["command"]).group(1)
    asked = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())["scrape_configs"][0]["static_configs"][0]["targets"]
    assert asked == [f"watch:{port}"]
    assert f"127.0.0.1:{port}/healthz" in (ROOT / "deploy" / "healthcheck.py").read_text()
