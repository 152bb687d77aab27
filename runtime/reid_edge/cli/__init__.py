"""The command line: a table of commands, each loaded when it is called, and one place where errors become exit codes."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from reid_edge import __version__
from reid_edge.errors import ReidEdgeError, StorageError
from reid_edge.installation import install_command
from reid_edge.processes import leave_out_current_folder
from reid_edge.suggestions import similar

# name: (module:attribute, one line for --help). Those of the desktop come with the desktop extras and are found by name only, so that the
# runtime imports none of them.
_COMMANDS = {
    "identify": ("reid_edge.cli.identify:identify", "Say which individual each photo shows."),
    "discover": ("reid_edge.cli.discover:discover", "Group photos of unknown animals by individual."),
    "gallery": ("reid_edge.cli.gallery_commands:gallery", "Keep the catalogue of known individuals."),
    "bulk": ("reid_edge.cli.bulk:bulk", "Describe, identify or audit many photos by many workers, on Ray."),
    "watch": ("reid_edge.cli.watch:watch", "Answer photos as they arrive in folders, unattended."),
    "review": ("reid_edge.cli.review:review", "Open the page where a person answers the questions."),
    "serve": ("reid_edge.cli.review:serve", "Answer photos over HTTP."),
    "pack": ("reid_edge.cli.pack:pack", "List, check and import model packs."),
    "doctor": ("reid_edge.cli.doctor:doctor", "Say what this machine can run and what to install."),
    "export": ("reid_edge_export.cli:export", "Desktop: turn PyTorch networks into a pack."),
    "recipe": ("reid_edge_export.recipe_cli:recipe", "Desktop: list, show and check recipes."),
    "train-head": ("reid_edge_export.heads.cli:train_head", "Desktop: train a pack's heads."),
    "calibrate": ("reid_edge_calibration.cli:calibrate", "Desktop: fit a pack's calibrators and thresholds."),
    "bench": ("reid_edge_benchmarks.cli:bench", "Desktop: measure accuracy and latency."),
}
_NEED_AN_EXTRA = {"review": "review", "serve": "review", "bulk": "ray"}
_EXTRAS = {"reid_edge_export": "export", "reid_edge_calibration": "calibration", "reid_edge_benchmarks": "benchmarks"}

_INTERRUPTED = 130
_BROKEN_PIPE = 141


class _ReaderGone(Exception):
    """The reader of stdout (head, less) went away. click makes exit code 1 of a broken pipe, which means that inputs failed."""


class _LazyGroup(click.Group):
    """A group that lists its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _ReaderGone from error
        except ModuleNotFoundError as error:
            # The desktop commands import their libraries when they run.
            name = ctx.invoked_subcommand or ""
            extra = _NEED_AN_EXTRA.get(name) or (_EXTRAS.get(_COMMANDS[name][0].partition(".")[0]) if name in _COMMANDS else None)
            if extra is None or (error.name or "").startswith("reid_edge."):
                raise
            raise ReidEdgeError(
                f"reid-edge {name} needs the package {error.name}, which is not installed.",
                f"{'Install it' if name in _NEED_AN_EXTRA else 'On a desktop'}: {install_command(extra)}.",
            ) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            near = similar(args[0], _COMMANDS, 1)
            ctx.fail(f"There is no command {args[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", prog_name="reid-edge")
def cli() -> None:
    """Which individual animal is this? Offline, from one photo and a catalogue of known individuals."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 some inputs failed, 2 usage, 3 model or engine, 4 gallery, 5 storage, 130 interrupted."""
    leave_out_current_folder()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show is no reason to stop
    try:
        result: Any = cli.main(args=None if arguments is None else list(arguments), prog_name="reid-edge", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort as error:
        if isinstance(error.__cause__, KeyboardInterrupt):
            _leave("Interrupted.", "", _INTERRUPTED)
        _leave("Nothing was done.", "", 1)
    except KeyboardInterrupt:
        _leave("Interrupted.", "", _INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ReidEdgeError as error:
        _leave(error.message, error.hint, error.exit_code)
    except (_ReaderGone, BrokenPipeError):
        sys.exit(_BROKEN_PIPE)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        _leave(
            f"{error.strerror or error}{where}.", "Check that disk: its free space and its permissions.", StorageError.exit_code
        )
    finally:
        _let_go_of_broken_streams()
    sys.exit(result if isinstance(result, int) else 0)


def _let_go_of_broken_streams() -> None:
    """What cannot be written now must not be tried again at exit: Python would make exit code 120 of it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _leave(message: str, hint: str, code: int) -> None:
    click.echo(click.style("reid-edge: ", fg="red") + message, err=True)
    if hint:
        click.echo(f"  {hint}", err=True)
    sys.exit(code)
