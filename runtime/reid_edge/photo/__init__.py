"""Photos: from the bytes of a file to upright 8-bit RGB pixels, with what the camera noted, or one sentence saying why not."""

from reid_edge.photo.decode import DecodeLimits, Photo, decode_photo
from reid_edge.photo.files import PHOTO_EXTENSIONS, list_photos, list_photos_to_convert, list_videos, read_photo, read_photo_bytes
from reid_edge.photo.header import PhotoHeader, read_header

__all__ = [
    "PHOTO_EXTENSIONS",
    "DecodeLimits",
    "Photo",
    "PhotoHeader",
    "decode_photo",
    "list_photos",
    "list_photos_to_convert",
    "list_videos",
    "read_header",
    "read_photo",
    "read_photo_bytes",
]
