"""The query and one candidate side by side as SVG, with the mask's outline and a line for each pair of matched points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reid_edge.decide.decision import MatchedPoints, RankedIdentity
from reid_edge.report.markup import text
from reid_edge.report.pictures import Picture

# In units of the drawing, which is at most as many CSS pixels wide.
_WIDTH = 1200.0
_HIGHEST = 640.0
_GAP = 14.0

COLOURS = 8


@dataclass(frozen=True)
class Confidences:
    """The range of one matcher's confidences over all candidates of an animal, so that colours mean the same in each drawing."""

    low: float
    high: float

    def colour(self, score: float) -> int:
        """Which of the style sheet's colours, 0 for the least sure."""
        share = (score - self.low) / (self.high - self.low) if self.high > self.low else 1.0
        return min(int(share * COLOURS), COLOURS - 1)


def confidences(ranking: Sequence[RankedIdentity]) -> dict[str, Confidences]:
    """By matcher, in the recipe's order; a matcher that matched nothing is left out."""
    return confidences_of([matched for ranked in ranking for matched in ranked.matches])


def confidences_of(matches: Sequence[MatchedPoints]) -> dict[str, Confidences]:
    """By matcher, of these matches, in their order; a matcher that matched nothing is left out."""
    scores: dict[str, list[float]] = {}
    for matched in matches:
        scores.setdefault(matched.matcher, []).extend(matched.scores)
    return {matcher: Confidences(min(values), max(values)) for matcher, values in scores.items() if values}


@dataclass(frozen=True)
class _Place:
    """Where a picture lies in the drawing: its left edge, and units per pixel of the photo."""

    picture: Picture
    left: float
    scale: float

    def point(self, xy: tuple[float, float]) -> tuple[float, float]:
        """A point of the photo, whose pixel centres are at whole numbers, in the drawing."""
        x0, y0 = self.picture.frame[:2]
        return self.left + (xy[0] + 0.5 - x0) * self.scale, (xy[1] + 0.5 - y0) * self.scale

    def group(self, inside: str) -> str:
        x0, y0 = self.picture.frame[:2]
        return f'<g transform="translate({self.left:.2f} 0) scale({self.scale:.6g}) translate({-x0:g} {-y0:g})">{inside}</g>'


def define_outline(outline_id: str, polygons: Sequence[Sequence[tuple[float, float]]]) -> str:
    """The definition of an outline: polygons in pixels of the photo."""
    data = "".join("M" + " ".join(f"{x + 0.5:g} {y + 0.5:g}" for x, y in polygon) + "z" for polygon in polygons if polygon)
    return f'<path id="{outline_id}" vector-effect="non-scaling-stroke" d="{data}"/>'


def draw_outline(outline_id: str) -> str:
    """The outline, light on dark, so that it is seen on every coat and background."""
    return f'<use href="#{outline_id}" class="outline dark"/><use href="#{outline_id}" class="outline"/>'


def draw_pair(
    query: Picture,
    outline_id: str,
    candidate: Picture | None = None,
    matches: Sequence[MatchedPoints] = (),
    ranges: Mapping[str, Confidences] | None = None,
    shown: str = "",
    label: str = "",
) -> str:
    """The drawing.

    Args:
        query: the animal.
        outline_id: of the path with the mask's outline.
        candidate: the gallery's animal; None to show the query alone.
        matches: of the two, one entry per matcher.
        ranges: by matcher, see `confidences`.
        shown: the matcher whose lines are seen at first.
        label: what the drawing shows, for those who do not see it.
    """
    pictures = [query] if candidate is None else [query, candidate]
    places, width, height = _side_by_side(pictures)
    drawn = [place.group(f'<use href="#{place.picture.id}"/>') for place in places]
    drawn.append(places[0].group(draw_outline(outline_id)))
    if candidate is not None and candidate.in_photo_pixels:
        for number, (matcher, confidence) in enumerate((ranges or {}).items()):
            lines = [_lines(matched, places, confidence) for matched in matches if matched.matcher == matcher]
            off = "" if matcher == shown else " no-lines no-points"
            drawn.append(f'<g class="matches{off}" data-matcher="{number}">{"".join(lines)}</g>')
    return (
        f'<svg class="pair" role="img" aria-label="{text(label)}" viewBox="0 0 {width:.2f} {height:.2f}" '
        f'style="max-width:{width:.0f}px">{"".join(drawn)}</svg>'
    )


def _side_by_side(pictures: Sequence[Picture]) -> tuple[list[_Place], float, float]:
    """The pictures at one height, and the width and height of them all."""
    shapes = [picture.width / picture.height for picture in pictures]
    gaps = _GAP * (len(pictures) - 1)
    height = min(_HIGHEST, (_WIDTH - gaps) / sum(shapes))
    places, left = [], 0.0
    for picture, shape in zip(pictures, shapes, strict=True):
        places.append(_Place(picture, left, height / picture.height))
        left += shape * height + _GAP
    return places, left - _GAP, height


def _lines(matched: MatchedPoints, places: Sequence[_Place], confidence: Confidences) -> str:
    """The least sure first, so that the surest lie on top."""
    query, candidate = places
    order = sorted(range(len(matched.scores)), key=lambda index: matched.scores[index])
    parts = []
    for index in order:
        score = matched.scores[index]
        x1, y1 = query.point(matched.query_xy[index])
        x2, y2 = candidate.point(matched.candidate_xy[index])
        # Dots are strokes of no length with round ends: unlike circles, they keep their size when the drawing shrinks.
        parts.append(
            f'<g class="c{confidence.colour(score)}" data-score="{score:.3f}">'
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
            f'<path d="M{x1:.1f} {y1:.1f}h.01M{x2:.1f} {y2:.1f}h.01"/></g>'
        )
    return "".join(parts)
