"""Ten thousand answers and a thousand individuals: first paint and memory."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import reid_edge
from reid_edge.decide.decision import Decision, MatchedPoints
from reid_edge.gallery import Gallery, NewSighting
from reid_edge_benchmarks.review.browser import open_page
from reid_edge_benchmarks.review.serving import Page, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_SAMPLES = Path(reid_edge.__file__).parent / "samples"
_ANIMALS = 10  # of one photo, in two rows
_RUNS = 5
_QUESTIONS = (50, 250)
_POINTS = 100


def make(folder: Path, template: Decision, answers: int, individuals: int) -> tuple[Path, Path]:
    """A gallery and a file of uncertain answers, both in `folder`, each with the strongest matched points of the template.

    Ten animals of a photo, none in the box of another, so that each is a question of its own.
    """
    jpeg = (_SAMPLES / "photos/trail_1.jpg").read_bytes()
    photos = []
    for number in range(-(-answers // _ANIMALS)):  # what follows the end of a JPEG does not count, but makes another file of it
        path = folder / f"camera_{number % 7}" / f"IMG_{number:04}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(jpeg + b"%d" % number)
        photos.append((path, hashlib.sha256(path.read_bytes()).hexdigest()))
    gallery_path, file = folder / "large.sqlite", folder / "answers.jsonl"
    with Gallery.create(gallery_path) as gallery, gallery.transaction():
        thumbnail = (_SAMPLES / "gallery/Chipo/chipo_1.jpg").read_bytes()
        batch = gallery.new_batch()
        for number in range(10 * individuals):
            name, sha256 = f"animal_{number % individuals:04}", hashlib.sha256(b"sighting %d" % number).hexdigest()
            taken = f"2025-{number % 12 + 1:02}-{number % 28 + 1:02}T06:{number % 60:02}:00"
            facts: dict[str, Any] = {
                "species": "sample animal",
                "taken_at": taken,
                "place": f"camera {number % 40}",
                "box": (40, 20, 600, 460),
            }
            new = NewSighting(identity=name, photo_sha256=sha256, photo_name=f"IMG_{number}.jpg", thumbnail=thumbnail, **facts)
            gallery.add_sighting(new, {}, "none", batch)
    matches = tuple(_strongest(each) for each in template.ranking[0].matches)
    with file.open("w", encoding="utf-8") as lines:
        for number in range(answers):
            at, index = divmod(number, _ANIMALS)
            path, sha256 = photos[at]
            day, minute = at // 100 % 28 + 1, at % 100 * 14
            taken_at = f"2026-03-{day:02}T{minute // 60:02}:{minute % 60:02}:00"
            photo = replace(template.photo, path=str(path), name=path.name, sha256=sha256, taken_at=taken_at)
            ranking = [
                replace(
                    ranked,
                    identity=f"animal_{(number + place) % individuals:04}",
                    sighting=(number + place) % individuals + 1,
                    matches=() if place else matches,
                )
                for place, ranked in enumerate(template.ranking)
            ]
            left, top = index % 5 * 128, index // 5 * 240
            animal = replace(template.animal, index=index, box=(left, top, left + 128, top + 240))
            decision = replace(template, verdict="ask", photo=photo, ranking=tuple(ranking), animal=animal)
            lines.write(json.dumps(decision.as_json()) + "\n")
    return gallery_path, file


def measure_scale(browser: Browser, gallery: Path, answers: Path) -> dict[str, Any]:
    """Milliseconds to the first paint and to what is looked for, of queue and grid, and resident memory over hundreds of questions."""
    with served("review", "--answers", answers, "--gallery", gallery) as page:
        queue = [_paint(browser, page.address, "/", "svg.pair") for _ in range(_RUNS)]
        grid = [_paint(browser, page.address, "/individuals", ".grid img") for _ in range(_RUNS)]
        memory, done = [], 0
        for questions in _QUESTIONS:
            _skip(browser, page.address, questions - done)
            done = questions
            memory.append({"questions": questions, "megabytes": round(_resident(page) / 1e6)})
    names = ("first_paint", "shown")
    return {
        "queue": {name: round(float(np.median([each[at] for each in queue]))) for at, name in enumerate(names)},
        "grid": {name: round(float(np.median([each[at] for each in grid]))) for at, name in enumerate(names)},
        "queue_worst_first_paint": round(max(each[0] for each in queue)),
        "memory": memory,
    }


def _strongest(matched: MatchedPoints) -> MatchedPoints:
    order = sorted(range(len(matched.scores)), key=lambda at: -matched.scores[at])[:_POINTS]
    query_xy, candidate_xy = (tuple(points[at] for at in order) for points in (matched.query_xy, matched.candidate_xy))
    return replace(matched, query_xy=query_xy, candidate_xy=candidate_xy, scores=tuple(matched.scores[at] for at in order))


def _paint(browser: Browser, address: str, path: str, selector: str) -> tuple[float, float]:
    page = open_page(browser, address, "Ana", path)
    page.wait_for_selector(selector)
    shown = page.evaluate("performance.now()")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? performance.now()")
    page.context.close()
    return float(paint), float(shown)


def _skip(browser: Browser, address: str, questions: int) -> None:
    page = open_page(browser, address, "Ana")
    page.wait_for_selector("svg.pair")
    for _ in range(questions):
        with page.expect_response(lambda response: "/decide" in response.url):
            page.keyboard.press("s")
        page.wait_for_selector(".htmx-request, .htmx-swapping, .htmx-settling", state="detached")
    page.context.close()


def _resident(page: Page) -> int:
    import psutil

    return int(psutil.Process(page.pid).memory_info().rss)
