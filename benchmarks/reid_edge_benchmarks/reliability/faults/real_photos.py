"""Real photos dropped in at random with the pack that ships: of camera traps in Peru and of nyalas, or the bundled samples."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import reid_edge
from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import Enrolment, read_source
from reid_edge.identify.enrolment import enrol
from reid_edge.identify.identifier import Identifier
from reid_edge.pack import find_pack, open_pack
from reid_edge.photo import read_photo
from reid_edge_benchmarks.reliability.arriving import arrive
from reid_edge_benchmarks.reliability.conservation import prove
from reid_edge_benchmarks.reliability.daemon import Daemon, running
from reid_edge_benchmarks.reliability.ledger_state import after_death
from reid_edge_benchmarks.reliability.outcome import Fault, Outcome, Place, Tally

DATA = Path(__file__).resolve().parents[4].parent / "shared" / "data"
_SAMPLES = Path(reid_edge.__file__).parent / "samples"
_QUERIES, _ENROLLED = 60, 40
_SMALL_QUERIES, _SMALL_ENROLLED = 3, ("Asha", "Imara")
_SECONDS = 30.0  # over which the photos of the full version arrive
_KILLS = 6
_PATIENCE = 900.0


def run(place: Place, full: bool) -> Outcome:
    """Drop photos in, kill now and then, and compare each answer with what `reid-edge identify` says of the same photo."""
    tally = Tally()
    queries, enrolled, kills = _choose(full, tally)
    identifier = Identifier(open_pack(find_pack("field")), "cpu", 1)
    gallery = place.fresh("real") / "gallery.sqlite"
    with Gallery.create(gallery) as opened:
        tally.figures["enrolled"] = enrol(opened, identifier, enrolled).added
    expected = _identified(queries, gallery, identifier)
    folder, out = place.fresh("real-incoming"), gallery.with_name("out")
    chance = random.Random(37)
    put_in = {}
    order = list(queries)
    chance.shuffle(order)
    places = [folder / f"camera-{chance.randrange(3)}" / f"IMG_{number:04d}.JPG" for number in range(len(order))]

    def drop() -> None:
        for place_of, photo in zip(places, order, strict=True):
            content = photo.read_bytes()
            arrive(place_of, content, chance)
            put_in[os.fsencode(place_of)] = content
            time.sleep(chance.uniform(0.0, 2 * _SECONDS / len(order)) if full else 0.0)

    dropping = threading.Thread(target=drop, daemon=True)
    with running(Daemon([folder], out, gallery, "field")) as daemon:
        dropping.start()
        for number in range(1, kills + 1):
            wanted = number * len(order) // (kills + 1)
            daemon.until(lambda state, wanted=wanted: len(state.decided) >= wanted, _PATIENCE)  # type: ignore[misc]
            daemon.kill()
            tally.add("kills")
            daemon.start()
        dropping.join()
        daemon.until(lambda state: len(state.decided) == len(order), _PATIENCE)
        tally.expect(daemon.stop() == 0, f"It did not end well. {daemon.tail()}")
    proof = prove(out, put_in)
    tally.conserved(proof)
    tally.expect(proof.decided == len(order), f"{len(order) - proof.decided} photos were not answered.")
    _compare(out, expected, tally)
    return tally.outcome()


def _choose(full: bool, tally: Tally) -> tuple[list[Path], list[Enrolment], int]:
    if full and (DATA / "nyala").is_dir() and (DATA / "camera_trap" / "peru").is_dir():
        peru = sorted((DATA / "camera_trap" / "peru").iterdir())
        nyala = [each.path for each in read_source(DATA / "nyala", split="query", fold="evaluate")][:_QUERIES]
        tally.figures.update({"photos of Peru": len(peru), "photos of nyalas": len(nyala)})
        return [*peru, *nyala], read_source(DATA / "nyala", split="database", fold="evaluate")[:_ENROLLED], _KILLS
    if full:
        tally.notes.append("The bundled samples only, because ../shared/data is not beside this checkout.")
    photos, enrolled = sorted((_SAMPLES / "photos").glob("*.jpg")), read_source(_SAMPLES, split="database")
    if not full:
        photos, enrolled = photos[:_SMALL_QUERIES], [each for each in enrolled if each.identity in _SMALL_ENROLLED]
    tally.figures["bundled photos"] = len(photos)
    return photos, enrolled, 1


def _identified(queries: list[Path], gallery: Path, identifier: Identifier) -> dict[str, tuple[str, str | None]]:
    """Per photo with one animal the verdict and the identity that the command line gives; a frame without one is `empty`."""
    expected: dict[str, tuple[str, str | None]] = {}
    with Gallery.open(gallery, writable=False) as opened:
        candidates = GalleryCandidates(opened, identifier.feature_key)
        for path in queries:
            photo = read_photo(path)
            described = identifier.describe(photo)
            if not described[0].animal.found:
                expected[photo.sha256] = ("empty", None)
            elif len(described) == 1:
                (decision,) = identifier.identify(photo, candidates)
                expected[photo.sha256] = (decision.verdict, decision.identity)
    return expected


def _compare(out: Path, expected: dict[str, tuple[str, str | None]], tally: Tally) -> None:
    state = after_death(out)
    decided = state.decided if state else {}
    given = {key: (str(row.verdict), row.identities[0] if row.identities else None) for key, row in decided.items()}
    other = {key: (given.get(key), wanted) for key, wanted in expected.items() if given.get(key) != wanted}
    tally.figures["answers compared with identify"] = len(expected)
    tally.figures["of them another"] = len(other)
    for verdict in ("known", "new", "ask", "empty"):
        tally.figures[f"answered {verdict}"] = sum(found == verdict for found, _ in given.values())
    tally.expect(
        not other, f"{len(other)} answers are others than those of identify, {next(iter(other.values()), None)} among them."
    )


FAULT = Fault(
    "real-photos",
    "Camera-trap photos of Peru and nyala queries dropped in at random, with kills, by the pack `field`",
    "all processed, each answered as `reid-edge identify` answers it",
    run,
)
