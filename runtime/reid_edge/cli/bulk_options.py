"""The options that the commands of `reid-edge bulk` share: the photos, the workers, the results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from reid_edge.bulk.ray_pool import RayOptions

F = TypeVar("F", bound=Callable[..., Any])

sources_argument = click.argument("sources", metavar="[SOURCE]...", nargs=-1, type=click.Path(path_type=Path, readable=False))


@dataclass(frozen=True)
class Workers:
    """The options of the workers; see `worker_options`."""

    device: str
    address: str
    workers: int | None
    cpus: int
    gpus: float
    batch: int

    def ray_options(self, in_order: bool = False) -> RayOptions:
        """As Ray is told."""
        from reid_edge.bulk.ray_pool import RayOptions

        return RayOptions(self.address, self.workers, self.cpus, self.gpus, in_order)


def worker_options(command: F) -> Callable[..., Any]:
    """Options of the workers, handed over as one `Workers`."""
    names = ("device", "address", "workers", "cpus", "gpus", "batch")

    @wraps(command)
    def call(**options: Any) -> Any:
        return command(workers=Workers(**{name: options.pop(name) for name in names}), **options)

    result: Callable[..., Any] = call
    for option in (
        click.option(
            "--batch", type=click.IntRange(1, 1000), default=16, show_default=True, help="Photos that a worker gets at a time."
        ),
        click.option(
            "--gpus-per-worker",
            "gpus",
            type=click.FloatRange(0, 64),
            default=0.0,
            help="GPUs, or the share of one, that Ray keeps for each worker.  [default: none]",
        ),
        click.option(
            "--cpus-per-worker",
            "cpus",
            type=click.IntRange(1, 1024),
            default=1,
            show_default=True,
            help="Processors of each worker: so many photos it describes at a time. The pack is in memory once for each worker.",
        ),
        click.option("--workers", type=click.IntRange(1, 10_000), default=None, help="Workers.  [default: as many as fit]"),
        click.option(
            "--address",
            default="local",
            envvar="RAY_ADDRESS",
            show_default=True,
            show_envvar=True,
            metavar="HOST:PORT|auto|local",
            help="A Ray cluster; auto is the one that this machine belongs to, local is this machine alone.",
        ),
        click.option(
            "--device",
            default="auto",
            show_default=True,
            metavar="auto|cpu|cuda|tensorrt|tensorrt-rtx|openvino",
            help="What runs the networks in each worker.",
        ),
    ):
        result = option(result)
    return result


def results_option(folder: str) -> Callable[[F], F]:
    """``--results FOLDER``."""
    return click.option(
        "--results",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(folder),
        show_default=True,
        help="The folder of the results, Parquet files. A run that is repeated goes on in it.",
    )


retry_option = click.option("--retry-failed", is_flag=True, help="Try the photos again that failed in an earlier run.")
