"""The report: sections are put aside on disk as they come, and the page is put together at the end."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path
from types import MappingProxyType

import reid_edge
from reid_edge.decide.decision import Decision
from reid_edge.gallery import Gallery, Sighting
from reid_edge.photo import Photo
from reid_edge.report.markup import define, page_head, percent, text
from reid_edge.report.pictures import Picture, candidate_picture, overview_picture, query_picture
from reid_edge.report.section import BADGES, AnimalPictures, badge, headline, photo_title, write_section
from reid_edge.storage.durable import replacing
from reid_edge.storage.errors import storage_errors

# Sections beyond this many bytes wait on the disk.
_KEPT_IN_MEMORY = 4_000_000


class Report:
    """The evidence for the animals of many photos. What stays in memory is a line per animal, not pictures."""

    def __init__(self, gallery: Gallery) -> None:
        """A report without photos.

        Args:
            gallery: whose sightings the rankings name; open as long as photos are added.
        """
        self._gallery = gallery
        self._sections = tempfile.SpooledTemporaryFile(_KEPT_IN_MEMORY)  # noqa: SIM115 (it lives as long as the report)
        weakref.finalize(self, self._sections.close)
        self._contents: list[str] = []
        self._verdicts: Counter[str] = Counter()
        self._photos = 0
        self._facts: Mapping[str, str] = {}
        self._defined: set[str] = set()

    def add(
        self, photo: Photo | None, decisions: Sequence[Decision], thumbnails: Mapping[int, bytes] = MappingProxyType({})
    ) -> None:
        """Add one photo; nothing of it is kept in memory.

        What a stored answer refers to may be gone: the page says so where its photo, its matched points or a sighting is missing.

        Args:
            photo: upright; None where it cannot be read any more: its animals are drawn on their thumbnails, or on a blank frame.
            decisions: one per animal, made with ``Query(with_evidence=True)``, or read back.
            thumbnails: by the animal's index, for a photo that cannot be read: a JPEG of what is inside its box.

        Raises:
            GalleryError: the gallery cannot be read.
            StorageError: the disk for temporary files is full.
        """
        self._photos += 1
        if not decisions:
            return
        overview = overview_picture(f"photo-{self._photos}", photo, decisions[0].photo)
        for decision in decisions:
            number = len(self._contents) + 1
            query = query_picture(f"query-{number}", photo, decision.animal.box, thumbnails.get(decision.animal.index))
            sightings = self._sightings(decision)
            candidates = tuple(
                candidate_picture(self._gallery, ranked.sighting, sighting)
                for ranked, sighting in zip(decision.ranking, sightings, strict=True)
            )
            section = write_section(number, decision, AnimalPictures(overview, query, sightings, candidates))
            with storage_errors("put a part of the report into the folder for temporary files"):
                self._sections.write(_encoded(self._definitions(overview, query, *candidates) + section))
            self._contents.append(_entry(number, decision))
            self._verdicts[decision.verdict] += 1
            self._facts = self._facts or _facts(decision)

    def write(self, path: Path) -> None:
        """Write the page; it appears whole or not at all.

        Raises:
            StorageError: the disk is full or read-only, or the folder is missing.
        """
        with storage_errors(f"write the report {path}"), replacing(path) as file:
            file.write(_encoded(self._beginning()))
            self._sections.seek(0)
            shutil.copyfileobj(self._sections, file)
            file.write(b"</main>\n</body>\n</html>\n")

    def _sightings(self, decision: Decision) -> tuple[Sighting | None, ...]:
        """The best photo of each identity; None where the gallery has it no longer, or another one under its id (a backup's)."""
        present = self._gallery.present_sightings([ranked.sighting for ranked in decision.ranking])
        found = ((ranked, present.get(ranked.sighting)) for ranked in decision.ranking)
        return tuple(sighting if sighting and sighting.photo_name == ranked.photo else None for ranked, sighting in found)

    def _definitions(self, *pictures: Picture) -> str:
        """The pictures that are not on the page yet; a gallery photo is a candidate for many queries."""
        new = {picture.id: picture for picture in pictures if picture.id not in self._defined}
        self._defined.update(new)
        return define(*(picture.definition() for picture in new.values()))

    def _beginning(self) -> str:
        style, script = (resources.files(__package__).joinpath(file).read_text("utf-8") for file in ("style.css", "script.js"))
        animals = len(self._contents)
        counts = f"{_counted(self._photos, 'photo')}, {_counted(animals, 'animal')}"
        facts = {
            **self._facts,
            "Gallery": str(self._gallery.path),
            "Written": f"{datetime.now():%Y-%m-%d %H:%M} by reid-edge {reid_edge.__version__}",
        }
        filters = _filter("", "All", animals) + "".join(
            _filter(verdict, title, self._verdicts[verdict]) for verdict, title in BADGES.items()
        )
        return (
            page_head(f"Who is it? {counts}", style, script)
            + f"""<body>
<header class="summary">
<h1>Which individual is it?</h1>
<p class="counts">{counts}</p>
<div class="filters" role="group" aria-label="Show the animals of one verdict">{filters}</div>
<dl>{"".join(f"<div><dt>{title}</dt><dd>{text(fact)}</dd></div>" for title, fact in facts.items())}</dl>
</header>
<nav aria-label="Animals"><details open><summary>Animals</summary><ol>{"".join(self._contents)}</ol></details></nav>
<main>
<noscript><p class="note">Scripts are switched off, so only the best candidate of each animal is shown.</p></noscript>
{"" if animals else '<p class="note">No photo was answered.</p>'}
"""
        )


def _facts(decision: Decision) -> dict[str, str]:
    """What computed the answers; the same for all of a report."""
    pack, engine = decision.pack, decision.engine
    return {
        "Pack": f"{pack.name} {pack.version} (SHA-256 {pack.sha256[:12]}…), recipe {decision.recipe}",
        "Engine": f"{engine.library}, {engine.provider}",
    }


def _entry(number: int, decision: Decision) -> str:
    """A line of the table of contents."""
    return (
        f'<li data-verdict="{decision.verdict}"><a href="#animal-{number}">{badge(decision)} <span>{headline(decision)}</span> '
        f"<small>{photo_title(decision)}, {percent(decision.probability)}</small></a></li>"
    )


def _filter(verdict: str, title: str, count: int) -> str:
    state = f'class="{verdict}" data-filter="{verdict}" aria-pressed="{"false" if verdict else "true"}"'
    return f'<button type="button" {state}><b>{count}</b> {title}</button>'


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _encoded(markup: str) -> bytes:
    # A file name that is no UTF-8 reaches Python as lone surrogates.
    return markup.encode("utf-8", "replace")
