"""A ledger, a watched folder, and a pack whose answers cost milliseconds, for the daemon."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from reid_edge.errors import ReidEdgeError
from reid_edge.watch.intake.folders import WatchedFolder, watched_folder
from reid_edge.watch.intake.scanning import Scanner
from reid_edge.watch.intake.settling import Settling
from reid_edge.watch.ledger.ledger import Ledger


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
    folder: WatchedFolder

    def scan(self) -> None:
        for _ in Scanner(self.ledger, self.settling, self.folder, recursive=True).steps():
            pass

    def settle(self) -> None:
        """Everything that is there settles, and is noted as the daemon notes it."""
        with self.ledger.transaction():
            for file_id, path, stamp in self.settling.settled(float("inf"), 0, 10**6):
                camera = os.path.relpath(path, self.folder.path).split(b"/")[0].decode()
                self.ledger.settle_file(file_id, stamp, camera, None)

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
        given = [
            *(() if "--gallery" in options else ("--gallery", light.gallery)),
            *(() if "--pack" in options else ("--pack", light.pack)),
        ]
        return run_cli(
            *("watch", folder, "--out", out, *given),
            *("--once", "--settle", "0.1s", "--threads", "1", *options),
        )

    return run


@pytest.fixture(scope="session")
def photo() -> Callable[..., bytes]:
    """photo(number, individual, second): the bytes of a small JPEG, see `reid_edge_benchmarks.reliability.photos.photo`."""
    pytest.importorskip("onnx", reason="the light pack is made on a desktop")
    from reid_edge_benchmarks.reliability.photos import photo

    return photo


@pytest.fixture
def start(light: Light, command: list[str], environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """start(folder, out, option...): the daemon as a running process."""
    running: list[subprocess.Popen[str]] = []

    def run(folder: Path, out: Path, *options: object) -> subprocess.Popen[str]:
        arguments = ("watch", folder, "--out", out, "--settle", "0.1s", "--rescan", "0.2s", "--threads", "1")
        given = [each for each in (("--gallery", light.gallery), ("--pack", light.pack)) if each[0] not in options]
        line = [*command, *map(str, (*arguments, *(word for each in given for word in each), *options))]
        process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=environment)
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def wait_until() -> Callable[[Path, Callable[[Ledger], bool]], None]:
    """wait_until(out, what): return when `what` is true of the ledger in a daemon's folder; the time limit only ends a failure."""

    def wait(out: Path, what: Callable[[Ledger], bool]) -> None:
        until = time.monotonic() + 300
        while time.monotonic() < until:
            if (out / "ledger.sqlite").exists():
                try:
                    with Ledger.read(out / "ledger.sqlite") as ledger:
                        if what(ledger):
                            return
                except ReidEdgeError:  # it is just being made
                    pass
            time.sleep(0.05)
        raise AssertionError("it did not happen")

    return wait
