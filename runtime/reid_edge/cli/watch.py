"""`reid-edge watch`: the camera-trap daemon, its events, and exports of its answers."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from reid_edge.cli.options import GalleryPlace
from reid_edge.cli.printing import count_of, printable
from reid_edge.cli.watch_service import install_service
from reid_edge.cli.watch_settings import setting_options
from reid_edge.cli.watch_status import status
from reid_edge.errors import UsageError
from reid_edge.storage.address import Place
from reid_edge.suggestions import similar
from reid_edge.threads import bound_blas_threads
from reid_edge.watch.configuration import Configuration, read_configuration, reconfigured

if TYPE_CHECKING:
    from reid_edge.watch.daemon import Daemon

_STOP_SECONDS = 4.5
_PATH = click.Path(path_type=Path, readable=False)
_OUT = click.option("--out", type=_PATH, default=Path("watch"), show_default=True, help="The folder of the daemon.")


class _WatchGroup(click.Group):
    """A group whose command `run` may be omitted: `reid-edge watch FOLDER`, unless the folder has the name of a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            self._refuse_misspelt(args[0])
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def _refuse_misspelt(self, word: str) -> None:
        """A folder may be missing and come later, but a missing folder with nearly a command's name is probably that command."""
        near = similar(word, self.commands, 1, 0.75)
        if near and not Path(word).exists():
            raise UsageError(
                f"There is neither a command nor a folder {word!r}; the nearest command is {near[0]!r}.",
                f"To watch a folder of that name that does not exist yet, write ./{word}.",
            )


@click.group(cls=_WatchGroup, short_help="Answer photos as they arrive in folders.", subcommand_metavar="FOLDER... | COMMAND")
def watch() -> None:
    """Answer photos as they arrive in folders, unattended, for a season.

    `reid-edge watch FOLDER...` is short for `reid-edge watch run FOLDER...`; see `reid-edge watch run --help` for its options.
    """


watch.add_command(status)
watch.add_command(install_service)


@watch.command()
@click.argument("folders", nargs=-1, type=_PATH)
@click.option("--config", type=_PATH, help="A TOML file with these settings and more. The command line takes precedence.")
@setting_options
@click.pass_context
def run(context: click.Context, /, config: Path | None, **_: Any) -> int:
    """Watch folders and answer every photo in them.

    Exit codes: 0 after SIGTERM or Ctrl-C. With --once, 0 when everything is answered, 1 when some inputs are not (a file in quarantine, a
    missing folder, a stop before the end), 3 when the engine fails again and again. Photos without an answer wait in OUT/ledger.sqlite for
    the next run.

    SIGHUP reads --config again. docs/watch.md describes all settings.
    """
    from reid_edge.watch.logging import set_up_logging

    given = {
        name: value
        for name, value in context.params.items()
        if name != "config" and value != () and context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    configuration = read_configuration(config, given)
    bound_blas_threads(configuration.threads)  # before numpy is imported
    set_up_logging(configuration.log)
    from reid_edge.watch.daemon import Daemon

    holder: list[Daemon] = []
    with _signals(holder, int(configuration.once)):
        daemon = Daemon(configuration, lambda: reconfigured(daemon.configuration, config, given))
        holder.append(daemon)
        return daemon.run()


@contextmanager
def _signals(holder: list[Daemon], code: int) -> Iterator[None]:
    """SIGTERM and SIGINT stop the daemon, SIGHUP makes it read its configuration again.

    The interpreter's C code writes each signal's number into a socket immediately, also while a network runs for seconds, and a thread
    reads it. After _STOP_SECONDS the process ends in any case, with exit code `code`; a photo without an answer then waits in the ledger.
    """
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    handlers = {number: signal.signal(number, lambda *_: None) for number in numbers}
    woken = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)

    def listen() -> None:
        while data := receiver.recv(64):
            for number in data:
                if number == signal.SIGHUP and holder:
                    holder[0].reload()
                elif number in (signal.SIGTERM, signal.SIGINT):
                    end = threading.Timer(_STOP_SECONDS if holder else 0.0, os._exit, (code,))
                    end.daemon = True
                    end.start()
                    if holder:
                        holder[0].stop()

    listener = threading.Thread(target=listen, name="signals", daemon=True)
    listener.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        sender.close()


