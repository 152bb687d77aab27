"""A server whose disk is full loses nothing that was acknowledged; a hot standby can be read, and says where decisions go."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from reid_edge.errors import GalleryError, StorageError
from reid_edge.gallery import Gallery
from reid_edge.gallery.replica import Replica, open_replica
from reid_edge_benchmarks import postgres_server

psycopg = pytest.importorskip("psycopg")

KEY = "0123456789abcdef0123456789abcdef"
LONG = 120.0


def administer(address, *statements):
    with psycopg.connect(host=address.host, user="postgres", dbname="postgres", autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def small(postgres):
    """A database on a disk of its own of 32 MB: its address, and the folder of the disk. Needs the right to mount."""
    disk = Path(postgres.host) / "small"
    disk.mkdir()
    owner = disk.parent.stat()
    options = f"size=32m,mode=700,uid={owner.st_uid},gid={owner.st_gid}"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], capture_output=True, text=True, check=False)
    if mounted.returncode:
        disk.rmdir()
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.strip()}")
    try:
        (disk / "space").mkdir()
        os.chown(disk / "space", owner.st_uid, owner.st_gid)
        administer(postgres, f"CREATE TABLESPACE small LOCATION '{disk / 'space'}'", "CREATE DATABASE small TABLESPACE small")
        address = dataclasses.replace(postgres, database="small")
        with psycopg.connect(host=address.host, user="postgres", dbname="small", autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")
        Gallery.create(address).close()
        yield address, disk
        administer(postgres, "DROP DATABASE small WITH (FORCE)", "DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
        disk.rmdir()


def fill(disk, free):
    """Leave so many bytes of the disk free; returns the file to delete."""
    ballast, room = disk / "ballast", os.statvfs(disk)
    ballast.write_bytes(bytes(room.f_bavail * room.f_frsize - free))
    return ballast


def test_on_a_full_disk_of_the_server_what_was_acknowledged_stays_and_the_rest_follows(small, seen):
    address, disk = small
    random = np.random.default_rng(1)
    acknowledged = []

    def add(gallery, number):
        features = {"keypoints/test/descriptors": random.normal(size=(512, 64)).astype(np.float32)}  # 131 kB that do not shrink
        acknowledged.append(gallery.add_sighting(seen(number, "Zoe"), features, KEY, gallery.new_batch()))

    def add_many(gallery):
        for number in range(1, 100):
            add(gallery, number)

    with Gallery.open(address) as gallery:
        add(gallery, 0)
        ballast = fill(disk, 1_500_000)
        with pytest.raises(StorageError, match="the server's disk is full") as error:
            add_many(gallery)
        assert "Free some space on the server" in error.value.hint
        assert 1 < len(acknowledged) < 100
        assert sorted(each.id for each in gallery.sightings()) == acknowledged
        assert len(gallery.history()) == len(acknowledged)
        before = gallery.content_hash()
        ballast.unlink()
        assert gallery.content_hash() == before
        add(gallery, len(acknowledged))
        assert sorted(each.id for each in gallery.sightings()) == sorted(acknowledged)


def test_a_command_that_met_a_full_disk_of_the_server_goes_on_when_it_is_given_again(small, samples, run_main, tmp_path):
    address, disk = small
    for name in ("Asha", "Enzi"):
        shutil.copytree(samples / "gallery" / name, tmp_path / "animals" / name)
    ballast = fill(disk, 600_000)
    given = ("gallery", "add", "animals", "--gallery", str(address), "--device", "cpu")
    full = run_main(*given)
    assert full.returncode == 5, full.stderr
    assert "the server's disk is full" in full.stderr
    with Gallery.open(address, writable=False) as gallery:
        kept = [each.photo_name for each in gallery.sightings()]
    ballast.unlink()
    assert run_main(*given).returncode == 0
    with Gallery.open(address, writable=False) as gallery:
        stored = [each.photo_name for each in gallery.sightings()]
    assert set(kept) < set(stored)
    assert sorted(stored) == sorted(path.name for path in (tmp_path / "animals").rglob("*.jpg"))


@pytest.fixture
def standby(postgres):
    """The address of a server that follows that of the tests."""
    main = Path(postgres.host)
    folder = Path(tempfile.mkdtemp(prefix="reid-standby-", dir="/tmp"))
    owner = main.stat()
    os.chown(folder, owner.st_uid, owner.st_gid)
    as_owner = {"user": owner.st_uid, "group": owner.st_gid} if os.getuid() == 0 else {}
    settings = {**as_owner, "cwd": folder, "env": {"PATH": os.defpath, "HOME": str(folder), "LC_ALL": "C.UTF-8"}}
    programs = next(iter(main.glob("programs/*/pginstall/bin")), postgres_server.programs())
    if not (programs / "pg_basebackup").exists():
        pytest.skip("this PostgreSQL comes without pg_basebackup")
    server = None
    try:
        copied = [
            programs / "pg_basebackup",
            "-h",
            main,
            "-U",
            postgres.user,
            "-D",
            folder / "data",
            "-R",
            "-c",
            "fast",
            "--no-sync",
        ]
        subprocess.run(copied, check=True, capture_output=True, **settings)
        server = subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", "-c", "listen_addresses=", "-k", folder, "-c", "fsync=off"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **settings,
        )  # fmt: skip
        yield dataclasses.replace(postgres, host=str(folder))
    finally:
        if server is not None:
            server.send_signal(signal.SIGQUIT)
            server.wait(timeout=LONG)
        shutil.rmtree(folder)


def followed(standby, position):
    """Wait until the standby has the event."""
    end = time.monotonic() + LONG
    while True:
        with contextlib.suppress(GalleryError), Gallery.open(standby, writable=False) as gallery:
            if gallery.position() == position:
                return
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_hot_standby_is_read_and_refuses_a_decision_with_the_way_out(standby, new_schema, seen, arrays, run_main, tmp_path):
    primary = new_schema()
    standby = dataclasses.replace(standby, schema=primary.schema)
    with Gallery.create(primary) as gallery:
        gallery.add_sighting(seen(1, "Zoe"), arrays(1), KEY, gallery.new_batch())
        content, position = gallery.content_hash(), gallery.position()
    followed(standby, position)
    with Gallery.open(standby, writable=False) as gallery:
        assert gallery.content_hash() == content
    assert "Zoe" in run_main("gallery", "list", "--gallery", str(standby)).stdout
    with contextlib.closing(Replica(standby, tmp_path / "replica.sqlite", KEY, 10**9)) as replica:
        assert replica.refresh().photos == 1
    with open_replica(tmp_path / "replica.sqlite") as copy:
        assert copy.content_hash() == content
    with Gallery.open(standby) as gallery, pytest.raises(StorageError, match="server is read-only"):
        gallery.rename("Zoe", "Zora")
    refused = run_main("gallery", "rename", "Zoe", "Zora", "--gallery", str(standby))
    assert refused.returncode == 5
    assert "the server is read-only" in refused.stderr
    assert "Name the primary server, not a replica of it." in refused.stderr
    with Gallery.open(primary) as gallery:
        gallery.rename("Zoe", "Zora")
        position = gallery.position()
    followed(standby, position)
    with Gallery.open(standby, writable=False) as gallery:
        assert gallery.names() == ["Zora"]
