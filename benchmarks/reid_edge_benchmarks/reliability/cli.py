"""``reid-edge bench reliability``."""

from __future__ import annotations

import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import click


@click.command()
@click.option("--full", is_flag=True, help="The full version: thousands of photos, hundreds of kills. [default: a small one]")
@click.option("--only", multiple=True, metavar="FAULT", help="This fault only; may be repeated.")
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path),
    help="Write all figures to this file, which keeps those of other faults.",
)
@click.option("--write", "page", type=click.Path(path_type=Path), help="Write the page of figures, docs/reliability.md.")
@click.option("--keep", type=click.Path(path_type=Path), help="Make the faults in this folder and leave everything there.")
def reliability(full: bool, only: tuple[str, ...], json_path: Path | None, page: Path | None, keep: Path | None) -> None:
    """Do to a watch daemon what happens in the field, and prove that no photo was lost, skipped or answered twice.

    Each fault is made with real daemons, real files and real disks: kills, power cuts, full disks, pulled cards, slow writers, jumping
    clocks, broken photos, servers that are down. What cannot be made here (without root, a C compiler or mosquitto) says so. With
    --json and without faults to make (--only none) the page is written from the file.
    """
    from reid_edge.errors import UsageError
    from reid_edge_benchmarks.machine import ProcessorTime, describe_machine, machine_facts, others_share
    from reid_edge_benchmarks.reliability.page import reliability_page
    from reid_edge_benchmarks.reliability.registry import FAULTS

    unknown = set(only) - set(FAULTS) - {"none"}
    if unknown:
        raise UsageError(f"There is no fault {', '.join(sorted(unknown))}.", f"Faults are {', '.join(FAULTS)}.")
    if sys.platform != "linux":
        raise UsageError("The faults can be made on Linux only.", "Run it there; the daemon itself is the same.")
    results = _earlier(json_path)
    machine = machine_facts()
    chosen = [FAULTS[name] for name in (only or tuple(FAULTS)) if name != "none"]
    for fault in chosen:
        click.echo(f"{fault.name}: {fault.title} ...", err=True)
        begin = ProcessorTime.now()
        made = _made(fault, full, keep)
        result = {"full": full, "machine": describe_machine({**machine, "others": others_share(begin)}), **made}
        results = {**results, **_earlier(json_path), fault.name: result}  # another run may have written other faults meanwhile
        _tell(fault.name, result)
        if json_path:
            json_path.write_text(json.dumps({"machine": machine, "faults": results}, indent=1) + "\n", encoding="utf-8")
    if page:
        page.write_text(reliability_page(results), encoding="utf-8")
    if any(results[fault.name]["faults"] for fault in chosen):
        raise click.exceptions.Exit(1)


def _earlier(json_path: Path | None) -> dict[str, Any]:
    if json_path is None or not json_path.exists():
        return {}
    found: dict[str, Any] = json.loads(json_path.read_text(encoding="utf-8"))["faults"]
    return found


def _made(fault: Any, full: bool, keep: Path | None) -> dict[str, Any]:
    from reid_edge_benchmarks.reliability.outcome import Outcome, Skipped, temporary_place

    began = time.monotonic()
    try:
        with temporary_place(keep) as place:
            outcome = fault.run(place, full)
    except Skipped as reason:
        return {**Outcome({}, (), (f"Not made here: {reason}.",)).as_json(), "seconds": 0, "skipped": True}
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        click.echo(traceback.format_exc(), err=True)
        outcome = Outcome({}, (text,))
    return {**outcome.as_json(), "seconds": round(time.monotonic() - began), "skipped": False}


def _tell(name: str, result: dict[str, Any]) -> None:
    state = "skipped" if result["skipped"] else "FAILED" if result["faults"] else "passed"
    click.echo(f"{name}: {state} in {result['seconds']} s")
    for figure, value in result["figures"].items():
        click.echo(f"  {figure}: {value}")
    for text in (*result["faults"], *result["notes"]):
        click.echo(f"  ! {text}")
