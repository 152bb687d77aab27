"""What a disk holds after the power was cut: the journal of `shims/storage.c`, replayed up to a moment, with what was not synced dropped.

The rules are those of POSIX, stricter than any one file system: bytes and length of a file are safe once that file was synced after
they were written; a name (made, removed or renamed) is safe once its folder was synced after it. What is not safe may be lost
altogether, or there is some of it by chance: sectors of a file, and of each folder the first of the changes of its names.
"""

# File names are bytes here, which pathlib does not take.
# ruff: noqa: PTH103, PTH118, PTH120, PTH123

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

WRITE, TRUNCATE, SYNC, CREATE, UNLINK, RENAME, MAKE_FOLDER, REMOVE_FOLDER, LINK = range(1, 10)
SECTOR = 512
_HEAD = struct.Struct("<IIQqIII4x")  # the C compiler fills the record up to its alignment


@dataclass(frozen=True)
class Operation:
    """One record of the journal. Paths are absolute bytes; `other` is where to of a rename or link."""

    kind: int
    inode: int
    offset: int
    path: bytes
    other: bytes
    data: bytes


def read_journal(path: Path) -> Iterator[Operation]:
    """The operations in their order; a record torn by a kill ends them."""
    data, at = path.read_bytes(), 0
    while at + _HEAD.size <= len(data):
        length, kind, inode, offset, of_path, of_other, of_data = _HEAD.unpack_from(data, at)
        end = at + length
        if end > len(data):
            return
        names = at + _HEAD.size
        other, content = names + of_path, names + of_path + of_other
        yield Operation(kind, inode, offset, data[names:other], data[other:content], data[content : content + of_data])
        at = end


@dataclass
class _File:
    """A file's bytes: as every process sees them, as the disk surely holds them, and the changes between the two.

    `original` is another name of a file that was there before the journal began.
    """

    live: bytearray
    safe: bytes
    original: bytes | None = None
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # (offset, data), or (size, None) for a new length


@dataclass(frozen=True)
class _Naming:
    """A change of names that no sync has made safe: names that go, and names that come with what they stand for (None: a folder)."""

    folders: tuple[bytes, ...]
    gone: tuple[bytes, ...]
    come: tuple[tuple[bytes, _File | None], ...]


