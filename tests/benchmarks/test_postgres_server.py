"""The server of tests and measurements: what is kept is served again, and a folder that cannot be used is reported."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from reid_edge.errors import UsageError
from reid_edge.storage.address import ServerAddress
from reid_edge_benchmarks.postgres_server import running_server


def rows(address: ServerAddress, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(host=address.host, user=address.user, dbname=address.database, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def kept() -> Iterator[Path]:
    """A folder that every user may enter: the server does not run as root, and pytest's folders are of one user."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_data_that_are_kept_are_served_again_with_the_settings_of_that_run(postgres: ServerAddress, kept: Path) -> None:
    with running_server(keep=kept) as address:
        rows(address, "CREATE TABLE kept AS SELECT 7 AS number")
    with running_server(keep=kept, settings={"maintenance_work_mem": "99MB"}) as address:
        assert rows(address, "SELECT number FROM kept") == [(7,)]
        assert rows(address, "SHOW maintenance_work_mem") == [("99MB",)]
        with pytest.raises(UsageError, match="did not start"), running_server(keep=kept):
            pass


def test_a_folder_in_which_the_data_cannot_be_made_is_reported(postgres: ServerAddress, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "something else").write_text("")
    with pytest.raises(UsageError, match="data cannot be made"), running_server(keep=tmp_path):
        pass
