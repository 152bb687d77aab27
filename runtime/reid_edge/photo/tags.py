"""TIFF tag directories: the one structure inside both TIFF files and EXIF blocks, read with every offset checked.

TIFF 6.0 specification, section 2. Nothing here follows chains or recurses, so no arrangement of offsets can make it loop.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_FORMATS = {1: "B", 3: "H", 4: "I", 9: "i"}  # BYTE, SHORT, LONG, SLONG
_ASCII, _RATIONAL, _SRATIONAL = 2, 5, 10
_MOST_NUMBERS = 16
_MOST_CHARACTERS = 64


class BrokenTagsError(ValueError):
    """A directory or value that lies outside its block or has the wrong type; the message is a phrase that names it."""


@dataclass(frozen=True)
class _Entry:
    type: int
    count: int
    offset: int  # of the four bytes that hold the value, or where the value lies


class TagBlock:
    """A block of bytes that begins with a TIFF header; offsets count from its start.

    Raises:
        BrokenTagsError: the block does not begin with a TIFF header.
    """

    def __init__(self, block: bytes) -> None:
        order = _BYTE_ORDERS.get(block[:4])
        if order is None:
            raise BrokenTagsError("it has no TIFF header")
        self._block = block
        self._order = order

    def first_directory(self) -> TagDirectory:
        """The directory that the header points to. Raises BrokenTagsError where that lies outside the block."""
        return self.directory(self.unpack("I", 4)[0])

    def directory(self, offset: int) -> TagDirectory:
        """The directory at an offset; a tag that stands twice keeps its first value. Raises BrokenTagsError."""
        (count,) = self.unpack("H", offset)
        entries: dict[int, _Entry] = {}
        for at in range(offset + 2, offset + 2 + 12 * count, 12):
            tag, kind, length = self.unpack("HHI", at)
            entries.setdefault(tag, _Entry(kind, length, at + 8))
        return TagDirectory(self, entries)

    def unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        """Numbers at an offset, by `struct` layout, in the block's byte order. Raises BrokenTagsError."""
        try:
            return struct.unpack_from(self._order + layout, self._block, offset)
        except struct.error:
            raise BrokenTagsError(f"it points to byte {offset} of {len(self._block)}") from None


class TagDirectory:
    """The tags of one directory and their values."""

    def __init__(self, block: TagBlock, entries: dict[int, _Entry]) -> None:
        self._block = block
        self._entries = entries

    def __contains__(self, tag: int) -> bool:
        return tag in self._entries

    def integers(self, tag: int) -> tuple[int, ...]:
        """At most the first 16 numbers of a tag. Raises BrokenTagsError where the tag is missing or holds no integers."""
        entry = self._entry(tag)
        if entry.type not in _FORMATS:
            raise BrokenTagsError(f"tag {tag} holds no integers")
        layout = f"{min(entry.count, _MOST_NUMBERS)}{_FORMATS[entry.type]}"
        return self._block.unpack(layout, self._value_offset(entry, struct.calcsize("=" + _FORMATS[entry.type])))

    def integer(self, tag: int, default: int | None = None) -> int:
        """The first number of a tag, or the default where the tag is missing. Raises BrokenTagsError."""
        if default is not None and tag not in self:
            return default
        numbers = self.integers(tag)
        if not numbers:
            raise BrokenTagsError(f"tag {tag} is empty")
        return numbers[0]

    def numerators(self, tag: int) -> tuple[int, ...]:
        """At most the first 16 numerators of a tag of rational numbers. Raises BrokenTagsError."""
        return self._fraction_numbers(tag)[0::2]

    def fractions(self, tag: int) -> tuple[float, ...]:
        """At most the first 16 rational numbers of a tag. Raises BrokenTagsError, also for a denominator of zero."""
        numbers = self._fraction_numbers(tag)
        if 0 in numbers[1::2]:
            raise BrokenTagsError(f"tag {tag} divides by zero")
        return tuple(top / bottom for top, bottom in zip(numbers[0::2], numbers[1::2], strict=True))

    def _fraction_numbers(self, tag: int) -> tuple[int, ...]:
        entry = self._entry(tag)
        if entry.type not in (_RATIONAL, _SRATIONAL):
            raise BrokenTagsError(f"tag {tag} holds no fractions")
        layout = ("I" if entry.type == _RATIONAL else "i") * (2 * min(entry.count, _MOST_NUMBERS))
        return self._block.unpack(layout, self._value_offset(entry, 8))

    def text(self, tag: int) -> str:
        """At most the first 64 characters of a text tag, up to its closing zero, trimmed. Raises BrokenTagsError."""
        entry = self._entry(tag)
        if entry.type != _ASCII:
            raise BrokenTagsError(f"tag {tag} holds no text")
        raw = bytes(self._block.unpack(f"{min(entry.count, _MOST_CHARACTERS)}B", self._value_offset(entry, 1)))
        return raw.split(b"\0")[0].decode("latin-1").strip()

    def _entry(self, tag: int) -> _Entry:
        if tag not in self._entries:
            raise BrokenTagsError(f"tag {tag} is missing")
        return self._entries[tag]

    def _value_offset(self, entry: _Entry, item_size: int) -> int:
        """A value of four bytes or fewer lies in its entry; a longer one lies where the entry points."""
        if entry.count * item_size <= 4:
            return entry.offset
        return self._block.unpack("I", entry.offset)[0]
