"""One animal on the page: the answer, the pictures, the ranking and the scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reid_edge.decide.decision import Decision, PairEvidence, RankedIdentity
from reid_edge.decide.facts import TrackFacts
from reid_edge.decide.wording import in_percent, wording_of
from reid_edge.gallery import Sighting
from reid_edge.report.markup import bar, define, name, percent, text
from reid_edge.report.pair import COLOURS, Confidences, confidences, define_outline, draw_outline, draw_pair
from reid_edge.report.pictures import Picture

BADGES = {"known": "Known", "new": "New", "ask": "Ask a person"}


@dataclass(frozen=True)
class AnimalPictures:
    """What is drawn of one animal: the whole photo, the animal, and the sighting and picture of each identity of the ranking.

    A sighting is None where the gallery no longer has it.
    """

    overview: Picture
    query: Picture
    sightings: tuple[Sighting | None, ...]
    candidates: tuple[Picture, ...]


def badge(decision: Decision) -> str:
    """The verdict in a word or three."""
    return f'<span class="badge {decision.verdict}">{BADGES[decision.verdict]}</span>'


def headline(decision: Decision) -> str:
    """The answer in a few words, escaped."""
    return wording_of(decision).headline(name, percent)


def photo_title(decision: Decision) -> str:
    """The photo's name, and which animal where it is not the largest; escaped."""
    index = decision.animal.index
    return name(decision.photo.name) + (f", animal {index + 1}" if index else "")


def write_section(number: int, decision: Decision, pictures: AnimalPictures) -> str:
    """The HTML of one animal; the pictures' definitions must stand on the page too.

    Args:
        number: of the animal on the page, for ids.
        decision: made with ``Query(with_evidence=True)``, or read back.
        pictures: of the animal, and of each identity of the ranking in its order.
    """
    outline_id = f"outline-{number}"
    ranges = confidences(decision.ranking)
    shown = _shown_at_first(decision.ranking)
    return (
        f"{define(define_outline(outline_id, decision.animal.outline or ()))}"
        f'<article id="animal-{number}" data-verdict="{decision.verdict}" aria-labelledby="title-{number}">'
        f"{_answer(number, decision, pictures, outline_id)}"
        f"{_figures(decision, pictures, outline_id, ranges, shown)}"
        f"{_controls(decision, ranges, shown)}"
        f'<div class="tables">{_ranking(number, decision)}{_scores(decision)}</div>'
        f"{_details(decision)}</article>\n"
    )


def _shown_at_first(ranking: Sequence[RankedIdentity]) -> str:
    """The last matcher that matched the best candidate: the one that decides, and the lines of several would hide the coats."""
    found = [matched.matcher for ranked in ranking[:1] for matched in ranked.matches if matched.scores]
    return found[-1] if found else ""


def _answer(number: int, decision: Decision, pictures: AnimalPictures, outline_id: str) -> str:
    rest = wording_of(decision).rest(name, percent)
    warnings = "".join(f"<li>{text(warning)}</li>" for warning in decision.warnings)
    taken_at = decision.photo.taken_at
    when = f"<time>{text(taken_at).replace('T', ' ')}</time>" if taken_at else "time not known"
    overview = pictures.overview
    return (
        f'<header><div><p class="photo"><strong>{photo_title(decision)}</strong> <span>{when}</span></p>'
        f'<h2 id="title-{number}">{headline(decision)} {badge(decision)}</h2>'
        f"{f'<p class=probability>{rest}</p>' if rest else ''}"
        f'<p class="reason">{text(decision.reason)}</p>'
        f"{f'<ul class=warnings>{warnings}</ul>' if warnings else ''}"
        f"{''.join(f'<p class=missing>{note}</p>' for note in _missing(decision, overview))}</div>"
        f'<svg class="overview" role="img" aria-label="The whole photo {text(decision.photo.name)} with the animal’s outline" '
        f'viewBox="0 0 {overview.width:g} {overview.height:g}"><use href="#{overview.id}"/>'
        f'<rect class="box" {_rectangle(pictures.query)}/>{draw_outline(outline_id)}</svg></header>'
    )


