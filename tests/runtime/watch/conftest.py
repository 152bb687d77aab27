"""A ledger, a watched folder, and a pack whose answers cost milliseconds, for the daemon."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from reid_edge.watch.folders import Folder, watched_folder
from reid_edge.watch.ledger import Ledger
from reid_edge.watch.scanning import Scanner
from reid_edge.watch.settling import Settling


@pytest.fixture
def ledger(memory_folder: Path) -> Iterator[Ledger]:
    with Ledger.open(memory_folder / "ledger.sqlite") as opened:
        yield opened


@dataclass
class Watched:
    """A watched folder and what belongs to it; `states` are the files' states by path below the folder."""

    root: Path
    ledger: Ledger
    settling: Settling
    folder: Folder

    def scan(self) -> None:
        for _ in Scanner(self.ledger, self.settling, self.folder, recursive=True).steps():
            pass

    def settle(self) -> None:
        """Everything that is there settles, and is noted as the daemon notes it."""
        for file_id, path, state in self.settling.settled(float("inf"), 0, 10**6):
            camera = os.path.relpath(path, self.folder.path).split(b"/")[0].decode()
            self.ledger.database.execute(
                "UPDATE file SET state = 'settled', size = ?, mtime_ns = ?, inode = ?, camera = ? WHERE id = ?",
                (state.size, state.mtime_ns, state.inode, camera, file_id),
            )

    def states(self) -> dict[str, str]:
        return {
            os.path.relpath(file.path, self.folder.path).decode(errors="backslashreplace"): file.state
            for file in self.ledger.files()
        }


@pytest.fixture
def watched(tmp_path: Path, ledger: Ledger) -> Watched:
    root = tmp_path / "photos"
    root.mkdir()
    return Watched(root, ledger, Settling(), watched_folder(ledger, os.fsencode(root)))


@dataclass(frozen=True)
class Light:
    """The light pack, and a gallery of its four individuals."""

    pack: Path
    gallery: Path


@pytest.fixture(scope="session")
def light(tmp_path_factory: pytest.TempPathFactory) -> Light:
    pytest.importorskip("onnx", reason="the light pack is made on a desktop")
    from reid_edge_benchmarks.reliability.light_pack import make_light_pack
    from reid_edge_benchmarks.reliability.photos import INDIVIDUALS, photo

    place = tmp_path_factory.mktemp("light")
    pack = make_light_pack(place / "pack")
    for name in INDIVIDUALS:
        for number in (1, 2):
            path = place / "known" / name / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(photo(10**6 + number, name))
    gallery = place / "gallery.sqlite"
    subprocess.run(
        [sys.executable, "-m", "reid_edge", "gallery", "add", place / "known", "--gallery", gallery, "--pack", pack],
        check=True,
        capture_output=True,
    )
    return Light(pack, gallery)


@pytest.fixture
def watch_once(
    light: Light, run_cli: Callable[..., subprocess.CompletedProcess[str]]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """watch_once(folder, out, option...): the finished process of `reid-edge watch --once` with the light pack."""

    def run(folder: Path, out: Path, *options: object) -> subprocess.CompletedProcess[str]:
        given = ("--gallery", light.gallery) if "--gallery" not in options else ()
        return run_cli(
            *("watch", folder, "--out", out, "--pack", light.pack, *given),
            *("--once", "--settle", "0.1s", "--threads", "1", *options),
        )

    return run
