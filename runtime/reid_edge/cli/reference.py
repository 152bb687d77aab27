"""The command-line reference, made from the commands themselves: ``python -m reid_edge.cli.reference > docs/cli.md``."""

from __future__ import annotations

from collections.abc import Iterator

import click

from reid_edge.cli import cli


def reference() -> str:
    """Every command with its help text, as Markdown."""
    parts = ["# Command line", "Made by `python -m reid_edge.cli.reference`; a test keeps it up to date."]
    for path, command in _commands(cli, ("reid-edge",)):
        context = click.Context(command, info_name=" ".join(path), max_content_width=110, terminal_width=110)
        parts.append(f"## {' '.join(path)}\n\n```text\n{command.get_help(context)}\n```")
    return "\n\n".join(parts) + "\n"


def _commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from _commands(below, (*path, name))


if __name__ == "__main__":
    click.echo(reference(), nl=False)
