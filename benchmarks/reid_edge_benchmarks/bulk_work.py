"""``reid-edge bench bulk``: photos described by workers on Ray beside one process, and what is lost where workers are killed."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from reid_edge.cli.options import pack_option
from reid_edge.cli.progress import progress
from reid_edge.errors import UsageError
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.markdown import markdown_table
from reid_edge_benchmarks.enrolment import measure_enrolment, photos_of
from reid_edge_benchmarks.machine import Descendants
from reid_edge_benchmarks.options import AT_LEAST_ONE, PATH, json_option, keep_option, photos_option
from reid_edge_benchmarks.rendered_photos import render_photos
from reid_edge_benchmarks.results import ResultFile, kept_folder

_WORKER = "ray::MapWorker"
_LOOK_EVERY = 10  # photos


@dataclass(frozen=True)
class Described:
    """What describing the photos took.

    Attributes:
        seconds: of all, from the start of Ray or from the loading of the pack.
        photos_per_second: after the first photo was done, so that no start counts.
    """

    who: str
    seconds: float
    photos_per_second: float


@dataclass(frozen=True)
class Kills:
    """What became of the photos where workers were killed.

    Attributes:
        kills: of worker processes, at random.
        lost: photos without a sighting or without a row of results.
        doubled: sightings and rows beyond one for each photo.
    """

    kills: int
    lost: int
    doubled: int


@click.command()
@photos_option(300, "Number of photos.")
@click.option("--source", type=PATH, help="A folder of photos. [default: render sample animals]")
@click.option("--workers", type=AT_LEAST_ONE, default=2, show_default=True, help="Workers on Ray, a processor each.")
@click.option(
    "--kills", type=click.IntRange(0), default=20, show_default=True, help="Worker processes to kill, in a run of its own."
)
@keep_option("the rendered photos")
@json_option
@pack_option
def bulk(
    photos: int, source: Path | None, workers: int, kills: int, keep: Path | None, json_path: Path | None, pack_name: str
) -> None:
    """Measure bulk describe on Ray beside one process, and how many photos are lost or doubled where workers are killed."""
    if kills > photos:
        raise UsageError("There are more --kills than photos.", "A worker is killed after a photo is done.")
    results, ray = ResultFile(json_path), Descendants()
    with kept_folder(keep) as rendered, kept_folder(None) as place:
        paths = photos_of(source, photos) if source else render_photos(rendered, photos, progress)
        described = [
            *(_by_one_process(paths, place / f"one-{threads}.sqlite", pack_name, threads) for threads in (1, None)),
            _by_workers(paths, place / "ray", pack_name, workers, lambda done: ray.look() if done % _LOOK_EVERY == 0 else None),
        ]
        killed = _killing(paths, place / "killed", pack_name, workers, kills, ray)
    rows = [(each.who, f"{each.seconds:.1f}", f"{each.photos_per_second:.2f}") for each in described]
    click.echo(markdown_table(("described by", "seconds", "photos a second"), rows))
    click.echo(f"\n{killed.kills} workers killed: {killed.lost} photos lost, {killed.doubled} doubled.")
    figures = {"described": [asdict(each) for each in described], "kills": asdict(killed)}
    results.save({"kind": "bulk", "photos": len(paths), "workers": workers, **figures}, ray.seconds)


def kill_a_worker(choose: random.Random) -> bool:
    """Kill one of the worker processes that Ray runs for this process, wherever it is in its work; whether there was one."""
    import psutil

    workers = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.cmdline()[:1] and process.cmdline()[0].startswith(_WORKER):
                workers.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    if workers:
        os.kill(choose.choice(sorted(workers)), signal.SIGKILL)
    return bool(workers)


def lost_and_doubled(gallery: Path, results: Path, photos: Sequence[Path]) -> tuple[int, int]:
    """How many photos have no sighting or no row, and how many sightings and rows are more than one of a photo."""
    import pyarrow.parquet as pq

    tables = [pq.read_table(path, columns=["path", "status"]) for path in sorted(results.glob("part-*.parquet"))]
    rows = Counter(row["path"] for table in tables for row in table.to_pylist() if row["status"] != "failed")
    with Gallery.open(gallery, writable=False) as opened:
        sightings = Counter(each.photo_path for each in opened.sightings())
    names = [str(path.resolve()) for path in photos]
    lost = sum(not (rows[str(path.absolute())] and sightings[name]) for path, name in zip(photos, names, strict=True))
    return lost, sum(count - 1 for counts in (rows, sightings) for count in counts.values())


def _by_one_process(photos: Sequence[Path], gallery: Path, pack: str, threads: int | None) -> Described:
    figures = measure_enrolment(photos, gallery, len(photos), pack, "cpu", threads)
    first, last = figures.marks[0], figures.marks[-1]
    who = f"one process, {threads} thread" if threads else "one process, all threads"
    return Described(who, figures.seconds, (last.photos - first.photos) / max(1e-9, last.seconds - first.seconds))


def _by_workers(photos: Sequence[Path], place: Path, pack: str, workers: int, after: Callable[[int], object]) -> Described:
    """Describe on Ray; `after` is called with the number of photos that are done."""
    from reid_edge.bulk.describe import DescribeRun, to_describe
    from reid_edge.bulk.opening import BulkPack
    from reid_edge.bulk.ray_pool import RayOptions, RayPool

    place.mkdir()
    enrolments = [Enrolment(photo.absolute(), photo.parent.name or "unknown") for photo in photos]
    moments = [time.perf_counter()]
    with Gallery.create(place / "gallery.sqlite") as gallery:
        run = DescribeRun(gallery, BulkPack(pack, "cpu"), place / "results", to_describe(enrolments))
        with run, RayPool(RayOptions(workers=workers)) as pool:
            for _ in progress(run.run(pool, 1), "Describing on Ray", len(photos)):
                moments.append(time.perf_counter())
                after(len(moments) - 1)
    steady = (len(moments) - 2) / max(1e-9, moments[-1] - moments[1])
    return Described(f"{workers} workers on Ray", moments[-1] - moments[0], steady)


def _killing(photos: Sequence[Path], place: Path, pack: str, workers: int, kills: int, ray: Descendants) -> Kills:
    choose = random.Random(0)
    moments = set(choose.sample(range(1, len(photos) + 1), kills))
    killed = owed = 0

    def kill(done: int) -> None:
        nonlocal killed, owed
        owed += done in moments
        if owed or done % _LOOK_EVERY == 0:
            ray.look()
        if owed:
            time.sleep(choose.uniform(0, 0.5))
            success = kill_a_worker(choose)  # not while Ray starts the next one
            killed, owed = killed + success, owed - success

    if kills:
        _by_workers(photos, place, pack, workers, kill)
    return Kills(killed, *(lost_and_doubled(place / "gallery.sqlite", place / "results", photos) if kills else (0, 0)))
