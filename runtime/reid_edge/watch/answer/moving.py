"""Moving answered photos, with their companions, out of the watched folder: after their decision is committed, never over another file,
never half."""

# File names are bytes here, which pathlib does not take.
# ruff: noqa: PTH108, PTH114, PTH119, PTH121, PTH122, PTH123

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from reid_edge.errors import ReidEdgeError
from reid_edge.storage.durable import make_folder, move_into_place, sync_file, sync_folder
from reid_edge.watch.answer.companions import companions_of, place_of_companion
from reid_edge.watch.intake.settling import stamp_of
from reid_edge.watch.ledger.ledger import Ledger

log = logging.getLogger(__name__)

DONE = "done"
_TEMPORARY = b".part"


def move_decided(ledger: Ledger, file_id: int, out: Path) -> bytes | None:
    """Move one decided file to `out/done/<individual, new, ask or empty>/`; returns where to, None where it is not what was decided.

    The place is noted first. A kill in between leaves the file where it was, and the next scan moves it to that very place; or it leaves
    it in both places under two names of one file, or of one verified copy, and then the first name goes.

    Raises:
        StorageError, LedgerError: not noted. OSError: not moved; the file stays where it is.
    """
    file = ledger.decided_file(file_id)
    if file is None or stamp_of(file.path) != file.stamp or os.path.islink(file.path):
        return None
    target, companions = file.moved_to, companions_of(file.path)
    if target is None or any(_is_another(there, here) for here, there in _moves(file.path, target, companions)):
        folder = os.fsencode(out / DONE) + b"/" + _folder_name(file.verdict, file.identity)
        target = _free_name(ledger, folder + b"/" + os.path.basename(file.path), companions)
        ledger.plan_move(file.id, target)
    make_folder(Path(os.fsdecode(target)).parent)
    _move(_moves(file.path, target, companions))
    return target


def try_to_move(ledger: Ledger, file_id: int, out: Path) -> None:
    """As `move_decided`, but a failure is only logged: the next scan moves the file."""
    try:
        move_decided(ledger, file_id, out)
    except (OSError, ReidEdgeError) as error:
        log.warning("An answered photo stays where it is: %s", error)


def _folder_name(verdict: str, identity: str | None) -> bytes:
    if verdict != "known":
        return verdict.encode()
    name = str(identity).replace("/", "_").encode()[:200]
    return name if name.strip(b".") and name not in (b"new", b"ask", b"empty") else b"_" + name


def _moves(path: bytes, target: bytes, companions: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """From where to where; the photo last, because the next scan continues a move whose photo is still there."""
    return [*((here, place_of_companion(target, ending)) for here, ending in companions.items()), (path, target)]


def _free_name(ledger: Ledger, wanted: bytes, companions: Mapping[bytes, bytes]) -> bytes:
    """A name that is free, and with it those of the companions."""
    stem, extension = os.path.splitext(wanted)
    number, name = 1, wanted
    while ledger.is_path_taken(name) or any(os.path.lexists(place) for _, place in _moves(wanted, name, companions)):
        number += 1
        name = b"%s-%d%s" % (stem, number, extension)
    return name


def _is_another(target: bytes, path: bytes) -> bool:
    """Whether something else than this file, or its copy, lies at the place that was noted."""
    return os.path.lexists(target) and not os.path.samefile(target, path) and _sha256(target) != _sha256(path)


def _move(moves: Sequence[tuple[bytes, bytes]]) -> None:
    """All of the files, or none: the first names go when all have their second ones on the disk."""
    made: list[bytes] = []
    try:
        for path, target in moves:
            is_new = not os.path.lexists(target)
            _give_name(path, target)
            made += [target] * is_new
        sync_folder(Path(os.fsdecode(moves[-1][1])).parent)
    except BaseException:
        for target in made:
            os.unlink(target)
        raise
    for path, _ in moves:
        os.unlink(path)


def _give_name(path: bytes, target: bytes) -> None:
    try:
        if not os.path.lexists(target):
            os.link(path, target)  # unlike a rename it never replaces anything
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        _copy(path, target)


def _copy(path: bytes, target: bytes) -> None:
    """A verified copy that is on the disk before the original goes."""
    part = target + _TEMPORARY
    with open(path, "rb") as source, open(part, "wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
        copy.flush()
        sync_file(copy.fileno())
    shutil.copystat(path, part)
    if _sha256(part) != _sha256(path):
        os.unlink(part)
        raise OSError(errno.EIO, "The copy is not what was copied", os.fsdecode(target))
    move_into_place(Path(os.fsdecode(part)), Path(os.fsdecode(target)))


def _sha256(path: bytes) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
