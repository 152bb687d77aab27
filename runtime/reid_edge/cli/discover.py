"""``reid-edge discover``: group photos of animals that nobody has named, print the groups, and enrol them where asked to."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reid_edge.cli.describing import describe_missing
from reid_edge.cli.discover_sources import files_to_group
from reid_edge.cli.options import GalleryPlace, device_options, max_speed_option, pack_option, time_from_name_option, video_option
from reid_edge.cli.printing import count_of, print_json, printable, say
from reid_edge.cli.progress import log_progress, progress
from reid_edge.errors import UsageError
from reid_edge.storage.address import Place

if TYPE_CHECKING:
    from reid_edge.discover import Discovery, DiscoveryReport
    from reid_edge.discover.collecting import Collected
    from reid_edge.discover.constraints import Seen
    from reid_edge.discover.report import Pair
    from reid_edge.gallery import Gallery
    from reid_edge.gallery.time_place import TimePlaceModel
    from reid_edge.identify.identifier import Identifier

_PATH = click.Path(path_type=Path, dir_okay=False)
_SHOWN = 10


@click.command(short_help="Group photos of unknown animals by individual.")
@click.argument("source", nargs=-1, type=click.Path(path_type=Path, readable=False))
@click.option(
    "--watched",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The output folder of a watch: the photos of animals that are new or uncertain and not enrolled. It may be a SOURCE, too.",
)
@click.option(
    "--gallery",
    "gallery_path",
    type=GalleryPlace(),
    envvar="REID_EDGE_GALLERY",
    show_envvar=True,
    help="A catalogue whose individuals keep their names. With --apply: where groups are enrolled.",
)
@click.option(
    "--work",
    type=_PATH,
    default=Path("discovery.sqlite"),
    show_default=True,
    help="The working file, which keeps what is described and compared.",
)
@pack_option
@device_options
@click.option("--species", default="", help="The species of all animals.")
@click.option("--viewpoint", default="", help="The side that all photos show, such as left.")
@time_from_name_option
@video_option
@max_speed_option("as calibrated, else 30")
@click.option(
    "--answers",
    type=_PATH,
    help="What a person said of pairs: a CSV file with first, second, answer (same, different or unsure).",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object (docs/discovery.schema.json).")
@click.option("--csv", "as_csv", is_flag=True, help="One CSV row per animal.")
@click.option("--curve", is_flag=True, help="The discovery curve, as CSV: animals and new individuals by day.")
@click.option("--html", "html_path", type=_PATH, help="Write the groups with pictures to this page: one HTML file.")
@click.option(
    "--apply",
    "confidence",
    type=click.FloatRange(0, 1),
    metavar="PROBABILITY",
    help="Enrol the groups of this probability or more into the gallery.",
)
@click.option("--prefix", default="Animal", show_default=True, help="With --apply: names of new individuals, before a number.")
def discover(
    source: tuple[Path, ...],
    watched: Path | None,
    gallery_path: Place | None,
    work: Path,
    pack_name: str,
    device: str,
    threads: int | None,
    species: str,
    viewpoint: str,
    time_from_name: str | None,
    video_seconds: float,
    max_speed: float | None,
    answers: Path | None,
    as_json: bool,
    as_csv: bool,
    curve: bool,
    html_path: Path | None,
    confidence: float | None,
    prefix: str,
) -> int:
    """Group photos and videos (or all of a folder) by individual, without a catalogue or beside one.

    The output folder of a watch stands for its animals that wait for a person. With --gallery and no SOURCE, the animals are grouped that
    a person looked at and did not decide.

    Prints groups with the probability that each is one animal, the photos that are alone and why, and the pairs that a person should look
    at first. Nothing is enrolled without --apply. To continue a stopped run, run the same command again. The exit code is 1 when some
    photos could not be read.
    """
    if as_json + as_csv + curve > 1:
        raise UsageError("--json, --csv and --curve exclude each other.", "Give one of them.")
    if confidence is not None and gallery_path is None:
        raise UsageError("--apply needs a gallery to enrol into.", "Add --gallery; a new file is made where there is none.")
    from reid_edge.discover import Discovery
    from reid_edge.discover.collecting import PhotoFacts, collect, collected_sightings
    from reid_edge.discover.constraints import read_answers, stored_answers
    from reid_edge.discover.run_record import RunRecord
    from reid_edge.gallery import Gallery
    from reid_edge.identify.identifier import Identifier
    from reid_edge.identify.video import VideoOptions
    from reid_edge.name_time import NameTime
    from reid_edge.pack import find_pack, open_pack

    paths = files_to_group(source, watched, gallery_path)
    facts = PhotoFacts(species, viewpoint, NameTime(time_from_name) if time_from_name else None)
    identifier = Identifier(open_pack(find_pack(pack_name)), device, threads)
    with ExitStack() as stack:
        known = _known(gallery_path, pack_name, identifier, stack)
        file = stack.enter_context(Gallery.open_or_create(work))
        remaining = stack.enter_context(closing(progress(paths, "Describing")))
        collected = collect(remaining, file, identifier, facts, VideoOptions(video_seconds, watch=log_progress))
        for path, error in collected.failed:
            say(f"{path}: {error.message}")
        sightings = collected_sightings(file, collected, facts)
        if collected.failed and not sightings:
            raise UsageError(
                "No file could be read, so nothing was grouped.", f"What {work} holds of earlier runs stays as it is."
            )
        discovery = Discovery.of(file, sightings, identifier, known)
        _compare(discovery)
        time_place = _time_place(identifier, species, max_speed)
        said = [*stored_answers(file), *(read_answers(answers, discovery.seen) if answers else [])]
        report = discovery.report(said, time_place, _notes(collected))
        _print(report, as_json, as_csv, curve)
        if html_path:
            from reid_edge.discover.page import write_page

            write_page(html_path, report, file, known)
            say(f"The groups with pictures are in {html_path}.")
        RunRecord.of(discovery, pack_name, time_place, gallery_path).write(work)
        if report.individuals and confidence is None:
            say(f"To look at pairs and to name groups: reid-edge review --discovery {work}")
        if confidence is not None and gallery_path is not None:
            _apply(report, file, gallery_path, identifier.feature_key, confidence, prefix)
    return 1 if collected.failed else 0


def _time_place(identifier: Identifier, species: str, max_speed: float | None) -> TimePlaceModel:
    """By the pack's calibration where that says something; what is stated counts more."""
    from reid_edge.discover.discovery import BY_SPEED
    from reid_edge.errors import PackError

    with suppress(PackError):  # discovery needs no calibration
        fitted = identifier.calibration.entry(species)[0].time_place
        if fitted is not None:
            return fitted if max_speed is None else replace(fitted, max_speed=max_speed)
    return BY_SPEED if max_speed is None else replace(BY_SPEED, max_speed=max_speed)


