"""The worst mistakes, each as pictures beside the individual that was answered and beside the right one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.decide.decision import Decision, RankedIdentity
from reid_edge.describe.query import Query
from reid_edge.gallery import Gallery, Sighting
from reid_edge.identify.identifier import Identifier
from reid_edge.photo import read_photo
from reid_edge.report.markup import define, name, percent, text
from reid_edge.report.pair import confidences, define_outline, draw_pair
from reid_edge.report.pictures import Picture, candidate_picture, query_picture
from reid_edge.report.section import BADGES
from reid_edge_benchmarks.accuracy.answering import Measured, Progress, QueryAnswer
from reid_edge_calibration.metrics import NEW


@dataclass(frozen=True)
class Mistake:
    """An answer that is wrong.

    Attributes:
        measured: the set it is from.
        answer: to one of its queries.
        kind: what is wrong with it, in words.
    """

    measured: Measured
    answer: QueryAnswer
    kind: str

    def as_json(self) -> dict[str, object]:
        """Plain data, with the photo's file name."""
        answer = self.answer
        return {
            "set": self.measured.labelled.name,
            "photo": answer.query.path.name,
            "kind": self.kind,
            "truth": answer.truth,
            "in the gallery": answer.truth in self.measured.answers.known,
            "verdict": answer.verdict,
            "ranked first": answer.top,
            "probability": round(_sureness(self), 6),
            "reason": answer.reason,
        }


def worst(sets: Iterable[Measured], count: int) -> list[Mistake]:
    """The answers that were given without a person and are wrong, the surest first; then the questions to a person whose first guess is
    wrong although the individual is in the gallery, the surest first.

    Args:
        sets: answered.
        count: at most so many.
    """
    mistakes = [
        Mistake(measured, answer, kind)
        for measured in sets
        for answer in measured.answers.each
        if (kind := _what_is_wrong(answer, measured.answers.known))
    ]
    return sorted(mistakes, key=lambda mistake: (mistake.answer.verdict == "ask", -_sureness(mistake)))[:count]


def draw_mistakes(mistakes: Sequence[Mistake], identifier: Identifier, progress: Progress) -> Iterator[str]:
    """An article of HTML for each, in their order; the photos are identified again for their matched points.

    Args:
        mistakes: of sets whose galleries are still there.
        identifier: the pack that made them.

    Raises:
        PhotoError: a photo cannot be read any more.
        EngineError, GalleryError: it cannot go on.
    """
    drawn: set[str] = set()
    with ExitStack() as stack:
        opened: dict[Path, _Opened] = {}
        for number, mistake in enumerate(progress(mistakes, "Drawing the worst mistakes"), 1):
            path = mistake.measured.gallery
            if path not in opened:
                gallery = stack.enter_context(Gallery.open(path, writable=False))
                opened[path] = _Opened(len(opened), gallery, GalleryCandidates(gallery, identifier.feature_key))
            yield _draw(number, mistake, identifier, opened[path], drawn)


@dataclass(frozen=True)
class _Opened:
    """The gallery of a set, and its number on the page."""

    number: int
    gallery: Gallery
    candidates: GalleryCandidates


def _what_is_wrong(answer: QueryAnswer, known: frozenset[str]) -> str:
    if answer.verdict == "ask":
        return "asked, with another individual first" if answer.truth in known and answer.top != answer.truth else ""
    if answer.right(known):
        return ""
    if answer.verdict == "new":
        return "called new, but known"
    return "taken for another individual" if answer.truth in known else "taken for a known individual, but new"


def _sureness(mistake: Mistake) -> float:
    return mistake.answer.probability if mistake.answer.verdict == "ask" else mistake.answer.confidence


