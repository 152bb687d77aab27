"""Galleries to test with, on a disk in memory where there is one, so that thousands of durable commits stay quick."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reid_edge.gallery import Gallery, NewSighting
from reid_edge.storage.address import Place, ServerAddress

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What is about any gallery is tested of a file and of a server; the mark `file_only` says that a test is about a file."""
    if "store" in metafunc.fixturenames:
        of_file = metafunc.definition.get_closest_marker("file_only")
        metafunc.parametrize("store", ["sqlite"] if of_file else ["sqlite", "postgres"], scope="session")


@pytest.fixture
def new_place(request: pytest.FixtureRequest, folder: Path, store: str) -> Callable[[str], Place]:
    """new_place(name): where a gallery can be made: a file, or a schema of a server."""
    if store == "sqlite":
        return lambda name: folder / f"{name}.sqlite"
    new_schema: Callable[[], ServerAddress] = request.getfixturevalue("new_schema")
    made: dict[str, ServerAddress] = {}
    return lambda name: made[name] if name in made else made.setdefault(name, new_schema())


@pytest.fixture
def gallery(new_place: Callable[[str], Place]) -> Iterator[Gallery]:
    """A new, empty gallery."""
    with Gallery.create(new_place("gallery")) as made:
        yield made


@pytest.fixture(scope="session")
def seen() -> Callable[..., NewSighting]:
    """seen(number, identity, **facts): a sighting of photo `number`."""

    def make(number: int, identity: str, **facts: Any) -> NewSighting:
        sha256 = hashlib.sha256(f"photo {number}".encode()).hexdigest()
        return NewSighting(photo_sha256=sha256, identity=identity, photo_name=f"{number}.jpg", **facts)

    return make


@pytest.fixture(scope="session")
def arrays() -> Callable[..., dict[str, NDArray[Any]]]:
    """arrays(number): the features of photo `number`, a unit vector and some keypoints; the same for the same number."""

    def make(number: int, dimension: int = 16) -> dict[str, NDArray[Any]]:
        random = np.random.default_rng(number)
        vector = random.normal(size=dimension).astype(np.float32)
        return {
            "embedding/test": vector / np.linalg.norm(vector),
            "keypoints/test/xy": random.uniform(0, 99, (7, 2)).astype(np.float32),
            "keypoints/test/descriptors": random.normal(size=(7, 4)).astype(np.float16),
        }

    return make


@pytest.fixture
def add(seen: Callable[..., NewSighting], arrays: Callable[..., Any]) -> Callable[..., int]:
    """add(gallery, number, identity, batch=..., **facts): add photo `number` with its features."""

    def do(gallery: Gallery, number: int, identity: str, batch: str = "", **facts: Any) -> int:
        return gallery.add_sighting(seen(number, identity, **facts), arrays(number), KEY, batch or gallery.new_batch())

    return do


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """A disk of 1 MB mounted at tmp_path/disk; the value remounts it with other options. Needs the right to mount."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.strip()}")
    try:
        yield lambda options: subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)
    finally:
        subprocess.run(["umount", "-l", place], check=True)
