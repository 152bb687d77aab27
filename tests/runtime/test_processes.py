"""A memory card full of traps: whatever command is started in its folder, nothing of it is imported or run."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reid_edge.photo import Photo
from reid_edge.processes import find_program, import_path, in_root_folder, python_command
from reid_edge.watch.intake.decoding import Decoder
from reid_edge.watch.intake.settling import stamp_of

_MODULES = (
    "json",
    "cv2",
    "sitecustomize",
    "usercustomize",
    "pip",
    "multiprocessing",
    "runpy",
    "hashlib",
    "csv",
    "click",
    "rich",
    "tomllib",
)
_PROGRAMS = ("python", "python3", "nvidia-smi", "tegrastats", "lscpu", "cc", "gcc", "git", "mount", "pip", "reid-edge")


@pytest.fixture
def card(samples: Path, tmp_path: Path) -> Path:
    """A folder of photos with traps: each of them writes the file SPRUNG."""
    folder = tmp_path / "card"
    (folder / "cam1").mkdir(parents=True)
    shutil.copy(samples / "photos" / "trail_1.jpg", folder / "cam1")
    sprung = tmp_path / "SPRUNG"
    for name in _MODULES:
        (folder / f"{name}.py").write_text(f"open({str(sprung)!r}, 'a').write({name + ' '!r})\n")
    for name in ("numpy", "onnxruntime", "reid_edge_export"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"open({str(sprung)!r}, 'a').write({name + ' '!r})\n")
    for name in _PROGRAMS:
        (folder / name).write_text(f"#!/bin/sh\necho program-{name} >> {sprung}\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def own_environment(environment: dict[str, str]) -> dict[str, str]:
    """With the current folder first among the programs."""
    return {**environment, "PATH": os.pathsep.join([".", "", environment["PATH"]]), "OMP_NUM_THREADS": "1"}


_COMMANDS = [
    ("--help",),
    ("identify", "cam1/trail_1.jpg", "--gallery", "GALLERY", "--device", "cpu"),
    ("gallery", "add", "cam1/trail_1.jpg", "--identity", "Kito", "--gallery", "NEW", "--device", "cpu"),
    ("watch", "cam1", "--once", "--settle", "0s", "--gallery", "GALLERY", "--out", "OUT", "--device", "cpu", "--sidecar"),
    ("watch", "status", "--out", "OUT"),
    ("watch", "export", "--out", "OUT", "--to", "TO", "--camtrap-dp"),
    ("pack", "list"),
    ("doctor",),
    ("recipe", "list"),
    ("calibrate", "--help"),
    ("bench", "--help"),
]


@pytest.mark.parametrize("start", ["module", "script"])
@pytest.mark.slow
def test_no_command_runs_what_lies_in_the_current_folder(
    card: Path, sample_gallery, tmp_path: Path, own_environment: dict[str, str], start: str
) -> None:
    script = tmp_path / "bin" / "reid-edge"
    script.parent.mkdir()
    script.write_text("from reid_edge.cli import main\nmain()\n")
    places = {"GALLERY": sample_gallery.path, "NEW": tmp_path / "new.sqlite", "OUT": tmp_path / "out", "TO": tmp_path / "to"}
    # The interpreter itself has to start with its own import path; ours begins with the first line of reid-edge.
    (card / "runpy.py").unlink()
    for words in _COMMANDS:
        arguments = [str(places.get(word, word)) for word in words]
        begin = [sys.executable, *(["-m", "reid_edge"] if start == "module" else [str(script)])]
        done = subprocess.run(
            [*begin, *arguments], cwd=card, env=own_environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode in (0, 1), (words, done.stderr)
        assert not (tmp_path / "SPRUNG").exists(), (words, (tmp_path / "SPRUNG").read_text())
    assert (tmp_path / "to" / "camtrap-dp" / "datapackage.json").exists()


def test_the_decoder_reads_photos_of_the_current_folder_and_imports_nothing_from_it(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(card)
    monkeypatch.syspath_prepend("")
    decoder = Decoder()
    try:
        path = b"cam1/trail_1.jpg"
        stamp = stamp_of(path)
        assert stamp is not None
        assert isinstance(decoder.read(path, stamp, lambda _: False), Photo)
    finally:
        decoder.close()
    assert not (tmp_path / "SPRUNG").exists()


def test_a_child_module_starts_without_the_current_folder_even_where_the_path_names_it(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(card)
    monkeypatch.syspath_prepend(str(card))
    monkeypatch.setenv("PYTHONPATH", str(card))
    done = subprocess.run(python_command("pip", "--version"), capture_output=True, text=True, check=False)
    assert not (tmp_path / "SPRUNG").exists()
    assert done.stdout.startswith("pip ") or "No module named pip" in done.stderr
    assert str(card) not in import_path()


def test_a_process_of_multiprocessing_starts_without_the_current_folder(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(card)
    process = multiprocessing.get_context("spawn").Process(target=os.getpid)
    with in_root_folder():
        process.start()
    process.join()
    assert Path.cwd() == card
    assert process.exitcode == 0
    assert not (tmp_path / "SPRUNG").exists()


def test_a_program_is_found_on_the_path_but_never_in_the_current_folder(card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join(["", ".", str(card), os.environ["PATH"]]))
    assert find_program("lscpu") == str(card / "lscpu")
    monkeypatch.chdir(card)
    assert find_program("lscpu") != str(card / "lscpu")
    assert find_program("tegrastats") is None or Path(find_program("tegrastats") or "").parent != card
    assert find_program("reid-edge", str(card)) != str(card / "reid-edge")