def _draw(number: int, mistake: Mistake, identifier: Identifier, opened: _Opened, drawn: set[str]) -> str:
    answer, labelled = mistake.answer, mistake.measured.labelled
    photo = read_photo(answer.query.path)
    query_facts = Query(labelled.species, answer.query.viewpoint, top=len(mistake.measured.answers.known), with_evidence=True)
    decision = identifier.identify(photo, opened.candidates, query_facts)[0]
    query, outline = query_picture(f"query-{number}", photo, decision.animal.box), f"outline-{number}"
    definitions = [define_outline(outline, decision.animal.outline or ()), query.definition()]
    figures = []
    for whose, ranked, sighting in _beside(answer, decision, opened.gallery, mistake.measured.answers.known):
        picture = candidate_picture(opened.gallery, sighting.id, sighting)
        picture = replace(picture, id=f"gallery-{opened.number}-{picture.id}")  # sightings of two galleries may have the same id
        if picture.id not in drawn:
            drawn.add(picture.id)
            definitions.append(picture.definition())
        figures.append(_figure(whose, ranked, sighting, query, outline, picture, decision, photo.name))
    if not figures:
        alone = draw_pair(query, outline, label=f"The animal of {photo.name}")
        figures.append(f"<figure>{alone}<figcaption><p>{name(photo.name)}</p></figcaption></figure>")
    truth = name(answer.truth) if answer.truth in mistake.measured.answers.known else f"{name(answer.truth)}, not in the gallery"
    return (
        f'{define(*definitions)}<article id="mistake-{number}" class="mistake" data-verdict="{answer.verdict}"><header><div>'
        f'<p class="photo"><strong>{name(photo.name)}</strong> <span>{text(labelled.name)}</span></p>'
        f'<h3>{number}. {text(mistake.kind.capitalize())} <span class="badge {answer.verdict}">{BADGES[answer.verdict]}</span></h3>'
        f'<p class="probability">{_claim(mistake)}. It is <strong>{truth}</strong>{_place(answer)}.</p>'
        f'<p class="reason">{text(answer.reason)}</p></div></header>{"".join(figures)}</article>\n'
    )


def _beside(
    answer: QueryAnswer, decision: Decision, gallery: Gallery, known: frozenset[str]
) -> Iterator[tuple[str, RankedIdentity | None, Sighting]]:
    """The photos shown beside the query: of the individual ranked first, then of the right one if it differs and is in the gallery."""
    ranked = {each.identity: each for each in decision.ranking}
    if decision.ranking:
        first = decision.ranking[0]
        yield "Ranked first", first, gallery.sightings_of([first.sighting])[0]
    if answer.truth not in known or (decision.ranking and decision.ranking[0].identity == answer.truth):
        return
    if answer.truth in ranked:
        yield "The right one", ranked[answer.truth], gallery.sightings_of([ranked[answer.truth].sighting])[0]
        return
    photos = gallery.sightings(individual=answer.truth)
    same_side = [seen for seen in photos if seen.viewpoint == answer.query.viewpoint]
    for sighting in (same_side or photos)[:1]:
        yield "The right one, not compared", None, sighting


def _figure(
    whose: str,
    ranked: RankedIdentity | None,
    sighting: Sighting,
    query: Picture,
    outline: str,
    picture: Picture,
    decision: Decision,
    photo_name: str,
) -> str:
    ranges = confidences(decision.ranking)
    matches = ranked.matches if ranked else ()
    shown = next((matched.matcher for matched in reversed(matches) if matched.scores), "")
    counts = ", ".join(f"{len(matched.scores)} {text(matched.matcher)}" for matched in matches)
    label = f"The animal of {photo_name} beside {sighting.identity} of {sighting.photo_name}"
    # Only the matcher that is shown, because the page has no script to switch to the others.
    pair = draw_pair(query, outline, picture, matches, {shown: ranges[shown]} if shown else {}, shown, label)
    facts = ", ".join(
        text(fact) for fact in (sighting.photo_name, sighting.taken_at.replace("T", " "), sighting.viewpoint) if fact
    )
    probability = f" {percent(ranked.probability)}" if ranked else ""
    return (
        f"<figure>{pair}<figcaption><p>{text(whose)}: <strong>{name(sighting.identity)}</strong>{probability}</p><p>{facts}</p>"
        f"{f'<p>Matches: {counts}.</p>' if counts else ''}</figcaption></figure>"
    )


def _claim(mistake: Mistake) -> str:
    """The runtime's answer with its probability."""
    answer, sure = mistake.answer, percent(_sureness(mistake))
    if answer.verdict == "ask":
        return f"The runtime asked, {name(answer.top)} first with <strong>{sure}</strong>"
    who = "a new individual" if answer.answered == NEW else name(answer.answered)
    return f"The runtime answered {who} with <strong>{sure}</strong>"


def _place(answer: QueryAnswer) -> str:
    """Where the right individual was ranked, if it was."""
    if answer.truth not in answer.ranking:
        return ""
    return f", ranked {answer.ranking.index(answer.truth) + 1} of {len(answer.ranking)}"
