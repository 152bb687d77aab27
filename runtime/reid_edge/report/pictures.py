"""Small JPEGs of photos for the page. Each is there once, and drawn in pixels of its photo wherever it is used."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from reid_edge.decide.facts import PhotoFacts
from reid_edge.gallery import Gallery, Sighting
from reid_edge.photo import Photo, read_header
from reid_edge.photo.jpeg import small_jpeg

# Enough to see single spots on a screen of high resolution; about 100 kB.
_CROP_LONG_SIDE = 900
_OVERVIEW_LONG_SIDE = 480
_JPEG_QUALITY = 82

Frame = tuple[float, float, float, float]


@dataclass(frozen=True)
class Picture:
    """A part of a photo.

    Attributes:
        id: of its definition on the page.
        frame: (x0, y0, x1, y1), the part: pixels of the upright photo, x right, y down, end exclusive, at least 1 wide and high.
        jpeg: the pixels, scaled; None where there are none.
        in_photo_pixels: False where it is not known which part of the photo this is, so that none of its points can be placed.
    """

    id: str
    frame: Frame
    jpeg: bytes | None
    in_photo_pixels: bool = True

    @property
    def width(self) -> float:
        """Pixels of the photo."""
        return self.frame[2] - self.frame[0]

    @property
    def height(self) -> float:
        """Pixels of the photo."""
        return self.frame[3] - self.frame[1]

    def definition(self) -> str:
        """SVG that draws nothing until it is used by its id; then it fills `frame` in pixels of the photo."""
        x0, y0 = self.frame[:2]
        where = f'id="{self.id}" x="{x0:g}" y="{y0:g}" width="{self.width:g}" height="{self.height:g}"'
        if self.jpeg is None:
            return f'<rect {where} class="no-picture"/>'
        encoded = base64.b64encode(self.jpeg).decode("ascii")
        return f'<image {where} preserveAspectRatio="none" href="data:image/jpeg;base64,{encoded}"/>'


def overview_picture(picture_id: str, photo: Photo | None, facts: PhotoFacts) -> Picture:
    """The whole photo, small; a blank one of its size where there are no pixels."""
    jpeg = small_jpeg(photo.rgb, _OVERVIEW_LONG_SIDE, _JPEG_QUALITY) if photo else None
    return Picture(picture_id, (0, 0, facts.width, facts.height), jpeg)


def query_picture(
    picture_id: str, photo: Photo | None, box: tuple[int, int, int, int], thumbnail: bytes | None = None
) -> Picture:
    """One animal: the photo inside the box (x0, y0, x1, y1); where there are no pixels its thumbnail, a JPEG of the same part, or blank."""
    x0, y0, x1, y1 = box
    return Picture(picture_id, box, small_jpeg(photo.rgb[y0:y1, x0:x1], _CROP_LONG_SIDE, _JPEG_QUALITY) if photo else thumbnail)


def candidate_picture(gallery: Gallery, sighting_id: int, sighting: Sighting | None) -> Picture:
    """The gallery's thumbnail of a sighting, which shows what is inside its box; the photo itself may be gone.

    A sighting that the gallery no longer has is None, and has no picture.

    Raises:
        GalleryError: the gallery cannot be read.
    """
    picture_id = f"sighting-{sighting_id}"
    if sighting is None:
        return Picture(f"{picture_id}-missing", (0, 0, 1, 1), None, in_photo_pixels=False)
    jpeg = gallery.thumbnail(sighting_id)
    if sighting.box is not None:
        x0, y0, x1, y1 = sighting.box
        return Picture(picture_id, (x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)), jpeg)
    if jpeg is None:
        return Picture(picture_id, (0, 0, 1, 1), None, in_photo_pixels=False)
    header = read_header(jpeg, sighting.photo_name)
    return Picture(picture_id, (0, 0, header.width, header.height), jpeg, in_photo_pixels=False)
