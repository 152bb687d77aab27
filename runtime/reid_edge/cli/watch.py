"""`reid-edge watch`: the camera-trap daemon, and what a person asks about it."""

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

from reid_edge.cli.options import device_options
from reid_edge.cli.printing import printable
from reid_edge.cli.watch_service import install_service
from reid_edge.cli.watch_status import status
from reid_edge.errors import UsageError
from reid_edge.suggestions import similar

if TYPE_CHECKING:
    from reid_edge.watch.daemon import Daemon

_STOP_SECONDS = 4.5
_PATH = click.Path(path_type=Path, readable=False)
_OUT = click.option("--out", type=_PATH, default=Path("watch"), show_default=True, help="The daemon's folder.")


class _WatchGroup(click.Group):
    """A group whose command `run` may be left out: `reid-edge watch FOLDER` watches a folder that has no command's name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            self._refuse_misspelt(args[0])
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def _refuse_misspelt(self, word: str) -> None:
        """A folder may be named that comes later; one with nearly a command's name is more likely that command."""
        near = similar(word, self.commands, 1, 0.75)
        if near and not Path(word).exists():
            raise UsageError(
                f"There is neither a command nor a folder {word!r}; the nearest command is {near[0]!r}.",
                f"To watch a folder of that name that comes later, write ./{word}.",
            )


@click.group(cls=_WatchGroup, short_help="Answer photos as they arrive in folders.", subcommand_metavar="FOLDER... | COMMAND")
def watch() -> None:
    """Answer photos as they arrive in folders, for a season, unattended.

    `reid-edge watch FOLDER...` is short for `reid-edge watch run FOLDER...`, which tells all options.
    """


watch.add_command(status)
watch.add_command(install_service)


@watch.command()
@click.argument("folders", nargs=-1, type=_PATH)
@click.option("--config", type=_PATH, help="A TOML file with these settings; what the command line says wins.")
@click.option("--gallery", type=_PATH, envvar="REID_EDGE_GALLERY", show_envvar=True, help="The catalogue of known individuals.")
@click.option("--out", type=_PATH, help="Where the ledger and the answers go. [default: watch]")
@click.option("--pack", envvar="REID_EDGE_PACK", show_envvar=True, help="A pack's name, folder or zip. [default: field]")
@device_options
@click.option("--species", help="Compare with this species only, as the gallery spells it.")
@click.option(
    "--settle", "settle_seconds", metavar="TIME", help="How long a file must have been still before it is read. [default: 2s]"
)
@click.option("--rescan", "rescan_seconds", metavar="TIME", help="How often the folders are walked. [default: 30s]")
@click.option("--recursive/--flat", help="Watch sub-folders too. [default: recursive]")
@click.option("--once", is_flag=True, help="Answer what is there and end.")
@click.option("--enrol-new", metavar="ask|auto|never", help="What becomes of new individuals. [default: ask]")
@click.option("--move/--keep", help="Move answered photos to OUT/done, or leave them. [default: keep]")
@click.option(
    "--event", "event_seconds", metavar="TIME", help="Photos of a camera that are this near are one event. [default: 60s]"
)
@click.option("--camera", metavar="folder|exif", help="What tells cameras apart. [default: folder]")
@click.option("--json-lines/--no-json-lines", help="Write OUT/answers.jsonl. [default: yes]")
@click.option("--csv/--no-csv", help="Write OUT/answers.csv. [default: yes]")
@click.option("--camtrap-dp", is_flag=True, help="Write OUT/camtrap-dp, a Camtrap DP 1.0 package.")
@click.option("--sidecar", is_flag=True, help="Write an XMP file with the identity beside each photo.")
@click.option("--sidecar-dir", type=_PATH, help="Write the XMP files below this folder instead.")
@click.option("--reports", is_flag=True, help="Write a page with the evidence for each event with new or uncertain animals.")
@click.option("--megadetector", type=_PATH, help="A MegaDetector JSON file; its boxes are the animals.")
@click.option("--video", "video_seconds", metavar="TIME", help="Answer a frame of each video every so often.")
@click.option("--webhook", metavar="URL", help="Post every message there.")
@click.option("--mqtt", metavar="URL", help="Publish every message there: mqtt://host or mqtts://host.")
@click.option("--http", metavar="[HOST:]PORT", help="Serve /metrics and /healthz.")
@click.option("--log", metavar="text|json", help="How the log on stderr looks. [default: text]")
@click.pass_context
def run(context: click.Context, /, config: Path | None, **_: Any) -> int:
    """Watch folders.

    Exits 0 when it is stopped (SIGTERM, Ctrl-C); with --once 1 where a file is in quarantine or a folder is not there, 3 where the engine
    kept failing. What is not answered then waits in OUT/ledger.sqlite, and the next run goes on. SIGHUP reads the file --config again.
    """
    from reid_edge.watch.configuration import read_configuration, reconfigured
    from reid_edge.watch.logging import set_up_logging

    given = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in context.params.items()
        if name != "config" and value not in (None, ()) and context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    device = context.params["device"]
    if context.get_parameter_source("device") is not ParameterSource.DEFAULT:
        given["device"] = device
    configuration = read_configuration(config, given)
    set_up_logging(configuration.log)
    from reid_edge.watch.daemon import Daemon

    holder: list[Daemon] = []
    with _signals(holder):
        daemon = Daemon(configuration, lambda: reconfigured(daemon.configuration, config, given))
        holder.append(daemon)
        return daemon.run()


