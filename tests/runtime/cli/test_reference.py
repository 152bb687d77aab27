"""docs/cli.md is made from the commands, so it is always true."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


def test_the_committed_reference_is_what_the_commands_say_now() -> None:
    made = subprocess.run([sys.executable, "-m", "reid_edge.cli.reference"], capture_output=True, text=True, check=True).stdout
    committed = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
    assert made == committed, "run: python -m reid_edge.cli.reference > docs/cli.md"


def test_every_command_says_what_it_does_and_every_option_what_it_is_for() -> None:
    import click

    from reid_edge.cli import cli

    def commands(command: click.Command, path: str) -> list[tuple[str, click.Command]]:
        below: list[tuple[str, click.Command]] = [(path, command)]
        if isinstance(command, click.Group):
            for name in command.list_commands(click.Context(command)):
                child = command.get_command(click.Context(command), name)
                assert child is not None
                below += commands(child, f"{path} {name}")
        return below

    for path, command in commands(cli, "reid-edge"):
        assert command.help, path
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{path} {parameter.opts}"
