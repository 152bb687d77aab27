"""docs/reliability.md, made from the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reid_edge.markdown import markdown_table
from reid_edge_benchmarks.reliability.registry import FAULTS

_SHOWN_FAULTS = 20
_CONSERVATION = ("photos", "decided", "waiting", "quarantined", "difference", "answered twice", "source bytes changed")

_HEAD = """# Reliability

How `reid-edge watch` is tested against faults before it goes into the field, and the results. Every figure here was counted by

    reid-edge bench reliability --full --json reliability.json --write docs/reliability.md

It causes each fault with real daemons, real files and real disks. It takes half an hour, and needs Linux, a C compiler, root (to mount
small disks) and mosquitto. `--only FAULT` causes a single fault. Small versions of all faults are tests (`tests/runtime/watch/faults`).

After every fault the same check follows, without any code of the daemon: the ledger is read with SQLite and compared with the photos
that were put in, with every line of `answers.jsonl` and `answers.csv`, and with the bytes of the photos.

> photos in = decided + waiting + quarantined; each content is answered once and reported once; no source file has changed.

The photos are small and the pack's networks take milliseconds (bright objects are animals, their colour is the individual), so that a fault
can be tested with thousands of photos. The daemon treats this pack as any other. `real-photos` uses the pack `field`.
"""

_HOW = """
## How the faults are caused

- **Kills** are SIGKILL: half at random times, half just before a random write of the daemon, which a preloaded library counts. After
  each kill the ledger is copied and checked, and no process of the daemon may still run.
- **Power cuts** are recorded: a preloaded library logs every write, truncation, new or changed name, and fsync below one folder. For
  a moment of the run, the disk is then rebuilt as a cut would leave it by the rules of POSIX, which guarantee less than any real file
  system: bytes exist if their file was synced after them, names if their folder was. Each moment is rebuilt twice: without anything
  that was not synced, and with some of those sectors and names. A decision counts as committed when a later one was begun, or when
  `answers.jsonl` or the folder `done` shows it. For some of the moments a daemon is started on the rebuilt disk.
- **Disk full**: the writes of a run are counted. Then the run is repeated with the disk full from the n-th write on, for a third of a
  second, and the first failing write is cut in half. A daemon that meets the full disk while it starts ends with exit code 5, and its
  service restarts it. A real disk of 3 MB is also filled to the last byte and freed while a daemon runs.
- **Card and mount**: a preloaded library makes every read, stat and listing fail with EIO from some byte on. A real disk is unmounted
  while the daemon runs, which leaves an empty folder, and mounted again.
- **Clock**: a preloaded library moves the wall clock, not the monotonic clock. The ledger must be equal, row by row, to one without.
- **Mutated photos** have flipped bits, removed, repeated, blanked or inserted parts, and wrong lengths and sizes. The decoder is a
  separate process with a memory limit; it is also killed and stopped. Up to 100 million pixels are decoded if the header says so, which
  causes the peak of memory.
- **Delivery**: an HTTP server that disappears, answers 503, or takes a message and closes the connection; mosquitto stopped and started.
"""


def reliability_page(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The page; faults that were not made are listed as such.

    Args:
        results: per fault what `reid-edge bench reliability --json` keeps.
    """
    made = [name for name in FAULTS if name in results and not results[name]["skipped"]]
    parts = [
        _HEAD,
        "\n## Result\n\n",
        markdown_table(
            ("fault", "required result", "version", "result"), [_row(name, results.get(name)) for name in FAULTS], padded=False
        ),
        "\n\n## Conservation\n\n",
        markdown_table(("fault", *_CONSERVATION), [[name, *_cells(results[name], _CONSERVATION)] for name in made]),
        "\n",
        _HOW,
        "\n## Figures\n",
        *(_section(name, results[name]) for name in FAULTS if name in results),
    ]
    return "".join(parts)


def _row(name: str, result: Mapping[str, Any] | None) -> list[str]:
    fault = FAULTS[name]
    if result is None:
        return [fault.title, fault.claim, "", "not made"]
    state = "not made here" if result["skipped"] else f"**{len(result['faults'])} faults**" if result["faults"] else "holds"
    return [fault.title, fault.claim, "full" if result["full"] else "small", state]


def _section(name: str, result: Mapping[str, Any]) -> str:
    own = [figure for figure in result["figures"] if figure not in _CONSERVATION]
    lines = [f"\n### {FAULTS[name].title}\n", f"`--only {name}`, {result['seconds']} s; {result['machine']}.\n"]
    if own:
        lines.append(markdown_table(("figure", "counted"), [[figure, *_cells(result, [figure])] for figure in own], padded=False))
        lines.append("")
    lines += [f"- {text}" for text in (*result["faults"][:_SHOWN_FAULTS], *result["notes"])]
    return "\n".join(lines).rstrip() + "\n"


def _cells(result: Mapping[str, Any], figures: Sequence[str]) -> list[str]:
    found = [result["figures"].get(figure, "") for figure in figures]
    return [f"{value:,}" if isinstance(value, int) else str(value) for value in found]
