"""`reid-edge watch status`: the progress of a daemon from its ledger, whether it runs or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reid_edge.cli.printing import printable

if TYPE_CHECKING:
    from reid_edge.gallery.replica import ReplicaState
    from reid_edge.watch.ledger.ledger import Counts
    from reid_edge.watch.ledger.records import Run
    from reid_edge.watch.monitoring.status import Status


@click.command(short_help="Show the progress of the daemon.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, readable=False),
    default=Path("watch"),
    show_default=True,
    help="The folder of the daemon.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(out: Path, as_json: bool) -> None:
    """Show answered photos, waiting and unreadable files, folders, and undelivered messages. The daemon need not be running."""
    from reid_edge.watch.monitoring.status import read_status

    found = read_status(out)
    if as_json:
        click.echo(json.dumps(found.as_json()))
        return
    for line in _lines(found):
        click.echo(printable(line))


def _lines(found: Status) -> list[str]:
    counts = found.counts
    lines = [_run(found.run, found.running)]
    verdicts = ", ".join(f"{number} {verdict}" for verdict, number in sorted(counts.verdicts.items()))
    lines.append(f"photos       {counts.photos_decided} answered" + (f": {verdicts}" if verdicts else ""))
    lines.append(f"waiting      {_waiting(counts)}")
    if counts.quarantined:
        lines.append(f"unreadable   {_number(counts.quarantined, 'file')}, tried again when it changes")
        lines += [f"             {each.path}: {each.reason}" for each in found.quarantined]
        if counts.quarantined > len(found.quarantined):
            lines.append(f"             ... and {counts.quarantined - len(found.quarantined)} more")
    for folder in found.folders:
        lines.append(f"folder       {folder.path}{'' if folder.present else ': missing'}")
    rejected: dict[str, int] = {}
    for message in found.rejected:
        rejected[message.sink] = rejected.get(message.sink, 0) + 1
    for sink in sorted({*counts.undelivered, *rejected}):
        refused = f", {rejected[sink]} rejected" if sink in rejected else ""
        lines.append(f"delivery     {sink}: {_number(counts.undelivered.get(sink, 0), 'message')} waiting{refused}")
        lines += [
            f"             {each.message.key}, refused {_number(each.tries, 'time')}: {each.reason}"
            for each in found.rejected
            if each.sink == sink
        ]
    lines.append(f"last answer  {found.last_answered_at or 'none yet'}")
    if found.replica is not None:
        lines.append(f"replica      {_replica(found.replica)}")
    lines.append(f"disk         {found.free_bytes / 1e9:.1f} GB free")
    return lines


def _run(run: Run | None, running: bool) -> str:
    if run is None:
        return "The daemon has not run yet."
    what = f"reid-edge {run.version}, pack {run.pack}, gallery {run.gallery}"
    if running:
        return f"At work since {run.started_at}, process {run.pid}: {what}"
    if run.ended_at is not None:
        return f"Stopped at {run.ended_at}: {what}"
    return f"Not running: it started at {run.started_at} and was killed: {what}"


def _replica(replica: ReplicaState) -> str:
    from reid_edge.watch.answer.replica_worker import age_seconds

    text = f"level with the server {_span(age_seconds(replica))} ago, {_number(replica.photos, 'photo')}"
    if replica.photos_left_out:
        text += f"; no room for {_number(replica.photos_left_out, 'photo')}"
    if replica.individuals_left_out:
        text += f", and for no photo of {_number(replica.individuals_left_out, 'individual')}"
    return text


def _span(seconds: float) -> str:
    """The largest unit that fits: `40 s`, `3 h`, `12 days`."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _waiting(counts: Counts) -> str:
    if not counts.waiting:
        return "nothing"
    return f"{_number(counts.waiting, 'file')}, the oldest for {counts.lag_seconds:.0f} s"


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"
