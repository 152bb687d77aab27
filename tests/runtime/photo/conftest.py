"""Small photo files built by hand, for what no encoder writes on request: odd depths, EXIF blocks, wrong sizes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

# TIFF types: ASCII, SHORT, LONG, RATIONAL
Tags = Mapping[int, tuple[int, Sequence[int] | bytes]]
_LAYOUTS = {1: "B", 2: "B", 3: "H", 4: "I", 5: "I"}


def _directory(tags: Tags, at: int, order: str) -> bytes:
    """One TIFF directory that will stand at offset `at`, followed by its long values."""
    long_values_at = at + 2 + 12 * len(tags) + 4
    entries, long_values = b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        value = struct.pack(f"{order}{len(values)}{_LAYOUTS[kind]}", *values)
        count = len(values) // 2 if kind == 5 else len(values)
        if len(value) > 4:
            offset = struct.pack(order + "I", long_values_at + len(long_values))
            long_values += value + b"\0" * (len(value) % 2)
            value = offset
        entries += struct.pack(order + "HHI", tag, kind, count) + value.ljust(4, b"\0")
    return struct.pack(order + "H", len(tags)) + entries + b"\0\0\0\0" + long_values


@pytest.fixture(scope="session")
def exif_block() -> Callable[..., bytes]:
    """`exif_block(first, exif, gps, order)`: an EXIF block of up to three directories."""

    def build(first: Tags | None = None, exif: Tags | None = None, gps: Tags | None = None, order: str = "<") -> bytes:
        first = dict(first or {})
        for tag, directory in ((0x8769, exif), (0x8825, gps)):
            if directory is not None:
                first[tag] = (4, [0])
        exif_at = 8 + len(_directory(first, 8, order))
        gps_at = exif_at + len(_directory(exif or {}, exif_at, order))
        if exif is not None:
            first[0x8769] = (4, [exif_at])
        if gps is not None:
            first[0x8825] = (4, [gps_at])
        magic = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
        return magic + _directory(first, 8, order) + _directory(exif or {}, exif_at, order) + _directory(gps or {}, gps_at, order)

    return build


@pytest.fixture(scope="session")
def tiff_file() -> Callable[..., bytes]:
    """`tiff_file(samples, tags, order)`: an uncompressed TIFF of samples [H, W] or RGB [H, W, 3], with more tags."""

    def build(samples: np.ndarray, tags: Tags | None = None, order: str = "<") -> bytes:
        height, width = samples.shape[:2]
        channels = 1 if samples.ndim == 2 else samples.shape[2]
        strip = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
        every: dict[int, tuple[int, Sequence[int] | bytes]] = {
            256: (3, [width]),
            257: (3, [height]),
            258: (3, [8 * samples.itemsize] * channels),
            259: (3, [1]),
            262: (3, [2 if channels >= 3 else 1]),
            273: (4, [0]),
            277: (3, [channels]),
            278: (3, [height]),
            279: (4, [len(strip)]),
            339: (3, [{"u": 1, "i": 2, "f": 3}[samples.dtype.kind]] * channels),
            **(tags or {}),
        }
        every[273] = (4, [8 + len(_directory(every, 8, order))])
        magic = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
        return magic + _directory(every, 8, order) + strip

    return build


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@pytest.fixture(scope="session")
def png_chunk() -> Callable[[bytes, bytes], bytes]:
    """`png_chunk(name, content)`: one PNG chunk with its length and checksum."""
    return _chunk


@pytest.fixture(scope="session")
def png_file() -> Callable[..., bytes]:
    """`png_file(width, height, bits, colour_type, row, before_pixels)`: a PNG whose rows are all the same bytes."""

    def build(width: int, height: int, bits: int, colour_type: int, row: bytes, before_pixels: bytes = b"") -> bytes:
        header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))
        pixels = _chunk(b"IDAT", zlib.compress((b"\0" + row) * height, 1))
        return b"\x89PNG\r\n\x1a\n" + header + before_pixels + pixels + _chunk(b"IEND", b"")

    return build


@pytest.fixture(scope="session")
def with_exif() -> Callable[[bytes, bytes], bytes]:
    """`with_exif(file, block)`: a JPEG, PNG or WebP file as OpenCV writes it, with an EXIF block put in."""

    def put(file: bytes, block: bytes) -> bytes:
        if file.startswith(b"\xff\xd8"):
            content = b"Exif\0\0" + block
            return file[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + file[2:]
        if file.startswith(b"\x89PNG"):
            return file[:33] + _chunk(b"eXIf", block) + file[33:]
        content = file[12:] + b"EXIF" + struct.pack("<I", len(block)) + block + b"\0" * (len(block) % 2)
        if content[:4] != b"VP8X":  # the extended header that announces the EXIF chunk
            assert content[:4] == b"VP8L"
            sides = struct.unpack_from("<I", content, 9)[0]
            canvas = (sides & 0x3FFF).to_bytes(3, "little") + (sides >> 14 & 0x3FFF).to_bytes(3, "little")
            content = b"VP8X" + struct.pack("<II", 10, 0x08) + canvas + content
        return b"RIFF" + struct.pack("<I", 4 + len(content)) + b"WEBP" + content

    return put