@watch.command("list")
@_OUT
@click.option(
    "--gallery",
    type=GalleryPlace(),
    envvar="REID_EDGE_GALLERY",
    show_envvar=True,
    help="Leave out animals that are in this gallery.",
)
@click.option("--new", is_flag=True, help="Only animals that a person should look at: new and uncertain ones.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line, one for each event.")
def list_events(out: Path, gallery: Place | None, new: bool, as_json: bool) -> None:
    """List the events: camera, time, individuals, and their photos."""
    from reid_edge.watch.ledger.ledger import LEDGER_NAME, Ledger
    from reid_edge.watch.listing import listed_events

    with Ledger.read(out / LEDGER_NAME) as ledger:
        number = 0
        for event in listed_events(ledger, new, gallery):
            number += 1
            if as_json:
                click.echo(json.dumps(event, ensure_ascii=False))
                continue
            click.echo(printable(f"event {event['event']}  {event['camera']}  {event['first_taken_at'] or 'no camera clock'}"))
            for animal in event["animals"]:
                photos = count_of(len(animal["files"]), "photo")
                click.echo(printable(f"  {animal['verdict']:<5} {animal['headline']}; {photos}:"))
                for path, animal_number in zip(animal["files"], animal["numbers"], strict=True):
                    click.echo(printable(f"    {path}{f', animal {animal_number}' if animal_number > 1 else ''}"))
    if new and not as_json:
        if number:
            click.echo("To enrol one: reid-edge gallery add PHOTO --identity NAME --animal N --gallery GALLERY", err=True)
        else:
            click.echo("There is no animal that a person should look at.", err=True)


@watch.command()
@_OUT
@click.option("--to", type=_PATH, required=True, help="The folder to write into; an earlier export in it is continued.")
@click.option("--csv", is_flag=True, help="Write answers.csv.")
@click.option("--json-lines", is_flag=True, help="Write answers.jsonl.")
@click.option("--camtrap-dp", is_flag=True, help="Write camtrap-dp, a Camtrap DP 1.0 package.")
@click.option("--sidecar", is_flag=True, help="Write XMP files beside the photos.")
@click.option(
    "--deployments-template",
    is_flag=True,
    help="Write deployments.csv with the cameras filled in, to be completed; keep one that exists.",
)
@click.option(
    "--species", default="", help="The species of all animals, for the Camtrap DP package: its scientific name, or a common one."
)
def export(
    out: Path,
    to: Path,
    csv: bool,
    json_lines: bool,
    camtrap_dp: bool,
    sidecar: bool,
    deployments_template: bool,
    species: str,
) -> None:
    """Write all answers of a ledger into another folder. The daemon may be running.

    The Camtrap DP package uses deployments.csv, datapackage.json and species.csv (common to scientific names) of the folder --to; of --out
    where that has none.
    """
    from reid_edge.storage.errors import file_errors
    from reid_edge.watch import outputs
    from reid_edge.watch.ledger.ledger import LEDGER_NAME, Ledger

    if not (csv or json_lines or camtrap_dp or sidecar or deployments_template):
        hint = "Give --csv, --json-lines, --camtrap-dp, --sidecar or --deployments-template."
        raise UsageError("No output to export is selected.", hint)
    with file_errors(to):
        to.mkdir(parents=True, exist_ok=True)
    wanted = Configuration(
        folders=(), out=out, csv=csv, json_lines=json_lines, camtrap_dp=camtrap_dp, sidecar=sidecar, species=species
    )
    with Ledger.read(out / LEDGER_NAME) as ledger:
        outputs.export(wanted, to, ledger)
        template = to / outputs.DEPLOYMENTS
        if deployments_template and template.exists():
            click.echo(f"{template} exists and is kept.", err=True)
        elif deployments_template:
            from reid_edge.watch.outputs.camtrap_dp import write_deployments_template

            cameras = write_deployments_template(template, ledger, out / outputs.DEPLOYMENTS)
            click.echo(f"Wrote {count_of(cameras, 'camera')} to {template}; complete place, start and end.", err=True)
