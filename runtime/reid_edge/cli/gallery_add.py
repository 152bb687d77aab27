"""`reid-edge gallery add`: enrol photos of known individuals."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reid_edge.cli.gallery import gallery
from reid_edge.cli.options import animal_option, device_options, gallery_option, pack_option, random_option, time_from_name_option
from reid_edge.cli.printing import count_of, say
from reid_edge.cli.progress import progress
from reid_edge.errors import UsageError
from reid_edge.installation import install_command
from reid_edge.storage.address import Place

if TYPE_CHECKING:
    from reid_edge.identify.enrolment import EnrolmentResult

_SHOWN = 20


@gallery.command()
@click.argument("source", type=click.Path(path_type=Path, readable=False))
@click.option("--identity", help="The individual that the photo SOURCE (or every photo of the folder SOURCE) shows.")
@click.option("--new", is_flag=True, help="The individual --identity is new, although its name is near that of another one.")
@animal_option("The animal of each photo to enrol: 1 is the largest.  [default: 1]")
@click.option(
    "--species",
    default="",
    help="Species of the photos for which SOURCE gives none.  [default: that of the individual, else the only one of the gallery]",
)
@click.option("--viewpoint", default="", help="Side shown (such as left) by the photos for which SOURCE gives none.")
@click.option("--split", help="Enrol only the rows of a metadata.csv with this split, such as database.")
@click.option("--fold", help="Enrol only the rows of a metadata.csv with this fold.")
@time_from_name_option
@gallery_option
@pack_option
@random_option
@device_options
def add(
    source: Path,
    identity: str | None,
    new: bool,
    animal: int | None,
    species: str,
    viewpoint: str,
    split: str | None,
    fold: str | None,
    time_from_name: str | None,
    gallery_path: Place,
    pack_name: str,
    allow_random: bool,
    device: str,
    threads: int | None,
) -> int:
    """Enrol photos of known individuals.

    SOURCE is a folder with one sub-folder per individual; a metadata.csv (AnimalCLEF columns) or a folder with one; or, with --identity,
    a photo or a folder of photos. Photos of nobody known (unknown, NA, ?) are left out. A gallery that does not exist is created. Photos
    that are enrolled already are skipped: to continue a stopped run, run the same command again. Exits 1 if some photos could not be
    read.
    """
    from reid_edge.gallery import Gallery
    from reid_edge.gallery.enrolment_list import read_enrolments
    from reid_edge.identify.enrolment import check_names, enrol, species_notes
    from reid_edge.identify.identifier import Identifier
    from reid_edge.name_time import NameTime
    from reid_edge.pack import find_pack, open_pack
    from reid_edge.photo.noted_time import noted_time

    listed = read_enrolments(source, identity, species, viewpoint, split, fold)
    enrolments = [replace(each, animal=each.animal or animal) for each in listed.enrolments]
    if new and identity is None:
        raise UsageError("--new is about --identity, which is not given.", "Leave --new out.")
    if listed.unused_columns:
        say(f"note: not used of {source}: the column{'s' * (len(listed.unused_columns) > 1)} {', '.join(listed.unused_columns)}.")
    if time_from_name:
        pattern = NameTime(time_from_name)
        enrolments = [replace(each, taken_at=each.taken_at or noted_time(each.path, None, pattern) or "") for each in enrolments]
    say_photos_to_convert(source)
    identifier = Identifier(open_pack(find_pack(pack_name), allow_random), device, threads)
    try:
        with Gallery.open_or_create(gallery_path) as opened:
            check_names(opened, identity, enrolments, new)
            _note_doubts(opened.names(), {each.identity for each in enrolments})
            for note in species_notes(opened, enrolments):
                say(f"note: {note}")
            with closing(progress(enrolments, "Enrolling")) as remaining:
                result = enrol(opened, identifier, remaining)
    except KeyboardInterrupt:
        say("Stopped. The photos enrolled so far are kept; to continue, run the same command again.")
        raise
    result.unidentified.update(listed.unidentified)
    _report(result, gallery_path)
    return 1 if result.failed or result.conflicting else 0


def say_photos_to_convert(source: Path) -> None:
    """Report the photos of a folder that are skipped because they have to be converted first."""
    from reid_edge.photo import list_photos_to_convert

    skipped = list_photos_to_convert(source) if source.is_dir() else []
    if skipped:
        which = "a HEIC or raw photo" if len(skipped) == 1 else f"{len(skipped)} HEIC or raw photos"
        say(
            f"note: skipped {which} of {source}, such as {skipped[0].name}; save them as JPEG first, or run: {install_command('formats')}"
        )


def _note_doubts(held: Sequence[str], given: Collection[str]) -> None:
    """Names that differ from another one only by accents or punctuation are enrolled as they are, with a note."""
    from reid_edge.gallery.names import same_but_for_accents

    doubts = [(name, same_but_for_accents(name, {*held, *given} - {name})) for name in sorted(given)]
    doubts = [(name, others) for name, others in doubts if others and name not in held]
    for name, others in doubts[:_SHOWN]:
        say(f"note: {name} and {', '.join(sorted(others))} are different individuals; if not: reid-edge gallery merge.")


def _report(result: EnrolmentResult, gallery_path: Place) -> None:
    for path, error in result.failed[:_SHOWN]:
        where = "" if str(path) in error.message else f" ({path})"
        say(f"failed: {error.message} {error.hint}{where}")
    for path, given, enrolled in result.conflicting[:_SHOWN]:
        say(f"kept as {enrolled}: {path} was given as {given}, but the same photo is already enrolled as {enrolled}.")
    for path in result.without_animal[:_SHOWN]:
        say(f"note: no animal was found in {path}; the whole frame is enrolled.")
    for path in result.not_turned[:_SHOWN]:
        say(
            f"note: the viewpoint of {path} is not known, so the photo was not rotated; give --viewpoint or the column orientation."
        )
    for path, species in result.unclear_species[:_SHOWN]:
        say(f"note: {path} was enrolled without a species: it may be {' or '.join(species)}; give --species.")
    for given, stored in list(result.respelled.items())[:_SHOWN]:
        say(f"note: {given} is {stored}, as the gallery spells it.")
    for species_name, number in result.inherited_species.items():
        say(f"note: {count_of(number, 'photo')} without a species got the one of the gallery: {species_name}.")
    for what in (result.failed, result.conflicting, result.without_animal, result.not_turned, result.unclear_species):
        if len(what) > _SHOWN:
            say(f"... and {len(what) - _SHOWN} more like the last.")
    if result.relinked:
        say(f"Found {count_of(len(result.relinked), 'photo')} of the gallery again, which had moved.")
    if result.unidentified:
        words = ", ".join(name or "an empty cell" for name in result.unidentified)
        say(f"Left out {count_of(sum(result.unidentified.values()), 'photo')} of nobody known ({words}).")
    skipped = f", skipped {result.present} that were enrolled already (files with the same content)" if result.present else ""
    failed = f", {len(result.failed)} could not be read" if result.failed else ""
    say(f"Enrolled {count_of(result.added, 'photo')} in {gallery_path}{skipped}{failed}.")
