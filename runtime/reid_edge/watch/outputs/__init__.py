"""The daemon's files: what the ledger tells, as JSON Lines, CSV, a Camtrap DP package and XMP side-cars.

All of them are derived: whichever is deleted is made again from the ledger when the daemon starts, except for side-cars.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reid_edge.watch.configuration import Configuration

if TYPE_CHECKING:
    from reid_edge.watch.ledger import Ledger
    from reid_edge.watch.sinks import Sink

JSON_LINES, CSV, CAMTRAP_DP, SIDECARS = "answers.jsonl", "answers.csv", "camtrap-dp", "sidecars"
DEPLOYMENTS, PACKAGE = "deployments.csv", "datapackage.json"


def open_sinks(configuration: Configuration, out: Path, ledger: Ledger) -> list[Sink]:
    """The file sinks that the configuration asks for, in `out`.

    Args:
        configuration: its `json_lines`, `csv`, `camtrap_dp`, `sidecar` and `sidecar_dir`.
        out: the daemon's folder. A person may put `deployments.csv` and `datapackage.json` there, see
            `reid_edge.watch.outputs.camtrap_dp`.
        ledger: what the sinks are derived from.

    Raises:
        SinkError: a file belongs to something else. StorageError: a file cannot be opened. UsageError: a person's own table or
            package for Camtrap DP cannot be used.
    """
    sinks: list[Sink] = []
    if configuration.json_lines:
        from reid_edge.watch.outputs.json_lines import JsonLines

        sinks.append(JsonLines(out / JSON_LINES, ledger))
    if configuration.csv:
        from reid_edge.watch.outputs.csv_file import CsvFile

        sinks.append(CsvFile(out / CSV, ledger))
    if configuration.camtrap_dp:
        from reid_edge.watch.outputs.camtrap_dp import CamtrapDp

        sinks.append(CamtrapDp(out / CAMTRAP_DP, ledger, out / DEPLOYMENTS, out / PACKAGE, configuration.species))
    if configuration.sidecar or configuration.sidecar_dir:
        from reid_edge.watch.outputs.sidecar import Sidecars

        beside = configuration.sidecar_dir is None
        sinks.append(Sidecars(ledger, configuration.sidecar_dir or out / SIDECARS, beside))
    return sinks
