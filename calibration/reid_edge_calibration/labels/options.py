"""The options of commands that read labelled photos."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from reid_edge_calibration.labels.request import SPLITS, LabelRequest

_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


def label_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--fold``, ``--species``, ``--split``, ``--unknown-share``, ``--query-share`` and ``--drop-leaks``.

    The command gets them as one parameter, `labels`: a `LabelRequest`. Its seed is the command's to set.
    """

    @functools.wraps(command)
    def with_labels(*args: Any, **options: Any) -> Any:
        names = ("fold", "species", "split", "unknown_share", "query_share", "drop_leaks")
        return command(*args, labels=LabelRequest(**{name: options.pop(name) for name in names}), **options)

    for option in (
        click.option(
            "--drop-leaks", is_flag=True, help="Leave out queries that are near-duplicates or of an encounter of the database."
        ),
        click.option(
            "--query-share",
            type=_SHARE,
            default=LabelRequest.query_share,
            show_default=True,
            help="Of the other individuals' photos, encounters or days, how many are asked for; not with a given split.",
        ),
        click.option(
            "--unknown-share",
            type=_SHARE,
            default=LabelRequest.unknown_share,
            show_default=True,
            help="Of the individuals, how many are held out as unknown; not with a given split.",
        ),
        click.option(
            "--split",
            type=click.Choice(SPLITS),
            default=None,
            help="How photos become database and queries. [default: given by the column split, or by time (later days are asked for), "
            "encounter or photo, whichever the labels allow first]",
        ),
        click.option(
            "--species",
            multiple=True,
            help="Photos of this species only; may be repeated. Of labels that name no species: what the animals are.",
        ),
        click.option("--fold", default=None, help="Rows of this fold only, where the table has a column fold."),
    ):
        with_labels = option(with_labels)
    return with_labels
