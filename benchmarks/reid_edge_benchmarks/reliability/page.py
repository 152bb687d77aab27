"""docs/reliability.md, made from the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reid_edge.markdown import markdown_table
from reid_edge_benchmarks.reliability.registry import FAULTS

_SHOWN_FAULTS = 20
_CONSERVATION = ("photos", "decided", "waiting", "quarantined", "difference", "answered twice", "source bytes changed")

_HEAD = """# Reliability

What is done to `reid-edge watch` before it goes into the field, and what came of it. Every figure here was counted by

    reid-edge bench reliability --full --json reliability.json --write docs/reliability.md

which makes each fault with real daemons, real files and real disks, and needs half an hour, Linux, a C compiler, root (to mount small
disks) and mosquitto; `--only FAULT` makes one of them. Small versions of all of them are part of the tests (`tests/runtime/watch/faults`).

After every fault the same proof is made, with nothing of the daemon's own code: the ledger is read with SQLite and compared with the photos
that were put in, with every line of `answers.jsonl` and `answers.csv`, and with the bytes of the photos.

> photos in = decided + waiting + quarantined; each content answered once and told once; each source file as it was.

So that thousands of photos can meet a fault, the photos are small, and the pack is one whose networks take milliseconds (bright things
are animals, their colours who they are). It goes the same way through the daemon as any other; `real-photos` is made with the pack
`field`.
"""

_HOW = """
## How the faults are made

- **Kills** are SIGKILL: half at random times, half before a random one of the daemon's own changes to its disk, which a preloaded
  library counts. After each the ledger is copied as it lies there and checked, and no process of the daemon may be left.
- **Power cuts** are recorded: a preloaded library notes every write, truncation, new or changed name, and fsync below one folder. For
  a moment of the run the disk is then laid out as a cut would leave it by the rules of POSIX, which are stricter than those of any one
  file system: bytes are there if their file was synced after them, names if their folder was. Each moment is laid out twice: with
  nothing else, and with some sectors and some names of what was not synced. A decision counts as committed when a later one was
  begun, or when `answers.jsonl` or the folder `done` shows it. At some of the moments a daemon is started on what is left.
- **Disk full**: a run's writes are counted, then it is repeated with the disk full from the n-th write on, for a third of a
  second; the first write that meets it is cut in half. A daemon that meets it while it starts ends with exit code 5, and its service
  starts it again. A real disk of 3 MB is filled to the last byte and freed, too, under a daemon that goes on.
- **Card and mount**: a preloaded library lets every read, look and listing fail with EIO from some byte on; a real disk is
  unmounted under the daemon's eyes, which leaves an empty folder, and mounted again.
- **Clock**: a preloaded library moves the wall clock, not the monotonic one; the ledger must be the same, row by row, as without.
- **Mutated photos** have bits turned, parts cut out, repeated, blanked or inserted, lengths and sizes that lie. The decoder is a
  process of its own, with a limit of memory; it is killed and stopped, too. What a header promises is decoded up to 100 million
  pixels, which is where the peak of memory comes from.
- **Delivery**: an HTTP server that goes away, answers 503, or takes a message and hangs up; mosquitto stopped and started.
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
            ("fault", "what must come out", "version", "result"), [_row(name, results.get(name)) for name in FAULTS], padded=False
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