def _missing(decision: Decision, overview: Picture) -> list[str]:
    """What a stored answer has no more."""
    notes = ["The photo could not be read when this page was written."] if overview.jpeg is None else []
    if decision.animal.outline is None:
        notes.append("Outline and matched points are not stored with this answer.")
    return notes


def _rectangle(picture: Picture) -> str:
    x0, y0 = picture.frame[:2]
    return f'x="{x0:g}" y="{y0:g}" width="{picture.width:g}" height="{picture.height:g}"'


def _figures(decision: Decision, pictures: AnimalPictures, outline_id: str, ranges: dict[str, Confidences], shown: str) -> str:
    """One figure per candidate; the best is seen."""
    photo = decision.photo.name
    if not decision.ranking:
        return (
            f"<figure>{draw_pair(pictures.query, outline_id, label=f'The animal of {photo}')}"
            "<figcaption><p>This photo. There is no candidate beside it.</p></figcaption></figure>"
        )
    figures = []
    candidates = zip(decision.ranking, pictures.sightings, pictures.candidates, strict=True)
    for place, (ranked, sighting, picture) in enumerate(candidates):
        label = f"The animal of {photo} beside {ranked.identity} of {ranked.photo}, with lines between matched points"
        notes = "".join(f"<p>{note}</p>" for note in _notes(ranked, sighting, picture))
        seen = (sighting.taken_at.replace("T", " "), sighting.viewpoint) if sighting else ()
        facts = ", ".join(text(fact) for fact in (ranked.photo, *seen) if fact)
        figures.append(
            f'<figure data-candidate="{place}"{" hidden" if place else ""}>'
            f"{draw_pair(pictures.query, outline_id, picture, ranked.matches, ranges, shown, label)}"
            f"<figcaption><p>This photo: {name(photo)}</p>"
            f"<p><strong>{name(ranked.identity)}</strong>: {facts}</p>{notes}</figcaption></figure>"
        )
    return "".join(figures)


def _notes(ranked: RankedIdentity, sighting: Sighting | None, picture: Picture) -> list[str]:
    """What a reader of the drawing would otherwise wonder about."""
    if sighting is None:
        notes = ["The gallery no longer has this photo."]
    else:
        notes = ["The gallery holds no picture of this animal."] if picture.jpeg is None else []
    if sighting and not picture.in_photo_pixels and any(matched.scores for matched in ranked.matches):
        notes.append("The gallery does not say where the animal was in its photo, so the matched points cannot be drawn.")
    not_run = [score.name for score in ranked.scores if score.raw is None]
    if not_run:
        notes.append(f"Run on more promising candidates only: {text(', '.join(not_run))}.")
    return notes


def _controls(decision: Decision, ranges: dict[str, Confidences], shown: str) -> str:
    """What is drawn: a group per matcher, and the outline."""
    best = {matched.matcher: len(matched.scores) for ranked in decision.ranking[:1] for matched in ranked.matches}
    groups = []
    for number, (matcher, confidence) in enumerate(ranges.items()):
        checked = " checked" if matcher == shown else ""
        # Rounded down to the slider's steps, so that its left end shows every match and its right end at least one.
        low, high = (math.floor(value * 100) / 100 for value in (confidence.low, confidence.high))
        colours = "".join(f'<rect class="c{colour}" x="{colour}" width="1.02" height="1"/>' for colour in range(COLOURS))
        groups.append(
            f'<fieldset data-matcher="{number}"{"" if checked else " class=needs-script"}><legend>{text(matcher)}</legend>'
            f'<label class="needs-script"><input type="checkbox" data-draws="lines" autocomplete="off"{checked}> lines</label>'
            f'<label class="needs-script"><input type="checkbox" data-draws="points" autocomplete="off"{checked}> points</label>'
            f'<label class="needs-script">confidence from <input type="range" min="{low:.2f}" max="{high:.2f}" step="0.01" '
            f'value="{low:.2f}" autocomplete="off"> <output class="least">{low:.2f}</output></label>'
            f'<span class="key">{confidence.low:.2f} <svg viewBox="0 0 {COLOURS} 1" preserveAspectRatio="none" role="img" '
            f'aria-label="the colours of confidence, from low to high">{colours}</svg> {confidence.high:.2f}</span>'
            f'<output class="count">{best.get(matcher, 0)} of {best.get(matcher, 0)} matches</output></fieldset>'
        )
    return (
        f'<div class="controls">{"".join(groups)}<label class="needs-script"><input type="checkbox" data-draws="outline" '
        'autocomplete="off" checked> outline of the animal</label></div>'
    )


