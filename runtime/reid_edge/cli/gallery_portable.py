"""`reid-edge gallery export` and `import`: the catalogue as a table, an archive or a capture history."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from reid_edge.cli.gallery import gallery
from reid_edge.cli.options import gallery_option
from reid_edge.cli.printing import count_of, printable, say
from reid_edge.storage.address import Place

if TYPE_CHECKING:
    from reid_edge.gallery import Gallery
    from reid_edge.gallery.capture_history import OccasionLength


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
