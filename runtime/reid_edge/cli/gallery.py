"""`reid-edge gallery`: keep the catalogue of known individuals."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reid_edge.cli.options import gallery_option

if TYPE_CHECKING:
    from reid_edge.gallery import Individual, Sighting

_EXIT_DAMAGED = 4


@click.group()
def gallery() -> None:
    """Make, fill, correct and carry the catalogue of known individuals."""


@gallery.command()
@gallery_option
def init(gallery_path: Path) -> None:
    """Make a new, empty gallery."""
    from reid_edge.gallery import Gallery

    Gallery.create(gallery_path).close()
    _say(f"Made the gallery {gallery_path}. Fill it: reid-edge gallery add FOLDER --gallery {gallery_path}")


@gallery.command("list")
@gallery_option
@click.option("--species", help="Only individuals of this species.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_individuals(gallery_path: Path, species: str | None, as_json: bool) -> None:
    """List the individuals."""
    from dataclasses import asdict

    from reid_edge.gallery import Gallery

    with Gallery.open(gallery_path, writable=False) as opened:
        individuals = opened.individuals(species)
    if as_json:
        _print_json([asdict(individual) for individual in individuals])
    else:
        _print_table(("name", "species", "sightings", "viewpoints", "last seen"), [_individual_row(one) for one in individuals])
    if not individuals:
        _say("No individual" + (f" of the species {species}." if species else " yet: reid-edge gallery add FOLDER."))


@gallery.command()
@click.argument("name")
@gallery_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object: the individual and her sightings.")
def show(name: str, gallery_path: Path, as_json: bool) -> None:
    """Show an individual and her sightings, with the numbers that split and remove take."""
    from dataclasses import asdict

    from reid_edge.gallery import Gallery

    with Gallery.open(gallery_path, writable=False) as opened:
        individual = opened.individual(name)
        sightings = opened.sightings(individual=name)
    if as_json:
        _print_json([{**asdict(individual), "sightings": [asdict(sighting) for sighting in sightings]}])
        return
    _print_table(
        ("sighting", "photo", "viewpoint", "taken", "place", "encounter", "path"), [_sighting_row(one) for one in sightings]
    )
    species = f", {individual.species}" if individual.species else ""
    _say(f"{individual.name}: {_number(individual.sightings, 'sighting')}{species}.")


@gallery.command()
@click.argument("old")
@click.argument("new")
@gallery_option
def rename(old: str, new: str, gallery_path: Path) -> None:
    """Give the individual OLD the name NEW."""
    from reid_edge.gallery import Gallery

    with Gallery.open(gallery_path) as opened:
        opened.rename(old, new)
    _say(f"{old} is {new} now.")


@gallery.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--into", required=True, metavar="NAME", help="The individual that all of them are.")
@gallery_option
def merge(names: tuple[str, ...], into: str, gallery_path: Path) -> None:
    """Say that the individuals NAMES are one animal."""
    from reid_edge.gallery import Gallery

    with Gallery.open(gallery_path) as opened:
        opened.merge(names, into)
        total = opened.individual(into).sightings
    _say(f"{into} has {_number(total, 'sighting')} now.")


@gallery.command()
@click.argument("name")
@click.argument("sightings", nargs=-1, required=True, type=int)
@click.option("--into", required=True, metavar="NAME", help="The name of the new individual.")
@gallery_option
def split(name: str, sightings: tuple[int, ...], into: str, gallery_path: Path) -> None:
    """Make some SIGHTINGS of the individual NAME a new individual; the numbers are those of `gallery show NAME`."""
    from reid_edge.gallery import Gallery

    with Gallery.open(gallery_path) as opened:
        opened.split(name, sightings, into)
        total = opened.individual(into).sightings
    _say(f"{into} is a new individual with {_number(total, 'sighting')} that {'was' if total == 1 else 'were'} {name}'s.")


@gallery.command()
@click.argument("name", required=False)
@click.option("--sighting", "sightings", type=int, multiple=True, metavar="NUMBER", help="Only this sighting; may be repeated.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@gallery_option
def remove(name: str | None, sightings: tuple[int, ...], yes: bool, gallery_path: Path) -> None:
    """Remove the individual NAME with all her sightings, or single sightings."""
    from reid_edge.errors import UsageError
    from reid_edge.gallery import Gallery

    if (name is None) == (not sightings):
        raise UsageError("Remove either an individual or sightings.", "Give NAME, or --sighting NUMBER.")
    with Gallery.open(gallery_path) as opened:
        if name is not None:
            what = f"{name} with {_number(opened.individual(name).sightings, 'sighting')}"
        else:
            what = ", ".join(f"sighting {one.id} of {one.identity}" for one in opened.sightings_of(sightings))
        if not yes:
            click.confirm(f"Remove {printable(what)}?", abort=True, err=True)
        if name is not None:
            opened.remove_individual(name)
        else:
            opened.remove_sightings(sightings)
    _say(f"Removed {what}. `reid-edge gallery undo` brings it back.")


@gallery.command()
@click.option(
    "--count", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="How many commands to undo, newest first."
)
@gallery_option
def undo(count: int, gallery_path: Path) -> None:
    """Undo the newest command that changed the gallery and was not undone yet; a whole `gallery add` is one."""
    from reid_edge.gallery import Gallery

    with Gallery.open(gallery_path) as opened:
        undone = opened.undo(count)
    for batch in undone:
        click.echo(f"Undone: {printable(batch.summary)} (of {batch.at})")
    if len(undone) < count:
        _say(f"There were only {len(undone)} to undo.")


@gallery.command()
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=20, show_default=True, help="How many decisions, newest first."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@gallery_option
def history(limit: int, as_json: bool, gallery_path: Path) -> None:
    """Tell the newest decisions."""
    from dataclasses import asdict

    from reid_edge.gallery import Gallery
    from reid_edge.gallery.history import describe

    with Gallery.open(gallery_path, writable=False) as opened:
        events = opened.history(limit)
    if as_json:
        _print_json([asdict(event) for event in events])
    else:
        _print_table(("when", "what", ""), [(event.at, describe(event), "undone" if event.undone else "") for event in events])


@gallery.command()
@click.argument("out", type=click.Path(path_type=Path))
@gallery_option
def export(out: Path, gallery_path: Path) -> None:
    """Write the gallery to OUT: a .csv (the table of sightings) or a .zip (everything, for `gallery import`)."""
    from reid_edge.gallery import Gallery
    from reid_edge.gallery.portable import export_gallery

    with Gallery.open(gallery_path, writable=False) as opened:
        _say(f"Wrote {_number(export_gallery(opened, out), 'sighting')} to {out}.")


@gallery.command("import")
@click.argument("archive", type=click.Path(path_type=Path))
@gallery_option
def import_archive(archive: Path, gallery_path: Path) -> None:
    """Add what the ARCHIVE (a .zip of `gallery export`) holds. A missing gallery is made; what contradicts it is kept as it is here."""
    from reid_edge.gallery import Gallery
    from reid_edge.gallery.portable import import_gallery

    with Gallery.open_or_create(gallery_path) as opened:
        report = import_gallery(opened, archive)
    for conflict in report.conflicts:
        click.echo(
            f"{printable(conflict.photo_name)}: {conflict.ours} here, {conflict.theirs} in {archive}; kept {conflict.ours}"
        )
    here = f"{report.present} were here already, {len(report.conflicts)} of them under another name"
    _say(f"Added {_number(report.added, 'sighting')}; {here}.")


@gallery.command()
@click.option("--repair", "repairing", is_flag=True, help="Put what can still be read of a damaged gallery into a new file.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@gallery_option
@click.pass_context
def check(context: click.Context, repairing: bool, yes: bool, gallery_path: Path) -> None:
    """Check that the gallery is whole; exits 4 where it is damaged.

    With --repair it is said first what a repair can do and what it cannot. The damaged file is kept under another name.
    """
    from reid_edge.errors import GalleryError
    from reid_edge.gallery import Gallery
    from reid_edge.gallery.check import Finding
    from reid_edge.gallery.check import check as find

    try:
        with Gallery.open(gallery_path, writable=False) as opened:
            findings = find(opened)
    except GalleryError as error:
        if not repairing or not gallery_path.is_file():
            raise
        findings = [Finding("damage", error.message, error.hint)]
    for finding in findings:
        click.echo(f"{finding.severity}: {printable(finding.what)} {finding.hint}")
    if not any(finding.severity == "damage" for finding in findings):
        _say(f"The gallery {gallery_path} is whole." + (" There is nothing to repair." if repairing else ""))
    elif repairing:
        _repair(gallery_path, yes)
    else:
        _say(f"To put what can be read into a new file: reid-edge gallery check --repair --gallery {gallery_path}")
        context.exit(_EXIT_DAMAGED)


def _repair(path: Path, yes: bool) -> None:
    from reid_edge.gallery.repair import Repair

    with Repair(path) as repair:
        for what, sentences in (("can", repair.salvage.can()), ("cannot", repair.salvage.cannot())):
            _say(f"A repair {what}:")
            for sentence in sentences:
                _say(f"  - {sentence[0].lower()}{sentence[1:]}")
        if not yes:
            click.confirm("Repair it now?", abort=True, err=True)
        kept = repair.finish()
    _say(f"{path} is whole again. The damaged file is kept as {kept}; delete it when nothing is missed.")


@gallery.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--last", type=click.IntRange(1, 10_000), default=3, show_default=True, help="Keep so many of the newest.")
@click.option("--hourly", type=click.IntRange(0, 10_000), default=24, show_default=True, help="And the newest of so many hours.")
@click.option("--daily", type=click.IntRange(0, 10_000), default=7, show_default=True, help="And the newest of so many days.")
@click.option("--weekly", type=click.IntRange(0, 10_000), default=8, show_default=True, help="And the newest of so many weeks.")
@gallery_option
def backup(folder: Path, last: int, hourly: int, daily: int, weekly: int, gallery_path: Path) -> None:
    """Make a checked copy of the gallery in FOLDER, also while it is in use, and drop older copies that are not to be kept.

    A gallery that did not change since its newest backup gets none. To go back to one, put its file in the gallery's place.
    """
    from reid_edge.gallery.backup import RetentionPolicy, back_up, backups

    made = back_up(gallery_path, folder, RetentionPolicy(last, hourly, daily, weekly))
    there = len(backups(folder, gallery_path.stem))
    if made is None:
        _say(f"Nothing changed since the newest of {_number(there, 'backup')} in {folder}.")
    else:
        _say(f"Made {made.path}, the newest of {_number(there, 'backup')}.")


def _individual_row(individual: Individual) -> tuple[str, ...]:
    viewpoints = ", ".join(individual.viewpoints)
    return individual.name, individual.species, str(individual.sightings), viewpoints, individual.last_seen


def _sighting_row(seen: Sighting) -> tuple[str, ...]:
    return str(seen.id), seen.photo_name, seen.viewpoint, seen.taken_at, seen.place, seen.encounter, seen.photo_path


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal, tab-separated lines elsewhere."""
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(map(printable, row)))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console().print(table)


def _print_json(objects: Sequence[object]) -> None:
    for one in objects:
        click.echo(json.dumps(one, ensure_ascii=False))


def printable(text: str) -> str:
    """Without control characters: a file's name must not steer the terminal."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) == "Cc" else character for character in text)


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _say(message: str) -> None:
    click.echo(printable(message), err=True)
