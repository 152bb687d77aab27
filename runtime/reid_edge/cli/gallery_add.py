"""`reid-edge gallery add`: enrol photos of known individuals."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reid_edge.cli.gallery import gallery, printable
from reid_edge.cli.options import device_options, gallery_option, pack_option
from reid_edge.cli.progress import progress

if TYPE_CHECKING:
    from reid_edge.identify.enrolment import EnrolmentResult

_SHOWN = 20


@gallery.command()
@click.argument("source", type=click.Path(path_type=Path, readable=False))
@click.option("--identity", help="Who the photo SOURCE shows (or all photos of the folder SOURCE).")
@click.option("--species", default="", help="Of photos whose source does not say.")
@click.option("--viewpoint", default="", help="The side shown, such as left, of photos whose source does not say.")
@click.option("--split", help="Only the rows of a metadata.csv with this split, such as database.")
@click.option("--fold", help="Only the rows of a metadata.csv with this fold.")
@gallery_option
@pack_option
@device_options
def add(
    source: Path,
    identity: str | None,
    species: str,
    viewpoint: str,
    split: str | None,
    fold: str | None,
    gallery_path: Path,
    pack_name: str,
    device: str,
    threads: int | None,
) -> int:
    """Enrol photos of known individuals.

    SOURCE is a folder with a sub-folder per individual, a metadata.csv (AnimalCLEF columns) or a folder that holds one, or with
    --identity a photo. A gallery that does not exist is made. Photos that are enrolled already are skipped, so a run that was stopped
    is continued by running it again. Exits 1 when some photos could not be read.
    """
    from reid_edge.gallery import Gallery
    from reid_edge.gallery.enrolment_list import read_source
    from reid_edge.identify.enrolment import enrol
    from reid_edge.identify.identifier import Identifier
    from reid_edge.pack import find_pack, open_pack

    enrolments = read_source(source, identity, species, viewpoint, split, fold)
    say_photos_to_convert(source)
    identifier = Identifier(open_pack(find_pack(pack_name)), device, threads)
    try:
        with Gallery.open_or_create(gallery_path) as opened, closing(progress(enrolments, "Enrolling")) as remaining:
            result = enrol(opened, identifier, remaining)
    except KeyboardInterrupt:
        _say("Stopped. The photos enrolled so far are kept; run the same command again to go on with the others.")
        raise
    _tell(result, gallery_path)
    return 1 if result.failed or result.conflicting else 0


def say_photos_to_convert(source: Path) -> None:
    """Say which photos of a folder are skipped because they have to be converted first."""
    from reid_edge.photo import list_photos_to_convert
    from reid_edge.photo.optional import INSTALL

    skipped = list_photos_to_convert(source) if source.is_dir() else []
    if skipped:
        which = "a HEIC or raw photo" if len(skipped) == 1 else f"{len(skipped)} HEIC or raw photos"
        _say(f"note: skipped {which} of {source}, such as {skipped[0].name}; save them as JPEG first, or run: {INSTALL}")


def _tell(result: EnrolmentResult, gallery_path: Path) -> None:
    for path, error in result.failed[:_SHOWN]:
        where = "" if str(path) in error.message else f" ({path})"
        _say(f"failed: {error.message} {error.hint}{where}")
    for path, given, there in result.conflicting[:_SHOWN]:
        _say(f"kept as {there}: {path} was given as {given}, but this very photo is enrolled as {there}.")
    for path in result.without_animal[:_SHOWN]:
        _say(f"note: no animal stands out in {path}; it is enrolled by the whole frame.")
    for path in result.not_turned[:_SHOWN]:
        _say(
            f"note: which side {path} shows is not known, so it is enrolled unturned; give --viewpoint or the column orientation."
        )
    for what in (result.failed, result.conflicting, result.without_animal, result.not_turned):
        if len(what) > _SHOWN:
            _say(f"... and {len(what) - _SHOWN} more like the last.")
    skipped = f", skipped {result.present} that were there already (the same file by its content)" if result.present else ""
    failed = f", {len(result.failed)} could not be read" if result.failed else ""
    _say(f"Enrolled {result.added} photo{'' if result.added == 1 else 's'} in {gallery_path}{skipped}{failed}.")


def _say(message: str) -> None:
    click.echo(printable(message), err=True)