@contextmanager
def _signals(holder: list[Daemon]) -> Iterator[None]:
    """SIGTERM and SIGINT end the daemon, SIGHUP lets it read its configuration again.

    The interpreter's C code writes each signal's number into a socket at once, also while a network runs for seconds, and a thread
    reads it. A photo that is not answered within the five seconds of a stop waits: the ledger does not mind a hard end.
    """
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    woken = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)

    def listen() -> None:
        while data := receiver.recv(64):
            for number in data:
                if number == signal.SIGHUP and holder:
                    holder[0].reload()
                elif number in (signal.SIGTERM, signal.SIGINT):
                    end = threading.Timer(_STOP_SECONDS if holder else 0.0, os._exit, (0,))
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
        for number, handler in before.items():
            signal.signal(number, handler)
        sender.close()


@watch.command("list")
@_OUT
@click.option("--gallery", type=_PATH, envvar="REID_EDGE_GALLERY", show_envvar=True, help="Leave out what it holds by now.")
@click.option("--new", is_flag=True, help="Only what waits for a person: new animals, and those that a person is asked about.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per event and line.")
def list_events(out: Path, gallery: Path | None, new: bool, as_json: bool) -> None:
    """List the events: who was where and when, and in which photos."""
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
                who = f"{animal['verdict']} {animal['identity'] or ''}".strip()
                click.echo(printable(f"  {who} ({animal['probability']:.2f}), {len(animal['files'])} photo(s):"))
                for path in animal["files"]:
                    click.echo(printable(f"    {path}"))
    if new and not as_json:
        if number:
            click.echo("To enrol one: reid-edge gallery add PHOTO --identity NAME --gallery GALLERY", err=True)
        else:
            click.echo("Nothing waits for a person.", err=True)


@watch.command()
@_OUT
@click.option("--to", type=_PATH, required=True, help="A folder to write into; files of an earlier export there go on.")
@click.option("--csv", is_flag=True, help="answers.csv")
@click.option("--json-lines", is_flag=True, help="answers.jsonl")
@click.option("--camtrap-dp", is_flag=True, help="camtrap-dp, a Camtrap DP 1.0 package.")
@click.option("--sidecar", is_flag=True, help="XMP files beside the photos.")
def export(out: Path, to: Path, csv: bool, json_lines: bool, camtrap_dp: bool, sidecar: bool) -> None:
    """Write the answers of a ledger again: everything but the ledger itself is derived from it. The daemon may be running."""
    from reid_edge.storage.errors import file_errors
    from reid_edge.watch.configuration import Configuration
    from reid_edge.watch.ledger.ledger import LEDGER_NAME, Ledger
    from reid_edge.watch.outputs import open_sinks

    if not (csv or json_lines or camtrap_dp or sidecar):
        raise UsageError("Nothing to export was named.", "Give --csv, --json-lines, --camtrap-dp or --sidecar.")
    with file_errors(to):
        to.mkdir(parents=True, exist_ok=True)
    wanted = Configuration(folders=(), out=to, csv=csv, json_lines=json_lines, camtrap_dp=camtrap_dp, sidecar=sidecar)
    with Ledger.read(out / LEDGER_NAME) as ledger:
        for sink in open_sinks(wanted, to, ledger):
            last = 0
            while messages := ledger.messages_after(last):
                last = messages[sink.deliver(messages) - 1].id
            sink.close()
