"""The sample animals, one gallery of them made once, and the command line as a process."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import reid_edge
from reid_edge.cli import main
from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.compare.matching import AffinePoints
from reid_edge.decide.decision import Decision
from reid_edge.describe.orientation import Chip
from reid_edge.describe.query import Query
from reid_edge.describe.sift import extract_sift
from reid_edge.discover import Discovery
from reid_edge.discover.discovery import BY_SPEED
from reid_edge.discover.run_record import RunRecord
from reid_edge.gallery import Gallery, Sighting
from reid_edge.gallery.enrolment_list import read_source
from reid_edge.identify.enrolment import EnrolmentResult, enrol
from reid_edge.identify.identifier import Identifier
from reid_edge.photo import Photo, decode_photo, read_photo
from reid_edge.recipe import Extract
from reid_edge_benchmarks.sample_animals import Animal, render_photo

SAMPLES = Path(reid_edge.__file__).parent / "samples"


@pytest.fixture(scope="session")
def samples() -> Path:
    """The bundled sample photos: gallery/<identity>/*.jpg, photos/*.jpg and metadata.csv."""
    return SAMPLES


@dataclass(frozen=True)
class SampleGallery:
    path: Path
    result: EnrolmentResult


@pytest.fixture(scope="session")
def sample_gallery(
    request: pytest.FixtureRequest, made_once: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> SampleGallery:
    """The 24 gallery photos of the samples, enrolled once. For reading; a test that writes takes `own_gallery`."""

    def make(folder: Path) -> None:
        identifier: Identifier = request.getfixturevalue("identifier")
        with Gallery.create(folder / "gallery.sqlite") as gallery:
            result = enrol(gallery, identifier, read_source(SAMPLES, split="database"))
        (folder / "result.json").write_text(json.dumps(asdict(result), default=str), encoding="utf-8")

    made = made_once("sample-gallery", make)
    result = EnrolmentResult(**json.loads((made / "result.json").read_text(encoding="utf-8")))
    return SampleGallery(Path(shutil.copy(made / "gallery.sqlite", tmp_path_factory.mktemp("samples"))), result)


@pytest.fixture
def own_gallery(sample_gallery: SampleGallery, tmp_path: Path) -> Path:
    """A copy of the sample gallery to write to."""
    return Path(shutil.copy(sample_gallery.path, tmp_path / "own.sqlite"))


@pytest.fixture(scope="session")
def candidates(sample_gallery: SampleGallery, identifier: Identifier) -> Iterator[GalleryCandidates]:
    """The sample gallery through the bundled pack."""
    with Gallery.open(sample_gallery.path, writable=False) as gallery:
        yield GalleryCandidates(gallery, identifier.feature_key)


@pytest.fixture(scope="session")
def answers(identifier: Identifier, candidates: GalleryCandidates) -> dict[str, Decision]:
    """The answer for each sample photo, by file name, with evidence. Each shows one animal."""
    found = {}
    for path in sorted((SAMPLES / "photos").glob("*.jpg")):
        (found[path.name],) = identifier.identify(
            read_photo(path), candidates, Query(viewpoint="left", top=3, with_evidence=True)
        )
    return found


@pytest.fixture(scope="session")
def sighting() -> Callable[..., Sighting]:
    """sighting("photo", animal_index=0, ...): an animal of a photo of that name."""

    def make(photo: str, number: int = 1, **facts: Any) -> Sighting:
        sha256 = hashlib.sha256(photo.encode()).hexdigest()
        values = {"photo_sha256": sha256, "photo_name": photo, "identity": "", "box": (0.0, 0.0, 9.0, 9.0), **facts}
        return Sighting(id=number, added_at="", **values)

    return make


@pytest.fixture(scope="session")
def compared(sample_gallery: SampleGallery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 24 gallery photos of the samples as a working file, as from a bare folder: of no stated species and side."""
    path = Path(shutil.copy(sample_gallery.path, tmp_path_factory.mktemp("discovery") / "work.sqlite"))
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE sighting SET species = '', viewpoint = ''")
    return path


@pytest.fixture(scope="session")
def discovered(compared: Path, identifier: Identifier) -> Iterator[Discovery]:
    """Of these, all compared."""
    with Gallery.open(compared) as work:
        discovery = Discovery.of(work, work.sightings(), identifier)
        list(discovery.compare(discovery.remaining))
        RunRecord.of(discovery, "field", BY_SPEED, None).write(compared)
        yield discovery


@pytest.fixture(scope="session")
def two_animals(as_photo: Callable[[NDArray[np.uint8]], Photo]) -> Photo:
    """Asha on the left and Enzi on the right, 1280 x 480 pixels."""
    return as_photo(render_photo([Animal(1, "spots"), Animal(5, "stripes")], 7, (1280, 480)).rgb)


@dataclass(frozen=True)
class CrossingVideo:
    """Asha walks to the right and Enzi to the left, 6 s of ten frames each; between 2 and 3.5 s they hide each other."""

    path: Path
    spans: dict[str, tuple[int, int, int]]  # by name: width, and left edges at the beginning and at the end

    def nearest(self, seconds: float, box: Sequence[float]) -> str:
        """Who is nearest to the middle of a box; '' where nobody is near."""
        middle, share = (box[0] + box[2]) / 2, min(1.0, seconds / 5.9)
        places = {name: width / 2 + start + (end - start) * share for name, (width, start, end) in self.spans.items()}
        name = min(places, key=lambda each: abs(places[each] - middle))
        return name if abs(places[name] - middle) < 60 else ""


def write_crossing(path: Path) -> dict[str, tuple[int, int, int]]:
    size = (1440, 480)
    frame = render_photo([], 9, size).rgb
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, size)
    animals = {"Asha": (Animal(1, "spots"), 71, 100), "Enzi": (Animal(5, "stripes"), 72, 150)}
    cut, spans = {}, {}
    for name, (animal, seed, top) in animals.items():
        photo = render_photo([animal], seed, (640, 480))
        x, y, width, height = cv2.boundingRect(photo.masks[0].astype(np.uint8))
        inside, to = np.s_[y : y + height, x : x + width], (round(0.7 * width), round(0.7 * height))
        mask = cv2.resize(photo.masks[0][inside].astype(np.uint8), to, interpolation=cv2.INTER_NEAREST) > 0
        cut[name] = cv2.resize(photo.rgb[inside], to, interpolation=cv2.INTER_AREA), mask, top
        ends = (20, size[0] - to[0] - 20)
        spans[name] = (to[0], *(ends if name == "Asha" else ends[::-1]))
    for number in range(60):
        drawn = frame.copy()
        for name, (rgb, mask, top) in cut.items():
            _, start, end = spans[name]
            left = round(start + (end - start) * number / 59)
            part = drawn[top : top + mask.shape[0], left : left + mask.shape[1]]
            part[mask] = rgb[mask]
        writer.write(cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
    writer.release()
    return spans


@pytest.fixture(scope="session")
def crossing(made_once: Callable[..., Path]) -> CrossingVideo:
    """A rendered video of two sample animals that cross."""

    def make(folder: Path) -> None:
        spans = write_crossing(folder / "crossing.avi")
        (folder / "spans.json").write_text(json.dumps(spans), encoding="utf-8")

    made = made_once("crossing", make)
    spans = {name: tuple(each) for name, each in json.loads((made / "spans.json").read_text(encoding="utf-8")).items()}
    return CrossingVideo(made / "crossing.avi", spans)


@pytest.fixture(scope="session")
def jpeg() -> Callable[[NDArray[np.uint8]], bytes]:
    """jpeg(rgb): the bytes of a JPEG file."""

    def encode(rgb: NDArray[np.uint8]) -> bytes:
        _, encoded = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
        return encoded.tobytes()

    return encode


@pytest.fixture(scope="session")
def as_photo(jpeg: Callable[[NDArray[np.uint8]], bytes]) -> Callable[[NDArray[np.uint8]], Photo]:
    """as_photo(rgb): a photo as it is read from a file."""
    return lambda rgb: decode_photo(jpeg(rgb), "rendered.jpg")


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """An empty folder, in memory where there is room for one, so that many durable commits stay quick."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """small_disk(options): a disk of few megabytes, mounted with these options (again, where it is). Needs the right to mount."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.strip()}")

    def remount(options: str) -> Path:
        subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)
        return place

    try:
        yield remount
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture(scope="session")
def command() -> list[str]:
    """The start of every command line."""
    return [sys.executable, "-m", "reid_edge"]


@pytest.fixture
def environment() -> dict[str, str]:
    """This process' environment without settings of reid-edge, but for one thread: there is a process of tests for each core."""
    return {name: value for name, value in os.environ.items() if not name.startswith("REID_EDGE_")} | {"REID_EDGE_THREADS": "1"}


def without_progress(stderr: str) -> str:
    return re.sub(r"^[^\n:]+: \d+ of \d+, about \d+ s left\n", "", stderr, flags=re.MULTILINE)


@pytest.fixture
def run_cli(command: list[str], environment: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """run_cli(argument..., variable=value...): the finished process; run in the test's folder. Its stderr comes without the lines of
    progress, which only a slow machine shows."""

    def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*command, *map(str, arguments)],
            capture_output=True,
            text=True,
            env={**environment, **variables},
            cwd=tmp_path,
            timeout=120,
            check=False,
            errors="surrogateescape",
        )
        done.stderr = without_progress(done.stderr)
        return done

    return run


@pytest.fixture
def run_main(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """run_main(argument..., variable=value...): what `run_cli` gives, without a process: for what no start, signal or encoding of the
    streams has a part in."""

    def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        capfd.readouterr()
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)
            for name in os.environ.keys() - environment.keys():
                patch.delenv(name)
            for name, value in (environment | variables).items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as left:
                main([*map(str, arguments)])
        printed = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, left.value.code, printed.out, without_progress(printed.err))

    return run


@pytest.fixture(scope="session")
def sift_points() -> Callable[[str, int], AffinePoints]:
    """sift_points("Asha/asha_1", count): SIFT keypoints of a sample photo at 384 pixels, in those pixels."""

    def extract(name: str, count: int) -> AffinePoints:
        rgb = read_photo(SAMPLES / "gallery" / f"{name}.jpg").rgb
        height, width = rgb.shape[:2]
        chip = Chip(rgb, np.ones((height, width), np.bool_), (0, 0, width, height), 0)
        keypoints = extract_sift(chip, Extract("sift", False, 0.0, "", "sift", count, 384))
        return AffinePoints.of(keypoints, (round(384 * width / max(rgb.shape)), round(384 * height / max(rgb.shape))))

    return extract
