"""The report of a discovery as one self-contained HTML page: groups as rows of pictures, animals that are alone, pairs to look at."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path

import cv2
import numpy as np

import reid_edge
from reid_edge.decide.wording import in_percent
from reid_edge.discover.constraints import Seen
from reid_edge.discover.report import WHY_ALONE, DiscoveryReport, Group, Pair, Question
from reid_edge.gallery import Gallery
from reid_edge.photo.jpeg import small_jpeg
from reid_edge.report.markup import name, page_head, percent, text
from reid_edge.storage.durable import replacing
from reid_edge.storage.errors import storage_errors

_LONG_SIDE, _QUALITY = 220, 75
_QUESTIONS = 50
_STYLE = """
main, header, section { max-width: 76rem; margin: 0 auto; padding: 0 1rem; }
.row { display: flex; flex-wrap: wrap; gap: .5rem; margin: .4rem 0 1.2rem; }
figure { margin: 0; width: 9rem; font-size: .75rem; overflow-wrap: anywhere; }
figure img { width: 100%; height: 7rem; object-fit: cover; border-radius: .3rem; background: #8883; }
.pair { border: 1px solid #8886; border-radius: .5rem; padding: .5rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; }
"""


def write_page(path: Path, report: DiscoveryReport, work: Gallery, known: Gallery | None = None) -> None:
    """Write the page; it appears whole or not at all.

    Args:
        path: of the page.
        report: what was found.
        work, known: the galleries that hold the thumbnails.

    Raises:
        StorageError: the disk is full or read-only, or the folder is missing.
    """
    pictures = _Pictures(work, known)
    style = resources.files("reid_edge.report").joinpath("style.css").read_text("utf-8")
    title = report.found_in_words
    parts = [
        page_head(f"Discovery: {title}", style + _STYLE),
        f"<body>\n<header><h1>Who are they?</h1><p>{title}; {report.individuals_in_words}. "
        f"Written {datetime.now():%Y-%m-%d %H:%M} by reid-edge {reid_edge.__version__}.</p>",
        "".join(f"<p class=note>{text(note)}</p>" for note in report.notes),
        "</header>\n<main>",
        *(_group(each, pictures) for each in report.groups),
        _alone(report, pictures),
        _questions(report.questions[:_QUESTIONS], pictures),
        _curve(report),
        "</main>\n</body>\n</html>\n",
    ]
    with storage_errors(f"write the page {path}"), replacing(path) as file:
        file.write("\n".join(parts).encode("utf-8", "replace"))


class _Pictures:
    """Thumbnails as figures."""

    def __init__(self, work: Gallery, known: Gallery | None) -> None:
        self._work, self._known = work, known

    def figure(self, seen: Seen) -> str:
        gallery = self._known if seen.name and self._known is not None else self._work
        jpeg, image = gallery.thumbnail(seen.sighting.id), ""
        if jpeg is not None:
            bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
            if bgr is not None:
                small = small_jpeg(np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8), _LONG_SIDE, _QUALITY)
                image = f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(small).decode("ascii")}">'
        when = f"<br>{text(seen.sighting.taken_at).replace('T', ' ')}" if seen.sighting.taken_at else ""
        return f"<figure>{image}<figcaption>{name(seen.sighting.photo_name)}{when}</figcaption></figure>"

    def row(self, several: Sequence[Seen]) -> str:
        return f'<div class="row">{"".join(map(self.figure, several))}</div>'

    def pair(self, pair: Pair, words: str) -> str:
        remark = f"<p>{text(pair.remark)}</p>" if pair.remark else ""
        return f'<div class="pair"><p>{words}</p><div class="row">{self.figure(pair.first)}{self.figure(pair.second)}</div>{remark}</div>'


def _group(group: Group, pictures: _Pictures) -> str:
    nearest = f"; next like {name(group.nearest)} ({percent(group.nearest_probability)})" if group.nearest else ""
    return (
        f"<section><h2>{name(group.name)}</h2><p>{len(group.members)} photos of one animal: {percent(group.probability)}{nearest}.</p>"
        f"{pictures.row(group.members)}</section>"
    )


def _alone(report: DiscoveryReport, pictures: _Pictures) -> str:
    if not report.alone:
        return ""
    rows = "".join(f"<div>{pictures.figure(each.seen)}<small>{WHY_ALONE[each.why]}</small></div>" for each in report.alone)
    return f'<section><h2>Alone</h2><div class="row">{rows}</div></section>'


def _questions(questions: Sequence[Question], pictures: _Pictures) -> str:
    if not questions:
        return ""
    pairs = "".join(
        pictures.pair(each.pair, f"{' and '.join(map(name, each.groups))}: one animal? {percent(each.probability)}")
        for each in questions
    )
    return f'<section><h2>Pairs to look at first</h2><div class="row">{pairs}</div></section>'


def _curve(report: DiscoveryReport) -> str:
    rows = "".join(
        f"<tr><td>{text(each.date or 'no date')}<td>{each.photos}<td>{each.individuals}<td>{each.new}"
        f"<td>{each.total} ({each.total_low} to {each.total_high})</tr>"
        for each in report.occasions
    )
    head = "<tr><th>day<th>animals in photos<th>individuals<th>new<th>so far</tr>"
    return f"<section><h2>New animals over time</h2><table>{head}{rows}</table></section>"


def headline(group: Group) -> str:
    """A line for a terminal."""
    count = len(group.members)
    nearest = f", next like {group.nearest} ({in_percent(group.nearest_probability)})" if group.nearest else ""
    doubt = ", more likely several animals" if group.probability < 0.5 else ""
    return f"{group.name}: {count} photo{'' if count == 1 else 's'}, one animal {in_percent(group.probability)}{doubt}{nearest}"
