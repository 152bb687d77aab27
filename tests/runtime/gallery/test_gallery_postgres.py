"""A gallery on a PostgreSQL server: the same content as in a file after any history, and what each fault of the server is called."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.errors import GalleryError, StorageError, UsageError
from reid_edge.gallery import DuplicateSighting, Gallery, NewSighting
from reid_edge.gallery.check import check
from reid_edge.gallery.history import describe
from reid_edge.gallery.mapped_rows import MappedRows, RowForm
from reid_edge.gallery.roles import role_statements
from reid_edge.gallery.search import VectorIndex
from reid_edge.gallery.server_index import server_index
from reid_edge.storage import postgres_errors
from reid_edge.storage.address import ServerAddress, read_place

psycopg = pytest.importorskip("psycopg")
KEY = "0123456789abcdef"
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@pytest.fixture
def place(new_schema):
    """Where a gallery can be made."""
    return new_schema()


def seen(photo, name):
    return NewSighting(photo_sha256=f"{photo:064x}", identity=name, photo_name=f"{photo}.jpg", species="zebra")


def vector(photo):
    drawn = np.random.default_rng(photo).normal(size=8).astype(np.float32)
    return {"embedding/test": drawn / np.linalg.norm(drawn)}


def sql(address, statement, user="postgres"):
    with psycopg.connect(host=address.host, user=user, dbname=address.database, autocommit=True) as connection:
        connection.execute(statement)


NAMES = st.sampled_from(["Zoe", "Anna", "Bea", "🦓", "zoe"])
STEPS = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 9), NAMES),
    st.tuples(st.just("rename"), NAMES, NAMES),
    st.tuples(st.just("merge"), NAMES, NAMES),
    st.tuples(st.just("split"), NAMES, st.integers(0, 9), NAMES),
    st.tuples(st.just("remove"), NAMES),
    st.tuples(st.just("confirm"), st.integers(0, 9), NAMES),
    st.tuples(st.just("reject"), st.integers(0, 9), NAMES),
    st.tuples(st.just("undo"), st.integers(1, 3)),
)


def take(gallery, step):
    """One step of a history; what it refuses, as text."""
    kind, *values = step
    try:
        if kind == "add":
            gallery.add_sighting(seen(values[0], values[1]), vector(values[0]), KEY, gallery.new_batch())
        elif kind == "rename":
            gallery.rename(*values)
        elif kind == "merge":
            gallery.merge([values[0]], values[1])
        elif kind == "split":
            present = gallery.has_photo(f"{values[1]:064x}")
            gallery.split(values[0], [present.id] if present else [], values[2])
        elif kind == "remove":
            gallery.remove_individual(values[0])
        elif kind in ("confirm", "reject"):
            getattr(gallery, kind)(f"{values[0]:064x}", values[1])
        else:
            gallery.undo(values[0])
    except (GalleryError, DuplicateSighting, UsageError) as error:
        return str(error)
    return ""


@settings(max_examples=5)
@given(st.lists(STEPS, min_size=5, max_size=20))
def test_any_history_gives_the_same_gallery_in_a_file_and_on_a_server(new_schema, history):
    with (
        tempfile.TemporaryDirectory(dir=MEMORY) as folder,
        Gallery.create(Path(folder) / "gallery.sqlite") as file,
        Gallery.create(new_schema()) as server,
    ):
        for step in history:
            assert take(file, step) == take(server, step)
        assert file.content_hash() == server.content_hash()
        assert [describe(event) for event in file.history()] == [describe(event) for event in server.history()]
        assert not [finding for finding in check(server) if finding.severity == "damage"]


def test_vectors_are_searched_on_a_server_as_in_a_file(place, tmp_path):
    with Gallery.create(place) as server, Gallery.create(tmp_path / "gallery.sqlite") as file:
        for gallery in (server, file):
            with gallery.transaction():
                for photo in range(40):
                    gallery.add_sighting(seen(photo, f"animal {photo % 5}"), vector(photo), KEY, "batch")
        query = vector(3)["embedding/test"]
        ids, cosines = server.vector_index(KEY, "embedding/test").search(query, 7)
        expected, their_cosines = file.vector_index(KEY, "embedding/test").search(query, 7)
        np.testing.assert_array_equal(cosines, their_cosines)
        assert [one.photo_sha256 for one in server.sightings_of(ids.tolist())] == [
            one.photo_sha256 for one in file.sightings_of(expected.tolist())
        ]


def test_the_cache_of_a_gallery_is_of_this_server_and_schema_alone(place, new_schema):
    with Gallery.create(place) as one, Gallery.create(new_schema()) as other:
        assert one.cache != other.cache
        one.add_sighting(seen(1, "Zoe"), vector(1), KEY, "batch")
        one.vector_index(KEY, "embedding/test")
        assert list(one.cache.iterdir())
        assert not other.cache.exists()


def test_a_gallery_is_made_once_and_one_that_is_missing_is_made_as_the_message_says(place):
    with pytest.raises(GalleryError, match="There is no gallery at") as missing:
        Gallery.open(place)
    assert missing.value.hint == f"Make one: reid-edge gallery init --gallery {place}"
    Gallery.create(place).close()
    with pytest.raises(GalleryError, match="already exists"):
        Gallery.create(place)
    Gallery.open_or_create(read_place(str(place))).close()


def test_a_reader_changes_nothing(place):
    Gallery.create(place).close()
    with Gallery.open(place, writable=False) as reader:
        with pytest.raises(GalleryError, match="reading only"):
            reader.add_individual("Zoe", "batch")
        with pytest.raises(StorageError, match="read-only"):
            reader.database.execute("UPDATE gallery SET revision = 'x'")


def test_a_gallery_of_a_newer_version_is_refused(place):
    with Gallery.create(place) as gallery:
        gallery.database.execute("INSERT INTO migration VALUES ('from the future', '')")
    with pytest.raises(GalleryError, match="newer version"):
        Gallery.open(place)


def test_a_gallery_of_an_older_version_is_brought_up_to_date_by_whoever_may_write_it(place):
    with Gallery.create(place) as gallery:
        for table in ("conflict", "alias", "synchronised"):
            gallery.database.execute(f"DROP TABLE {table}")
        for table in ("individual", "sighting", "review"):
            gallery.database.execute(f"ALTER TABLE {table} DROP COLUMN uid")
        gallery.database.execute("ALTER TABLE individual DROP COLUMN merged_into")
        gallery.database.execute("ALTER TABLE event DROP COLUMN station, DROP COLUMN sequence")
        gallery.database.execute("ALTER TABLE gallery DROP COLUMN station")
        gallery.database.execute("DELETE FROM migration WHERE name = 'stations'")
    with pytest.raises(GalleryError, match="older version"):
        Gallery.open(place, writable=False)
    with Gallery.open(place) as gallery:
        gallery.add_individual("Zoe", "batch")


def test_a_table_of_another_program_is_not_taken_for_a_gallery(place):
    sql(place, f"CREATE SCHEMA {place.schema}; CREATE TABLE {place.schema}.migration (name TEXT)")
    with pytest.raises(GalleryError, match="not that of a gallery"):
        Gallery.open(place)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"host": "/nowhere"}, "cannot be reached"),
        ({"host": "", "options": (("host", "127.0.0.1"),), "port": 1}, "cannot be reached"),
        ({"user": "stranger"}, "refused the login"),
        ({"database": "elsewhere"}, "no database elsewhere"),
    ],
)
def test_a_server_that_refuses_is_an_error_that_says_why(place, changes, said):
    address = dataclasses.replace(place, password="geheim", **changes)
    with pytest.raises(GalleryError, match=said) as error:
        Gallery.open(address)
    assert error.value.hint
    assert "geheim" not in f"{error.value} {error.value.hint} {error.value.__cause__} {address} {address!r}"


def test_a_server_that_does_not_answer_is_given_up(place, monkeypatch):
    monkeypatch.setattr("reid_edge.storage.postgres.CONNECT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = dataclasses.replace(place, host="127.0.0.1", port=silent.getsockname()[1])
        with pytest.raises(GalleryError, match=r"did not answer|cannot be reached"):
            Gallery.open(address)


def test_a_wrong_password_appears_in_no_output_of_the_command_line():
    address = "postgresql://ana:geheim@127.0.0.1:1/reid"
    done = subprocess.run(
        [sys.executable, "-m", "reid_edge", "gallery", "list", "--json", "--gallery", address],
        capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 4
    assert "cannot be reached" in done.stderr
    assert "geheim" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://",
        "postgresql://ana:gehe@im/b/c",
        "postgres://h:geheim/reid",
        "postgresql://ana:geheim@h/",
        "postgresql://h/d#x",
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(text):
    with pytest.raises(UsageError) as error:
        read_place(text)
    assert "gehe" not in f"{error.value} {error.value.hint}"


def test_an_address_is_read_as_it_is_written():
    address = read_place("postgresql://ana%40home:p%2Fw@db.example:5433/zebras?schema=mara&sslmode=require")
    assert address == ServerAddress("db.example", 5433, "ana@home", "zebras", "mara", "p/w", (("sslmode", "require"),))
    assert str(address) == "postgresql://ana%40home@db.example:5433/zebras?schema=mara&sslmode=require"
    assert read_place(str(address)) == dataclasses.replace(address, password="")
    assert "geheim" not in str(read_place("postgresql://h/d?sslpassword=geheim&password=geheim"))
    assert read_place("gallery.sqlite") == Path("gallery.sqlite")


def test_a_lost_connection_leaves_nothing_half_done_and_the_next_statement_connects_again(place):
    with Gallery.create(place) as gallery:
        gallery.add_individual("Zoe", "batch")
        (pid,) = gallery.database.rows("SELECT pg_backend_pid()")[0]

        def decide_while_the_connection_is_cut():
            with gallery.transaction():
                gallery.add_individual("Anna", "batch")
                sql(place, f"SELECT pg_terminate_backend({pid}, 5000)")
                gallery.add_individual("Bea", "batch")

        with pytest.raises(GalleryError, match=r"was lost|shutting down"):
            decide_while_the_connection_is_cut()
        assert gallery.names() == ["Zoe"]
        gallery.add_individual("Anna", "batch")
        assert len(gallery.history()) == 2


def test_a_full_disk_of_the_server_is_told_from_a_full_disk_here(place):
    with Gallery.create(place) as gallery, pytest.raises(StorageError, match="server's disk is full") as error:
        gallery.database.execute("DO 'BEGIN RAISE EXCEPTION ''no space'' USING ERRCODE = ''53100''; END'")
    assert "server" in error.value.hint


def test_what_another_process_added_at_the_same_time_is_a_conflict(place):
    with Gallery.create(place) as gallery:
        gallery.database.insert("individual", name="Zoe")
        with pytest.raises(GalleryError, match="Another process has just added"):
            gallery.database.insert("individual", name="Zoe")


def test_a_transaction_waits_for_another_one_and_gives_up_in_the_end(place, monkeypatch):
    monkeypatch.setattr("reid_edge.storage.postgres.LOCK_SECONDS", 1)
    with Gallery.create(place) as one, Gallery.open(place) as other:
        with one.transaction(), pytest.raises(GalleryError, match="in use by another process"):
            other.add_individual("Zoe", "batch")
        other.add_individual("Zoe", "batch")
        assert one.names() == ["Zoe"]


def test_without_the_extension_the_message_says_what_to_run(place):
    with Gallery.create(place) as gallery, pytest.raises(GalleryError, match="lacks the extension vector") as error:
        gallery.database.execute("CREATE TABLE x (y nosuchtype)")
    assert "CREATE EXTENSION vector" in error.value.hint


def test_a_statement_that_fails_is_not_committed_by_whoever_goes_on(place):
    with Gallery.create(place) as gallery:

        def go_on():
            with gallery.transaction():
                gallery.database.insert("individual", name="Zoe")
                with contextlib.suppress(GalleryError):
                    gallery.database.insert("individual", name="Zoe")

        with pytest.raises(GalleryError, match="not stored"):
            go_on()
        assert gallery.names() == []
        with gallery.transaction():
            assert gallery.database.try_insert("individual", name="Zoe")
            assert not gallery.database.try_insert("individual", name="Zoe")
        assert gallery.names() == ["Zoe"]


_WRITER = """
import sys
from reid_edge.gallery import Gallery, NewReview
from reid_edge.storage.address import read_place
with Gallery.open(read_place(sys.argv[1])) as gallery:
    for number in range(int(sys.argv[2]), 10_000):
        gallery.review(NewReview(photo_sha256=f"{number:064x}", kind="new", person="Ana", identity=f"name {number}"), expected=0)
        print(number, flush=True)
