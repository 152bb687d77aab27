"""`reid-edge gallery add` as a process: what it says, and that no interruption, kill or full disk costs a photo that was kept."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from reid_edge.gallery import Gallery
from reid_edge.gallery.check import check

# REID_EDGE_KILLS=200 for the full run.
KILLS = int(os.environ.get("REID_EDGE_KILLS", "5"))


@pytest.fixture
def many(samples, tmp_path):
    """many(count): a folder of one individual with that many photos, the same picture in files of different bytes."""

    def make(count: int) -> Path:
        jpeg = (samples / "photos" / "trail_3.jpg").read_bytes()
        folder = tmp_path / "many" / "Kito"
        folder.mkdir(parents=True)
        for number in range(count):
            comment = b"\xff\xfe\x00\x0a" + f"{number:08d}".encode()
            (folder / f"{number:04d}.jpg").write_bytes(jpeg[:2] + comment + jpeg[2:])
        return folder.parent

    return make


def sightings(path: Path) -> list[str]:
    """The photos of a gallery that is whole; none where there is no gallery yet."""
    if not path.exists() or not path.stat().st_size:
        return []
    with Gallery.open(path, writable=False) as gallery:
        assert [finding for finding in check(gallery) if finding.severity == "damage"] == []
        return sorted(sighting.photo_name for sighting in gallery.sightings())


def start(command, environment, *arguments: object, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*command, "gallery", "add", *map(str, arguments)], stderr=subprocess.PIPE, text=True, env=environment, cwd=cwd
    )


def wait_for(count: int, path: Path, process: subprocess.Popen[str]) -> None:
    """Until the gallery holds that many photos."""
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if path.exists() and path.stat().st_size and len(sightings(path)) >= count:
            return
        time.sleep(0.05)
    raise AssertionError(f"it ended with {process.poll()} before it had enrolled {count}: {process.stderr.read()}")


def test_a_folder_for_each_individual_is_enrolled_once_and_what_is_wrong_is_told(run_main, samples, tmp_path):
    source = tmp_path / "animals"
    for name in ("Asha", "🦓"):
        (source / name).mkdir(parents=True)
    shutil.copy(samples / "gallery" / "Asha" / "asha_1.jpg", source / "Asha")
    shutil.copy(samples / "gallery" / "Asha" / "asha_1.jpg", source / "Asha" / "again.jpg")
    shutil.copy(samples / "gallery" / "Enzi" / "enzi_1.jpg", source / "🦓")
    (source / "🦓" / "text.jpg").write_text("not a photo")
    (source / "🦓" / "zero.jpg").touch()
    first = run_main("gallery", "add", "animals")
    assert (first.returncode, first.stdout) == (1, "")
    *failed, summary = first.stderr.splitlines()
    assert [line.split("(")[-1] for line in failed] == ["animals/🦓/text.jpg)", "animals/🦓/zero.jpg)"]
    assert all(line.startswith("failed: ") for line in failed)
    assert summary == (
        "Enrolled 2 photos in gallery.sqlite, skipped 1 that were enrolled already (files with the same content), 2 could not be read."
    )
    shutil.copy(source / "Asha" / "asha_1.jpg", source / "🦓")
    (source / "🦓" / "text.jpg").unlink()
    (source / "🦓" / "zero.jpg").unlink()
    second = run_main("gallery", "add", "animals")
    assert second.returncode == 1
    assert "kept as Asha: animals/🦓/asha_1.jpg was given as 🦓, but the same photo is already enrolled as Asha." in second.stderr
    assert "Enrolled 0 photos in gallery.sqlite, skipped 3 that were enrolled already" in second.stderr
    assert len(sightings(tmp_path / "gallery.sqlite")) == 2


def test_a_name_is_a_name_and_never_a_path(run_main, samples, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    done = run_main(
        "gallery", "add", samples / "photos" / "trail_3.jpg", "--identity", "../x", "--gallery", inside / "gallery.sqlite"
    )
    assert done.returncode == 0
    assert done.stderr == f"Enrolled 1 photo in {inside / 'gallery.sqlite'}.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    with Gallery.open(inside / "gallery.sqlite", writable=False) as gallery:
        assert [individual.name for individual in gallery.individuals()] == ["../x"]
    for name in ("", "a\nb", "x" * 300):
        refused = run_main("gallery", "add", samples / "photos" / "trail_3.jpg", "--identity", name)
        assert refused.returncode == 2
        assert refused.stderr.startswith("reid-edge: The name ")


def test_ctrl_c_is_told_in_a_sentence_and_the_next_run_goes_on_without_repeating_work(
    command, environment, run_cli, many, tmp_path
):
    source, path = many(12), tmp_path / "gallery.sqlite"
    process = start(command, environment, source, cwd=tmp_path)
    wait_for(2, path, process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.splitlines()[-3:] == [
        "Stopped. The photos enrolled so far are kept; to continue, run the same command again.",
        "",
        "reid-edge: Interrupted.",
    ]
    kept = sightings(path)
    assert 2 <= len(kept) < 12
    again = run_cli("gallery", "add", source)
    assert again.returncode == 0
    assert again.stderr.startswith(
        f"Enrolled {12 - len(kept)} photos in gallery.sqlite, skipped {len(kept)} that were enrolled already"
    )
    assert len(sightings(path)) == 12


def test_a_kill_at_any_moment_leaves_a_whole_gallery_with_all_that_was_kept_before(command, environment, run_cli, many, tmp_path):
    source, path = many(4 + 8 * KILLS), tmp_path / "gallery.sqlite"
    moments = random.Random(0)
    kept: list[str] = []
    for kill in range(KILLS):
        process = start(command, environment, source, cwd=tmp_path)
        if kill % 2:
            wait_for(len(kept) + 1, path, process)  # then it is in the middle of its work, however slow this machine is
            time.sleep(moments.uniform(0, 0.4))
        else:
            time.sleep(moments.uniform(0, 3))
        process.kill()
        process.communicate()
        now = sightings(path)
        assert set(kept) <= set(now)
        kept = now
    assert kept
    (source / "Kito" / "one more.jpg").write_bytes((source / "Kito" / "0000.jpg").read_bytes() + b"\0")
    for photo in sorted((source / "Kito").glob("0*.jpg"))[len(kept) + 3 :]:
        photo.unlink()
    done = run_cli("gallery", "add", source)
    assert done.returncode == 0
    assert f"skipped {len(kept)} that were enrolled already" in done.stderr
    assert len(sightings(path)) == len(kept) + 4


def test_a_read_only_disk_is_told_before_and_a_gallery_on_it_still_answers(run_main, small_disk, own_gallery, samples, tmp_path):
    disk = small_disk("size=16m")
    shutil.copy(own_gallery, disk / "gallery.sqlite")
    small_disk("ro")
    photo = samples / "photos" / "trail_3.jpg"
    for path in (disk / "gallery.sqlite", disk / "new.sqlite"):
        refused = run_main("gallery", "add", photo, "--identity", "Kito", "--gallery", path)
        assert refused.returncode == 5
        assert str(path) in refused.stderr
        assert "Traceback" not in refused.stderr
    answered = run_main("identify", samples / "photos" / "trail_2.jpg", "--gallery", disk / "gallery.sqlite")
    assert answered.returncode == 0
    assert "known Chipo" in answered.stdout


def test_on_a_full_disk_what_was_enrolled_stays_and_with_room_it_goes_on(run_cli, small_disk, many):
    disk, source = small_disk("size=1m"), many(14)
    path = disk / "gallery.sqlite"
    full = run_cli("gallery", "add", source, "--gallery", path)
    assert full.returncode == 5
    assert full.stderr.splitlines()[-2] == f"reid-edge: Could not write {path}: the disk is full."
    kept = sightings(path)
    assert 0 < len(kept) < 14
    small_disk("size=16m")
    done = run_cli("gallery", "add", source, "--gallery", path)
    assert done.returncode == 0
    assert f"skipped {len(kept)} that were enrolled already" in done.stderr
    assert len(sightings(path)) == 14
