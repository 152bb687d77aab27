"""Files: what scans find, whose turn it is, and every change of a file's state."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from reid_edge.storage.clock import now
from reid_edge.watch.ledger.outbox import Outbox
from reid_edge.watch.ledger.records import DecidedFile, FileStamp, FoundFile, LedgerFile, SettledFile, shown
from reid_edge.watch.ledger.rows import PAGE, marks, pages
from reid_edge.watch.ledger.states import MAY_PASS, UNDECIDED, WAITING, FileState, Reason, Transition

_SETTLED_FILE = "id, folder_id, path, size, mtime_ns, inode, camera, taken_at, tries"
_LEDGER_FILE = "id, path, size, mtime_ns, state, photo_id, reason, reason_code, tries, first_seen_at, changed_at, moved_to"


class Files(Outbox):
    """The table of files."""

    def files(self, state: str | None = None) -> Iterator[LedgerFile]:
        """Every file, or those in one state, in the order they were first seen."""
        sql = f"SELECT {_LEDGER_FILE} FROM file WHERE id > ? AND state = coalesce(?, state) ORDER BY id LIMIT ?"
        return pages(
            lambda last: [_ledger_file(row) for row in self.database.rows(sql, (last, state, PAGE))], lambda file: file.id
        )

    def found_files(self, paths: Collection[bytes]) -> dict[bytes, FoundFile]:
        """What is known of some paths, at most a few hundred."""
        rows = self.database.rows(
            f"SELECT path, id, size, mtime_ns, inode, state, moved_to FROM file WHERE path IN ({marks(paths)})", [*paths]
        )
        return {
            path: FoundFile(number, FileStamp(size, mtime_ns, inode), FileState(state), moved_to)
            for path, number, size, mtime_ns, inode, state, moved_to in rows
        }

    def undecided_files(self, folder_id: int, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Ids above `after`, and paths, of files of a folder that are not answered."""
        return self.database.rows(
            f"SELECT id, path FROM file WHERE folder_id = ? AND state IN ({marks(UNDECIDED)}) AND id > ? ORDER BY id LIMIT ?",
            (folder_id, *UNDECIDED, after, limit),
        )

    def is_waiting(self, folder_ids: Collection[int]) -> bool:
        """Whether a file of these folders is still to be answered."""
        sql = f"SELECT 1 FROM file WHERE state IN ({marks(WAITING)}) AND folder_id IN ({marks(folder_ids)}) LIMIT 1"
        return bool(self.database.rows(sql, (*WAITING, *folder_ids)))

    def is_camera_waiting(self, camera: str) -> bool:
        """Whether a settled file of a camera waits."""
        return bool(self.database.rows("SELECT 1 FROM file WHERE state = ? AND camera = ? LIMIT 1", (FileState.SETTLED, camera)))

    def settled_file(self, file_id: int) -> SettledFile | None:
        """One file, where it waits to be answered."""
        return self._settled_file("id = ?", (file_id,))

    def next_settled(
        self, folder_ids: Collection[int], excluded: Collection[int], camera_until: tuple[str, str, str] | None
    ) -> SettledFile | None:
        """The settled file to be answered next: camera by camera, oldest first, and of the cameras the one that waits longest.

        Args:
            folder_ids: of those that are present.
            excluded: ids of files that are being read, or wait after a failure.
            camera_until: a camera and the first and last time of photos that continue its event, which go first.
        """
        where = f"folder_id IN ({marks(folder_ids)}) AND id NOT IN ({marks(excluded)})"
        values = (*folder_ids, *excluded)
        if camera_until is not None:
            burst = f"{where} AND camera = ? AND taken_at BETWEEN ? AND ? ORDER BY taken_at, id"
            file = self._settled_file(burst, (*values, *camera_until))
            if file is not None:
                return file
        longest = self._settled_file(f"{where} ORDER BY id", values)
        if longest is None:
            return None
        for clock in ("taken_at IS NOT NULL ORDER BY taken_at, id", "taken_at IS NULL ORDER BY id"):
            file = self._settled_file(f"{where} AND camera = ? AND {clock}", (*values, longest.camera))
            if file is not None:
                return file
        return None

    def add_file(self, folder_id: int, path: bytes, stamp: FileStamp) -> int:
        """A path that was never seen before; returns its id."""
        time_text = now()
        return self.database.insert(
            "file",
            folder_id=folder_id,
            path=path,
            **vars(stamp),
            state=FileState.SEEN,
            first_seen_at=time_text,
            changed_at=time_text,
        )

    def change_file(self, file_id: int, folder_id: int, stamp: FileStamp) -> None:
        """A file was found changed, or again after it was gone: it is to settle anew."""
        fresh: dict[str, Any] = {"photo_id": None, "reason": "", "reason_code": Reason.NONE, "tries": 0}
        self._move(Transition.CHANGE, "id = ?", (file_id,), folder_id=folder_id, **vars(stamp), **fresh)

    def settle_file(self, file_id: int, stamp: FileStamp, camera: str, taken_at: str | None) -> None:
        """A file has not changed for long enough; it has waited since it was seen."""
        self._move(Transition.SETTLE, "id = ?", (file_id,), changed_at=None, **vars(stamp), camera=camera, taken_at=taken_at)

    def put_back_file(self, file: SettledFile) -> None:
        """The file is to settle again: it changed, or its folder went away while it was read."""
        self._move(Transition.PUT_BACK, *_unchanged(file))

    def decide_file(self, file: SettledFile, photo_id: int) -> None:
        """The file carries this answered photo."""
        self._move(Transition.DECIDE, *_unchanged(file), photo_id=photo_id, reason="", reason_code=Reason.NONE)

    def quarantine_file(self, file: SettledFile, code: Reason, reason: str) -> None:
        """Note why a file cannot be answered, and post it once; it is tried again when it changes."""
        key = f"quarantine:{file.id}:{file.stamp.size}:{file.stamp.mtime_ns}"
        with self.transaction():
            ((posted,),) = self.database.rows("SELECT quarantine_key FROM file WHERE id = ?", (file.id,))
            facts: dict[str, Any] = {"reason": reason, "reason_code": code, "tries": file.tries + 1, "quarantine_key": key}
            if self._move(Transition.QUARANTINE, *_unchanged(file), **facts) and posted != key:
                self.post("quarantine", key, file.camera, {"path": shown(file.path), "reason": reason, "tries": file.tries + 1})

    def requeue_files(self, folder_id: int) -> None:
        """Try the quarantined files of a folder again whose reason may have passed."""
        where = f"folder_id = ? AND reason_code IN ({marks(MAY_PASS)})"
        self._move(Transition.REQUEUE, where, (folder_id, *MAY_PASS), tries=0)

    def vanish_file(self, file_id: int) -> None:
        """A file vanished before it was decided, while its folder was present."""
        self._move(Transition.VANISH, "id = ?", (file_id,))

    def note_failed_try(self, file: SettledFile, code: Reason, reason: str) -> None:
        """A file could not be answered, and stays settled for another try."""
        self.database.execute(
            "UPDATE file SET tries = tries + 1, reason = ?, reason_code = ? WHERE id = ? AND state = ?",
            (reason, code, file.id, FileState.SETTLED),
        )

    def decided_file(self, file_id: int) -> DecidedFile | None:
        """One file, where its photo is answered."""
        rows = self.database.rows(
            "SELECT file.id, file.path, size, mtime_ns, inode, moved_to, verdict, "
            "(SELECT identity FROM animal WHERE animal.photo_id = photo.id ORDER BY animal_index LIMIT 1) "
            "FROM file JOIN photo ON photo.id = photo_id WHERE file.id = ? AND file.state = ?",
            (file_id, FileState.DECIDED),
        )
        if not rows:
            return None
        number, path, size, mtime_ns, inode, *rest = rows[0]
        return DecidedFile(number, path, FileStamp(size, mtime_ns, inode), *rest)

    def plan_move(self, file_id: int, target: bytes) -> None:
        """Note where a decided file is about to be moved."""
        self.database.execute("UPDATE file SET moved_to = ? WHERE id = ?", (target, file_id))

    def release_path(self, file_id: int) -> None:
        """A moved file goes by its new name from now on: another photo has its old one."""
        self.database.execute("UPDATE file SET path = moved_to WHERE id = ?", (file_id,))

    def is_path_taken(self, path: bytes) -> bool:
        """Whether a file is, or will be moved, there."""
        return bool(self.database.rows("SELECT 1 FROM file WHERE moved_to = ? OR path = ?", (path, path)))

    def _settled_file(self, where: str, values: tuple[object, ...]) -> SettledFile | None:
        rows = self.database.rows(
            f"SELECT {_SETTLED_FILE} FROM file WHERE state = ? AND {where} LIMIT 1", (FileState.SETTLED, *values)
        )
        if not rows:
            return None
        number, folder_id, path, size, mtime_ns, inode, camera, taken_at, tries = rows[0]
        return SettledFile(number, folder_id, path, FileStamp(size, mtime_ns, inode), camera, taken_at, tries)

    def _move(self, transition: Transition, where: str, values: tuple[object, ...], **columns: object) -> bool:
        """Make a transition for the files of a condition that are in one of its states; returns whether there was one.

        `changed_at` is now, unless it is given as None: then it stays.
        """
        changes: Mapping[str, object] = {"changed_at": now(), **columns, "state": transition.target}
        changes = {name: value for name, value in changes.items() if name != "changed_at" or value is not None}
        changed = self.database.execute(
            f"UPDATE file SET {', '.join(f'{name} = ?' for name in changes)} "
            f"WHERE {where} AND state IN ({marks(transition.sources)})",
            (*changes.values(), *values, *transition.sources),
        )
        return changed > 0


def _unchanged(file: SettledFile) -> tuple[str, tuple[int, int, int, int]]:
    """A scan may have noted meanwhile that the file changed: then the attempt was about an earlier content, and the file waits."""
    stamp = file.stamp
    return "id = ? AND size = ? AND mtime_ns = ? AND inode = ?", (file.id, stamp.size, stamp.mtime_ns, stamp.inode)


def _ledger_file(row: tuple[Any, ...]) -> LedgerFile:
    number, path, size, mtime_ns, state, photo_id, reason, code, *rest = row
    return LedgerFile(number, path, size, mtime_ns, FileState(state), photo_id, reason, Reason(code), *rest)
