"""A run of `reid-edge bulk`: its progress, and what it says became of the files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing, redirect_stdout
from typing import TYPE_CHECKING, Any

from reid_edge.cli.printing import count_of, say
from reid_edge.cli.progress import progress
from reid_edge.storage.address import Place

if TYPE_CHECKING:
    from reid_edge.bulk.opening import BulkPack
    from reid_edge.bulk.run import BulkRun
    from reid_edge.gallery import Gallery

_SHOWN = 20
_WORDS = {
    "enrolled": "enrolled",
    "described": "described",
    "described_again": "described with this pack",
    "answered": "answered",
    "no_animal": "without an animal",
    "present": "enrolled already",
    "copy": "with the content of another file",
    "conflict": "enrolled already as another individual",
    "failed": "that could not be read",
}


def work_and_report(run: BulkRun, open_pool: Callable[[], Any], batch: int, what: str) -> int:
    """Do what is left, and say what became of it; 1 where something failed."""
    if run.skipped:
        say(f"Done before: {count_of(run.skipped, 'file')}.")
    if run.pending:
        with redirect_stdout(sys.stderr), open_pool() as pool:  # Ray tells of dead workers on stdout, which is for results
            go_through(run.run(pool, batch), what, len(run.pending))
    for status, count in sorted(run.counts.items(), key=lambda item: list(_WORDS).index(item[0])):
        say(f"{count_of(count, 'file')} {_WORDS[status]}.")
    failed = list(run.failed())
    for path, failure in failed[:_SHOWN]:
        where = "" if path in failure.message else f" ({path})"
        say(f"failed: {failure.message} {failure.hint}{where}")
    if len(failed) > _SHOWN:
        say(f"... and {len(failed) - _SHOWN} more.")
    say(f"The results are in {run.files.folder}.")
    return 1 if failed or run.counts["conflict"] else 0


def go_through(done: Any, what: str, total: int) -> None:
    """Do the work of a generator, with a bar of its progress."""
    try:
        with closing(done), closing(progress(done, what, total)) as shown:
            for _ in shown:
                pass
    except KeyboardInterrupt:
        say("Stopped. What was done is kept; to continue, run the same command again.")
        raise


def note_undescribed(gallery: Gallery, pack: BulkPack, place: Place) -> None:
    """Say of how many photos of the gallery the pack has no features, and what describes them."""
    missing = len(gallery.sightings_without(pack.feature_key))
    if missing:
        say(f"note: {count_of(missing, 'photo')} of the gallery are left out, because this pack has not described them:")
        say(f"      reid-edge bulk describe --gallery {place}")
