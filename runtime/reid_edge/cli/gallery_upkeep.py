"""`reid-edge gallery check` and `backup`: find damage, repair it, and keep copies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reid_edge.cli.gallery import gallery
from reid_edge.cli.options import gallery_option
from reid_edge.cli.printing import count_of, printable, say
from reid_edge.storage.address import Place, need_file

if TYPE_CHECKING:
    from reid_edge.gallery import Sighting

_EXIT_DAMAGED = 4
_Function = TypeVar("_Function", bound=Callable[..., Any])


@gallery.command()
@click.option("--missing", is_flag=True, help="List every photo that is no longer where it was enrolled from.")
@click.option("--repair", "repairing", is_flag=True, help="Copy what can still be read of a damaged gallery to a new file.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@gallery_option
@click.pass_context
def check(context: click.Context, missing: bool, repairing: bool, yes: bool, gallery_path: Place) -> None:
    """Check the gallery for damage. Exits 4 if it is damaged.

    --repair first lists what a repair can and cannot do. The damaged file is kept under another name.
    """
    from reid_edge.errors import GalleryError
    from reid_edge.gallery import Gallery
    from reid_edge.gallery.check import Finding, missing_photos
    from reid_edge.gallery.check import check as find

    gone: list[Sighting] = []
    try:
        with Gallery.open(gallery_path, writable=False) as opened:
            findings = find(opened)
            gone = missing_photos(opened) if missing else []
    except GalleryError as error:
        if not repairing or not (isinstance(gallery_path, Path) and gallery_path.is_file()):
            raise
        findings = [Finding("damage", error.message, error.hint)]
    for finding in findings:
        click.echo(f"{finding.severity}: {printable(finding.what)} {finding.hint}")
    for sighting in gone:
        click.echo(f"missing: {printable(sighting.photo_path)} of {printable(sighting.identity)}")
    if not any(finding.severity == "damage" for finding in findings):
        say(f"The gallery {gallery_path} is not damaged." + (" There is nothing to repair." if repairing else ""))
    elif repairing:
        _repair(need_file(gallery_path, "repair it", "Restore a dump: pg_restore."), yes)
    else:
        say(f"To copy what can be read to a new file: reid-edge gallery check --repair --gallery {gallery_path}")
        context.exit(_EXIT_DAMAGED)


def _keep_option(name: str, default: int, text: str) -> Callable[[_Function], _Function]:
    return click.option(name, type=click.IntRange(int(name == "--last"), 10_000), default=default, show_default=True, help=text)


@gallery.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@_keep_option("--last", 3, "Number of newest backups to keep.")
@_keep_option("--hourly", 24, "Keep one backup per hour, for so many hours.")
@_keep_option("--daily", 7, "Keep one backup per day, for so many days.")
@_keep_option("--weekly", 8, "Keep one backup per week, for so many weeks.")
@gallery_option
def backup(folder: Path, last: int, hourly: int, daily: int, weekly: int, gallery_path: Place) -> None:
    """Back up the gallery to FOLDER, also while it is in use, and delete the backups that need not be kept.

    Each backup is checked. No backup is made if nothing changed since the newest one. To restore a backup, replace the gallery's file
    with it.
    """
    from reid_edge.gallery.backup import RetentionPolicy, back_up, backups

    file = need_file(gallery_path, "back it up", "Use pg_dump --format=custom and pg_restore; see docs/scale.md.")
    made = back_up(file, folder, RetentionPolicy(last, hourly, daily, weekly))
    total = len(backups(folder, file.stem))
    if made is None:
        say(f"Nothing changed since the newest of {count_of(total, 'backup')} in {folder}.")
    else:
        say(f"Made the backup {made.path}. {count_of(total, 'backup')} in total.")


def _repair(path: Path, yes: bool) -> None:
    from reid_edge.gallery.repair import Repair

    with Repair(path) as repair:
        for what, sentences in (("can", repair.salvage.can()), ("cannot", repair.salvage.cannot())):
            say(f"A repair {what}:")
            for sentence in sentences:
                say(f"  - {sentence[0].lower()}{sentence[1:]}")
        if not yes:
            click.confirm("Repair it now?", abort=True, err=True)
        kept = repair.finish()
    say(f"Repaired {path}. The damaged file is kept as {kept}; delete it when nothing is missing.")
