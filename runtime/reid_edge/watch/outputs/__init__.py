"""The daemon's output files: JSON Lines, CSV, a Camtrap DP package and XMP side-cars, all derived from the ledger.

A deleted file is written again from the ledger when the daemon starts, except for side-cars. A table that a spreadsheet program has
changed, or that belongs to another ledger, is kept under another name and written again, so that the daemon starts in any case.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reid_edge.storage.durable import move_into_place
from reid_edge.storage.errors import file_errors
from reid_edge.watch.configuration import Configuration
from reid_edge.watch.outputs.sinks import SinkError

if TYPE_CHECKING:
    from reid_edge.watch.ledger.ledger import Ledger
    from reid_edge.watch.outputs.sinks import Sink

JSON_LINES, CSV, CAMTRAP_DP, SIDECARS = "answers.jsonl", "answers.csv", "camtrap-dp", "sidecars"
DEPLOYMENTS, PACKAGE = "deployments.csv", "datapackage.json"

log = logging.getLogger(__name__)


def export(configuration: Configuration, to: Path, ledger: Ledger) -> None:
    """Write everything that the ledger has into another folder, with the sinks of the daemon.

    Args:
        configuration: as for `open_sinks`; its `out` is the daemon's folder, whose `deployments.csv` and `datapackage.json` are used where
            `to` has none.
        to: the folder to write into.
        ledger: is only read.

    Raises:
        StorageError, UsageError: as `open_sinks`. SinkError: not everything could be written.
    """
    for sink in open_sinks(configuration, to, ledger, whole=True):
        with contextlib.closing(sink):
            last = 0
            while messages := ledger.messages_after(last):
                taken = sink.deliver(messages)
                if not taken:
                    raise SinkError(f"The export {sink.name} is not complete.", "Run the same command again.")
                last = messages[taken - 1].id


def open_sinks(configuration: Configuration, out: Path, ledger: Ledger, whole: bool = False) -> list[Sink]:
    """The file sinks of the configuration, in `out`.

    Args:
        configuration: its `json_lines`, `csv`, `camtrap_dp`, `sidecar` and `sidecar_dir`.
        out: the daemon's folder. A user may put `deployments.csv` and `datapackage.json` there, see
            `reid_edge.watch.outputs.camtrap_dp`; where there is none, the one in the configuration's `out` is used.
        ledger: the source of all outputs.
        whole: every delivery is complete when it returns, for an export.

    Raises:
        StorageError: a file cannot be opened. UsageError: the user's `deployments.csv` or `datapackage.json` cannot be used.
    """
    sinks: list[Sink] = []
    if configuration.json_lines:
        from reid_edge.watch.outputs.json_lines import JsonLines

        sinks.append(_opened(JsonLines, out / JSON_LINES, ledger))
    if configuration.csv:
        from reid_edge.watch.outputs.csv_file import CsvFile

        sinks.append(_opened(partial(CsvFile, at_once=whole), out / CSV, ledger))
    if configuration.camtrap_dp:
        from reid_edge.watch.outputs.camtrap_dp import CamtrapDp
        from reid_edge.watch.outputs.species_names import SPECIES, scientific_name

        deployments, package = (_given(name, out, configuration.out) for name in (DEPLOYMENTS, PACKAGE))
        species = scientific_name(configuration.species, _given(SPECIES, out, configuration.out))
        sinks.append(CamtrapDp(out / CAMTRAP_DP, ledger, deployments, package, species, whole))
    if configuration.sidecar or configuration.sidecar_dir:
        from reid_edge.watch.outputs.sidecar import Sidecars

        beside = configuration.sidecar_dir is None
        sinks.append(Sidecars(ledger, configuration.sidecar_dir or out / SIDECARS, beside))
    return sinks


def _given(name: str, *folders: Path) -> Path:
    """The user's file of this name in the first folder that has one."""
    return next((folder / name for folder in folders if (folder / name).exists()), folders[0] / name)


def _opened(sink: Callable[[Path, Ledger], Sink], path: Path, ledger: Ledger) -> Sink:
    try:
        return sink(path, ledger)
    except SinkError as error:
        names = (path.with_name(f"{path.stem}-kept-{number}{path.suffix}") for number in itertools.count(1))
        kept = next(name for name in names if not name.exists())
        with file_errors(path):
            move_into_place(path, kept)
        log.warning("%s It is kept as %s and written again from the ledger.", error.message, kept.name)
        return sink(path, ledger)