def _ranking(number: int, decision: Decision) -> str:
    if not decision.ranking:
        return ""
    rows = "".join(
        f'<tr data-candidate="{place}"{"" if place else " class=chosen"}><td><label>'
        f'<input class="needs-script" type="radio" name="candidate-{number}" value="{place}" autocomplete="off"'
        f"{'' if place else ' checked'}> "
        f"{name(ranked.identity)}</label></td>"
        f"<td>{percent(ranked.probability)}{bar(ranked.probability)}</td><td>{ranked.evidence:.3f}</td><td>{name(ranked.photo)}</td></tr>"
        for place, ranked in enumerate(decision.ranking)
    )
    return (
        '<section class="ranking"><h3>Ranking<span class="needs-script">: choose whom to see</span></h3>'
        f'<div class="scroll"><table>{_head("Individual", "Probability", "Evidence", "Best photo")}'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _head(*titles: str) -> str:
    columns = "".join(f'<th scope="col">{title}</th>' for title in titles)
    return f"<thead><tr>{columns}</tr></thead>"


def _scores(decision: Decision) -> str:
    """One table per candidate; the best one's is seen."""
    return "".join(
        f'<section class="scores" data-candidate="{place}"{" hidden" if place else ""}>'
        f"<h3>Scores against {name(ranked.identity)}</h3>"
        f'<div class="scroll"><table>{_head("Score", "Measured", "Calibrated")}<tbody>'
        f"{''.join(_score_row(score, ranked) for score in ranked.scores)}</tbody>"
        '<tfoot><tr><th scope="row" colspan="2">Fused score</th>'
        f"<td>{ranked.fused:.3f}{bar(ranked.fused)}</td></tr></tfoot></table></div>"
        '<p class="meaning">Calibrated: the chance that two photos with this score show the same individual. '
        "Evidence: how clearly this individual stands out from the others of the gallery. "
        f"{_thresholds(decision)}</p></section>"
        for place, ranked in enumerate(decision.ranking)
    )


def _thresholds(decision: Decision) -> str:
    limits = decision.thresholds
    return (
        f"By evidence: known from {limits.known_from:.3f}; a person is asked from {limits.ask_from:.3f} to {limits.ask_to:.3f}."
    )


def _score_row(score: PairEvidence, ranked: RankedIdentity) -> str:
    counted = score.name in {matched.matcher for matched in ranked.matches}
    raw = "not run" if score.raw is None else f"{score.raw:.0f} matches" if counted else f"{score.raw:.3f}"
    calibrated = "–" if score.calibrated is None else percent(score.calibrated) + bar(score.calibrated)
    return f"<tr><td>{text(score.name)}</td><td>{raw}</td><td>{calibrated}</td></tr>"


def _details(decision: Decision) -> str:
    photo, animal = decision.photo, decision.animal
    where = "the whole frame, as no animal stood out" if not animal.found else f"{animal.area * 100:.0f} % of the frame"
    facts = {
        "File": photo.path or photo.name,
        "SHA-256": photo.sha256,
        "Size": f"{photo.width} × {photo.height} pixels",
        "Animal": f"{where}, box {', '.join(str(edge) for edge in animal.box)}",
        "Video": _followed(decision.track) if decision.track else "",
        "Calibration": decision.calibration,
        "Time": ", ".join(f"{stage} {milliseconds:.0f} ms" for stage, milliseconds in decision.timings_ms.items()),
    }
    rows = "".join(f"<dt>{title}</dt><dd>{text(fact)}</dd>" for title, fact in facts.items() if fact)
    return f"<details><summary>Details</summary><dl>{rows}</dl></details>"


def _followed(track: TrackFacts) -> str:
    """Where in a video the animal was, and the answers that its answer combines."""
    answers = "; ".join(
        f"{each.seconds:.1f} s: {each.verdict}{f' {each.identity}' if each.identity else ''}, {in_percent(each.probability)}"
        for each in track.answers
    )
    return f"animal {track.number}, in view from {track.begin:.1f} to {track.end:.1f} s. Combined of {answers}"
