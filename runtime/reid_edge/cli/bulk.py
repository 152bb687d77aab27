"""``reid-edge bulk``: describe, identify or audit many photos by many workers, on this machine or a Ray cluster."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reid_edge.cli.bulk_options import Workers, results_option, retry_option, sources_argument, worker_options
from reid_edge.cli.bulk_report import go_through, note_undescribed, work_and_report
from reid_edge.cli.gallery_audit import finding_options, print_report
from reid_edge.cli.options import gallery_option, pack_option, random_option
from reid_edge.cli.printing import count_of, say
from reid_edge.errors import UsageError
from reid_edge.storage.address import Place

if TYPE_CHECKING:
    from reid_edge.bulk.describe_results import Value
    from reid_edge.bulk.opening import BulkPack
    from reid_edge.gallery.enrolment_list import Enrolment


@click.group(short_help="Describe, identify or audit many photos by many workers, on Ray.")
def bulk() -> None:
    """Describe, identify or audit many photos by many workers, on this machine or a Ray cluster.

    Photos, packs and a gallery that is a file have to be at the same path on every machine; a gallery on a server is reached from each.
    Whatever is stopped, a run or a worker, no photo is lost and none is done twice: to continue, run the same command again.
    """


@bulk.command(short_help="Enrol or describe many photos.")
@sources_argument
@click.option("--unnamed", is_flag=True, help="The photos show nobody known: describe all their animals into the results alone.")
@click.option("--species", default="", help="Species of the photos for which SOURCE gives none.")
@click.option("--viewpoint", default="", help="Side shown (such as left) by the photos for which SOURCE gives none.")
@click.option("--split", help="Only the rows of a table with this split.")
@click.option("--fold", help="Only the rows of a table with this fold.")
@retry_option
@results_option("bulk-describe")
@gallery_option
@pack_option
@random_option
@worker_options
def describe(
    sources: tuple[Path, ...],
    unnamed: bool,
    species: str,
    viewpoint: str,
    split: str | None,
    fold: str | None,
    retry_failed: bool,
    results: Path,
    gallery_path: Place,
    pack_name: str,
    allow_random: bool,
    workers: Workers,
) -> int:
    """Enrol many photos of known individuals, as `gallery add` does, and write what was found of each to the results.

    SOURCE is a folder with one sub-folder per individual; or a table, CSV or Parquet, with the columns path and identity (AnimalCLEF
    columns), or a folder with a metadata.csv. Without a SOURCE, the photos of the gallery that the pack has not described yet are
    described. Exits 1 if some photos could not be read or are enrolled as another individual.
    """
    from reid_edge.bulk.describe import DescribeRun, to_describe, with_species
    from reid_edge.bulk.ray_pool import RayPool
    from reid_edge.gallery import Gallery
    from reid_edge.identify.enrolment import check_names

    enrolments = _enrolments(sources, unnamed, (species, viewpoint, split, fold))
    pack = _pack(pack_name, workers, allow_random)
    with Gallery.open_or_create(gallery_path) if sources else Gallery.open(gallery_path) as opened:
        values: Sequence[Value] = opened.sightings_without(pack.feature_key)
        if sources:
            check_names(opened, None, enrolments)
            values = to_describe(enrolments if unnamed else with_species(opened, enrolments))
        with DescribeRun(opened, pack, results, values, retry_failed) as run:
            # In their order, as `gallery add`: of two photos that contradict each other the first one counts.
            return work_and_report(run, lambda: RayPool(workers.ray_options(in_order=True)), workers.batch, "Describing")


@bulk.command(short_help="Identify the animals of many photos.")
@sources_argument
@click.option("--species", default="", help="Compare with this species only, as the gallery spells it.")
@click.option("--viewpoint", default="", help="The side that the photos show, such as left: compare with the same side only.")
@click.option("--top", type=click.IntRange(1, 1000), default=5, show_default=True, help="Identities in the ranking.")
@click.option("--json", "as_json", is_flag=True, help="At the end print all answers of the results, as identify --json does.")
@retry_option
@results_option("bulk-identify")
@gallery_option
@pack_option
@random_option
@worker_options
def identify(
    sources: tuple[Path, ...],
    species: str,
    viewpoint: str,
    top: int,
    as_json: bool,
    retry_failed: bool,
    results: Path,
    gallery_path: Place,
    pack_name: str,
    allow_random: bool,
    workers: Workers,
) -> int:
    """Say which individual each photo or video shows, and write the answers to the results. The gallery is not changed.

    SOURCE is a folder of photos, a photo, or a table, CSV or Parquet, with the column path. Exits 1 if some could not be read.
    """
    from reid_edge.bulk.identify import IdentifyRun
    from reid_edge.bulk.ray_pool import RayPool
    from reid_edge.bulk.source import source_paths
    from reid_edge.compare.candidates import GalleryCandidates
    from reid_edge.describe.query import Query
    from reid_edge.gallery import Gallery

    if not sources:
        raise UsageError("There is no SOURCE.", "Give a folder of photos, or a table with a column path.")
    paths = list(dict.fromkeys(path.absolute() for path in source_paths(sources, with_videos=True)))
    pack = _pack(pack_name, workers, allow_random)
    with Gallery.open(gallery_path, writable=False) as opened:
        candidates = GalleryCandidates(opened, pack.feature_key)
        candidates.check_species(species)
        candidates.check_viewpoint(viewpoint)
        note_undescribed(opened, pack, gallery_path)
        run = IdentifyRun(opened, pack, results, paths, Query(species, viewpoint, top=top), retry_failed)
        with run:
            code = work_and_report(run, lambda: RayPool(workers.ray_options()), workers.batch, "Identifying")
            if as_json:
                for answer in run.answers():
                    click.echo(answer)
    return code


@bulk.command(short_help="Audit a large gallery.")
@results_option("bulk-audit")
@gallery_option
@pack_option
@finding_options
@worker_options
def audit(
    results: Path,
    gallery_path: Place,
    pack_name: str,
    species: str,
    top: int,
    min_probability: float,
    as_json: bool,
    as_csv: bool,
    workers: Workers,
) -> None:
    """Compare a large catalogue with itself, and print what `gallery audit` prints.

    All scored pairs and all findings also go to pairs.parquet and findings.parquet of the results. What was compared is kept in the
    gallery's cache, where `gallery audit` finds it.
    """
    from reid_edge.audit import Audit
    from reid_edge.bulk.audit import CompareRecipe, compare_in_bulk, write_audit
    from reid_edge.bulk.ray_pool import RayPool
    from reid_edge.compare.candidates import GalleryCandidates
    from reid_edge.gallery import Gallery
    from reid_edge.identify.identifier import Identifier
    from reid_edge.storage.address import absolute_place

    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other.", "Give one of them.")
    pack = _pack(pack_name, workers, False)
    with Gallery.open(gallery_path, writable=False) as opened:
        GalleryCandidates(opened, pack.feature_key).check_species(species)
        note_undescribed(opened, pack, gallery_path)
        auditor = Audit(opened, Identifier(pack.pack, "cpu"), species)
        if auditor.compared:
            say(f"Compared before: {count_of(auditor.compared, 'photo')}.")
        if auditor.remaining:
            recipe = CompareRecipe(absolute_place(gallery_path), opened.revision(), pack.workers)
            with redirect_stdout(sys.stderr), RayPool(workers.ray_options(in_order=True)) as pool:
                go_through(compare_in_bulk(auditor, recipe, pool, workers.batch), "Comparing", len(auditor.remaining))
        report = auditor.report(min_probability)
        write_audit(results, auditor, report)
    print_report(report, top, "json" if as_json else "csv" if as_csv else "text")


def _enrolments(sources: tuple[Path, ...], unnamed: bool, options: tuple[str, str, str | None, str | None]) -> list[Enrolment]:
    from reid_edge.bulk.source import source_paths
    from reid_edge.cli.gallery_add import say_photos_to_convert
    from reid_edge.gallery.enrolment_list import Enrolment, read_enrolments

    species, viewpoint, split, fold = options
    for source in sources:
        say_photos_to_convert(source)
    if unnamed:
        if not sources:
            raise UsageError("--unnamed needs a SOURCE.", "The photos of a gallery have names.")
        paths = dict.fromkeys(path.absolute() for path in source_paths(sources))
        return [Enrolment(path, "", species, viewpoint) for path in paths]
    found = []
    left_out: Counter[str] = Counter()
    for source in sources:
        listed = read_enrolments(source, None, species, viewpoint, split, fold)
        found += [replace(each, path=each.path.absolute()) for each in listed.enrolments]
        left_out.update(listed.unidentified)
    if left_out:
        say(f"note: {count_of(sum(left_out.values()), 'photo')} of nobody known left out; --unnamed describes such photos.")
    return found


def _pack(name: str, workers: Workers, allow_random: bool) -> BulkPack:
    from reid_edge.bulk.opening import BulkPack

    return BulkPack(name, workers.device, workers.cpus, allow_random)