class PowerCutDisk:
    """A folder as processes see it and as the disk holds it, operation by operation.

    Args:
        root: what lies below it now is safe.
        vault: an empty folder on the same disk, which gets another name for each of these files, so that one that was not changed can
            be laid out as the very same file, with its number and times.
    """

    def __init__(self, root: Path, vault: Path) -> None:
        self._root = os.fsencode(root)
        self._live: dict[bytes, _File | None] = {self._root: None}
        self._by_inode: dict[int, _File] = {}
        for folder, folders, files in os.walk(self._root):
            for name in folders:
                self._live[os.path.join(folder, name)] = None
            for name in files:
                path = os.path.join(folder, name)
                content = Path(os.fsdecode(path)).read_bytes()
                original = os.path.join(os.fsencode(vault), b"%d" % len(self._by_inode))
                os.link(path, original)
                self._live[path] = self._by_inode[os.lstat(path).st_ino] = _File(bytearray(content), content, original)
        self._safe = dict(self._live)
        self._namings: list[_Naming] = []

    def apply(self, operation: Operation) -> None:
        """Let the next operation happen."""
        kind, path = operation.kind, operation.path
        if kind in (WRITE, TRUNCATE):
            self._change(operation)
        elif kind == SYNC:
            self._sync(operation)
        elif kind == CREATE:
            self._by_inode[operation.inode] = made = _File(bytearray(), b"")
            self._name(_Naming((_parent(path),), (), ((path, made),)))
        elif kind == MAKE_FOLDER:
            self._name(_Naming((_parent(path),), (), ((path, None),)))
        elif kind in (UNLINK, REMOVE_FOLDER):
            self._name(_Naming((_parent(path),), (path,), ()))
        elif kind == LINK:
            self._name(_Naming((_parent(operation.other),), (), ((operation.other, self._live.get(path)),)))
        elif kind == RENAME:
            below = [name for name in self._live if name == path or name.startswith(path + b"/")]
            come = tuple((operation.other + name[len(path) :], self._live[name]) for name in below)
            self._name(_Naming((_parent(path), _parent(operation.other)), tuple(below), come))

    def live(self, path: Path) -> bytes | None:
        """A file's bytes as processes see them; None where there is none."""
        file = self._live.get(os.fsencode(path))
        return None if file is None else bytes(file.live)

    def write_live(self, root: Path) -> None:
        """Write everything as processes see it into an empty folder."""
        self._write(root, self._live, {id(file): bytes(file.live) for file in self._live.values() if file is not None})

    def write_safe(self, root: Path, chance: random.Random | None = None) -> None:
        """Write what is left after a cut into an empty folder; with `chance`, some of what was not synced is there as well."""
        names = dict(self._safe)
        if chance is not None:
            until: dict[bytes, int] = {}
            for number, naming in enumerate(self._namings):
                if all(number < until.setdefault(folder, chance.randint(0, len(self._namings))) for folder in naming.folders):
                    _rename(names, naming)
                else:
                    until.update(dict.fromkeys(naming.folders, 0))
        files = {id(file): file for file in names.values() if file is not None}
        self._write(root, names, {key: file.safe if chance is None else _some(file, chance) for key, file in files.items()})

    def _change(self, operation: Operation) -> None:
        file = self._by_inode.get(operation.inode)
        if file is None:
            return  # it lies outside, or its name was removed before the journal began
        change = (operation.offset, operation.data if operation.kind == WRITE else None)
        _put(file.live, change)
        file.pending.append(change)

    def _sync(self, operation: Operation) -> None:
        if operation.path in self._live and self._live[operation.path] is None:
            kept = []
            for naming in self._namings:
                if operation.path in naming.folders:
                    _rename(self._safe, naming)
                else:
                    kept.append(naming)
            self._namings = kept
            return
        file = self._by_inode.get(operation.inode)
        if file is not None:
            file.safe, file.pending = bytes(file.live), []

    def _name(self, naming: _Naming) -> None:
        _rename(self._live, naming)
        self._namings.append(naming)

    def _write(self, root: Path, names: dict[bytes, _File | None], contents: dict[int, bytes]) -> None:
        for path in sorted(names):
            file, below = names[path], path[len(self._root) :].lstrip(b"/")
            if any(names.get(parent, path) is not None for parent in _parents(path, self._root)):
                continue  # its folder is lost
            place = os.path.join(os.fsencode(root), below)
            if file is None:
                os.makedirs(place, exist_ok=True)
            elif file.original is not None and Path(os.fsdecode(file.original)).read_bytes() == contents[id(file)]:
                os.link(file.original, place)
            else:
                with open(place, "wb") as target:
                    target.write(contents[id(file)])


def _parent(path: bytes) -> bytes:
    return os.path.dirname(path)


def _parents(path: bytes, root: bytes) -> Iterator[bytes]:
    while path != root and len(path) > len(root):
        path = _parent(path)
        yield path


def _rename(names: dict[bytes, _File | None], naming: _Naming) -> None:
    for name in naming.gone:
        names.pop(name, None)
    names.update(naming.come)


def _put(data: bytearray, change: tuple[int, bytes | None]) -> None:
    offset, written = change
    if written is None:
        del data[offset:]
        data.extend(bytes(offset - len(data)))
        return
    data.extend(bytes(max(0, offset - len(data))))
    data[offset : offset + len(written)] = written


def _some(file: _File, chance: random.Random) -> bytes:
    """The safe bytes with some sectors of what was written since: a beginning of the changes, of each write a part."""
    data = bytearray(file.safe)
    for offset, written in file.pending:
        if written is None:
            if chance.random() < 0.5:
                _put(data, (offset, None))
            continue
        for begin in range(0, len(written), SECTOR):
            if chance.random() < 0.5:
                _put(data, (offset + begin, written[begin : begin + SECTOR]))
    return bytes(data)
