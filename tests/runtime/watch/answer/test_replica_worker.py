"""A replica's thread copies; whoever waits for it waits no longer than told."""

from __future__ import annotations

import shutil
import threading
from contextlib import closing
from unittest import mock

import pytest

from reid_edge.errors import GalleryError
from reid_edge.gallery import Gallery
from reid_edge.gallery.replica import Replica, read_replica
from reid_edge.gallery.sync import synchronise
from reid_edge.watch.answer.replica_worker import REPLICA_NAME, ReplicaWorker
from reid_edge.watch.configuration import Configuration

pytest.importorskip("psycopg")

KEY = "0123456789abcdef"
LONG = 120.0


@pytest.fixture
def server(light, new_schema, tmp_path):
    """The address of a gallery."""
    address = new_schema()
    station = shutil.copy(light.gallery, tmp_path / "station.sqlite")
    with Gallery.create(address) as hub, Gallery.open(station) as opened:
        synchronise(opened, hub)
    return address


@pytest.fixture
def configuration(server, tmp_path):
    return Configuration(folders=(tmp_path,), gallery=server, out=tmp_path, replica_every=3600.0)


@pytest.fixture
def held():
    """Refreshes begin and then wait until this is set."""
    free, refresh = threading.Event(), Replica.refresh

    def waiting(self, note=True):
        assert free.wait(LONG)
        return refresh(self, note)

    with mock.patch.object(Replica, "refresh", waiting):
        yield free
        free.set()


def test_a_start_with_a_replica_of_earlier_does_not_wait_for_a_long_copy(configuration, held):
    held.set()
    with closing(ReplicaWorker.start(configuration, KEY)) as worker:
        first = worker.status.state
    held.clear()
    with Gallery.open(configuration.gallery) as gallery:
        gallery.rename("Amani", "Zora")
    with mock.patch("reid_edge.watch.answer.replica_worker._START_SECONDS", 0.0):
        worker = ReplicaWorker.start(configuration, KEY)
    with closing(worker):
        assert worker.status.state == first
        assert not worker.catch_up(0.0)
        with worker.open() as copy:
            assert "Amani" in copy.names()
        held.set()
        assert worker.catch_up(LONG)
        with worker.open() as copy:
            assert "Zora" in copy.names()
        assert worker.status.state.event == first.event + 1


def test_catching_up_copies_what_was_decided_before_the_call_also_while_an_older_look_is_under_way(configuration, held):
    held.set()
    with closing(ReplicaWorker.start(configuration, KEY)) as worker:
        held.clear()
        assert not worker.catch_up(0.0)
        with Gallery.open(configuration.gallery) as gallery:
            gallery.rename("Amani", "Zora")
        held.set()
        assert worker.catch_up(LONG)  # about the moment of the call before
        assert worker.catch_up(LONG)
        with worker.open() as copy:
            assert "Zora" in copy.names()


def test_what_stands_in_the_way_of_a_copy_is_raised_where_it_is_waited_for(configuration, held, caplog):
    held.set()
    with closing(ReplicaWorker.start(configuration, KEY)) as worker:
        state = worker.status.state
        with mock.patch.object(Replica, "refresh", side_effect=GalleryError("The server is gone.", "Wait.")):
            for _ in range(2):
                with pytest.raises(GalleryError, match="The server is gone"):
                    worker.catch_up(LONG)
        assert worker.catch_up(LONG)
        assert read_replica(configuration.out / REPLICA_NAME).event == state.event
    assert [each.message for each in caplog.records if "gone" in each.message] == [
        f"The server is gone. Photos are answered from the replica of {state.refreshed_at}."
    ]
