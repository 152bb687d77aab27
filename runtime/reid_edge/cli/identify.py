"""``reid-edge identify``: answers for photos, videos or folders, as text, JSON Lines or CSV, with an optional report."""

from __future__ import annotations

import os
import sys
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reid_edge.cli.describing import describe_missing
from reid_edge.cli.options import (
    animal_option,
    device_options,
    gallery_option,
    max_speed_option,
    pack_option,
    random_option,
    time_from_name_option,
    video_option,
)
from reid_edge.cli.printing import say
from reid_edge.cli.progress import log_progress, progress
from reid_edge.errors import PhotoError, StorageError, UsageError
from reid_edge.storage.address import Place

if TYPE_CHECKING:
    from reid_edge.cli.truth import Truth
    from reid_edge.identify.session import Session


@click.command(short_help="Say which individual each photo shows.")
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False))
@gallery_option
@pack_option
@random_option
@device_options
@click.option("--species", default="", help="Compare with this species only, as the gallery spells it.")
@click.option("--viewpoint", default="", help="The side that the photos show, such as left: compare with the same side only.")
@animal_option("Answer only for this animal of each photo: 1 is the largest.")
@click.option("--top", type=click.IntRange(1, 1000), default=5, show_default=True, help="Identities in the ranking.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON object per animal and line (docs/decision.schema.json); one of docs/unreadable.schema.json for a file without answer.",
)
@click.option("--csv", "as_csv", is_flag=True, help="One CSV row per animal.")
@click.option(
    "--explain", type=click.Path(path_type=Path, dir_okay=False), help="Write a report with the evidence: one HTML file."
)
@click.option(
    "--truth",
    type=click.Path(path_type=Path, readable=False),
    help="Who is on the photos: a metadata.csv, or a folder per individual. Prints beside each answer whether it is right, and a summary.",
)
@time_from_name_option
@video_option
@max_speed_option("as calibrated")
@click.option("--timings", is_flag=True, help="Print how long each stage took.")
def identify(
    photos: tuple[Path, ...],
    gallery_path: Place,
    pack_name: str,
    allow_random: bool,
    device: str,
    threads: int | None,
    species: str,
    viewpoint: str,
    animal: int | None,
    top: int,
    as_json: bool,
    as_csv: bool,
    explain: Path | None,
    truth: Path | None,
    time_from_name: str | None,
    video_seconds: float,
    max_speed: float | None,
    timings: bool,
) -> int:
    """Say which individual each photo or video (or each of a folder) shows.

    In a video each animal is followed, and gets one answer. An unknown individual is an answer, not a failure: the exit code is 0 when
    every file was answered, 1 when some could not be read.
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other.", "Give one of them.")
    if as_json and truth:
        raise UsageError("--json has no place for the truth.", "Leave --truth out, or give --csv.")
    from reid_edge.cli.answers import answers_for
    from reid_edge.describe.query import Query
    from reid_edge.identify.video import EmptyVideoError, VideoOptions
    from reid_edge.name_time import NameTime
    from reid_edge.report import Report

    if explain and not (explain.parent.is_dir() and os.access(explain.parent, os.W_OK)):
        raise StorageError(
            f"The report {explain} cannot be written: its folder is missing or read-only.", "Choose another place."
        )
    paths = photo_files(photos, with_videos=True)
    video = VideoOptions(video_seconds, with_pictures=explain is not None, watch=log_progress)
    query = Query(species, viewpoint, top=top, with_evidence=explain is not None, animal=animal, max_speed=max_speed)
    name_time = NameTime(time_from_name) if time_from_name else None
    style = "json" if as_json else "csv" if as_csv else "text"
    failed = 0
    with _open(gallery_path, pack_name, device, threads, allow_random) as session:
        session.name_time = name_time
        session.candidates.check_species(species)
        session.candidates.check_viewpoint(viewpoint)
        answers = answers_for(style, timings, _truth(truth, session) if truth else None)
        report = Report(session.gallery) if explain else None
        # On a terminal the answers themselves show how far it is.
        with (
            nullcontext(paths) if sys.stdout.isatty() else closing(progress(paths, "Identifying")) as remaining,
            closing(session.identify_each(remaining, query, video)) as answered,
        ):
            for path, answer in answered:
                if isinstance(answer, EmptyVideoError):
                    say(answer.message)
                    continue
                if isinstance(answer, PhotoError):
                    answers.failure(path, answer)
                    failed += 1
                    continue
                photo, decisions = answer
                for decision in decisions:
                    answers.answer(decision)
                if report is not None:
                    report.add(photo, decisions)
        answers.end()
        if report is not None and explain is not None:
            report.write(explain)
            click.echo(f"The evidence is in {explain}.", err=True)
    if failed:
        click.echo(f"{failed} of {len(paths)} photos could not be answered; see above.", err=True)
    return 1 if failed else 0


def _truth(source: Path, session: Session) -> Truth:
    from reid_edge.cli.truth import Truth

    return Truth(source, {sighting.identity for sighting in session.gallery.sightings()})


def _open(gallery_path: Place, pack_name: str, device: str, threads: int | None, allow_random: bool) -> Session:
    """Open the gallery and the pack; gallery photos that another pack described are described anew first."""
    from reid_edge.identify.session import Session

    session = Session.open(gallery_path, pack_name, device, threads, allow_random)
    _ = session.identifier.calibration  # a pack that is not calibrated is refused before any photo is described
    return describe_missing(session, gallery_path, pack_name)


def photo_files(arguments: tuple[Path, ...], with_videos: bool = False) -> list[Path]:
    """The photos that the arguments name; a folder stands for the photos, and with `with_videos` the videos, in it.

    Raises:
        UsageError: a folder without photos.
    """
    from reid_edge.cli.gallery_add import say_photos_to_convert
    from reid_edge.photo import list_photos, list_videos

    paths: list[Path] = []
    for argument in arguments:
        if os.path.isdir(argument):  # noqa: PTH112 (Path.is_dir raises where a folder on the way may not be entered)
            found = sorted([*list_photos(argument), *(list_videos(argument) if with_videos else ())])
            say_photos_to_convert(argument)
            if not found:
                raise UsageError(f"{argument} holds no photos.", "Give a folder with JPEG, PNG, TIFF, BMP or WebP files.")
            paths += found
        else:
            paths.append(argument)
    return paths
