"""The videos of a discovery: each animal is followed, and the best frames of its track are described into the working file.

Which videos are in the working file as a whole is noted beside it. One that is not, for a stop or for other settings, is read again.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from reid_edge.describe.description import Describer
from reid_edge.describe.features import to_arrays
from reid_edge.describe.query import Query
from reid_edge.discover.tracks import TrackSpan
from reid_edge.gallery import Gallery, Sighting
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.identifier import Identifier
from reid_edge.identify.new_sighting import new_sighting
from reid_edge.identify.video import Track, VideoOptions, tracks_of
from reid_edge.timings import Timings

_NOTES = "videos.txt"


class VideoFound(NamedTuple):
    """What a video shows.

    Attributes:
        sha256: of the file.
        sightings: of the working file, several frames of each animal.
        frames: how many were looked at.
        merged: how many tracks were left out because two animals met in them.
    """

    sha256: str
    sightings: list[Sighting]
    frames: int
    merged: int


class VideoCollector:
    """Describes videos into a working file."""

    def __init__(self, work: Gallery, identifier: Identifier, query: Query, options: VideoOptions) -> None:
        """Read which videos the working file holds.

        Args:
            work: the working file, writable.
            identifier: the pack.
            query: species and viewpoint, where these are known.
            options: how videos are read.
        """
        self._work, self._identifier, self._query, self._options = work, identifier, query, options
        self._describer = Describer(identifier.recipe, identifier.networks)
        self._batch = work.new_batch()
        self._notes = Path(work.path).with_name(Path(work.path).name + ".cache") / _NOTES
        self._whole = self._read_notes()

    def collect(self, path: Path, sha256: str) -> VideoFound:
        """The animals of a video, described where the working file does not hold it.

        Raises:
            PhotoError: it cannot be read; of one that is cut off, the animals before the cut are in the working file.
            EngineError, GalleryError, StorageError: it cannot go on; what was described stays.
        """
        if sha256 not in self._whole:
            if incomplete := self.held(sha256):
                self._work.remove_sightings([each.id for each in incomplete], self._batch)
            self._whole[sha256] = self._describe(path, sha256)
            self._note(sha256)
        return VideoFound(sha256, self.held(sha256), *self._whole[sha256])

    def held(self, sha256: str) -> list[Sighting]:
        """The frames of a video that the working file holds."""
        return [each for each in self._work.sightings() if (span := TrackSpan.of(each)) is not None and span.video == sha256]

    def _describe(self, path: Path, sha256: str) -> tuple[int, int]:
        merged = 0
        with closing(tracks_of(path, self._identifier, self._query, self._options)) as tracks:
            while True:
                try:
                    track = next(tracks)
                except StopIteration as end:
                    return int(end.value), merged
                if track.merged:
                    merged += 1
                else:
                    self._store(path, sha256, track)

    def _store(self, path: Path, sha256: str, track: Track) -> None:
        span = TrackSpan(sha256, track.number, round(track.begin * 1000), round(track.end * 1000))
        encounter = f"{path.name} {sha256[:8]}"
        enrolment = Enrolment(path, span.name, self._query.species, self._query.viewpoint, encounter=encounter)
        described = [self._describer.describe_animal(each.animal, self._query, Timings()) for each in track.best]
        with self._work.transaction():
            for frame, animal in zip(track.best, described, strict=True):
                new = new_sighting(enrolment, frame.photo, animal, frame.animal.index)
                self._work.add_sighting(new, to_arrays(animal.features), self._identifier.feature_key, self._batch)

    def _settings(self) -> str:
        return f"{self._identifier.feature_key} {self._options.every_seconds:g}"

    def _note(self, sha256: str) -> None:
        try:
            self._notes.parent.mkdir(exist_ok=True)
            with self._notes.open("a", encoding="utf-8") as file:
                file.write(f"{sha256} {self._settings()} {' '.join(map(str, self._whole[sha256]))}\n")
        except OSError:
            pass  # it is read again in the next run

    def _read_notes(self) -> dict[str, tuple[int, int]]:
        """The newest note of each video counts: other settings replaced what was there."""
        newest: dict[str, list[str]] = {}
        try:
            for line in self._notes.read_text("utf-8").splitlines():
                words = line.split()
                if len(words) == 5:
                    newest[words[0]] = words[1:]
            wanted = self._settings().split()
            return {sha256: (int(rest[2]), int(rest[3])) for sha256, rest in newest.items() if rest[:2] == wanted}
        except (OSError, ValueError):
            return {}
