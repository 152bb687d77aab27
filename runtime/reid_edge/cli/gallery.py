"""`reid-edge gallery`: manage the catalogue of known individuals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from reid_edge.cli.options import gallery_option
from reid_edge.cli.printing import count_of, print_json, print_table, printable, say
from reid_edge.storage.address import Place, need_file

if TYPE_CHECKING:
    from reid_edge.gallery import Gallery, Individual, Sighting
    from reid_edge.gallery.capture_history import OccasionLength

_EXIT_DAMAGED = 4
_Function = TypeVar("_Function", bound=Callable[..., Any])


@click.group()
def gallery() -> None:
    """Create, fill, correct, back up and export the catalogue of known individuals."""


@gallery.command()
@gallery_option
def init(gallery_path: Place) -> None:
    """Create an empty gallery."""
    from reid_edge.gallery import Gallery

    Gallery.create(gallery_path).close()
    say(f"Created the gallery {gallery_path}. To fill it: reid-edge gallery add FOLDER --gallery {gallery_path}")


@gallery.command("list")
@gallery_option
@click.option("--species", help="Only individuals of this species.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def list_individuals(gallery_path: Place, species: str | None, as_json: bool) -> None:
    """List the individuals."""
    from dataclasses import asdict

    from reid_edge.gallery import Gallery

    with Gallery.open(gallery_path, writable=False) as opened:
        individuals = opened.individuals(species)
    if as_json:
        print_json([asdict(individual) for individual in individuals])
    else:
        print_table(("name", "species", "sightings", "viewpoints", "last seen"), [_individual_row(one) for one in individuals])
    if species and not individuals:
        say(f"The gallery has no individual of the species {species}.")
    elif not individuals:
        say("The gallery is empty. To fill it: reid-edge gallery add FOLDER.")


@gallery.command()
@click.argument("name")
@gallery_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: the individual and its sightings.")
def show(name: str, gallery_path: Place, as_json: bool) -> None:
    """Show the individual NAME and its sightings, with the numbers that `split` and `remove` take."""
    from dataclasses import asdict

    from reid_edge.gallery import Gallery

    with Gallery.open(gallery_path, writable=False) as opened:
        individual = opened.individual(name)
        sightings = opened.sightings(individual=name)
    if as_json:
        print_json([{**asdict(individual), "sightings": [asdict(sighting) for sighting in sightings]}])
        return
    print_table(
        ("sighting", "photo", "viewpoint", "taken", "place", "encounter", "path"), [_sighting_row(one) for one in sightings]
    )
    species = f", {individual.species}" if individual.species else ""
    say(f"{individual.name}: {count_of(individual.sightings, 'sighting')}{species}.")


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
        print_table(("when", "what", ""), [(event.at, describe(event), "undone" if event.undone else "") for event in events])


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


@gallery.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--capture-history",
    type=click.Choice(["day", "week", "month", "survey"]),
    help="Write the capture history, by occasions of this length, into the folder OUT: tables for secr, RMark and SPACECAP.",
)
@click.option("--species", help="Only this species, in a capture history.")
@click.option(
    "--surveys",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The surveys that are the occasions: a CSV table with the columns survey, start and end.",
)
@click.option(
    "--deployments",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Places and periods of the cameras: a deployments.csv of Camtrap DP.",
)
@gallery_option
def export(
    out: Path,
    capture_history: str | None,
    species: str | None,
    surveys: Path | None,
    deployments: Path | None,
    gallery_path: Place,
) -> None:
    """Export the gallery to OUT: a .csv (table of sightings), an .xlsx (with thumbnails) or a .zip (everything, for `gallery import`).

    With --capture-history OUT is a folder.
    """
    from reid_edge.errors import UsageError
    from reid_edge.gallery import Gallery
    from reid_edge.gallery.portable import export_gallery

    if capture_history is None and (species or surveys or deployments):
        raise UsageError("--species, --surveys and --deployments belong to --capture-history.", "Give that, or leave them out.")
    with Gallery.open(gallery_path, writable=False) as opened:
        if capture_history is None:
            say(f"Wrote {count_of(export_gallery(opened, out), 'sighting')} to {out}.")
        else:
            _export_capture_history(opened, out, capture_history, species, surveys, deployments)


@gallery.command("import")
@click.argument("archive", type=click.Path(path_type=Path))
@click.option(
    "--same-names", is_flag=True, help="Equal names are the same animal, also where the two sides share no photo of it."
)
@gallery_option
def import_archive(archive: Path, same_names: bool, gallery_path: Place) -> None:
    """Import an ARCHIVE, a .zip written by `gallery export`.

    A gallery that does not exist is created. Where the archive names another individual for a photo, the gallery keeps its own name.
    Where both have an individual of one name, they are the same animal if they share a photo; otherwise the archive's gets a new name.
    """
    from reid_edge.gallery import Gallery
    from reid_edge.gallery.portable import import_gallery

    with Gallery.open_or_create(gallery_path) as opened:
        report = import_gallery(opened, archive, same_names)
    for conflict in report.conflicts:
        click.echo(
            f"{printable(conflict.photo_name)}: {conflict.ours} in this gallery, {conflict.theirs} in {archive}; kept {conflict.ours}"
        )
    for shared in report.shared_names:
        theirs, ours = printable(shared.name), printable(shared.imported_as)
        why = {"same photos": "the same animal, by their photos", "same name": "taken as the same animal, by its name"}
        click.echo(
            f"{theirs}: on both sides; {why.get(shared.reason, f'no photo is shared, so that of {archive} is now {ours}')}"
        )
    if any(shared.reason == "new name" for shared in report.shared_names):
        say("If two of them are the same animal: reid-edge gallery merge NAME --into OTHER, or import again with --same-names.")
    if report.unidentified:
        say(f"Left out {count_of(report.unidentified, 'sighting')} of nobody known.")
    present = f"{report.present} were in the gallery already, {len(report.conflicts)} of them under another name"
    say(f"Added {count_of(report.added, 'sighting')}; {present}.")


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


def _export_capture_history(
    opened: Gallery, out: Path, length: str, species: str | None, surveys: Path | None, deployments: Path | None
) -> None:
    from reid_edge.errors import UsageError
    from reid_edge.gallery.capture_history import Camera, capture_history, day_of, read_surveys, write_capture_history
    from reid_edge.watch.outputs.deployments import read_deployments

    if (length == "survey") != (surveys is not None):
        raise UsageError("Occasions by survey need their days.", "Give --capture-history survey together with --surveys TABLE.")
    cameras = []
    for row in read_deployments(deployments) if deployments else ():
        cells = row.cells
        if cells.get("latitude") and cells.get("longitude"):
            days = day_of(cells.get("deploymentStart", "")), day_of(cells.get("deploymentEnd", ""))
            name = cells.get("cameraID") or cells["deploymentID"]
            cameras.append(Camera(name, float(cells["latitude"]), float(cells["longitude"]), *days))
    occasions = read_surveys(surveys) if surveys else ()
    history = capture_history(opened, cast("OccasionLength", length), species, occasions, cameras)
    files = write_capture_history(history, out)
    size = f"{count_of(len(history.individuals), 'individual')} by {count_of(len(history.occasions), 'occasion')}"
    say(f"Wrote {size} to {out}: {', '.join(files)}.")
    if history.undated:
        say(f"note: left out {count_of(history.undated, 'sighting')} without a time, or in no survey.")
    if not history.cameras:
        say("note: the files for secr and SPACECAP are missing: no camera has a place. Give --deployments.")


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


def _individual_row(individual: Individual) -> tuple[str, ...]:
    viewpoints = ", ".join(individual.viewpoints)
    return individual.name, individual.species, str(individual.sightings), viewpoints, individual.last_seen


def _sighting_row(seen: Sighting) -> tuple[str, ...]:
    return str(seen.id), seen.photo_name, seen.viewpoint, seen.taken_at, seen.place, seen.encounter, seen.photo_path
