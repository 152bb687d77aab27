"""The format of a file, recognised by its first bytes and never by its name; what is not a photo is refused with what it is."""

from __future__ import annotations

from dataclasses import dataclass

from reid_edge.errors import PhotoError
from reid_edge.photo.optional import HEIC, RAW

READ_FORMATS = "JPEG, PNG, TIFF, BMP and WebP"
COPY_AGAIN = "Copy the file again from the card."

_SAVE_AS_JPEG = "Save it as JPEG first; the camera or phone can also be set to take JPEG."
_TAKE_FRAMES = "Save single frames of it as JPEG first."
_GIVE_PHOTO = f"Give a photo; {READ_FORMATS} are read."
# Those that an optional package reads, see `reid_edge.photo.optional`.
_BY_PACKAGE = {
    "a HEIC photo": HEIC,
    "a Canon CR2 raw file": RAW,
    "a Canon CR3 raw file": RAW,
    "a Fujifilm raw file": RAW,
    "an Olympus raw file": RAW,
    "a Panasonic raw file": RAW,
}

# Raw files that begin like a TIFF come before TIFF.
_MAGIC: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\xff\xd8\xff", "JPEG", ""),
    (0, b"\x89PNG\r\n\x1a\n", "PNG", ""),
    (8, b"CR\x02\0", "a Canon CR2 raw file", ""),
    (0, b"II*\0", "TIFF", ""),
    (0, b"MM\0*", "TIFF", ""),
    (0, b"BM", "BMP", ""),
    (8, b"WEBP", "WebP", ""),
    (0, b"II+\0", "a BigTIFF", "Save it as an ordinary TIFF or JPEG first."),
    (0, b"MM\0+", "a BigTIFF", "Save it as an ordinary TIFF or JPEG first."),
    (0, b"IIRO", "an Olympus raw file", ""),
    (0, b"IIRS", "an Olympus raw file", ""),
    (0, b"IIU\0", "a Panasonic raw file", ""),
    (0, b"FUJIFILMCCD-RAW", "a Fujifilm raw file", ""),
    (4, b"ftypcrx", "a Canon CR3 raw file", ""),
    (4, b"ftyphei", "a HEIC photo", ""),
    (4, b"ftyphev", "a HEIC photo", ""),
    (4, b"ftypmif1", "a HEIC photo", ""),
    (4, b"ftypmsf1", "a HEIC photo", ""),
    (4, b"ftypavi", "an AVIF photo", _SAVE_AS_JPEG),
    (4, b"ftyp", "a video", _TAKE_FRAMES),
    (8, b"AVI ", "a video", _TAKE_FRAMES),
    (0, b"\x1a\x45\xdf\xa3", "a video", _TAKE_FRAMES),
    (0, b"GIF8", "a GIF", _SAVE_AS_JPEG),
    (0, b"\xff\x0a", "a JPEG XL photo", _SAVE_AS_JPEG),
    (4, b"JXL ", "a JPEG XL photo", _SAVE_AS_JPEG),
    (4, b"jP  ", "a JPEG 2000 photo", _SAVE_AS_JPEG),
    (0, b"8BPS", "a Photoshop document", _SAVE_AS_JPEG),
    (0, b"%PDF", "a PDF document", _GIVE_PHOTO),
    (0, b"PK\x03\x04", "a zip archive", "Unpack it first."),
)


@dataclass(frozen=True)
class Format:
    """A format that can be read.

    Attributes:
        kind: "JPEG", "PNG", "TIFF", "BMP", "WebP", or "HEIC" or "raw", which take an optional package.
        called: the format in words, with an article for the optional ones.
    """

    kind: str
    called: str


def recognise_format(data: bytes, name: str) -> Format:
    """The format of a file's bytes.

    Raises:
        PhotoError: the file is empty, holds only zeros, or is not a photo; the message names its format where that is known.
    """
    if not data:
        raise PhotoError(f"{name} is empty: it holds 0 bytes.", COPY_AGAIN)
    for offset, magic, kind, hint in _MAGIC:
        if data.startswith(magic, offset):
            if hint:
                raise PhotoError(f"{name} is {kind}, which cannot be read.", hint)
            return Format(_BY_PACKAGE.get(kind, kind), kind)
    if not data.strip(b"\0"):
        raise PhotoError(f"{name} is broken: it holds nothing but zeros.", COPY_AGAIN)
    if _looks_like_text(data[:512]):
        raise PhotoError(f"{name} is a text file, not a photo.", _GIVE_PHOTO)
    raise PhotoError(f"{name} is not a photo: its format is not known. {READ_FORMATS} are read.", _GIVE_PHOTO)


def _looks_like_text(start: bytes) -> bool:
    text = start.decode("utf-8", "replace").rstrip("\ufffd")  # the cut at 512 bytes may split a character
    return bool(text) and all(character.isprintable() or character in "\t\r\n\f\ufeff" for character in text)
