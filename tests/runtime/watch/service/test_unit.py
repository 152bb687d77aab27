from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from reid_edge.cli.watch_service import install_service
from reid_edge.errors import ReidEdgeError, UsageError

NASTY = "50% $HOME \"quoted\" back\\slash 'x'"


def printed(*arguments: str | Path) -> str:
    done = CliRunner().invoke(install_service, [*map(str, arguments), "--print"], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def directives(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


@pytest.fixture
def verify(tmp_path: Path, program: object) -> object:
    """Lets systemd read a unit; skips where systemd is not installed."""
    analyze = program("systemd-analyze")  # type: ignore[operator]

    def run(text: str, *how: str) -> None:
        path = tmp_path / "reid-edge-test.service"
        path.write_text(text)
        done = subprocess.run(
            [analyze, *how, "verify", path],
            capture_output=True,
            text=True,
            env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        )
        assert (done.returncode, done.stderr) == (0, "")

    return run


def test_systemd_takes_the_units_whatever_the_folders_are_called(tmp_path: Path, verify: object) -> None:
    folder, out = tmp_path / NASTY, tmp_path / f"out {NASTY}"
    verify(printed(folder, "--out", out))  # type: ignore[operator]
    verify(printed(folder, "--out", out, "--user"), "--user")  # type: ignore[operator]


def test_the_command_line_that_systemd_makes_of_it_is_the_one_that_was_meant(tmp_path: Path) -> None:
    text = directives(printed(tmp_path / NASTY, "--out", tmp_path / "o", "--gallery", tmp_path / "g.sqlite"))
    words = [
        "-m",
        "reid_edge",
        "watch",
        "run",
        "--gallery",
        tmp_path / "g.sqlite",
        "--out",
        tmp_path / "o",
        "--",
        tmp_path / NASTY,
    ]
    # systemd.service(5), "Command lines": quotes and backslashes as in C, %% and $$ for one of each.
    assert text["ExecStart"] == " ".join(
        '"' + str(word).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$") + '"'
        for word in (sys.executable, *words)
    )


def test_the_daemon_is_watched_restarted_and_allowed_to_write_where_it_must(tmp_path: Path) -> None:
    text = directives(printed(tmp_path / "card", "--out", tmp_path / "o", "--gallery", tmp_path / "g/c.sqlite", "--memory", "2G"))
    for key, value in {
        "Type": "notify", "Restart": "always", "StartLimitIntervalSec": "0", "WatchdogSec": "300", "TimeoutStopSec": "10",
        "KillMode": "mixed", "MemoryMax": "2G", "NoNewPrivileges": "yes", "ProtectSystem": "strict",
        "ExecReload": "/bin/kill -HUP $MAINPID", "WantedBy": "multi-user.target",
    }.items():  # fmt: skip
        assert text[key] == value, key
    assert f'"-{tmp_path}/o"' in text["ReadWritePaths"]
    assert f'"-{tmp_path}/g"' in text["ReadWritePaths"]
    assert '"-/tmp"' in text["ReadWritePaths"]  # where reports are put together
    assert f'"-{tmp_path}/card"' not in text["ReadWritePaths"]  # a photo is only ever read


def test_folders_whose_photos_are_moved_are_writable(tmp_path: Path) -> None:
    config = tmp_path / "watch.toml"
    config.write_text('folders = ["card"]\nout = "o"\nmove = true\n')
    text = directives(printed("--config", config))
    assert f'"-{tmp_path}/card"' in text["ReadWritePaths"]
    assert text["ExecStart"].endswith(f'"watch" "run" "--config" "{config}"')


def test_a_service_of_the_user_asks_for_nothing_that_only_root_can_give(tmp_path: Path) -> None:
    text = directives(printed(tmp_path, "--user"))
    assert text["WantedBy"] == "default.target"
    assert {"User", "ProtectSystem", "CapabilityBoundingSet"}.isdisjoint(text)


def test_it_is_installed_whole_and_says_how_to_start_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    done = CliRunner().invoke(install_service, ["--user", str(tmp_path), "--name", "nyala"], catch_exceptions=False)
    assert done.exit_code == 0
    path = tmp_path / "config/systemd/user/nyala.service"
    assert path.read_text() == printed("--user", tmp_path, "--name", "nyala")
    assert "systemctl --user daemon-reload && systemctl --user enable --now nyala" in done.stderr
    assert [each.name for each in path.parent.iterdir()] == ["nyala.service"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "There is no folder to watch"),
        (["a\nb"], "a character that a systemd unit cannot hold"),
        (["a", "--name", "../x"], "cannot be the name of a service"),
        (["a", "--memory", "much"], "not an amount of memory"),
        (["a", "--account", "nobody-of-this-name"], "There is no user"),
        (["a", "--user", "--account", "x"], "exclude each other"),
    ],
)
def test_what_cannot_be_a_service_is_said(arguments: list[str], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        CliRunner().invoke(install_service, [*arguments, "--print"], catch_exceptions=False)
    assert said in refused.value.message


def test_a_place_that_may_not_be_written_is_said_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with pytest.raises(ReidEdgeError) as refused:
        CliRunner().invoke(install_service, ["--user", str(tmp_path)], catch_exceptions=False)
    assert "--print" in refused.value.hint


def install_command(tmp_path: Path, *arguments: str):
    from reid_edge.cli.watch_service import install_service

    given = ["--gallery", str(tmp_path / "g.sqlite"), "--out", str(tmp_path / "out"), "--print", *arguments, str(tmp_path)]
    return CliRunner().invoke(install_service, given)


def test_a_service_of_root_is_warned_about_and_offered_a_user_of_its_own(tmp_path: Path) -> None:
    warned = install_command(tmp_path, "--account", "root")
    assert "User=root" in warned.stdout.replace('"', "")
    assert "--make-account" in warned.stderr
    assert "runs as root" not in install_command(tmp_path, "--account", "nobody").stderr


def test_a_user_is_made_by_root_alone_and_never_while_the_unit_is_only_printed(tmp_path: Path) -> None:
    refused = install_command(tmp_path, "--make-account", "--account", "reid-edge-test-account").exception
    assert isinstance(refused, UsageError)
    assert "useradd --system --create-home --home-dir /var/lib/reid-edge-test-account" in refused.hint
    existing = install_command(tmp_path, "--make-account", "--account", "nobody")
    assert existing.exit_code == 0, existing.exception
    assert "nobody" in existing.stdout


@pytest.mark.parametrize("name", ["Reid Edge", "-x", "a;b"])
def test_what_cannot_be_the_name_of_a_user_is_refused(tmp_path: Path, name: str) -> None:
    assert isinstance(install_command(tmp_path, "--make-account", f"--account={name}").exception, UsageError)
