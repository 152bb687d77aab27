"""What the page shows of one animal beside one candidate: the drawing, the words, and the ways from here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reid_edge.decide.decision import Decision, MatchedPoints, RankedIdentity
from reid_edge.decide.reviewed import with_names
from reid_edge.gallery import Gallery, Sighting
from reid_edge.review.naming import in_words
from reid_edge.review.pair.alignment import align
from reid_edge.review.pair.drawing import Side, draw
from reid_edge.review.pictures import Crop, Pictures, sighting_picture
from reid_edge.review.queue import Item


@dataclass(frozen=True)
class Look:
    """What a person looks at: which candidate and which of its photos, from 0, and whether the two lie one below the other."""

    candidate: int = 0
    photo: int = 0
    column: bool = False


@dataclass(frozen=True)
class PairView:
    """One animal beside one candidate.

    Attributes:
        item: the animal, with what people said of it.
        decision: the whole answer.
        candidates: of the ranking, without those that a person rejected.
        at: which of them is shown; None where there is none.
        sighting: the candidate's photo that is shown; None where the gallery has none.
        photo: its number among the candidate's photos, from 0.
        photos: how many there are.
        drawing: SVG, safe to be put into a page.
        label: what the drawing shows, in words.
        words: how likely the candidate is, in words.
        has_lines: whether matched points are drawn.
        may_have_lines: whether they are missing, but can be made again from the photo.
        notes: what a person would otherwise wonder about.
    """

    item: Item
    decision: Decision
    candidates: Sequence[RankedIdentity]
    at: int | None
    sighting: Sighting | None
    photo: int
    photos: int
    drawing: str
    label: str
    words: str
    has_lines: bool
    may_have_lines: bool
    notes: Sequence[str]

    @property
    def candidate(self) -> RankedIdentity | None:
        """The one that is shown."""
        return None if self.at is None else self.candidates[self.at]


class PairViews:
    """Makes views."""

    def __init__(self, gallery: Gallery, pictures: Pictures) -> None:
        self._gallery = gallery
        self._pictures = pictures

    def view(self, item: Item, decision: Decision, look: Look) -> PairView:
        """The view of one look.

        Raises:
            GalleryError, StorageError: what is shown cannot be read.
        """
        decision = self.named_now(decision)
        candidates = self.candidates(item, decision)
        at = min(look.candidate, len(candidates) - 1) if candidates else None
        candidate = None if at is None else candidates[at]
        sightings = self._sightings(candidate) if candidate else []
        photo = look.photo % len(sightings) if sightings else 0
        sighting = sightings[photo] if sightings else None
        matches = candidate.matches if candidate and sighting and sighting.id == candidate.sighting else ()
        query = self._pictures.of_answer(item.answer)
        sides = [_side(query, item.answer.picture)]
        notes = [] if query.is_original else ["The photo is not where it was; its thumbnail stands in."]
        if query.jpeg is None:
            notes = ["The photo is not where it was, and no thumbnail is kept."]
        if sighting is not None:
            shown = self._pictures.of_sighting(sighting)
            sides.append(_side(shown, sighting_picture(sighting.id)))
            if not shown.is_original and shown.jpeg is not None:
                notes.append(f"The photo {sighting.photo_name} is not where it was; its thumbnail stands in.")
        elif candidate is not None:
            notes.append("The gallery no longer has a photo of this individual.")
        return PairView(
            item=item,
            decision=decision,
            candidates=candidates,
            at=at,
            sighting=sighting,
            photo=photo,
            photos=len(sightings),
            drawing=draw(sides, decision.animal.outline or (), matches, align(matches, query.frame), look.column),
            label=_label(decision, candidate, sighting),
            words=in_words(candidate.identity, candidate.probability) if candidate else "There is no individual to compare with.",
            has_lines=any(matched.scores for matched in matches),
            may_have_lines=_may_have_lines(candidate, sighting, matches, query),
            notes=notes,
        )

    def named_now(self, decision: Decision) -> Decision:
        """The answer with the names that the individuals have now."""
        return with_names(decision, self._gallery.current_names([ranked.sighting for ranked in decision.ranking]))

    def candidates(self, item: Item, decision: Decision) -> list[RankedIdentity]:
        """Those of the ranking that nobody rejected."""
        return [ranked for ranked in decision.ranking if ranked.identity not in item.rejected]

    def _sightings(self, candidate: RankedIdentity) -> list[Sighting]:
        """The photos of a candidate: the best one, then those of the same side, in the order they were taken."""
        found = self._gallery.present_sightings([candidate.sighting]).get(candidate.sighting)
        name = found.identity if found else self._gallery.stored_name(candidate.identity)
        if name is None:
            return []
        photos = self._gallery.sightings(individual=name)
        side = found.viewpoint if found else ""
        photos.sort(key=lambda each: (each.id != candidate.sighting, each.viewpoint != side, each.taken_at, each.photo_name))
        return photos


def _side(crop: Crop, href: str) -> Side:
    return Side(href if crop.jpeg is not None else "", crop.frame, crop.in_photo_pixels)


def _label(decision: Decision, candidate: RankedIdentity | None, sighting: Sighting | None) -> str:
    animal = f"Animal {decision.animal.number} of {decision.photo.name}"
    if candidate is None or sighting is None:
        return animal
    return f"{animal} beside {candidate.identity} of {sighting.photo_name}"


def _may_have_lines(
    candidate: RankedIdentity | None, sighting: Sighting | None, matches: Sequence[MatchedPoints], query: Crop
) -> bool:
    """Whether the answer was stored without evidence; only the candidate's best photo was compared point by point."""
    is_best = candidate is not None and sighting is not None and sighting.id == candidate.sighting
    return is_best and not matches and query.is_original
