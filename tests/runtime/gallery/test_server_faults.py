"""A server that refuses, is slow, can only be read, or is of an older version: one clear sentence, what to do, and no password anywhere."""

from __future__ import annotations

import dataclasses
import logging
import os
import subprocess
import sys
import traceback
from urllib.parse import quote

import pytest

from reid_edge.errors import GalleryError, StorageError
from reid_edge.gallery import Gallery
from reid_edge.gallery.roles import role_statements
from reid_edge.storage.address import read_place

psycopg = pytest.importorskip("psycopg")
RIGHT, WRONG = "korrekt-pferd", "geheim-wort"


@pytest.fixture
def place(new_schema):
    address = new_schema()
    Gallery.create(address).close()
    return address


def sql(address, *statements):
    with psycopg.connect(host=address.host, user="postgres", dbname=address.database, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def guarded(place):
    """The address for the user of whom the server wants a password, without one."""
    from reid_edge_benchmarks.postgres_server import WITH_PASSWORD

    with Gallery.open(place) as gallery, gallery.transaction():
        for statement in role_statements(place):
            gallery.database.execute(statement)
    sql(place, f"DROP ROLE IF EXISTS {WITH_PASSWORD}")
    sql(place, f"CREATE ROLE {WITH_PASSWORD} LOGIN PASSWORD '{RIGHT}' IN ROLE reid_edge_station")
    return dataclasses.replace(place, user=WITH_PASSWORD)


def everything_said(error, caplog):
    chain = "".join(traceback.format_exception(error))
    return f"{chain} {error.message} {error.hint} {caplog.text}"


def test_a_server_that_wants_a_password_takes_the_right_one(guarded):
    with Gallery.open(dataclasses.replace(guarded, password=RIGHT)) as gallery:
        gallery.add_individual("Zoe", "batch")
        assert gallery.names() == ["Zoe"]


@pytest.mark.parametrize("password", [WRONG, ""])
def test_a_wrong_password_and_none_are_refused_and_shown_nowhere(guarded, password, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    monkeypatch.delenv("PGPASSWORD", raising=False)
    address = dataclasses.replace(guarded, password=password)
    with pytest.raises(GalleryError, match="refused the login") as error:
        Gallery.open(address)
    assert "~/.pgpass" in error.value.hint
    said = everything_said(error.value, caplog)
    assert WRONG not in said
    assert RIGHT not in said


def test_a_wrong_password_is_in_no_output_of_a_command_nor_of_the_daemon(guarded, tmp_path):
    address = f"postgresql://{guarded.user}:{WRONG}@/{guarded.database}?host={quote(guarded.host)}&schema={guarded.schema}"
    (tmp_path / "cards").mkdir()
    for arguments in (("gallery", "list"), ("watch", tmp_path / "cards", "--out", tmp_path / "out", "--once")):
        line = [sys.executable, "-m", "reid_edge", *arguments, "--gallery", address]
        done = subprocess.run(line, capture_output=True, text=True, check=False, env={**os.environ, "PGPASSWORD": WRONG})
        assert done.returncode == 4, done.stderr
        assert "refused the login" in done.stderr
        written = "".join(path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file())
        assert WRONG not in done.stdout + done.stderr + written


def test_a_slow_server_that_gives_up_a_statement_is_told_from_one_that_is_away(place):
    with Gallery.open(place) as other, Gallery.open(place) as gallery:
        with other.transaction():
            other.database.execute("LOCK TABLE sighting IN ACCESS EXCLUSIVE MODE")
            gallery.database.execute("SET statement_timeout = 200")
            with pytest.raises(GalleryError, match="took too long") as error:
                gallery.sightings()
            gallery.database.execute("SET statement_timeout = 0")
        assert "statement_timeout" in error.value.hint
        assert gallery.sightings() == []


def test_a_transaction_that_took_too_long_is_rolled_back_as_a_whole(place):
    with Gallery.open(place) as gallery:

        def decide():
            with gallery.transaction():
                gallery.add_individual("Zoe", "batch")
                gallery.database.execute("SET LOCAL statement_timeout = 200")
                gallery.database.rows("SELECT pg_sleep(300)")

        with pytest.raises(GalleryError, match="took too long"):
            decide()
        assert gallery.names() == []


def test_a_server_that_can_only_be_read_answers_and_refuses_a_decision(place, run_main):
    address = read_place(f"{place}&options={quote('-c default_transaction_read_only=on')}")
    with Gallery.open(address) as gallery:
        assert gallery.names() == []
        with pytest.raises(StorageError, match="server is read-only") as error:
            gallery.add_individual("Zoe", "batch")
    assert "primary" in error.value.hint
    with Gallery.open(place) as gallery:
        gallery.add_individual("Zoe", "batch")
    done = run_main("gallery", "rename", "Zoe", "Zora", "--gallery", str(address))
    assert done.returncode == 5
    assert "read-only" in done.stderr
    assert "Zoe" in run_main("gallery", "list", "--gallery", str(address)).stdout


def test_who_is_not_its_owner_cannot_bring_an_older_gallery_up_to_date_and_is_told_who_can(guarded, place):
    with Gallery.open(place) as gallery:
        gallery.database.execute("DELETE FROM migration WHERE name = 'stations'")
    with pytest.raises(GalleryError, match="made by an older version") as error:
        Gallery.open(dataclasses.replace(guarded, password=RIGHT))
    assert "owner" in error.value.hint
