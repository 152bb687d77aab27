"""Scans become rare while nothing arrives."""

from __future__ import annotations

from types import SimpleNamespace

from reid_edge.watch.intake.folder_watcher import FolderWatcher


def test_scans_that_find_nothing_become_rarer_until_a_file_arrives_or_a_folder_is_missing():
    watcher = object.__new__(FolderWatcher)
    scanner, folder = SimpleNamespace(changes=0), SimpleNamespace(is_present=True)
    watcher._scanners, watcher._folders, watcher._changes, watcher._unchanged = [scanner], [folder], 0, 0
    assert [watcher._rarity() for _ in range(45)] == [1] * 9 + [2] * 10 + [4] * 10 + [8] * 16
    scanner.changes += 1
    assert [watcher._rarity() for _ in range(3)] == [1, 1, 1]
    assert [watcher._rarity() for _ in range(12)][-1] == 2
    folder.is_present = False
    assert watcher._rarity() == 1
