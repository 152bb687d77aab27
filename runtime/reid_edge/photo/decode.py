"""Decoding: the bytes of a photo file to a Photo, at full resolution, or an error with the reason."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import PhotoError
from reid_edge.photo.exif import read_exif
from reid_edge.photo.formats import COPY_AGAIN
from reid_edge.photo.header import PhotoHeader, cut_off, read_header
from reid_edge.photo.optional import HEIC, RAW, decode_optional
from reid_edge.photo.pixels import decode_samples, is_transparent, over_grey, to_eight_bits, to_rgb, turn_upright


@dataclass(frozen=True)
class DecodeLimits:
    """What is refused before it is decoded.

    Attributes:
        max_pixels: width times height, read from the header.
        max_bytes: size of the file.
    """

    max_pixels: int = 100_000_000
    max_bytes: int = 256_000_000


DEFAULT_LIMITS = DecodeLimits()


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded photo.

    Attributes:
        rgb: uint8 [H, W, 3], C-contiguous, upright; x right, y down.
        sha256: of the file's bytes, lowercase hexadecimal.
        name: the file's name, for messages.
        path: where it was read from; None for bytes from elsewhere.
        taken_at: `YYYY-MM-DDTHH:MM:SS` by the camera's clock, which has no zone; None where the camera noted none.
        latitude: degrees, north positive; None where the camera noted no position.
        longitude: degrees, east positive; None where the camera noted no position.
        warnings: what a person should know about this decoding, one sentence each.
    """

    rgb: NDArray[np.uint8]
    sha256: str
    name: str
    path: Path | None = None
    taken_at: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Pixels, upright."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """Pixels, upright."""
        return int(self.rgb.shape[0])


def decode_photo(data: bytes, name: str, path: Path | None = None, limits: DecodeLimits = DEFAULT_LIMITS) -> Photo:
    """Decode the bytes of a JPEG, PNG, TIFF, BMP or WebP file, or with the extra `formats` of a HEIC or raw file; `name` is used
    in messages.

    Memory beside `data` stays within about four times the size of the result; six times for 16 bits with alpha, of which OpenCV
    decodes two copies. LibRaw develops a raw file within about five times.

    Raises:
        PhotoError: not a photo, a format that is not read, over the limits, cut off, or broken.
    """
    refuse_too_many_bytes(len(data), name, limits)
    header = read_header(data, name)
    _refuse_too_many_pixels(header, name, limits)
    if not header.complete:
        raise cut_off(name, header.format)
    exif = read_exif(header.exif)
    # OpenCV applies the orientation of a TIFF itself, and so do the readers of HEIC and raw files.
    orientation = 1 if header.format in ("TIFF", HEIC, RAW) else exif.orientation
    try:
        samples = to_eight_bits(_samples(data, header, name))
        transparent = is_transparent(samples, header.format)
        if transparent:
            samples = over_grey(samples)
        rgb = turn_upright(to_rgb(samples), orientation)
    except MemoryError:
        raise PhotoError(
            f"{name} needs more memory than is free: it has {header.width:,} x {header.height:,} pixels.",
            "Close other programs, or scale the picture down.",
        ) from None
    return Photo(
        rgb=rgb,
        sha256=hashlib.sha256(data).hexdigest(),
        name=name,
        path=path,
        taken_at=exif.taken_at or header.taken_at,
        latitude=exif.latitude,
        longitude=exif.longitude,
        warnings=exif.warnings + (("The transparent parts were filled with grey.",) if transparent else ()),
    )


def refuse_too_many_bytes(size: int, name: str, limits: DecodeLimits) -> None:
    """Raise PhotoError where a file of `size` bytes is over the limits."""
    if size > limits.max_bytes:
        raise PhotoError(
            f"{name} is too large: it has {size / 1e6:,.1f} MB, and at most {limits.max_bytes / 1e6:,.1f} MB are read.",
            "Save it as JPEG, which is smaller.",
        )


def _refuse_too_many_pixels(header: PhotoHeader, name: str, limits: DecodeLimits) -> None:
    pixels = header.width * header.height
    if pixels > limits.max_pixels:
        raise PhotoError(
            f"{name} is too large: it has {header.width:,} x {header.height:,} = {pixels / 1e6:,.1f} million pixels, "
            f"and at most {limits.max_pixels / 1e6:,.1f} million are decoded.",
            "Scale the picture down, or cut out the part that shows the animal.",
        )


def _samples(data: bytes, header: PhotoHeader, name: str) -> NDArray[Any]:
    if header.format in (HEIC, RAW):
        return decode_optional(header.format, data, name)
    samples = decode_samples(data)
    if samples is None:
        raise PhotoError(f"{name} is broken: it begins as a {header.format}, but its pixels cannot be decoded.", COPY_AGAIN)
    if samples.dtype not in (np.uint8, np.uint16):
        raise PhotoError(
            f"{name} is a {header.format} of {samples.dtype.name} samples, which cannot be read as a photo.",
            "Save it with 8 or 16 bits for each colour.",
        )
    return samples
