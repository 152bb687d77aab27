"""The options of commands that read labelled photos, and how several options reach a command as one parameter."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from reid_edge_calibration.labels.request import SPLITS, LabelRequest

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


def grouped(parameter: str, kind: type, *options: Decorator) -> Decorator:
    """Add click options to a command, which gets their values as one parameter.

    Args:
        parameter: its name.
        kind: a dataclass with a field for each of the options.
        options: in the order of ``--help``.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_group(*args: Any, **values: Any) -> Any:
            return command(*args, **{parameter: kind(**{name: values.pop(name) for name in names})}, **values)

        others = len(getattr(command, "__click_params__", ()))
        for option in reversed(options):
            with_group = option(with_group)
        names = [added.name for added in with_group.__click_params__[others:]]
        return with_group

    return decorate


species_option = click.option(
    "--species",
    multiple=True,
    help="Use photos of this species only; may be repeated. If the labels name no species: the species of the animals.",
)
label_options = grouped(
    "labels",
    LabelRequest,
    click.option("--fold", default=None, help="Use only the rows of this fold, if the table has a column fold."),
    species_option,
    click.option(
        "--split",
        type=click.Choice(SPLITS),
        default=None,
        help="How photos are divided into database and queries. [default: the column split, else the first that the labels "
        "allow: by time (photos of later days are queries), encounter or photo]",
    ),
    click.option(
        "--unknown-share",
        type=_SHARE,
        default=LabelRequest.unknown_share,
        show_default=True,
        help="Share of the individuals that are kept out of the database, as unknown ones; not with the column split.",
    ),
    click.option(
        "--query-share",
        type=_SHARE,
        default=LabelRequest.query_share,
        show_default=True,
        help="Share of the known individuals' photos, encounters or days that become queries; not with the column split.",
    ),
    click.option(
        "--drop-leaks/--keep-leaks",
        default=LabelRequest.drop_leaks,
        show_default=True,
        help="Leave out queries that are near-duplicates of database photos, or of an encounter or day of the same individual that the "
        "database has too: only an animal that is seen again shows what an answer is worth.",
    ),
    click.option(
        "--skip-conflicts",
        is_flag=True,
        help="Leave out photos that the labels give to two individuals. [default: they are all listed, and nothing is fitted]",
    ),
)
"""``--fold``, ``--species``, ``--split``, ``--unknown-share``, ``--query-share``, ``--drop-leaks`` and ``--skip-conflicts`` as the
parameter `labels`, a `LabelRequest`. The command sets its seed."""
