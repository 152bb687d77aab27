"""The daemon's output files: JSON Lines, CSV, a Camtrap DP package and XMP side-cars, all derived from the ledger.

A deleted file is written again from the ledger when the daemon starts, except for side-cars. A table that a spreadsheet program has
changed, or that belongs to another ledger, is kept under another name and written again, so that the daemon starts in any case.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
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


def open_sinks(configuration: Configuration, out: Path, ledger: Ledger) -> list[Sink]:
    """The file sinks of the configuration, in `out`.

    Args:
        configuration: its `json_lines`, `csv`, `camtrap_dp`, `sidecar` and `sidecar_dir`.
        out: the daemon's folder. A user may put `deployments.csv` and `datapackage.json` there, see
            `reid_edge.watch.outputs.camtrap_dp`.
        ledger: the source of all outputs.

    Raises:
        StorageError: a file cannot be opened. UsageError: the user's `deployments.csv` or `datapackage.json` cannot be used.
    """
    sinks: list[Sink] = []
    if configuration.json_lines:
        from reid_edge.watch.outputs.json_lines import JsonLines

        sinks.append(_opened(JsonLines, out / JSON_LINES, ledger))
    if configuration.csv:
        from reid_edge.watch.outputs.csv_file import CsvFile

        sinks.append(_opened(CsvFile, out / CSV, ledger))
    if configuration.camtrap_dp:
        from reid_edge.watch.outputs.camtrap_dp import CamtrapDp

        sinks.append(CamtrapDp(out / CAMTRAP_DP, ledger, out / DEPLOYMENTS, out / PACKAGE, configuration.species))
    if configuration.sidecar or configuration.sidecar_dir:
        from reid_edge.watch.outputs.sidecar import Sidecars

        beside = configuration.sidecar_dir is None
        sinks.append(Sidecars(ledger, configuration.sidecar_dir or out / SIDECARS, beside))
    return sinks


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
