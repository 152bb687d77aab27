"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from reid_edge.storage.address import Place, read_place
from reid_edge.threads import MOST_THREADS, bound_blas_threads

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_PACK = "field"


class GalleryPlace(click.ParamType[Place]):
    """The path of a gallery, or its address on a server."""

    name = "place"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """As --help shows it."""
        return "PATH|URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Place:
        """See `read_place`."""
        return read_place(value)


def gallery_option(command: F) -> F:
    """``--gallery PATH|URL``."""
    return click.option(
        "--gallery",
        "gallery_path",
        type=GalleryPlace(),
        default=Path("gallery.sqlite"),
        envvar="REID_EDGE_GALLERY",
        show_default=True,
        show_envvar=True,
        help="The catalogue of known individuals: a file, or postgresql://USER@HOST/DATABASE.",
    )(command)


def time_from_name_option(command: F) -> F:
    """``--time-from-name PATTERN``."""
    return click.option(
        "--time-from-name",
        metavar="PATTERN",
        help="Where the time stands in the names of files that note none: IMG_%Y%m%d_%H%M%S.",
    )(command)


def video_option(command: F) -> F:
    """``--video-seconds S``."""
    return click.option(
        "--video-seconds",
        type=click.FloatRange(0, min_open=True),
        default=0.5,  # as `reid_edge.identify.video.EVERY_SECONDS`, which is not imported for --help
        show_default=True,
        metavar="S",
        help="Look for the animals of a video in a frame every S seconds.",
    )(command)


def max_speed_option(unset: str) -> Callable[[F], F]:
    """``--max-speed KM/H``; `unset` says what holds without it."""
    return click.option(
        "--max-speed",
        type=click.FloatRange(0, 1000),
        metavar="KM/H",
        help=f"Speed that the animals do not exceed between two cameras; 0 leaves the distance out of account.  [default: {unset}]",
    )


def pack_option(command: F) -> F:
    """``--pack NAME|PATH``."""
    return click.option(
        "--pack",
        "pack_name",
        default=DEFAULT_PACK,
        envvar="REID_EDGE_PACK",
        show_default=True,
        show_envvar=True,
        help="A pack's name, folder or zip.",
    )(command)


def device_options(command: F) -> F:
    """``--device NAME`` and ``--threads N``."""
    command = click.option(
        "--threads",
        type=click.IntRange(1, MOST_THREADS),
        default=None,
        callback=_bound_threads,
        help="CPU threads for a network. [default: the cores at hand]",
    )(command)
    return click.option(
        "--device",
        default="auto",
        show_default=True,
        metavar="auto|cpu|cuda[:N]|tensorrt[:N]|tensorrt-rtx[:N]|openvino",
        help="What runs the networks; auto takes the best that passes its self-test.",
    )(command)


def random_option(command: F) -> F:
    """``--allow-random``."""
    return click.option(
        "--allow-random",
        is_flag=True,
        help="Accept a pack with random weights, to try the commands alone: its answers mean nothing, and each says so.",
    )(command)


def animal_option(text: str) -> Callable[[F], F]:
    """``--animal N``."""
    return click.option("--animal", type=click.IntRange(1, 1000), default=None, metavar="N", help=text)


def _bound_threads(context: click.Context, parameter: click.Parameter, threads: int | None) -> int | None:
    """Commands import numpy only after their options are read, so here is the moment to bound its threads."""
    bound_blas_threads(threads)
    return threads