def _known(path: Place | None, pack_name: str, identifier: Identifier, stack: ExitStack) -> Gallery | None:
    """The catalogue, described with this pack; None where there is none yet."""
    from reid_edge.gallery import Gallery
    from reid_edge.identify.session import Session

    if path is None or not Gallery.exists(path):
        return None

    session = describe_missing(Session(Gallery.open(path, writable=False), identifier), path, pack_name)
    return stack.enter_context(session).gallery


def _notes(collected: Collected) -> list[str]:
    copies, videos = len(collected.copies), collected.videos.values()
    empty, merged = sum(not each.sightings for each in videos), sum(each.merged for each in videos)
    notes = {
        f"{count_of(copies, 'file')} with the same bytes as another one took no part.": copies,
        f"No animal stands out in {count_of(empty, 'video')}.": empty,
        f"Left out {count_of(merged, 'track')} of videos in which two animals met and could not be told apart.": merged,
    }
    return [note for note, count in notes.items() if count]


def _compare(discovery: Discovery) -> None:
    remaining = discovery.remaining
    compared = len(discovery.seen) - len(remaining)
    if compared and remaining:
        say(f"Continuing: {count_of(compared, 'animal')} of {len(discovery.seen)} were compared before.")
    if not discovery.kept:
        say("note: the cache beside the working file cannot be written, so a stopped run has to compare again.")
    with closing(discovery.compare(remaining)) as compared_now:
        for _ in progress(compared_now, "Comparing", len(remaining)):
            pass


def _apply(report: DiscoveryReport, work: Gallery, path: Place, feature_key: str, confidence: float, prefix: str) -> None:
    from reid_edge.decide.wording import in_percent
    from reid_edge.discover.applying import apply_groups
    from reid_edge.gallery import Gallery

    with Gallery.open_or_create(path) as gallery:
        applied = apply_groups(report, work, gallery, feature_key, confidence, prefix)
    doubtful = {each.name: each.probability for each in report.groups if each.probability < 0.5}
    for group, name in applied.names.items():
        if group in doubtful:
            say(f"note: {group} is one animal by {in_percent(doubtful[group])} only: more likely its photos show several.")
        say(f"Enrolled {group} as {name}." if group != name else f"Added photos to {name}.")
    say(f"Enrolled {count_of(applied.sightings, 'sighting')} of {count_of(len(applied.names), 'group')}.")
    if applied.sightings:
        say(f"To take all of it back: reid-edge gallery undo --gallery {path}.")


def _print(report: DiscoveryReport, as_json: bool, as_csv: bool, curve: bool) -> None:
    from reid_edge.discover.report import COLUMNS, csv_rows

    if as_json:
        print_json([report.as_json()])
    elif as_csv:
        _print_csv(COLUMNS, csv_rows(report))
    elif curve:
        columns = ("date", "photos", "individuals", "new", "total", "total_low", "total_high")
        _print_csv(columns, [[str(getattr(each, column)) for column in columns] for each in report.occasions])
    else:
        _print_text(report)
    for note in report.notes:
        say(f"note: {note}")
    say(f"Found {report.found_in_words}; {report.individuals_in_words}.")


def _print_text(report: DiscoveryReport) -> None:
    from reid_edge.decide.wording import in_percent
    from reid_edge.discover.page import headline
    from reid_edge.discover.report import WHY_ALONE

    for group in report.groups:
        click.echo(click.style(printable(headline(group)), bold=True))
        for seen in group.members:
            click.echo(f"  {_photo(seen)}")
        if group.ties:
            weakest = group.ties[-1]
            click.echo(f"  held together by {_pair(group.ties[0])}; at its weakest by {_pair(weakest)}")
        click.echo()
    for alone in report.alone:
        nearest = f"; nearest: {_pair(alone.nearest)}" if alone.nearest else ""
        click.echo(f"{alone.name}: {_photo(alone.seen)}: {WHY_ALONE[alone.why]}{nearest}")
    if report.questions:
        click.echo(click.style("\nPairs to look at first:", bold=True))
    for question in report.questions[:_SHOWN]:
        whom = printable(" and ".join(question.groups))
        click.echo(f"  {_pair(question.pair)} ({whom}: one animal {in_percent(question.probability)})")


def _pair(pair: Pair) -> str:
    remark = f", {pair.remark}" if pair.remark else ""
    return f"{_photo(pair.first)} and {_photo(pair.second)}{remark}"


def _photo(seen: Seen) -> str:
    animal = f", animal {seen.sighting.animal_index + 1}" if seen.sighting.animal_index else ""
    return printable(f"{seen.sighting.photo_name}{animal}")


def _print_csv(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    click.echo(text.getvalue(), nl=False)
