"""The drawing of a pair as SVG: two pictures side by side or one below the other, and a line for each pair of matched points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reid_edge.decide.decision import MatchedPoints
from reid_edge.decide.facts import Polygon
from reid_edge.report.markup import text
from reid_edge.report.pair import confidences_of, define_outline, draw_outline
from reid_edge.report.pictures import Frame
from reid_edge.review.pair.alignment import Alignment

_WIDTH, _HEIGHT = 1200.0, 620.0  # units of the drawing: of a row, and the most for one animal
_COLUMN_WIDTH, _COLUMN_HEIGHT = 600.0, 420.0
_GAP = 12.0
_SCALES = (0.5, 2.0)  # an alignment may shrink or enlarge the candidate by no more, against pictures of equal size

STEPS = (12, 40, 400)
"""How many of the strongest matches are drawn, step by step, as a person asks for more."""


@dataclass(frozen=True)
class Side:
    """One animal of the pair.

    Attributes:
        href: the address of its picture; '' where there is none.
        frame: the part of its photo that the picture shows, pixels.
        in_photo_pixels: False where points of the photo cannot be placed.
    """

    href: str
    frame: Frame
    in_photo_pixels: bool = True


@dataclass(frozen=True)
class _Placed:
    """A side in the drawing: the matrix (a, b, c, d, e, f) of SVG from pixels of its photo to units, and what it covers."""

    side: Side
    matrix: tuple[float, float, float, float, float, float]
    width: float
    height: float

    def moved(self, left: float, top: float) -> _Placed:
        a, b, c, d, e, f = self.matrix
        return _Placed(self.side, (a, b, c, d, e + left, f + top), self.width, self.height)

    def point(self, xy: tuple[float, float]) -> tuple[float, float]:
        """A point of the photo, whose pixel centres are at whole numbers, in the drawing."""
        a, b, c, d, e, f = self.matrix
        x, y = xy[0] + 0.5, xy[1] + 0.5
        return a * x + c * y + e, b * x + d * y + f

    def drawn(self, more: str = "") -> str:
        x0, y0, x1, y1 = self.side.frame
        where = f'x="{x0:g}" y="{y0:g}" width="{x1 - x0:g}" height="{y1 - y0:g}"'
        picture = f'<rect {where} class="no-picture"/>'
        if self.side.href:
            picture = f'<image {where} preserveAspectRatio="none" href="{text(self.side.href)}"/>'
        return f'<g transform="matrix({" ".join(f"{value:.6g}" for value in self.matrix)})">{picture}{more}</g>'


def draw(
    sides: Sequence[Side],
    outline: Sequence[Polygon] = (),
    matches: Sequence[MatchedPoints] = (),
    alignment: Alignment | None = None,
    column: bool = False,
) -> str:
    """The drawing: the query, and the candidate where there is one.

    Args:
        sides: one or two.
        outline: of the query's animal, polygons in pixels of its photo.
        matches: of the pair; those of the last matcher that found any are drawn, the strongest on top.
        alignment: how the candidate lies on the query.
        column: one below the other, for a narrow screen.
    """
    placed, width, height = _place(sides, alignment or Alignment(), column)
    outlined = f"<defs>{define_outline('pair-outline', outline)}</defs>{draw_outline('pair-outline')}" if outline else ""
    parts = [each.drawn("" if number else outlined) for number, each in enumerate(placed)]
    found = [matched for matched in matches if matched.scores]
    if len(placed) == 2 and found and all(each.side.in_photo_pixels for each in placed):
        parts.append(f'<g class="matches">{_lines(found[-1], placed)}</g>')
    return (
        f'<svg class="pair" role="img" aria-labelledby="pair-label" viewBox="0 0 {width:.1f} {height:.1f}">{"".join(parts)}</svg>'
    )


def _place(sides: Sequence[Side], alignment: Alignment, column: bool) -> tuple[list[_Placed], float, float]:
    most_wide, most_high = (_COLUMN_WIDTH, _COLUMN_HEIGHT) if column else ((_WIDTH - _GAP) / 2, _HEIGHT)
    turns = [0.0, alignment.degrees]
    fit = [_fitting(side.frame, turn, most_wide, most_high) for side, turn in zip(sides, turns, strict=False)]
    if len(sides) == 2:
        wanted = fit[0] * alignment.scale if alignment.scale else fit[1]
        least, most = (fit[1] * each for each in _SCALES)
        second = min(max(wanted, least), most)
        shrink = min(1.0, fit[1] / second)  # so that the candidate fits, and the query stays at its scale
        fit = [fit[0] * shrink, second * shrink]
    placed = [_placed(side, scale, turn) for side, scale, turn in zip(sides, fit, turns, strict=False)]
    across = [each.height if column else each.width for each in placed]
    length = sum(across) + _GAP * (len(placed) - 1)
    most_across = max(each.width if column else each.height for each in placed)
    moved, start = [], 0.0
    for each, extent in zip(placed, across, strict=True):
        middle = (most_across - (each.width if column else each.height)) / 2
        moved.append(each.moved(middle, start) if column else each.moved(start, middle))
        start += extent + _GAP
    return moved, (most_across if column else length), (length if column else most_across)


def _fitting(frame: Frame, degrees: float, most_wide: float, most_high: float) -> float:
    """The scale at which a turned frame fits."""
    placed = _placed(Side("", frame), 1.0, degrees)
    return min(most_wide / placed.width, most_high / placed.height)


def _placed(side: Side, scale: float, degrees: float) -> _Placed:
    x0, y0, x1, y1 = side.frame
    a, b = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    corners = [(a * x - b * y, b * x + a * y) for x in (x0, x1) for y in (y0, y1)]
    left, top = (min(each[axis] for each in corners) for axis in (0, 1))
    width, height = (max(each[axis] for each in corners) - start for axis, start in ((0, left), (1, top)))
    return _Placed(side, (a, b, -b, a, -left, -top), width, height)


def _lines(matched: MatchedPoints, placed: Sequence[_Placed]) -> str:
    """The strongest last, so that it lies on top; a class says from which step on a line is seen."""
    confidence = confidences_of([matched])[matched.matcher]
    order = sorted(range(len(matched.scores)), key=lambda index: -matched.scores[index])[: STEPS[-1]]
    parts = []
    for rank, index in reversed(list(enumerate(order))):
        (x1, y1), (x2, y2) = placed[0].point(matched.query_xy[index]), placed[1].point(matched.candidate_xy[index])
        step = next(number for number, most in enumerate(STEPS) if rank < most)
        parts.append(
            f'<g class="c{confidence.colour(matched.scores[index])} step-{step}">'
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
            f'<path d="M{x1:.1f} {y1:.1f}h.01M{x2:.1f} {y2:.1f}h.01"/></g>'
        )
    return "".join(parts)
