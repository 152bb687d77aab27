"""A gallery and a pack opened together: what answers one photo after another from files."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from reid_edge.compare.selection import Selection
from reid_edge.decide.decision import Decision
from reid_edge.decide.reviewed import reviewed
from reid_edge.describe.description import DescribedAnimal, Describer
from reid_edge.describe.query import Query
from reid_edge.errors import PhotoError
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import read_enrolments
from reid_edge.identify.describing_ahead import described_in_turn
from reid_edge.identify.enrolment import EnrolmentResult, check_names, enrol
from reid_edge.identify.identifier import Identifier
from reid_edge.identify.photo_input import PhotoInput, to_photo
from reid_edge.identify.track_answer import TrackAnswer, answer_of, answered_scene
from reid_edge.identify.video import DEFAULT_VIDEO, EmptyVideoError, Track, VideoOptions, tracks_of
from reid_edge.name_time import NameTime
from reid_edge.pack import find_pack, open_pack
from reid_edge.photo import Photo
from reid_edge.photo.video import is_video
from reid_edge.storage.address import Place
from reid_edge.timings import Timings

Answered = tuple[Photo, list[Decision]]
"""A photo, and the answer for each of its animals."""

_COMBINED = 5  # identities of each frame's ranking that an answer for a video is made of, or more where more are asked for


class _Described(NamedTuple):
    """The first half of the way of a photo."""

    photo: Photo
    animals: list[DescribedAnimal]
    timings: Timings


class Session:
    """An open gallery, a loaded pack, and the gallery's features made by that pack. One thread uses a session at a time.

    Attributes:
        gallery: the catalogue, open for reading.
        name_time: finds the time of a photo file that notes none in its name; may be set.
    """

    def __init__(self, gallery: Gallery, identifier: Identifier) -> None:
        self.name_time: NameTime | None = None
        self.gallery = gallery
        self.identifier = identifier
        self._seen = gallery.state()
        self.candidates = identifier.candidates(gallery)

    @classmethod
    def open(
        cls, gallery_path: Place, pack_name: str, device: str = "auto", threads: int | None = None, allow_random: bool = False
    ) -> Session:
        """Open both, the gallery for reading only, see `open_session`.

        Args:
            gallery_path: the catalogue's file.
            pack_name: a bundled or imported pack's name, or the path of a pack.
            device: what runs the networks.
            threads: CPU threads of one run of a network; None for the cores at hand.
            allow_random: accept a pack with random weights, whose answers mean nothing and say so.

        Raises:
            GalleryError, PackError, EngineError, UsageError: one of them cannot be opened.
        """
        gallery = Gallery.open(gallery_path, writable=False)
        try:
            return cls(gallery, Identifier(open_pack(find_pack(pack_name), allow_random), device, threads))
        except BaseException:
            gallery.close()
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the gallery."""
        self.gallery.close()

    def identify(self, photo: PhotoInput, query: Query | None = None) -> list[Decision]:
        """Answer for each animal of a photo, largest first; at least one, the whole frame where no animal stands out.

        Args:
            photo: a path; the bytes of a photo file; or uint8 [H, W, 3], upright RGB.
            query: what is known beside the photo.

        Raises:
            PhotoError: the photo cannot be read, or does not show the animal that the query asks about.
            UsageError: the query's viewpoint is none.
            PackError: the pack is not calibrated.
            EngineError, GalleryError: a network failed, or the gallery cannot be read.

        Example:
            >>> (decision,) = session.identify("photo.jpg", reid_edge.Query(viewpoint="left", top=2))
            >>> decision.verdict, decision.identity, len(decision.ranking)
            ('known', 'Chipo', 2)
        """
        query = query or Query()
        self.refresh()
        self.candidates.check_viewpoint(query.viewpoint)
        selection = self.candidates.select(query)
        return self._answer(self.identifier, self._describe(self.identifier, photo, selection), selection)[1]

    def describe(self, photo: PhotoInput, query: Query | None = None) -> list[DescribedAnimal]:
        """The animals of a photo, largest first, each with its outline, vectors and keypoints; nothing is compared.

        Args:
            photo: as of `identify`.
            query: boxes, viewpoint and species, where they are known.

        Raises:
            PhotoError: the photo cannot be read.
            EngineError: a network failed.

        Example:
            >>> (described,) = session.describe("photo.jpg")
            >>> {name: vector.shape for name, vector in described.features.vectors.items()}
            {'efficientnet-lite0': (1280,)}
            >>> keypoints = described.features.keypoints["xfeat"]
            >>> keypoints.xy.shape, keypoints.descriptors.shape
            ((1024, 2), (1024, 64))
        """
        return self.identifier.describe(to_photo(photo), query)

    def enrol(
        self,
        source: str | os.PathLike[str],
        identity: str | None = None,
        species: str = "",
        viewpoint: str = "",
        new: bool = False,
    ) -> EnrolmentResult:
        """Add photos of known individuals to the gallery; from then on they are compared. One `Gallery.undo` takes all of them back.

        Args:
            source: a folder with a sub-folder per individual; a metadata.csv or a folder that holds one; or, with `identity`, a photo or
                a folder of photos.
            identity: of whom the photos are.
            species, viewpoint: of photos whose source does not say. Without a species they get that of their individual, else the only one
                of the gallery.
            new: `identity` is a new individual, although its name is near that of another one.

        Raises:
            UsageError: there is nothing to enrol, or the source cannot be read as meant.
            GalleryError: `identity` is near the name of an individual, and not said to be new.
            GalleryError, StorageError, EngineError: nothing further can be enrolled; what was enrolled before stays.

        Example:
            >>> result = session.enrol("photo.jpg", identity="Chipo", viewpoint="left")
            >>> result.added, [path.name for path, _ in result.failed]
            (1, [])
        """
        listed = read_enrolments(Path(source), identity, species, viewpoint)
        with Gallery.open(self.gallery.path) as writable:
            check_names(writable, identity, listed.enrolments, new)
            result = enrol(writable, self.identifier, listed.enrolments)
        result.unidentified.update(listed.unidentified)
        self.refresh()
        return result

    def refresh(self) -> None:
        """See the gallery as it is now; `identify` and `identify_each` begin with it.

        Raises:
            GalleryError, StorageError: it cannot be read.
        """
        state = self.gallery.state()
        if state != self._seen:
            self.candidates = self.identifier.candidates(self.gallery)
            self._seen = state

    def identify_each(
        self, paths: Iterable[Path], query: Query | None = None, video: VideoOptions = DEFAULT_VIDEO
    ) -> Generator[tuple[Path, Answered | PhotoError], None, None]:
        """Answer for one file after another, in their order: while a photo is compared, the next ones are read and described.

        A video gives an answer for each animal that is followed through it, see `identify_video`. A file that cannot be read is the error
        that says why; a video without an animal is an `EmptyVideoError`. Close the generator where it is left early: it waits for the
        photos that are being described.

        Raises:
            EngineError, GalleryError: see `Identifier.identify`.
        """
        self.refresh()
        for is_of_videos, files in groupby(paths, is_video):
            if is_of_videos:
                for path in files:
                    yield from self._identify_video_file(path, query, video)
            else:
                yield from self._identify_photos(files, self.candidates.select(query or Query()))

    def _identify_photos(
        self, paths: Iterable[Path], selection: Selection
    ) -> Generator[tuple[Path, Answered | PhotoError], None, None]:
        def describe(identifier: Identifier, path: Path) -> _Described:
            return self._describe(identifier, path, selection)

        # The gallery stays with this thread: only pixels and networks are the others'.
        with closing(described_in_turn(self.identifier, paths, describe)) as turns:
            for path, described, identifier in turns:
                answered: Answered | PhotoError
                try:
                    answered = self._answer(identifier, described(), selection)
                except PhotoError as error:
                    answered = error
                yield path, answered

    def _identify_video_file(
        self, path: Path, query: Query | None, options: VideoOptions
    ) -> Generator[tuple[Path, Answered | PhotoError], None, None]:
        found = 0
        answers = self.identify_video(path, query, options)
        try:
            while True:
                answered = next(answers)
                found += 1
                yield path, answered
        except StopIteration as end:
            if not found:
                yield path, EmptyVideoError(f"{path.name}: no animal stands out in any of its {end.value} frames.", "")
        except PhotoError as error:
            yield path, error
        finally:
            answers.close()

    def identify_video(
        self, path: Path, query: Query | None = None, options: VideoOptions = DEFAULT_VIDEO
    ) -> Generator[Answered, None, int]:
        """Answer for each animal of a video: it is followed from frame to frame, and its best frames are combined into one answer.

        Gives the frame that says most of an animal (without `with_pictures` its pixels are blank) with the answer, once no animal that
        a frame shows beside it is in view any more: they are different individuals.

        Args:
            path: the video.
            query: what is known beside it.
            options: how it is read.

        Returns:
            How many frames were looked at.

        Raises:
            PhotoError: it cannot be read; of one that is cut off, the animals before the cut are answered first.
            EngineError, GalleryError: see `Identifier.identify`.
        """
        query = query or Query()
        selection = self.candidates.select(replace(query, top=max(query.top, _COMBINED), animal=None))
        options = replace(options, name_time=options.name_time or self.name_time)
        scene: list[TrackAnswer] = []
        tracks = tracks_of(path, self.identifier, selection.query, options)
        try:
            while True:
                track = next(tracks)
                if scene and track.scene != scene[0].track.scene:
                    yield from answered_scene(scene)
                    scene = []
                scene.append(self._answer_track(track, selection, query.top))
        except StopIteration as end:
            yield from answered_scene(scene)
            return int(end.value)
        except PhotoError:
            yield from answered_scene(scene)
            raise
        finally:
            tracks.close()

    def _answer_track(self, track: Track, selection: Selection, top: int) -> TrackAnswer:
        decisions, describer = [], Describer(self.identifier.recipe, self.identifier.networks)
        for frame in track.best:
            timings = Timings()
            described = describer.describe_animal(frame.animal, selection.query, timings)
            answered = self._answer(self.identifier, _Described(frame.photo, [described], timings), selection)
            decisions += answered[1]
        return answer_of(track, decisions, top)

    def _describe(self, identifier: Identifier, source: PhotoInput, selection: Selection) -> _Described:
        timings = Timings()
        with timings.stage("decode"):
            photo = to_photo(source)
            if self.name_time is not None and photo.taken_at is None and photo.path is not None:
                photo = replace(photo, taken_at=self.name_time.of(photo.path.name))
        return _Described(photo, identifier.describe(photo, selection.query, timings), timings)

    def _answer(self, identifier: Identifier, described: _Described, selection: Selection) -> Answered:
        photo, animals, timings = described
        decisions = identifier.answer(photo, animals, self.candidates, selection, timings)
        return photo, [
            reviewed(each, self.gallery.reviews_of_animal(photo.sha256, each.animal.index, each.animal.box)) for each in decisions
        ]
