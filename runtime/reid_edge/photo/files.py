"""Photos as files: reading one, and finding those in a folder."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from reid_edge.errors import PhotoError
from reid_edge.photo import optional
from reid_edge.photo.decode import DEFAULT_LIMITS, DecodeLimits, Photo, decode_photo, refuse_too_many_bytes
from reid_edge.photo.video import VIDEO_EXTENSIONS

# HEIC and raw files only where the extra `formats` is installed.
PHOTO_EXTENSIONS = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".webp"}).union(
    *(extensions for kind, extensions in optional.EXTENSIONS.items() if optional.is_installed(kind))
)

# Photos of cameras and phones that have to be converted first.
_TO_CONVERT = frozenset({".avif"}).union(*optional.EXTENSIONS.values()) - PHOTO_EXTENSIONS


def read_photo(path: Path, limits: DecodeLimits = DEFAULT_LIMITS) -> Photo:
    """Read and decode one photo file.

    Raises:
        PhotoError: the file cannot be read, see `read_photo_bytes`, or `decode_photo` refuses it.
    """
    return decode_photo(read_photo_bytes(path, limits), _printable(path.name), path, limits)


def read_photo_bytes(path: Path, limits: DecodeLimits = DEFAULT_LIMITS) -> bytes:
    """The bytes of a photo file, not decoded.

    Raises:
        PhotoError: the file cannot be read: missing, a folder, no permission, too large, a failing disk.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise PhotoError(f"{_printable(path)} is a folder, not a photo.", "Give the photo file itself.")
        if not stat.S_ISREG(status.st_mode):  # a pipe or a device might never end
            raise PhotoError(f"{_printable(path)} is not a regular file.", "Give the photo file itself.")
        refuse_too_many_bytes(status.st_size, _printable(path.name), limits)
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def list_photos_to_convert(folder: Path) -> list[Path]:
    """The HEIC, AVIF and raw files of a folder that have to be converted first; errors and order as `list_photos`."""
    return _list_files(folder, True, _TO_CONVERT)


def list_photos(folder: Path, recursive: bool = True) -> list[Path]:
    """The photos of a folder, sorted by path: files with a photo's extension in any case, `PHOTO_EXTENSIONS`.

    Hidden files and folders, whose names begin with a dot, are skipped. Links are followed, each real folder once.

    Raises:
        PhotoError: the folder, or one inside it, is missing or may not be read, or is no folder.
    """
    return _list_files(folder, recursive, PHOTO_EXTENSIONS)


def list_videos(folder: Path) -> list[Path]:
    """The videos of a folder, by their names; errors and order as `list_photos`."""
    return _list_files(folder, True, VIDEO_EXTENSIONS)


def _list_files(folder: Path, recursive: bool, extensions: frozenset[str]) -> list[Path]:
    photos: list[Path] = []
    seen: set[tuple[int, int]] = set()
    pending = [folder]
    while pending:
        current = pending.pop()
        try:
            status = current.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            inside = [path for path in current.iterdir() if not path.name.startswith(".")]
        except OSError as error:
            raise _unreadable(current, error) from None
        for path in inside:
            if os.path.isdir(path):  # noqa: PTH112 (a link to itself is no folder here; Path.is_dir may raise)
                pending.append(path)
            elif path.suffix.lower() in extensions:
                photos.append(path)
        if not recursive:
            break
    return sorted(photos)


_HINTS = {
    errno.ENOENT: "Check the path.",
    errno.ENOTDIR: "Check the path.",
    errno.EACCES: "Change its permissions, or run as a user who may read it.",
    errno.EPERM: "Change its permissions, or run as a user who may read it.",
    errno.EIO: "The disk or card may be failing: copy what can still be read, then check it.",
}


def _unreadable(path: Path, error: OSError) -> PhotoError:
    if isinstance(error, FileNotFoundError):
        problem = "does not exist"
    elif isinstance(error, PermissionError):
        problem = "may not be read: permission denied"
    elif isinstance(error, NotADirectoryError):
        problem = "is not a folder" if path.is_file() else "does not exist"
    else:
        problem = f"cannot be read: {error.strerror or error}"
    return PhotoError(f"{_printable(path)} {problem}.", _HINTS.get(error.errno or 0, "Try again with a copy of it."))


def _printable(path: Path | str) -> str:
    """A path as text that every terminal and JSON writer takes; bytes of a name that are not UTF-8 become question marks."""
    return str(path).encode("utf-8", "replace").decode()
