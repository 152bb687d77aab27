"""The animals of a video: found in a frame every so often, followed from frame to frame, each with its best frames.

Of a video of any length only these frames of the animals that are in view are in memory, and of these the animals alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.description import Describer
from reid_edge.describe.quality import quality_of
from reid_edge.describe.query import Query
from reid_edge.describe.segmentation import Animal, Box, overlap
from reid_edge.errors import PhotoError
from reid_edge.identify.describing_ahead import described_in_turn
from reid_edge.identify.identifier import Identifier
from reid_edge.identify.tracking import Tracker
from reid_edge.name_time import NameTime
from reid_edge.photo import Photo
from reid_edge.photo.jpeg import read_jpeg, small_jpeg
from reid_edge.photo.video import VideoFrame, frame_count, frames

EVERY_SECONDS = 0.5
BEST_FRAMES = 4
"""So many frames of a track are described and compared."""

_APART_SECONDS = 1.0  # between two of them: neighbours repeat each other
_CLEAR = 0.05  # overlap with another animal's box, at most
_EDGE = 2  # pixels: an animal so near to the frame's edge may be cut off
_JPEG_QUALITY = 92

Item = TypeVar("Item")
Watch = Callable[[Iterator[Item], str, int], Iterable[Item]]
"""Shows how far a video is: an iterator of its frames, the file's name, how many frames there will be about."""


class EmptyVideoError(PhotoError):
    """No animal stands out in any frame."""


@dataclass(frozen=True)
class VideoOptions:
    """How a video is read.

    Attributes:
        every_seconds: animals are looked for in a frame every so often.
        with_pictures: keep the pixels of the best frames, as a report draws them.
        name_time: finds the time of the beginning in the name of a file that notes none.
        watch: shows how far it is.
    """

    every_seconds: float = EVERY_SECONDS
    with_pictures: bool = False
    name_time: NameTime | None = None
    watch: Watch[VideoFrame] | None = None


DEFAULT_VIDEO = VideoOptions()


@dataclass(frozen=True, eq=False)
class TrackFrame:
    """One animal in one frame.

    Attributes:
        seconds: from the beginning of the video.
        photo: the frame's facts; its pixels are blank and take no memory.
        animal: found in it.
        rank: of two frames of a track, the better one has the higher: whether the animal is clear of others, and clear of the edge,
            then its sharpness and size.
        jpeg: of the frame; None where no pictures are kept.
    """

    seconds: float
    photo: Photo
    animal: Animal
    rank: tuple[bool, bool, float]
    jpeg: bytes | None = None

    def picture(self) -> Photo:
        """The frame with its pixels, where these are kept."""
        return self.photo if self.jpeg is None else replace(self.photo, rgb=read_jpeg(self.jpeg))


@dataclass(eq=False)
class Track:
    """An animal that was followed.

    Attributes:
        number: in its video, from 1.
        scene: number of the span of the video within which an animal is always in view, from 0.
        begin, end: seconds: the first and the last frame that shows it.
        frames: how many show it.
        best: the best of these, in the order of time.
        together: numbers of tracks that a frame shows beside it.
        merged: it begins where two tracks met, so that it may show two animals.
    """

    number: int
    scene: int
    begin: float
    end: float = 0.0
    frames: int = 0
    best: list[TrackFrame] = field(default_factory=list)
    together: set[int] = field(default_factory=set)
    merged: bool = False

    def add(self, frame: TrackFrame, most: int = BEST_FRAMES) -> None:
        """One more frame, later than the others."""
        self.end, self.frames = frame.seconds, self.frames + 1
        if self.best and frame.seconds - self.best[-1].seconds < _APART_SECONDS:
            if frame.rank > self.best[-1].rank:
                self.best[-1] = frame
            return
        self.best.append(frame)
        if len(self.best) > most:
            self.best.remove(min(self.best, key=lambda each: each.rank))


