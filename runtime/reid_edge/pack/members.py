"""What may lie in a pack: plain relative paths, five kinds of file, and sizes that end.

The rules are those of the strictest machine a pack may be copied to, so that a pack that opens here opens everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from reid_edge.errors import PackError

MANIFEST = "pack.toml"
LARGEST = {".onnx": 2 << 30, ".json": 64 << 20, ".toml": 1 << 20, ".txt": 1 << 20, ".md": 1 << 20}
"""Bytes a file may have, by its kind; ONNX ends at 2 GiB because protobuf does."""
LARGEST_PACK = 4 << 30
MOST_FILES = 1000
LONGEST_PATH = 200

EXPORT_AGAIN = "Export the pack again, or fetch it again from where it came."
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*", re.ASCII)


def check_path(path: str) -> str:
    """The path itself, when it is a plain relative path of a known kind of file.

    Raises:
        PackError: an absolute path, `..`, a backslash, a drive letter, an odd character, or an extension a pack has no use for.
    """
    check_parts(path)
    if suffix(path) not in LARGEST:
        raise PackError(f"{path!r} is not one of {', '.join(LARGEST)}, the only kinds of file a pack holds.", "Remove the file.")
    return path


def check_parts(path: str) -> None:
    """Refuse a path (of a file or a folder, without a trailing slash) that could leave the pack or mean two things."""
    parts = path.split("/")
    if path.startswith("/") or "\\" in path or ".." in parts or re.match(r"[A-Za-z]:", path):
        raise PackError(f"the path {path!r} leads out of the pack.", "Do not use this pack; it may have been made to do harm.")
    if len(path) > LONGEST_PATH:
        raise PackError(f"the path {path[:40]!r}... is longer than {LONGEST_PATH} characters.", "Shorten it.")
    if not all(_PART.fullmatch(part) and not part.endswith(".") for part in parts):
        raise PackError(
            f"the path {path!r} has a character or an empty part that is not allowed.",
            "Use letters, digits and . _ + - only, joined by /; no part starts or ends with a dot.",
        )


def check_collisions(paths: Iterable[str]) -> None:
    """Refuse two paths that are one file on a disk that ignores case, or a path that is a file and a folder at once."""
    files: set[str] = set()
    spelling: dict[str, str] = {}
    for path in paths:
        if path in files:
            raise PackError(f"{path!r} is there twice.", EXPORT_AGAIN)
        files.add(path)
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            part = "/".join(parts[:end])
            if spelling.setdefault(part.casefold(), part) != part:
                raise PackError(f"{spelling[part.casefold()]!r} and {part!r} differ only in case.", "Rename one of them.")
    for path in files:
        parts = path.split("/")
        for end in range(1, len(parts)):
            if "/".join(parts[:end]) in files:
                raise PackError(f"{'/'.join(parts[:end])!r} is both a file and the folder of {path!r}.", "Rename one of them.")


def check_sizes(sizes: Mapping[str, int]) -> None:
    """Refuse more files or more bytes than a pack may have; `sizes` is bytes by path."""
    if len(sizes) > MOST_FILES:
        raise PackError(f"it holds more than {MOST_FILES} files.", "Check that this is a pack.")
    for path, size in sizes.items():
        if size > LARGEST[suffix(path)]:
            raise PackError(
                f"{path!r} has {size} bytes; a {suffix(path)} file may have {LARGEST[suffix(path)]}.", "Do not use this pack."
            )
    if (total := sum(sizes.values())) > LARGEST_PACK:
        raise PackError(f"its files have {total} bytes together; a pack may have {LARGEST_PACK}.", "Do not use this pack.")


def suffix(path: str) -> str:
    """The extension with its dot, as it is written: `.onnx`."""
    name = path.rpartition("/")[2]
    return name[name.rindex(".") :] if "." in name else ""
