"""Animals that were followed through a video: the frames of a track are one animal, and two tracks at one time are two.

The working file notes the track of a frame in the place of its name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_edge.gallery import Sighting

_FORM = re.compile(r"video ([0-9a-f]{64}) track (\d+) frames (\d+) to (\d+)")


@dataclass(frozen=True)
class TrackSpan:
    """Where an animal was in view. It was in each frame between: a track ends where one lacks the animal.

    Attributes:
        video: SHA-256 of the file.
        number: of the track in it, from 1.
        begin, end: milliseconds from the beginning of the video, of the first and the last frame.
    """

    video: str
    number: int
    begin: int
    end: int

    @property
    def name(self) -> str:
        """What stands for it in the working file."""
        return f"video {self.video} track {self.number} frames {self.begin} to {self.end}"

    @classmethod
    def of(cls, sighting: Sighting) -> TrackSpan | None:
        """Of a sighting of the working file; None of a photo."""
        found = _FORM.fullmatch(sighting.identity)
        return cls(found[1], *(int(each) for each in found.groups()[1:])) if found else None

    def meets(self, other: TrackSpan) -> bool:
        """Whether one frame shows both."""
        return self.video == other.video and self != other and self.begin <= other.end and other.begin <= self.end


def same_tracks(spans: Sequence[TrackSpan | None]) -> list[tuple[int, int]]:
    """Pairs of places that show one animal, so that all of its frames are connected."""
    first: dict[TrackSpan, int] = {}
    return [
        (first[span], place) for place, span in enumerate(spans) if span is not None and first.setdefault(span, place) != place
    ]


def meeting_tracks(spans: Sequence[TrackSpan | None]) -> NDArray[np.bool_]:
    """bool [N, N], symmetric: which places show animals that were in view at one time."""
    meeting = np.zeros((len(spans), len(spans)), np.bool_)
    of_videos = [(place, span) for place, span in enumerate(spans) if span is not None]
    for place, span in of_videos:
        for other, another in of_videos:
            meeting[place, other] = span.meets(another)
    return meeting