"""


def test_a_kill_loses_no_review_that_was_acknowledged_and_doubles_none(place):
    Gallery.create(place).close()
    for start in (0, None):
        with Gallery.open(place) as gallery:
            start = len(gallery.reviews())
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(place), str(start)], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        acknowledged = [int(writer.stdout.readline()) for _ in range(5)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout.read().split()]
        writer.wait()
        writer.stdout.close()
        with Gallery.open(place) as gallery, gallery.transaction():  # waits until the server has noticed the kill
            stored = [int(each.photo_sha256, 16) for each in gallery.reviews()]
            assert stored == list(range(len(stored)))
            assert len(stored) - acknowledged[-1] in (1, 2)
            assert len(gallery.history()) == len(stored) == len(gallery.individuals())


def test_what_needs_a_file_says_what_to_use_instead(place, run_main):
    Gallery.create(place).close()
    done = run_main("gallery", "backup", "folder", "--gallery", str(place))
    assert done.returncode == 2
    assert "pg_dump" in done.stderr


def test_every_error_of_a_server_has_a_hint():
    for message, hint in [*postgres_errors._MEANINGS.values(), *postgres_errors._OF_STORAGE.values()]:
        assert message.endswith(".")
        assert hint


def test_a_reader_reads_a_station_decides_and_neither_may_do_more(place):
    with Gallery.create(place) as gallery:
        for statement in role_statements(place) * 2:
            gallery.database.execute(statement)
        for user, role in (("rita", "reader"), ("stan", "station")):
            gallery.database.execute(f"CREATE ROLE {user} LOGIN IN ROLE reid_edge_{role}")
    with Gallery.open(dataclasses.replace(place, user="stan")) as station:
        sighting = station.add_sighting(seen(1, "Zoe"), vector(1), KEY, "batch")
        station.rename("Zoe", "Anna")
        with pytest.raises(GalleryError, match="may not do this") as error:
            station.database.execute("DROP TABLE event")
        assert "gallery roles" in error.value.hint
    reader = dataclasses.replace(place, user="rita")
    with Gallery.open(reader, writable=False) as opened:
        assert opened.features([sighting], KEY)
    with Gallery.open(reader) as opened, pytest.raises(GalleryError, match="may not do this"):
        opened.rename("Anna", "Zoe")


def test_the_roles_are_printed_as_sql_and_a_file_has_none(place, run_main, tmp_path):
    done = run_main("gallery", "roles", "--gallery", str(place))
    assert done.returncode == 0
    assert f'GRANT SELECT ON ALL TABLES IN SCHEMA "{place.schema}" TO reid_edge_reader;' in done.stdout
    assert run_main("gallery", "roles", "--gallery", str(tmp_path / "g.sqlite")).returncode == 2


def test_a_station_is_synchronised_with_a_server_from_the_command_line(place, run_main, tmp_path):
    Gallery.create(place).close()
    paths = [tmp_path / "a.sqlite", tmp_path / "b.sqlite"]
    for photo, path in enumerate(paths):
        with Gallery.create(path) as gallery:
            gallery.add_sighting(seen(photo, "Zoe"), vector(photo), KEY, "batch")
        done = run_main("gallery", "sync", str(place), "--gallery", str(path))
        assert "Sent 1 decision and the features of 1 photo" in done.stderr, done.stderr
    assert "1 question arose" in done.stderr
    listed = run_main("gallery", "questions", "--json", "--gallery", str(place)).stdout
    assert '"added_as": "Zoe (2)"' in listed
    assert "another individual has that name" in run_main("gallery", "questions", "--gallery", str(paths[1])).stdout
    assert "Closed 1 question" in run_main("gallery", "questions", "--close", "1", "--gallery", str(paths[1])).stderr
    assert "no open question" in run_main("gallery", "questions", "--gallery", str(paths[1])).stderr


def test_an_index_finds_the_same_as_a_comparison_with_all_and_also_what_was_added_since(place, run_main):
    name = "embedding/test"
    with Gallery.create(place) as gallery:
        with gallery.transaction():
            for photo in range(300):
                gallery.add_sighting(seen(photo, f"animal {photo % 5}"), vector(photo), KEY, "batch")
        queries = [vector(photo)[name] for photo in range(1000, 1005)]
        exact = [gallery.vector_index(KEY, name).search(query, 5) for query in queries]
        assert "too few" in run_main("gallery", "index", "--gallery", str(place)).stderr
        assert server_index(gallery, KEY, name) is None
        assert "300 of them new" in run_main("gallery", "index", "--least", "10", "--gallery", str(place)).stderr
        indexed = gallery.vector_index(KEY, name)
        for query, (ids, cosines) in zip(queries, exact, strict=True):
            found = indexed.search(query, 5)
            np.testing.assert_array_equal(found[0], ids)
            np.testing.assert_array_equal(found[1], cosines)
        half = list(range(1, 301, 2))
        everything = VectorIndex(MappedRows.open(gallery, KEY, RowForm(name, name, "<f4", np.asarray)))
        for query in queries:  # the index is asked for twice as many, and what is not allowed is left out
            ids, _ = indexed.search(query, 5, half)
            assert ids.tolist() == everything.search(query, 5, half)[0].tolist()
        indexed.asked_for_each = 60  # all of them
        assert indexed.search(queries[0], 5)[0].tolist() == exact[0][0].tolist()
        (best, *_), _ = exact[0]
        gallery.remove_sightings([int(best)])
        new = gallery.add_sighting(seen(999, "Zoe"), {name: queries[0]}, KEY, "batch")
        ids, _ = gallery.vector_index(KEY, name).search(queries[0], 5)
        assert ids[0] == new
        assert best not in ids
        allowed = [new, int(exact[0][0][4])]
        assert gallery.vector_index(KEY, name).search(queries[0], 5, allowed)[0].tolist() == allowed
        assert "1 of them new" in run_main("gallery", "index", "--least", "10", "--gallery", str(place)).stderr
        assert len(server_index(gallery, KEY, name).lacking) == 0


@pytest.mark.parametrize("command", [("list",), ("init",)])
def test_without_the_driver_an_address_is_refused_with_the_command_to_install_it(command):
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from reid_edge.cli import main\n"
        "main(['gallery', *sys.argv[1:], '--gallery', 'postgresql://ana:geheim@db.example/zebras'])"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    assert "needs the package psycopg" in done.stderr
    assert "postgres" in done.stderr.partition("Run: ")[2]
    assert "Traceback" not in done.stderr
    assert "geheim" not in done.stderr
