"""`reid-edge gallery rename`, `merge`, `split`, `remove`, `undo`, `history` and `relink`: what a person corrects, and takes back."""

from __future__ import annotations

from pathlib import Path

import click

from reid_edge.cli.gallery import gallery
from reid_edge.cli.options import gallery_option
from reid_edge.cli.printing import count_of, print_json, print_table, printable, say
from reid_edge.storage.address import Place


@gallery.command()
@click.argument("old")
@click.argument("new")
@gallery_option
def rename(old: str, new: str, gallery_path: Place) -> None:
    """Rename the individual OLD to NEW."""
    from reid_edge.gallery import Gallery

    with Gallery.open(gallery_path) as opened:
        opened.rename(old, new)
    say(f"Renamed {old} to {new}.")


@gallery.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--into", required=True, metavar="NAME", help="The individual that keeps its name and gets all sightings.")
@gallery_option
def merge(names: tuple[str, ...], into: str, gallery_path: Place) -> None:
    """Merge individuals that are the same animal: move all sightings of NAMES to one individual."""
    from reid_edge.gallery import Gallery

    with Gallery.open(gallery_path) as opened:
        opened.merge(names, into)
        total = opened.individual(into).sightings
    say(f"{into} now has {count_of(total, 'sighting')}.")


@gallery.command()
@click.argument("name")
@click.argument("sightings", nargs=-1, required=True, type=int)
@click.option("--into", required=True, metavar="NAME", help="The name of the new individual.")
@gallery_option
def split(name: str, sightings: tuple[int, ...], into: str, gallery_path: Place) -> None:
    """Move SIGHTINGS of the individual NAME to a new individual. `gallery show NAME` lists their numbers."""
    from reid_edge.gallery import Gallery

    with Gallery.open(gallery_path) as opened:
        opened.split(name, sightings, into)
        total = opened.individual(into).sightings
    say(f"Moved {count_of(total, 'sighting')} of {name} to the new individual {into}.")


@gallery.command()
@click.argument("name", required=False)
@click.option(
    "--sighting", "sightings", type=int, multiple=True, metavar="NUMBER", help="Remove only this sighting. Can be repeated."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@gallery_option
def remove(name: str | None, sightings: tuple[int, ...], yes: bool, gallery_path: Place) -> None:
    """Remove the individual NAME with all its sightings, or single sightings."""
    from reid_edge.errors import UsageError
    from reid_edge.gallery import Gallery

    if (name is None) == (not sightings):
        raise UsageError("Name either an individual or sightings to remove, not both.", "Give NAME, or --sighting NUMBER.")
    with Gallery.open(gallery_path) as opened:
        if name is not None:
            what = f"{name} with {count_of(opened.individual(name).sightings, 'sighting')}"
        else:
            what = ", ".join(f"sighting {one.id} of {one.identity}" for one in opened.sightings_of(sightings))
        if not yes:
            click.confirm(f"Remove {printable(what)}?", abort=True, err=True)
        if name is not None:
            opened.remove_individual(name)
        else:
            opened.remove_sightings(sightings)
    say(f"Removed {what}. To restore it: reid-edge gallery undo.")


@gallery.command()
@click.option(
    "--count", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="Number of commands to undo, newest first."
)
@gallery_option
def undo(count: int, gallery_path: Place) -> None:
    """Undo the newest command that changed the gallery and is not undone yet. One run of `gallery add` is one command."""
    from reid_edge.gallery import Gallery

    with Gallery.open(gallery_path) as opened:
        undone = opened.undo(count)
    for batch in undone:
        click.echo(f"Undone: {printable(batch.summary)} (of {batch.at})")
    if len(undone) < count:
        say(f"Undid {count_of(len(undone), 'command')}; there were no more.")


@gallery.command()
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=20, show_default=True, help="Number of decisions to show, newest first."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@gallery_option
def history(limit: int, as_json: bool, gallery_path: Place) -> None:
    """List the newest decisions."""
    from dataclasses import asdict

    from reid_edge.gallery import Gallery
    from reid_edge.gallery.history import describe

    with Gallery.open(gallery_path, writable=False) as opened:
        events = opened.history(limit)
    if as_json:
        print_json([asdict(event) for event in events])
    else:
        print_table(
            ("when", "what", "undone"), [(event.at, describe(event), "undone" if event.undone else "") for event in events]
        )


@gallery.command()
@click.argument("old")
@click.argument("new", type=click.Path(path_type=Path))
@gallery_option
def relink(old: str, new: Path, gallery_path: Place) -> int:
    """Tell the gallery that the photos of the folder OLD are in the folder NEW now.

    OLD need not exist any more. A photo is found below NEW at the same place or by its name, and only if its content is the same.
    Exits 1 if some photos are missing. To list all photos that are missing: reid-edge gallery check.
    """
    from reid_edge.gallery import Gallery
    from reid_edge.gallery.relinking import relink as relink_photos

    with Gallery.open(gallery_path) as opened:
        result = relink_photos(opened, old, new)
    for sighting in result.missing:
        click.echo(f"missing: {printable(sighting.photo_path)} of {printable(sighting.identity)}")
    missing = f"; {count_of(len(result.missing), 'photo')} not found there" if result.missing else ""
    say(f"Relinked {count_of(len(result.found), 'photo')} to {new}{missing}.")
    return 1 if result.missing else 0