def tracks_of(
    path: Path, identifier: Identifier, query: Query, options: VideoOptions = DEFAULT_VIDEO
) -> Generator[Track, None, int]:
    """The animals of a video, each when it has left the view; close the generator where it is left early.

    Args:
        path: of the video.
        identifier: the pack, whose segmentation finds the animals.
        query: the species, where it is known.
        options: how the video is read.

    Returns:
        How many frames were looked at.

    Raises:
        PhotoError: see `reid_edge.photo.video.frames`; the animals before a cut are given first.
        EngineError: a network failed.
    """
    failure: list[PhotoError] = []
    read = _until_failure(frames(path, options.every_seconds), failure)
    if options.watch is not None:
        read = iter(options.watch(read, path.name, frame_count(path, options.every_seconds)))

    def find(described_by: Identifier, frame: VideoFrame) -> list[Animal]:
        found = Describer(described_by.recipe, described_by.networks).animals(frame.photo, species=query.species)
        return [animal for animal in found if animal.found]

    following = _Following(options)
    with closing(described_in_turn(identifier, read, find)) as turns:
        for frame, found, _ in turns:
            yield from following.step(frame, found())
    yield from following.rest()
    if failure:
        raise failure[0]
    return following.looked_at


class _Following:
    """The tracks that are in view."""

    def __init__(self, options: VideoOptions) -> None:
        self.looked_at = 0
        self._options, self._tracker, self._scene = options, Tracker(), 0
        self._open: dict[int, Track] = {}

    def step(self, frame: VideoFrame, animals: list[Animal]) -> Iterator[Track]:
        """Take the next frame; gives the tracks that ended before it."""
        self.looked_at += 1
        boxes: list[Box] = [animal.box for animal in animals]
        numbers = self._tracker.step(boxes)
        ended = [self._open.pop(number) for number in list(self._open) if number not in numbers]
        self._scene += bool(ended) and not self._open
        blank, jpeg = self._kept(frame) if animals else (frame.photo, None)
        for place, (number, animal) in enumerate(zip(numbers, animals, strict=True)):
            if number not in self._open:
                merged = number in self._tracker.merged
                self._open[number] = Track(number + 1, self._scene, frame.seconds, merged=merged)
            track = self._open[number]
            track.together.update(other + 1 for other in numbers if other != number)
            others = boxes[:place] + boxes[place + 1 :]
            track.add(TrackFrame(frame.seconds, blank, animal, _rank(animal, frame.photo, others), jpeg))
        yield from ended

    def rest(self) -> Iterator[Track]:
        """The tracks that last to the end."""
        yield from self._open.values()

    def _kept(self, frame: VideoFrame) -> tuple[Photo, bytes | None]:
        """The frame without its pixels, and these as a JPEG where they are to be kept."""
        photo, name_time = frame.photo, self._options.name_time
        if photo.taken_at is None and name_time is not None and photo.path is not None:
            began = name_time.of(photo.path.name)
            taken_at = (datetime.fromisoformat(began) + timedelta(seconds=int(frame.seconds))).isoformat() if began else None
            photo = replace(photo, taken_at=taken_at)
        blank: NDArray[np.uint8] = np.broadcast_to(np.zeros(1, np.uint8), photo.rgb.shape)
        keep = self._options.with_pictures
        return replace(photo, rgb=blank), small_jpeg(photo.rgb, max(photo.rgb.shape), _JPEG_QUALITY) if keep else None


def _rank(animal: Animal, photo: Photo, others: list[Box]) -> tuple[bool, bool, float]:
    x0, y0, x1, y1 = animal.box
    is_whole = x0 >= _EDGE and y0 >= _EDGE and x1 <= photo.width - _EDGE and y1 <= photo.height - _EDGE
    sharpness, size, _ = quality_of(animal.crop, animal.mask)
    return all(overlap(animal.box, other) <= _CLEAR for other in others), is_whole, float(sharpness + size)


def _until_failure(read: Iterator[VideoFrame], failure: list[PhotoError]) -> Iterator[VideoFrame]:
    try:
        yield from read
    except PhotoError as error:
        failure.append(error)
