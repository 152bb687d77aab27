"""The events for a person: all of them, or the queue of animals that are new or uncertain and not in the gallery yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reid_edge.decide.wording import wording_of_json
from reid_edge.gallery import Gallery
from reid_edge.storage.address import Place
from reid_edge.watch.ledger.ledger import Ledger, shown


def listed_events(ledger: Ledger, new: bool, gallery: Place | None) -> Iterator[dict[str, Any]]:
    """The bodies of the events, each animal with its `headline`, with `files`: the paths of its photos where they are now, and `numbers`:
    which of the animals of each of these photos it is, from 1, largest first.

    Args:
        new: only animals of verdict `new` or `ask` that were not enrolled by themselves, and only events that have one.
        gallery: with `new`, leave out animals that this gallery holds from one of their photos: they were enrolled.
    """
    enrolled = ledger.enrolled_animals()
    opened = Gallery.open(gallery, writable=False) if new and gallery is not None else None
    try:
        for event in ledger.events():
            animals = []
            seen = {index: each.animals for _, index, each in ledger.event_animals(event.id, event.id)}
            for animal in event.body["animals"]:
                indexes = [found.index if (found := ledger.photo_animal(each)) else None for each in seen[animal["index"]]]
                shown_in = list(zip(animal["photos"], indexes, strict=True))
                waits = animal["verdict"] in ("new", "ask") and (event.id, animal["index"]) not in enrolled
                if new and (not waits or (opened is not None and any(opened.has_photo(*each) for each in shown_in))):
                    continue
                photos = [(ledger.photo(sha256), (index or 0) + 1) for sha256, index in shown_in]
                files = [(shown(path), number) for photo, number in photos if photo is not None for path in photo.paths[:1]]
                places = {"files": [file for file, _ in files], "numbers": [number for _, number in files]}
                animals.append({**animal, "headline": wording_of_json(animal).headline(), **places})
            if animals:
                yield {**event.body, "animals": animals}
    finally:
        if opened is not None:
            opened.close()
