"""Line charts and histograms as SVG, drawn in the units of the data."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_edge_calibration.report.markup import plain

# In units of the drawing, which is at most as many CSS pixels wide.
WIDTH, HEIGHT = 400.0, 270.0
LEFT, RIGHT, TOP, BOTTOM = 50.0, 14.0, 12.0, 42.0


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, with ticks at these values."""

    low: float
    high: float
    title: str
    ticks: tuple[float, ...]


def axis(low: float, high: float, title: str) -> Axis:
    """An axis with some five ticks at round numbers; one without extent is widened."""
    low, high = float(low), float(high)
    if high <= low:
        low, high = low - 0.5, low + 0.5
    power = 10 ** np.floor(np.log10((high - low) / 4))
    step = power * min((1, 2, 2.5, 5, 10), key=lambda factor: abs((high - low) / (factor * power) - 5))
    return Axis(low, high, title, tuple(np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step))


@dataclass
class Chart:
    """A drawing that grows by curves, points, bars and bands; what comes later lies on top."""

    x: Axis
    y: Axis
    _parts: list[str] = field(default_factory=list)

    def line(self, x: ArrayLike, y: ArrayLike, style: str) -> None:
        """A line through points, [N] each; `style` is a class of the style sheet."""
        path = "L".join(f"{a:.1f} {b:.1f}" for a, b in self._shortest(*self._place(x, y)))
        self._parts.append(f'<path class="{style}" d="M{path}"/>')

    def steps(self, edges: ArrayLike, value: ArrayLike, style: str) -> None:
        """A step function: [M + 1] edges and [M] values."""
        self.line(np.repeat(np.asarray(edges, np.float64), 2)[1:-1], np.repeat(np.asarray(value, np.float64), 2), style)

    def points(self, x: ArrayLike, y: ArrayLike) -> None:
        """Dots, [N]."""
        self._parts += [
            f'<circle class="point" cx="{a:.1f}" cy="{b:.1f}" r="3.5"/>' for a, b in zip(*self._place(x, y), strict=True)
        ]

    def intervals(self, x: ArrayLike, low: ArrayLike, high: ArrayLike) -> None:
        """Upright lines from low to high, [N]."""
        ends = zip(*self._place(x, low), self._place(x, high)[1], strict=True)
        self._parts += [f'<path class="interval" d="M{a:.1f} {b:.1f}V{c:.1f}"/>' for a, b, c in ends]

    def bars(self, edges: ArrayLike, value: ArrayLike, style: str) -> None:
        """A histogram: [M + 1] edges and [M] heights."""
        left, top = self._place(np.asarray(edges)[:-1], value)
        right, bottom = self._place(np.asarray(edges)[1:], np.full(len(left), self.y.low))
        self._parts += [
            f'<rect class="{style}" x="{a:.1f}" y="{b:.1f}" width="{c - a:.1f}" height="{d - b:.1f}"/>'
            for a, b, c, d in zip(left, top, right, bottom, strict=True)
            if d > b
        ]

    def band(self, low: float, high: float) -> None:
        """A shade over all heights."""
        (a, b), _ = self._place([low, high], [0, 0])
        self._parts.append(f'<rect class="shade" x="{a:.1f}" y="{TOP}" width="{b - a:.1f}" height="{HEIGHT - TOP - BOTTOM}"/>')

    def upright(self, x: float, label: str) -> None:
        """A line at x, with a label."""
        (a,), _ = self._place([x], [0])
        side, anchor = (-5, "end") if a > (LEFT + WIDTH - RIGHT) / 2 else (5, "start")
        self._parts.append(f'<path class="limit" d="M{a:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        self._parts.append(f'<text x="{a + side:.1f}" y="{TOP + 12}" text-anchor="{anchor}">{plain(label)}</text>')

    def svg(self, title: str, description: str) -> str:
        """The drawing.

        Args:
            title: what it shows, plain text.
            description: what is to be seen, for those who do not see it, plain text.
        """
        return (
            f'<svg class="chart" role="img" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" style="max-width:{WIDTH:g}px">'
            f"<title>{plain(title)}</title><desc>{plain(description)}</desc>{self._frame()}{''.join(self._parts)}</svg>"
        )

    def _frame(self) -> str:
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        parts = [f'<path class="frame" d="M{LEFT} {TOP}V{bottom}H{right}"/>']
        for value, place in zip(self.x.ticks, self._place(self.x.ticks, np.zeros(len(self.x.ticks)))[0], strict=True):
            parts.append(f'<path class="frame" d="M{place:.1f} {bottom}v4"/>')
            parts.append(f'<text x="{place:.1f}" y="{bottom + 16}" text-anchor="middle">{_tick(value)}</text>')
        for value, place in zip(self.y.ticks, self._place(np.zeros(len(self.y.ticks)), self.y.ticks)[1], strict=True):
            parts.append(f'<path class="grid" d="M{LEFT} {place:.1f}H{right}"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{place + 4:.1f}" text-anchor="end">{_tick(value)}</text>')
        middle = (TOP + bottom) / 2
        parts.append(
            f'<text class="axis" x="{(LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{plain(self.x.title)}</text>'
        )
        parts.append(
            f'<text class="axis" transform="translate(12 {middle}) rotate(-90)" text-anchor="middle">{plain(self.y.title)}</text>'
        )
        return "".join(parts)

    def _place(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Data in the units of the drawing, held inside the frame."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        across = np.clip((x - self.x.low) / (self.x.high - self.x.low), 0, 1)
        up = np.clip((y - self.y.low) / (self.y.high - self.y.low), 0, 1)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    @staticmethod
    def _shortest(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """float64 [up to N, 2], without points that are drawn where the one before is."""
        points = np.round(np.column_stack([x, y]), 1)
        return np.asarray(points[np.concatenate([[True], (np.diff(points, axis=0) != 0).any(axis=1)])])


def _tick(value: float) -> str:
    return f"{value:.6g}" if abs(value) > 1e-12 else "0"
