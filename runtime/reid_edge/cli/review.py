"""``reid-edge review`` and ``reid-edge serve``: the local page where a person answers, and the HTTP API."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from reid_edge.cli.options import device_options, gallery_option, pack_option
from reid_edge.cli.printing import say
from reid_edge.errors import UsageError
from reid_edge.storage.address import Place, read_place

if TYPE_CHECKING:
    from reid_edge.review.services import Sources

_WORK = "discovery.sqlite"  # as `reid-edge discover --work` has it
F = TypeVar("F", bound=Callable[..., Any])


def _address_options(command: F) -> F:
    """``--host``, ``--port``, ``--token``, ``--allow-host`` and ``--max-upload``."""
    options = (
        click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; another one needs a token."),
        click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="Port; 0 takes a free one."),
        click.option(
            "--token",
            default="",
            envvar="REID_EDGE_TOKEN",
            show_envvar=True,
            help="What every request must bring; at least 16 characters.",
        ),
        click.option(
            "--allow-host", multiple=True, metavar="NAME", help="A name by which this computer may be called; repeatable."
        ),
        click.option(
            "--max-upload", type=click.IntRange(1, 2000), default=50, show_default=True, metavar="MB", help="Largest request."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command(short_help="Open the page where a person answers the questions.")
@click.argument("photos", nargs=-1, type=click.Path(path_type=Path, readable=False))
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Review the answers of `reid-edge watch` with this --out."
)
@click.option(
    "--answers", type=click.Path(path_type=Path, dir_okay=False), help="Review the answers of `reid-edge identify --json > FILE`."
)
@click.option(
    "--discovery",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Name the groups of `reid-edge discover` with this --work.  [default, with nothing else to review: discovery.sqlite]",
)
@gallery_option
@pack_option
@device_options
@click.option("--species", default="", help="Compare the PHOTOS with this species only.")
@click.option("--viewpoint", default="", help="The side that the PHOTOS show, such as left.")
@_address_options
@click.option("--open/--no-open", "open_browser", default=False, help="Open the page in the browser.")
def review(
    photos: tuple[Path, ...],
    out: Path | None,
    answers: Path | None,
    discovery: Path | None,
    gallery_path: Place,
    species: str,
    viewpoint: str,
    open_browser: bool,
    **options: Any,
) -> None:
    """Open a local page where a person answers what the program asks.

    PHOTOS (files or folders) are answered now, while the first ones are already shown. Instead of them the stored answers of a watch or of
    identify can be reviewed, and the groups of a discovery can be named. Decisions are kept in the gallery and can be undone.
    """
    from reid_edge.describe.query import Query
    from reid_edge.review.services import Sources

    given = bool(photos) + (out is not None) + (answers is not None)
    if not given and discovery is None:
        beside = gallery_path.with_name(_WORK) if isinstance(gallery_path, Path) else Path(_WORK)
        discovery = next((each for each in (beside, Path(_WORK)) if each.exists()), None)
    if given > 1 or (not given and discovery is None):
        hint = "Give PHOTOS, or --out OUT, or --answers FILE, or --discovery FILE."
        raise UsageError("Nothing, or too much, was given to review.", hint)
    if discovery is not None:
        gallery_path = _gallery_of(discovery, gallery_path)
    query = Query(species, viewpoint, with_evidence=True)
    sources = Sources(tuple(_files(photos)), out, answers, query, discovery)
    _serve(gallery_path, sources, options, pages=True, open_browser=open_browser)


@click.command(short_help="Answer photos over HTTP.")
@gallery_option
@pack_option
@device_options
@_address_options
def serve(gallery_path: Place, **options: Any) -> None:
    """Serve the HTTP API alone: photos in, answers out; individuals, sightings and decisions as resources. Described at /docs."""
    from reid_edge.review.services import Sources

    _serve(gallery_path, Sources(), options, pages=False)


def _serve(gallery_path: Place, sources: Sources, options: dict[str, Any], pages: bool, open_browser: bool = False) -> None:
    from reid_edge.review.identification import PackChoice
    from reid_edge.review.server import check_address, listen, run
    from reid_edge.review.services import Services
    from reid_edge.review.web.security import Access

    host, token = options["host"], options["token"]
    check_address(host, token)
    hosts = {*options["allow_host"], host}
    access = Access(hosts, token, max_body_bytes=options["max_upload"] * 1_000_000)
    pack = PackChoice(options["pack_name"], options["device"], options["threads"])
    server = listen(host, options["port"])
    with server:
        services = Services(gallery_path, pack, sources, access)
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{server.getsockname()[1]}/"
        say(f"{'The page' if pages else 'The HTTP API'} is at {address}{'' if pages else 'docs'} until you press Ctrl-C.")
        if token:
            say("Open it once with /enter?token=TOKEN; programs send Authorization: Bearer TOKEN.")
        if open_browser:
            webbrowser.open(address)
        run(services, server, pages)


def _gallery_of(discovery: Path, gallery: Place) -> Place:
    """The catalogue that a discovery was made beside, where no other one was named."""
    from reid_edge.discover.run_record import RunRecord

    recorded = RunRecord.read(discovery).gallery
    named = click.get_current_context().get_parameter_source("gallery_path") is not ParameterSource.DEFAULT
    return gallery if named or not recorded else read_place(recorded)


def _files(photos: tuple[Path, ...]) -> list[Path]:
    from reid_edge.cli.identify import photo_files

    return photo_files(photos) if photos else []
