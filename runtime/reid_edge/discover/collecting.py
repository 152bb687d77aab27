"""The photos and videos of a discovery, described once and kept in a working file, which is a gallery whose sightings have no names yet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from reid_edge.describe.description import DescribedAnimal
from reid_edge.describe.features import to_arrays
from reid_edge.describe.query import Query
from reid_edge.discover.videos import VideoCollector, VideoFound
from reid_edge.errors import PhotoError
from reid_edge.gallery import Gallery, Sighting
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.describing_ahead import described_in_turn
from reid_edge.identify.identifier import Identifier
from reid_edge.identify.new_sighting import new_sighting
from reid_edge.identify.video import DEFAULT_VIDEO, VideoOptions
from reid_edge.name_time import NameTime
from reid_edge.photo import Photo, read_photo
from reid_edge.photo.files import read_photo_bytes
from reid_edge.photo.video import is_video, video_sha256


@dataclass(frozen=True)
class PhotoFacts:
    """What a caller knows of all photos.

    Attributes:
        species, viewpoint: of every animal; '' where not known.
        name_time: finds the time of a photo file that notes none in its name.
    """

    species: str = ""
    viewpoint: str = ""
    name_time: NameTime | None = None


@dataclass
class Collected:
    """What was read.

    Attributes:
        photos: by SHA-256, the path that it was first found at; also of frames of videos.
        videos: by SHA-256, what was found in it.
        copies: files with the bytes of another one.
        failed: files that could not be read, with the reason.
    """

    photos: dict[str, Path] = field(default_factory=dict)
    videos: dict[str, VideoFound] = field(default_factory=dict)
    copies: list[Path] = field(default_factory=list)
    failed: list[tuple[Path, PhotoError]] = field(default_factory=list)


def collect(
    paths: Iterable[Path],
    work: Gallery,
    identifier: Identifier,
    facts: PhotoFacts = PhotoFacts(),
    video: VideoOptions = DEFAULT_VIDEO,
) -> Collected:
    """Describe all animals of the files that the working file does not hold yet; each photo reaches the disk as a whole.

    Args:
        paths: of photos and videos; may be a progress iterator.
        work: the working file, writable.
        identifier: the pack.
        facts: what is known of all of them.
        video: how videos are read.

    Raises:
        EngineError, GalleryError, StorageError: it cannot go on; what was described stays.
    """
    collected = Collected()
    for is_of_videos, files in groupby(paths, is_video):
        if is_of_videos:
            options = replace(video, name_time=facts.name_time)
            collector = VideoCollector(work, identifier, Query(facts.species, facts.viewpoint), options)
            _collect_videos(files, collector, collected)
        else:
            _collect_photos(files, work, identifier, facts, collected)
    return collected


def _collect_videos(files: Iterable[Path], collector: VideoCollector, collected: Collected) -> None:
    for path in files:
        sha256 = ""
        try:
            sha256 = video_sha256(path)
            if sha256 in collected.videos:
                collected.copies.append(path)
                continue
            collected.videos[sha256] = collector.collect(path, sha256)
        except PhotoError as error:
            collected.failed.append((path, error))
        for each in collector.held(sha256):
            collected.photos[each.photo_sha256] = path


def _collect_photos(
    files: Iterable[Path], work: Gallery, identifier: Identifier, facts: PhotoFacts, collected: Collected
) -> None:
    key, batch = identifier.feature_key, work.new_batch()
    undescribed = {each.id for each in work.sightings_without(key)}

    def foresee(path: Path) -> _Foreseen:
        try:
            sha256 = hashlib.sha256(read_photo_bytes(path)).hexdigest()
        except PhotoError as error:
            return _Foreseen(path, error)
        stored = work.photo_sightings(sha256)
        return _Foreseen(path, sha256, not stored or any(each.id in undescribed for each in stored))

    def describe(described_by: Identifier, foreseen: _Foreseen) -> tuple[Photo, list[DescribedAnimal]] | None:
        if not foreseen.new:
            return None
        photo = read_photo(foreseen.path)
        return photo, described_by.describe(photo, Query(facts.species, facts.viewpoint))

    with closing(described_in_turn(identifier, map(foresee, files), describe)) as turns:
        for foreseen, described, _ in turns:
            if isinstance(foreseen.sha256, PhotoError):
                collected.failed.append((foreseen.path, foreseen.sha256))
                continue
            if foreseen.sha256 in collected.photos:
                collected.copies.append(foreseen.path)
                continue
            try:
                found = described()
            except PhotoError as error:
                collected.failed.append((foreseen.path, error))
                continue
            collected.photos[foreseen.sha256] = foreseen.path
            if found is not None:
                _store(work, foreseen.path, found, key, batch, facts)


def collected_sightings(work: Gallery, collected: Collected, facts: PhotoFacts) -> list[Sighting]:
    """The animals of these photos, ordered by photo hash and animal, whatever the order of the files."""
    return [
        replace(
            each,
            species=facts.species or each.species,
            viewpoint=facts.viewpoint.lower() or each.viewpoint,
            photo_path=str(collected.photos[each.photo_sha256]),
        )
        for each in work.sightings()
        if each.photo_sha256 in collected.photos
    ]


@dataclass(frozen=True)
class _Foreseen:
    """A photo before its turn: its hash, or why it cannot be read, and whether it has to be described."""

    path: Path
    sha256: str | PhotoError
    new: bool = False


def _store(
    work: Gallery, path: Path, found: tuple[Photo, Sequence[DescribedAnimal]], key: str, batch: str, facts: PhotoFacts
) -> None:
    photo, animals = found
    if facts.name_time is not None and photo.taken_at is None:
        photo = replace(photo, taken_at=facts.name_time.of(path.name))
    with work.transaction():
        for described in animals:
            index, features = described.animal.index, to_arrays(described.features)
            stored = work.has_photo(photo.sha256, index)
            if stored is not None:
                work.put_features(stored.id, key, features)
                continue
            enrolment = Enrolment(path, f"{photo.sha256}-{index}", facts.species, facts.viewpoint)
            new = new_sighting(enrolment, photo, described, index)
            # Without a box where no animal stands out: the whole frame takes part, and the report says so.
            work.add_sighting(new if described.animal.found else replace(new, box=None), features, key, batch)
