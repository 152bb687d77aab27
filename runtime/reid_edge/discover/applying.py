"""Groups into a gallery: one decision, which one undo takes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from reid_edge.discover.report import DiscoveryReport, Group
from reid_edge.errors import GalleryError
from reid_edge.gallery import DuplicateSighting, Gallery, NewSighting
from reid_edge.gallery.records import Observation

_AGAIN = "Run the same command again: nothing is described or compared anew."


@dataclass(frozen=True)
class Applied:
    """What was enrolled: how many sightings, and by group the name of its individual."""

    sightings: int
    names: dict[str, str]


def apply_groups(
    report: DiscoveryReport, work: Gallery, gallery: Gallery, feature_key: str, confidence: float, prefix: str = "Animal"
) -> Applied:
    """Enrol the groups of this probability or more; those of known individuals under their names, others as `Animal 1`, `Animal 2`, ...

    Args:
        report: the groups.
        work: the working file, which holds their features.
        gallery: writable.
        feature_key: of these features.
        confidence: least probability.
        prefix: of new names.

    Raises:
        GalleryError: the gallery changed since the groups were made, or it cannot be written; nothing was enrolled.
        StorageError: nothing was enrolled.
    """
    chosen = [each for each in report.groups if each.probability >= confidence]
    gone = next((each.name for each in chosen if each.is_known and gallery.stored_name(each.name) is None), None)
    if gone is not None:
        raise GalleryError(f"Meanwhile {gone} was renamed or removed from the gallery; nothing was enrolled.", _AGAIN)
    batch, names, count = gallery.new_batch(), dict[str, str](), 0
    with gallery.transaction():
        for each, name in zip(chosen, _names(chosen, gallery, prefix), strict=True):
            names[each.name] = name
            for seen in each.members:
                sighting = seen.sighting
                facts = {field.name: getattr(sighting, field.name) for field in fields(Observation)}
                new = NewSighting(**{**facts, "identity": name}, thumbnail=work.thumbnail(sighting.id))
                features = work.features([sighting.id], feature_key).get(sighting.id, {})
                try:
                    gallery.add_sighting(new, features, feature_key, batch)
                except DuplicateSighting:
                    problem = f"Meanwhile {sighting.photo_name} was enrolled by somebody else; nothing was enrolled."
                    raise GalleryError(problem, _AGAIN) from None
                count += 1
    return Applied(count, names)


def _names(groups: Sequence[Group], gallery: Gallery, prefix: str) -> list[str]:
    number, names = 0, []
    for each in groups:
        name = each.name
        while not each.is_known and (name == each.name or gallery.stored_name(name) is not None):
            number += 1
            name = f"{prefix} {number}"
        names.append(name)
    return names
