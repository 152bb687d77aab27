"""The options of commands that read labelled photos."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from reid_edge_calibration.labels.options import label_options
from reid_edge_calibration.labels.request import LabelRequest


@click.command()
@click.argument("path")
@label_options
@click.option("--seed", type=int, default=0)
def command(path: str, labels: LabelRequest, seed: int) -> None:
    click.echo(repr((path, seed, labels)))


def test_without_options_the_request_is_the_default_one() -> None:
    assert CliRunner().invoke(command, ["a"]).output.strip() == repr(("a", 0, LabelRequest()))


def test_every_option_reaches_the_request() -> None:
    options = (
        "a --fold f --species okapi --species nyala --split time --unknown-share 0.3 --query-share 0.5 --drop-leaks --seed 4"
    )
    expected = LabelRequest("f", ("okapi", "nyala"), "time", 0.3, 0.5, True)
    assert CliRunner().invoke(command, options.split()).output.strip() == repr(("a", 4, expected))


@pytest.mark.parametrize("wrong", [["--split", "random"], ["--unknown-share", "1"], ["--query-share", "0"]])
def test_what_cannot_be_asked_for_is_refused(wrong: list[str]) -> None:
    assert CliRunner().invoke(command, ["a", *wrong]).exit_code == 2
