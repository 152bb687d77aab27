"""The events for a person: all of them, or the queue of animals that are new or uncertain and not in the gallery yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reid_edge.decide.wording import wording_of_json
from reid_edge.gallery import Gallery
from reid_edge.watch.ledger.ledger import Ledger, shown


def listed_events(ledger: Ledger, new: bool, gallery: Path | None) -> Iterator[dict[str, Any]]:
    """The bodies of the events, each animal with its `headline` and with `files`: the paths of its photos where they are now.

    Args:
        new: only animals of verdict `new` or `ask` that were not enrolled by themselves, and only events that have one.
        gallery: with `new`, leave out animals of whose photos this gallery holds one: they were enrolled.
    """
    enrolled = ledger.enrolled_animals()
    opened = Gallery.open(gallery, writable=False) if new and gallery is not None else None
    try:
        for event in ledger.events():
            animals = []
            for animal in event.body["animals"]:
                waits = animal["verdict"] in ("new", "ask") and (event.id, animal["index"]) not in enrolled
                if new and (not waits or (opened is not None and any(opened.has_photo(sha256) for sha256 in animal["photos"]))):
                    continue
                photos = [ledger.photo(sha256) for sha256 in animal["photos"]]
                files = [shown(path) for photo in photos if photo is not None for path in photo.paths[:1]]
                animals.append({**animal, "headline": wording_of_json(animal).headline(), "files": files})
            if animals:
                yield {**event.body, "animals": animals}
    finally:
        if opened is not None:
            opened.close()
