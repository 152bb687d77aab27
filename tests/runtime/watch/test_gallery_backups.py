"""Backups by the daemon are made beside its work, and one at a time."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from reid_edge.errors import GalleryError
from reid_edge.gallery import Gallery
from reid_edge.watch import gallery_backups
from reid_edge.watch.configuration import Configuration
from reid_edge.watch.gallery_backups import BACKUPS, GalleryBackups


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    Gallery.create(tmp_path / "gallery.sqlite").close()
    return Configuration((tmp_path,), gallery=tmp_path / "gallery.sqlite", out=tmp_path / "out", backup_every=1e-9)


def finish(backups: GalleryBackups) -> None:
    assert backups._thread is not None
    backups._thread.join()


def test_a_backup_is_made_when_it_is_time(configuration: Configuration) -> None:
    backups = GalleryBackups(configuration)
    backups.step(configuration)
    finish(backups)
    assert len(list((configuration.out / BACKUPS).iterdir())) == 1
    never = replace(configuration, backup_every=0.0)
    GalleryBackups(never).step(never)


def test_the_daemon_goes_on_while_a_backup_is_made_and_no_second_one_begins(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_end, calls = threading.Event(), threading.Event(), []

    def slow(*_: object) -> None:
        calls.append(1)
        began.set()
        may_end.wait()

    monkeypatch.setattr(gallery_backups, "back_up", slow)
    backups = GalleryBackups(configuration)
    backups.step(configuration)
    began.wait()
    backups.step(configuration)
    assert backups.is_busy
    may_end.set()
    finish(backups)
    assert not backups.is_busy
    assert calls == [1]


@pytest.mark.parametrize("error", [GalleryError("It is damaged."), OSError("no space"), MemoryError()])
def test_a_backup_that_fails_is_logged_and_tried_again(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(gallery_backups, "back_up", fails)
    backups = GalleryBackups(configuration)
    for _ in range(2):
        backups.step(configuration)
        finish(backups)
    assert [record.getMessage().startswith("The gallery could not be backed up") for record in caplog.records] == [True, True]
