"""Watched folders: whether each one is present, and on which volume it lay."""

from __future__ import annotations

from reid_edge.watch.ledger.outbox import Outbox
from reid_edge.watch.ledger.records import FolderPresence, shown


class Folders(Outbox):
    """The table of folders."""

    def folder_id(self, path: bytes) -> int:
        """The id of a watched folder, which is added where it is new."""
        rows = self.database.rows("SELECT id FROM folder WHERE path = ?", (path,))
        return int(rows[0][0]) if rows else self.database.insert("folder", path=path, present=1, device_id="")

    def folder_presence(self) -> list[FolderPresence]:
        """All folders that were ever watched."""
        rows = self.database.rows("SELECT path, present FROM folder ORDER BY id")
        return [FolderPresence(shown(path), bool(present)) for path, present in rows]

    def folder_volume(self, folder_id: int) -> str:
        """Where a folder lay when it was last present: `note_folder` stored it; '' before that."""
        return str(self.database.rows("SELECT device_id FROM folder WHERE id = ?", (folder_id,))[0][0])

    def note_folder(self, folder_id: int, present: bool, volume: str) -> None:
        """Note whether a folder is present, and where it lies; a change of presence is posted in the same transaction."""
        ((path, was_present, known_volume, changes),) = self.database.rows(
            "SELECT path, present, device_id, changes FROM folder WHERE id = ?", (folder_id,)
        )
        changed = bool(was_present) != present
        if not changed and volume == known_volume:
            return
        with self.transaction():
            self.database.execute(
                "UPDATE folder SET present = ?, device_id = ?, changes = ? WHERE id = ?",
                (int(present), volume, changes + changed, folder_id),
            )
            if changed:
                self.post("folder", f"folder:{folder_id}:{changes + 1}", "", {"path": shown(path), "present": present})
