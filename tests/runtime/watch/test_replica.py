"""A daemon on a shared catalogue: it answers from its replica while the server is away, says how old that is, and catches up."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from reid_edge.gallery import Gallery, NewReview
from reid_edge.gallery.replica import read_replica
from reid_edge.gallery.sync import synchronise
from reid_edge.watch.ledger.ledger import LEDGER_NAME, Ledger

psycopg = pytest.importorskip("psycopg")


class Server:
    """A gallery on a server whose way there can be cut."""

    def __init__(self, address, link):
        self.socket, self.link = Path(address.host), link
        self.real = address
        self.address = dataclasses.replace(address, host=str(link))
        link.symlink_to(self.socket)

    def cut(self):
        """Nobody reaches it any more."""
        self.link.unlink()
        self._of_each_connection("pg_terminate_backend(pid, 5000)")

    @contextlib.contextmanager
    def stuck(self):
        """What is connected now gets no answer inside; who connects anew does."""
        processes = self._of_each_connection("pid")
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def _of_each_connection(self, what):
        with psycopg.connect(
            host=str(self.socket), user=self.real.user, dbname=self.real.database, autocommit=True
        ) as connection:
            of_each = f"SELECT {what} FROM pg_stat_activity WHERE application_name = 'reid-edge' AND pid <> pg_backend_pid()"
            return [value for (value,) in connection.execute(of_each)]

    def restore(self):
        """It is as it was."""
        self.link.symlink_to(self.socket)


@pytest.fixture
def server(light, new_schema, tmp_path):
    address = new_schema()
    station = shutil.copy(light.gallery, tmp_path / "station.sqlite")
    with Gallery.create(address) as hub, Gallery.open(station) as opened:
        synchronise(opened, hub)
    return Server(address, tmp_path / "way")


@pytest.fixture
def cards(tmp_path, photo):
    folder = tmp_path / "cards"
    folder.mkdir()
    (folder / "0.jpg").write_bytes(photo(0, "Amani"))
    return folder


def messages(out, kind="photo"):
    lines = (json.loads(line) for line in (out / "answers.jsonl").read_text("utf-8").splitlines())
    return [line for line in lines if line["kind"] == kind]


def hash_of(out, name):
    with Ledger.read(out / LEDGER_NAME) as ledger:
        return next(each.sha256 for each in ledger.photos() if each.paths[0].decode().endswith(name))


def test_photos_are_answered_from_the_replica_while_the_server_is_away_and_decisions_follow_later(
    watch_once, run_cli, server, cards, photo, tmp_path
):
    out = tmp_path / "out"
    options = ("--gallery", server.address)
    assert watch_once(cards, out, *options).returncode == 0
    (first,) = messages(out)
    assert first["replica_age_seconds"] < 600
    assert not any("server is away" in warning for warning in first["animals"][0]["warnings"])
    server.cut()
    (cards / "1.jpg").write_bytes(photo(1, "Amani"))
    done = watch_once(cards, out, *options)
    assert done.returncode == 0, done.stderr
    assert "cannot be reached" in done.stderr
    assert "answered from the replica of" in done.stderr
    second = messages(out)[-1]
    assert (second["verdict"], second["animals"][0]["identity"]) == (first["verdict"], first["animals"][0]["identity"])
    assert any("server is away" in warning for warning in second["animals"][0]["warnings"])
    status = run_cli("watch", "status", "--out", out).stdout
    assert "replica      level with the server" in status
    assert json.loads(run_cli("watch", "status", "--out", out, "--json").stdout)["replica"]["photos"] == 8
    elsewhere = watch_once(cards, tmp_path / "elsewhere", *options)
    assert elsewhere.returncode == 4
    assert "There is no replica of this gallery for this pack" in elsewhere.stderr
    with Gallery.open(server.real) as gallery:
        other = next(name for name in gallery.names() if name != first["animals"][0]["identity"])
        gallery.review(NewReview(photo_sha256=first["photo"]["sha256"], kind="confirmed", person="Ana", identity=other))
    server.restore()
    assert watch_once(cards, out, *options).returncode == 0
    assert messages(out)[-1]["animals"][0]["identity"] == other


def test_a_running_daemon_with_little_room_notices_that_the_server_went_away_and_came_back(
    start, wait_until, server, cards, photo, tmp_path
):
    out, config = tmp_path / "out", tmp_path / "watch.toml"
    with Gallery.open(server.real) as gallery:
        of_photos = "SELECT sum(length(data)) + (SELECT sum(length(thumbnail)) FROM sighting) FROM feature"
        ((size,),) = gallery.database.rows(of_photos)
    config.write_text(f'replica_every = "0.2s"\nreplica_bytes = {int(size) * 6 // 8}\n')  # of eight photos of four individuals
    daemon = start(cards, out, "--gallery", server.address, "--config", config, "--enrol-new", "auto", "--event", "1s")
    wait_until(out, lambda ledger: ledger.counts().photos_decided == 1)
    server.cut()
    (cards / "1.jpg").write_bytes(photo(1, "Amani"))
    wait_until(out, lambda ledger: ledger.counts().photos_decided == 2)
    with Gallery.open(server.real) as gallery:
        gallery.confirm(hash_of(out, "1.jpg"), "Bahati")
    server.restore()
    wait_until(out, lambda ledger: any(each.animals and each.animals[0]["identity"] == "Bahati" for each in ledger.photos()))
    daemon.terminate()
    _, log = daemon.communicate(timeout=300)
    state = read_replica(out / "replica.sqlite")
    assert state.photos_left_out > 0
    assert state.individuals_left_out == 0
    reason = "left out because the replica has no room for them (replica_bytes): "
    assert any(reason in warning for warning in messages(out)[0]["animals"][0]["warnings"])
    assert [each["verdict"] for each in messages(out)[:2]] == ["known", "known"]
    assert "Photos are answered from the replica" in log
    assert "The replica is up to date again." in log


def test_while_a_copy_takes_long_photos_are_answered_and_new_individuals_are_enrolled_when_it_is_done(
    start, wait_until, server, cards, photo, tmp_path
):
    out, config = tmp_path / "out", tmp_path / "watch.toml"
    config.write_text('replica_every = "0.2s"\n')
    with Gallery.open(server.real) as gallery:
        gallery.remove_individual("Dalila")
    daemon = start(cards, out, "--gallery", server.address, "--config", config, "--enrol-new", "auto", "--event", "1s")
    wait_until(out, lambda ledger: ledger.counts().photos_decided == 1)
    with server.stuck():
        (cards / "1.jpg").write_bytes(photo(1, "Dalila"))
        wait_until(out, lambda ledger: bool(ledger.pending_enrolments()))
        (cards / "2.jpg").write_bytes(photo(2, "Amani"))
        wait_until(out, lambda ledger: ledger.counts().photos_decided == 3)
        with Ledger.read(out / LEDGER_NAME) as ledger:
            assert ledger.pending_enrolments()
    wait_until(out, lambda ledger: not ledger.pending_enrolments())
    daemon.terminate()
    _, log = daemon.communicate(timeout=300)
    assert [each["verdict"] for each in messages(out)[:3]] == ["known", "new", "known"]
    assert "A new individual was enrolled as new-" in log
    with Gallery.open(server.real) as gallery:
        assert [name for name in gallery.names() if name.startswith("new-")]


def test_without_room_for_a_replica_the_server_is_read(watch_once, server, cards, tmp_path):
    out, config = tmp_path / "out", tmp_path / "watch.toml"
    config.write_text("replica_bytes = 0\n")
    assert watch_once(cards, out, "--gallery", server.address, "--config", config).returncode == 0
    assert not (out / "replica.sqlite").exists()
    assert "replica_age_seconds" not in messages(out)[0]
