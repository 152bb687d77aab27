"""Following animals from frame to frame by their boxes: a track that might go on with another animal ends, and a new one begins.

A box may be an animal's next one where it lies near the place to which its last step leads. The boxes of a frame are assigned to tracks
one to one, so that the sum of overlaps is the largest. An assignment is in doubt where another box, or another track, is near as well:
then it must overlap by half, and the other by next to nothing. Where two animals cross, their boxes overlap both tracks, so that all of
them end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import dist

from reid_edge.decide.combining import assign
from reid_edge.describe.segmentation import Box, overlap

_REACH = 0.75  # of a long side, from where it is expected
_LARGER = 3.0  # times the area, at most
_COVERED = 0.5  # of a box that another one holds
_SURE, _NONE = 0.5, 0.1  # overlap of an assignment, and of its rivals, where there are rivals


@dataclass(frozen=True)
class _Followed:
    """An animal in the last frame: the number of its track, its box, its last step in pixels, and its frames so far."""

    number: int
    box: Box
    step: tuple[float, float] = (0.0, 0.0)
    frames: int = 1

    @property
    def expected(self) -> Box:
        x, y = self.step
        return self.box[0] + x, self.box[1] + y, self.box[2] + x, self.box[3] + y


class Tracker:
    """Numbers the animals of one frame after another, from 0; a number that a frame lacks never comes again.

    Attributes:
        merged: tracks that begin where two tracks met: their boxes may hold both animals.
    """

    def __init__(self) -> None:
        self.merged: set[int] = set()
        self._followed: list[_Followed] = []
        self._count = 0

    def step(self, boxes: Sequence[Box]) -> list[int]:
        """The number of each animal of the next frame.

        Args:
            boxes: (x0, y0, x1, y1) pixels, the same in all frames.
        """
        scores = [[_closeness(each, box) for each in self._followed] for box in boxes]
        following = []
        for box, row, column in zip(boxes, scores, assign(scores), strict=True):
            if column is not None and self._is_sure(box, column, row, [other[column] for other in scores]):
                each = self._followed[column]
                step = tuple(now - then for now, then in zip(_centre(box), _centre(each.box), strict=True))
                following.append(_Followed(each.number, box, (step[0], step[1]), each.frames + 1))
            else:
                following.append(_Followed(self._count, box))
                if sum(each.frames > 1 and _covered(each.box, box) >= _COVERED for each in self._followed) > 1:
                    self.merged.add(self._count)
                self._count += 1
        self._followed = following
        return [each.number for each in following]

    def _is_sure(self, box: Box, column: int, row: Sequence[float], others: Sequence[float]) -> bool:
        """Args: the box, its track, its closeness to all tracks, and the closeness of all boxes to the track."""
        rivals = [value for place, value in enumerate(row) if place != column and value > 0]
        mine = row[column]
        taken = list(others)
        taken.remove(mine)
        rivals += [value for value in taken if value > 0]
        return not rivals or (mine >= _SURE and max(rivals) < _NONE)


def _closeness(followed: _Followed, box: Box) -> float:
    """0 where it cannot be its next box, else the larger overlap with where it was and where it is expected; above 0 without one."""
    larger, smaller = sorted((_area(followed.box), _area(box)), reverse=True)
    reach = _REACH * max(box[2] - box[0], box[3] - box[1])
    if larger > _LARGER * smaller or min(dist(_centre(each), _centre(box)) for each in (followed.box, followed.expected)) > reach:
        return 0.0
    return max(overlap(followed.box, box), overlap(followed.expected, box), 1e-3)


def _covered(inner: Box, outer: Box) -> float:
    """Which share of the inner box lies in the outer one."""
    across = min(inner[2], outer[2]) - max(inner[0], outer[0])
    down = min(inner[3], outer[3]) - max(inner[1], outer[1])
    return max(0.0, across) * max(0.0, down) / max(_area(inner), 1e-9)


def _centre(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])
