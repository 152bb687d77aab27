"""JPEGs of animals for the page: cut from the photo where it can be read, else the thumbnail that stands in, and kept for a while."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_edge.gallery import Gallery, Sighting
from reid_edge.photo import Photo, read_header
from reid_edge.photo.jpeg import small_jpeg
from reid_edge.report.pictures import Frame
from reid_edge.review.answers.stored import AnswerSource, StoredAnswer
from reid_edge.review.reading import PhotoReader

CROP_LONG_SIDE = 900
WHOLE_LONG_SIDE = 1400
_QUALITY = 84
_KEPT_BYTES = 48_000_000
STAND_IN_SECONDS = (
    60.0  # the photo may come back, with its card or its disk; a file that hangs a decoder is not tried at every view
)


@dataclass(frozen=True)
class Crop:
    """A part of a photo as JPEG.

    Attributes:
        jpeg: the pixels, scaled; None where there are none.
        frame: (x0, y0, x1, y1), the part: pixels of the upright photo, end exclusive.
        in_photo_pixels: False where it is not known which part of the photo this is.
        is_original: True where it was cut from the photo, False where a thumbnail stands in.
    """

    jpeg: bytes | None
    frame: Frame
    in_photo_pixels: bool = True
    is_original: bool = True


class Pictures:
    """Crops of answers and sightings. The newest are kept in memory, up to a number of bytes, what stands in for a photo for
    STAND_IN_SECONDS; threads may share it.

    Args:
        gallery: with the sightings.
        answers: with the answers.
        reader: of their photos.
        clock: seconds, never set back.
    """

    def __init__(
        self, gallery: Gallery, answers: AnswerSource, reader: PhotoReader, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._gallery = gallery
        self._answers = answers
        self._reader = reader
        self._clock = clock
        self._kept: OrderedDict[object, tuple[Crop, float]] = OrderedDict()  # and until when
        self._bytes = 0
        self._lock = threading.Lock()
        self._making: dict[object, threading.Lock] = {}

    def of_answer(self, answer: StoredAnswer) -> Crop:
        """The animal of an answer. Where the photo is gone, the thumbnail of the animal.

        Raises:
            UsageError, GalleryError, StorageError: the answer cannot be read.
        """
        return self._once(("answer", answer.id, answer.box), lambda: self._cut_answer(answer))

    def whole(self, answer: StoredAnswer) -> Crop:
        """The whole photo of an answer; errors as `of_answer`."""
        return self._once(("whole", answer.sha256), lambda: self._whole(answer))

    def of_sighting(self, sighting: Sighting) -> Crop:
        """The animal of a gallery photo.

        Raises:
            GalleryError: the gallery cannot be read.
        """
        return self._once(("sighting", sighting.id), lambda: self._cut_sighting(sighting))

    def forget(self) -> None:
        """Drop all that is kept."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _cut_answer(self, answer: StoredAnswer) -> Crop:
        photo = self._reader.find(self._answers.paths(answer), answer.sha256)
        if photo is not None:
            return cut(photo, answer.box)
        stand_in = self._answers.thumbnail(answer)
        if stand_in is None:  # the gallery may hold the photo already
            held = self._gallery.has_photo(answer.sha256, answer.index)
            stand_in = self._gallery.thumbnail(held.id) if held else None
        return Crop(stand_in, answer.box, is_original=False)

    def _whole(self, answer: StoredAnswer) -> Crop:
        facts = self._answers.decision(answer).photo
        photo = self._reader.find(self._answers.paths(answer), answer.sha256)
        frame = (0.0, 0.0, float(facts.width), float(facts.height))
        return Crop(small_jpeg(photo.rgb, WHOLE_LONG_SIDE, _QUALITY) if photo else None, frame, is_original=photo is not None)

    def _cut_sighting(self, sighting: Sighting) -> Crop:
        paths: Sequence[Path] = [Path(sighting.photo_path)] if sighting.photo_path else []
        photo = self._reader.find(paths, sighting.photo_sha256)
        if photo is not None:
            whole = (0.0, 0.0, float(photo.width), float(photo.height))
            return cut(photo, sighting.box or whole)
        stand_in = self._gallery.thumbnail(sighting.id)
        if sighting.box is not None:
            return Crop(stand_in, sighting.box, is_original=False)
        if stand_in is None:
            return Crop(None, (0.0, 0.0, 1.0, 1.0), in_photo_pixels=False, is_original=False)
        header = read_header(stand_in, sighting.photo_name)
        return Crop(stand_in, (0.0, 0.0, float(header.width), float(header.height)), False, False)

    def _once(self, key: object, make: Callable[[], Crop]) -> Crop:
        """What is kept under the key, else what `make` makes, which only one thread does at a time."""
        with self._lock:
            if (kept := self._find(key)) is not None:
                return kept
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if (kept := self._find(key)) is not None:
                    return kept
            crop = make()
            with self._lock:
                self._making.pop(key, None)
                self._keep(key, crop)
            return crop

    def _find(self, key: object) -> Crop | None:
        crop, until = self._kept.get(key, (None, 0.0))
        if crop is None or self._clock() >= until:
            return None
        self._kept.move_to_end(key)
        return crop

    def _keep(self, key: object, crop: Crop) -> None:
        self._drop(key)
        self._kept[key] = crop, math.inf if crop.is_original else self._clock() + STAND_IN_SECONDS
        self._bytes += len(crop.jpeg or b"")
        while self._bytes > _KEPT_BYTES and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: object) -> None:
        crop, _ = self._kept.pop(key, (None, 0.0))
        self._bytes -= len(crop.jpeg or b"") if crop else 0


def sighting_picture(sighting_id: int) -> str:
    """The address of a sighting's picture."""
    return f"/pictures/sighting/{sighting_id}.jpg"


def cut(photo: Photo, box: Frame) -> Crop:
    """A part of a photo; what of the box lies outside is left out."""
    x0, y0 = (max(0, int(edge)) for edge in box[:2])
    x1, y1 = min(photo.width, max(int(box[2]), x0 + 1)), min(photo.height, max(int(box[3]), y0 + 1))
    if x1 <= x0 or y1 <= y0:
        x0, y0, x1, y1 = 0, 0, photo.width, photo.height
    return Crop(small_jpeg(photo.rgb[y0:y1, x0:x1], CROP_LONG_SIDE, _QUALITY), (float(x0), float(y0), float(x1), float(y1)))
