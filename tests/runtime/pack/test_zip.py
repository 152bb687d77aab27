"""A pack as one zip: the same as the directory when sound, and refused in one sentence whatever is wrong with it."""

from __future__ import annotations

import io
import random
import struct
import tempfile
import tracemalloc
import warnings
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.errors import PackError
from reid_edge.pack import open_pack


def zipped(contents, **how) -> bytes:
    """A zip of (name or ZipInfo, bytes) pairs, written without any check."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", how.get("compression", zipfile.ZIP_STORED)) as archive:
        warnings.simplefilter("ignore")  # a doubled name, which some tests want
        for name, content in contents:
            archive.writestr(name, content)
    return out.getvalue()


def opened(content: bytes, folder: Path):
    path = folder / "pack.zip"
    path.write_bytes(content)
    return open_pack(path)


def refusal(content: bytes, folder: Path) -> str:
    with pytest.raises(PackError) as caught:
        opened(content, folder)
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.fixture
def entries(parts):
    """The pieces of a sound zip."""
    return list(parts().everything().items())


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_the_same_pack_as_its_directory(parts, entries, tmp_path, compression):
    from_zip = opened(zipped(entries, compression=compression), tmp_path)
    from_directory = open_pack(parts().lay(tmp_path / "directory"))
    assert (from_zip.manifest, from_zip.sha256) == (from_directory.manifest, from_directory.sha256)
    assert from_zip.read_bytes("tiny.onnx") == from_directory.read_bytes("tiny.onnx")


def test_folder_entries_as_other_programs_write_them_are_accepted(entries, tmp_path):
    assert opened(zipped([("calibration/", b""), *entries]), tmp_path).manifest.name == "tiny"


def test_a_zip_with_a_top_folder_is_refused_with_what_to_do(entries, tmp_path):
    message = refusal(zipped([(f"tiny/{name}", content) for name, content in entries]), tmp_path)
    assert "pack.toml must be at its root, but lies in 'tiny'" in message


@pytest.mark.parametrize("content", [b"", b"hello", b"PK", b"\x89PNG\r\n\x1a\n" * 9, b"PK\x05\x06" + b"\0" * 18])
def test_a_file_that_is_no_zip_is_refused(tmp_path, content):
    assert "it is not a zip" in refusal(content, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "../evil.json",
        "/etc/evil.json",
        "a/../../evil.json",
        "..\\evil.json",
        "C:\\evil.json",
        "C:evil.json",
        "calibration/../",
    ],
)
def test_a_path_that_leaves_the_pack_is_refused_and_nothing_is_written(entries, tmp_path, name):
    folder = tmp_path / "in" / "here"
    folder.mkdir(parents=True)
    assert "leads out of the archive" in refusal(zipped([*entries, (name, b"{}")]), folder)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["pack.zip"]


def test_a_name_with_a_nul_is_refused(entries, tmp_path):
    content = zipped([*entries, ("NOTICE.txtX.md", b"")]).replace(b"NOTICE.txtX.md", b"NOTICE.txt\0.md")
    assert "has a second name" in refusal(content, tmp_path)


def test_a_doubled_entry_is_refused(entries, tmp_path):
    assert "'NOTICE.txt' is there twice" in refusal(zipped([*entries, ("NOTICE.txt", b"For tests.\n")]), tmp_path)


def test_names_that_differ_in_case_only_are_refused(entries, tmp_path):
    assert "differ only in case" in refusal(zipped([*entries, ("notice.txt", b"")]), tmp_path)


def test_a_link_is_refused(entries, tmp_path):
    link = zipfile.ZipInfo("link.txt")
    link.create_system = 3
    link.external_attr = 0o120777 << 16
    assert "'link.txt' is a link or a special file" in refusal(zipped([*entries, (link, b"/etc/passwd")]), tmp_path)


def test_an_encrypted_entry_is_refused(entries, tmp_path):
    content = bytearray(zipped(entries))
    set_flag(content, 0x1)
    assert "the entry 'pack.toml' is encrypted" in refusal(bytes(content), tmp_path)


def set_flag(content: bytearray, flag: int) -> None:
    """Set a general-purpose flag in every header of a zip, local (at 6) and central (at 8)."""
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + offset] |= flag
            at = content.find(signature, at + 4)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_another_compression_is_refused(entries, tmp_path, compression):
    assert "neither stored nor deflated" in refusal(zipped(entries, compression=compression), tmp_path)


def test_a_wrong_checksum_is_refused(entries, tmp_path):
    content = zipped(entries)
    assert "damaged at 'NOTICE.txt'" in refusal(content.replace(b"For tests.\n", b"For tests!\n"), tmp_path)


def test_a_file_with_another_content_and_a_right_checksum_is_refused(entries, tmp_path):
    swapped = [(name, b"For tests!\n" if name == "NOTICE.txt" else content) for name, content in entries]
    assert "'NOTICE.txt' has the sha256" in refusal(zipped(swapped), tmp_path)


def test_a_zip_cut_off_anywhere_is_refused(entries, tmp_path):
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        content = zipped(entries, compression=compression)
        for length in {*range(0, len(content), 37), *range(len(content) - 25, len(content))}:
            refusal(content[:length], tmp_path)


def test_a_bomb_is_refused_from_its_table_of_contents(entries, tmp_path):
    bomb = zipped([*entries, ("bomb.txt", b"\0" * (200 << 20))], compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 1 << 20
    tracemalloc.start()
    try:
        assert "'bomb.txt' unpacks to 209715200 bytes from" in refusal(bomb, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_a_bomb_that_lies_about_its_size_is_not_unpacked_beyond_it(entries, tmp_path):
    """The size of NOTICE.txt is declared as listed, 11 bytes, but its deflated stream goes on for 200 MB."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = squeeze.compress(b"For tests.\n" + b"\0" * (200 << 20)) + squeeze.flush()
    content = zipped([(name, stream if name == "NOTICE.txt" else data) for name, data in entries])
    method, size = struct.pack("<H", zipfile.ZIP_DEFLATED), struct.pack("<I", 11)
    content = bytearray(content)
    local_header = zipfile.ZipFile(io.BytesIO(content)).getinfo("NOTICE.txt").header_offset
    for header, name_offset, method_offset, size_offset in (
        (local_header, 30, 8, 22),
        (content.rfind(b"NOTICE.txt") - 46, 46, 10, 24),
    ):
        assert content[header + name_offset : header + name_offset + 10] == b"NOTICE.txt"
        content[header + method_offset : header + method_offset + 2] = method
        content[header + size_offset : header + size_offset + 4] = size
    tracemalloc.start()
    try:
        assert "damaged at 'NOTICE.txt'" in refusal(bytes(content), tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_a_declared_size_beyond_a_pack_is_refused(entries, tmp_path):
    content = bytearray(zipped(entries))
    for signature, offset in ((b"PK\x03\x04", 18), (b"PK\x01\x02", 20)):
        at = content.find(signature)
        content[at + offset : at + offset + 8] = struct.pack("<II", 0xF0000000, 0xF0000000)
    assert "unpacks to " in refusal(bytes(content), tmp_path)


def test_a_table_of_contents_as_large_as_the_memory_is_refused(entries, tmp_path):
    many = [(f"{'x' * 180}{i}.txt", b"") for i in range(6000)]
    assert "table of contents of more than 1 MiB" in refusal(zipped([*entries, *many]), tmp_path)


def test_more_entries_than_a_pack_may_have_are_refused(entries, tmp_path):
    assert "more than 1000 files" in refusal(zipped([*entries, *((f"{i}.txt", b"") for i in range(1001))]), tmp_path)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_zip_is_refused_or_is_the_same_pack(parts, data):
    made = parts()
    compression = data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    content = bytearray(zipped(made.everything().items(), compression=compression))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    same_or_refused(bytes(content), made)


def test_a_damaged_table_of_contents_is_refused_or_is_the_same_pack(parts):
    """Every byte of the central directory and the end record, each set to a few telling values."""
    made = parts()
    content = zipped(made.everything().items())
    dice = random.Random(0)
    for at in range(content.find(b"PK\x01\x02"), len(content)):
        for value in (0, 0xFF, content[at] ^ (1 << dice.randrange(8))):
            damaged = bytearray(content)
            damaged[at] = value
            same_or_refused(bytes(damaged), made)


def same_or_refused(content: bytes, made) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            pack = opened(content, Path(folder))
        except PackError:
            return
        assert pack.manifest == made.manifest
        assert all(pack.read_bytes(path) == content for path, content in made.everything().items())
