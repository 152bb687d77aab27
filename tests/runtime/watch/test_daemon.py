"""The daemon as a process: what it answers, what it leaves behind, and what stops it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from reid_edge.gallery import Gallery
from reid_edge.watch.ledger.ledger import Ledger

Finished = subprocess.CompletedProcess[str]


@pytest.fixture
def folder(tmp_path: Path, photo: Callable[..., bytes]) -> Path:
    """Two cameras: a burst of Amani in three photos and an empty frame; Bahati, and a file that is cut off."""
    root = tmp_path / "photos"
    for camera in ("A", "B"):
        (root / camera).mkdir(parents=True)
    for number in range(3):
        (root / "A" / f"{number}.jpg").write_bytes(photo(number, "Amani", 10 * number))
    (root / "A" / "empty.jpg").write_bytes(photo(10, None, 1000))
    (root / "B" / "1.jpg").write_bytes(photo(20, "Bahati", 0))
    (root / "B" / "broken.jpg").write_bytes(photo(21, "Bahati", 0)[:-200])
    return root


def _messages(out: Path) -> list[dict[str, object]]:
    with Ledger.read(out / "ledger.sqlite") as ledger:
        return [{"kind": message.kind, "key": message.key, **message.body} for message in ledger.messages_after(0, 10**6)]


def test_once_answers_everything_and_ends(folder: Path, tmp_path: Path, watch_once: Callable[..., Finished]) -> None:
    out = tmp_path / "out"
    done = watch_once(folder, out)
    assert done.returncode == 1, done.stderr  # one file is in quarantine
    with Ledger.read(out / "ledger.sqlite") as ledger:
        photos = {Path(os.fsdecode(photo.paths[0])).name: photo for photo in ledger.photos()}
        counts = ledger.counts()
        events = list(ledger.events())
    assert {name: photo.verdict for name, photo in photos.items()} == {
        "0.jpg": "known", "1.jpg": "known", "2.jpg": "known", "empty.jpg": "empty",
    } | {"1.jpg": "known"}  # fmt: skip
    assert (counts.decided, counts.quarantined, counts.waiting) == (5, 1, 0)
    assert [(event.camera, [animal["identity"] for animal in event.body["animals"]], event.closed) for event in events] == [
        ("A", ["Amani"], True),
        ("A", [], True),
        ("B", ["Bahati"], True),
    ]
    assert "broken.jpg: in quarantine" in done.stderr
    assert "0.jpg: known Amani" in done.stderr
    assert len((out / "answers.csv").read_text().splitlines()) > 5
    again = watch_once(folder, out)
    assert "0 photos answered in this run" in again.stderr


def test_a_file_in_quarantine_is_tried_again_when_it_changes(
    folder: Path, tmp_path: Path, photo: Callable[..., bytes], watch_once: Callable[..., Finished]
) -> None:
    out = tmp_path / "out"
    watch_once(folder, out)
    (folder / "B" / "broken.jpg").write_bytes(photo(21, "Bahati", 0))
    done = watch_once(folder, out)
    assert done.returncode == 0, done.stderr
    with Ledger.read(out / "ledger.sqlite") as ledger:
        assert (ledger.counts().decided, ledger.counts().quarantined) == (6, 0)


def test_a_copy_is_not_answered_again(folder: Path, tmp_path: Path, watch_once: Callable[..., Finished]) -> None:
    out = tmp_path / "out"
    os.link(folder / "A" / "0.jpg", folder / "B" / "link.jpg")
    (folder / "B" / "copy.jpg").write_bytes((folder / "A" / "1.jpg").read_bytes())
    watch_once(folder, out)
    with Ledger.read(out / "ledger.sqlite") as ledger:
        assert (ledger.counts().decided, ledger.counts().photos_decided) == (7, 5)
    assert Counter(message["kind"] for message in _messages(out))["photo"] == 5


def test_a_missing_folder_is_told_and_the_others_are_answered(
    folder: Path, tmp_path: Path, watch_once: Callable[..., Finished]
) -> None:
    done = watch_once(folder / "B", tmp_path / "out", tmp_path / "card")
    assert done.returncode == 1
    assert "card is missing" in done.stderr
    assert {"path": str(tmp_path / "card"), "present": False}.items() <= next(
        message for message in _messages(tmp_path / "out") if message["kind"] == "folder"
    ).items()


def test_answered_photos_are_moved_and_found_where_they_are(
    folder: Path, tmp_path: Path, watch_once: Callable[..., Finished]
) -> None:
    out = tmp_path / "out"
    before = {path.read_bytes() for path in folder.rglob("*.jpg")}
    watch_once(folder, out, "--move")
    assert {path.read_bytes() for place in (folder, out / "done") for path in place.rglob("*.jpg")} == before
    assert [path.name for path in folder.rglob("*.jpg")] == ["broken.jpg"]
    assert sorted(path.name for path in (out / "done" / "Amani").iterdir()) == ["0.jpg", "1.jpg", "2.jpg"]
    assert (out / "done" / "empty" / "empty.jpg").is_file()
    with Ledger.read(out / "ledger.sqlite") as ledger:
        assert all(Path(os.fsdecode(photo.paths[0])).is_file() for photo in ledger.photos())


def test_the_output_folder_may_lie_in_the_watched_one(folder: Path, watch_once: Callable[..., Finished]) -> None:
    watch_once(folder, folder / "out", "--move")
    watch_once(folder, folder / "out", "--move")
    with Ledger.read(folder / "out" / "ledger.sqlite") as ledger:
        assert ledger.counts().decided == 5


def test_a_kill_at_any_moment_loses_nothing_and_repeats_nothing(
    tmp_path: Path,
    photo: Callable[..., bytes],
    start: Callable[..., subprocess.Popen[str]],
    watch_once: Callable[..., Finished],
    wait_until: Callable[[Path, Callable[[Ledger], bool]], None],
) -> None:
    root, out = tmp_path / "photos", tmp_path / "out"
    root.mkdir()
    for number in range(40):
        (root / f"{number:03}.jpg").write_bytes(photo(number, "Amani" if number % 4 == 0 else None, number * 30))
    for decided in (1, 7, 20):
        process = start(root, out)
        wait_until(out, lambda ledger, least=decided: ledger.counts().decided >= least)  # type: ignore[misc]
        process.kill()
        process.wait()
    done = watch_once(root, out)
    assert done.returncode == 0, done.stderr
    with Ledger.read(out / "ledger.sqlite") as ledger:
        assert ledger.database.rows("PRAGMA integrity_check") == [("ok",)]
        assert (ledger.counts().decided, ledger.counts().photos_decided) == (40, 40)
        last, *killed = [run.ended_at for run in ledger.runs()]
        assert set(killed) == {None}
        assert last is not None
    lines = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    assert Counter(line["key"] for line in lines).most_common(1)[0][1] == 1
    assert sum(line["kind"] == "photo" for line in lines) == 40


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_gracefully_within_five_seconds(
    folder: Path,
    tmp_path: Path,
    start: Callable[..., subprocess.Popen[str]],
    number: signal.Signals,
    wait_until: Callable[[Path, Callable[[Ledger], bool]], None],
) -> None:
    process = start(folder, tmp_path / "out")
    wait_until(tmp_path / "out", lambda ledger: ledger.counts().decided >= 1)
    process.send_signal(number)
    sent = time.monotonic()
    assert process.wait(timeout=300) == 0
    if time.monotonic() - sent < 4:  # on a busy machine it is ended when its five seconds are over
        with Ledger.read(tmp_path / "out" / "ledger.sqlite") as ledger:
            assert [run.ended_at is not None for run in ledger.runs()] == [True]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_once_that_is_stopped_before_the_end_says_that_inputs_are_not_answered(
    tmp_path: Path,
    photo: Callable[..., bytes],
    start: Callable[..., subprocess.Popen[str]],
    watch_once: Callable[..., Finished],
    number: signal.Signals,
    wait_until: Callable[[Path, Callable[[Ledger], bool]], None],
) -> None:
    root, out = tmp_path / "photos", tmp_path / "out"
    root.mkdir()
    for each in range(150):
        (root / f"{each}.jpg").write_bytes(photo(each, None, 1000 * each))
    process = start(root, out, "--once")
    wait_until(out, lambda ledger: ledger.counts().decided >= 1)
    process.send_signal(number)
    assert process.wait(timeout=300) == 1
    with Ledger.read(out / "ledger.sqlite") as ledger:
        assert ledger.counts().waiting > 0
    assert watch_once(root, out).returncode == 0


def test_a_second_daemon_is_refused(
    folder: Path,
    tmp_path: Path,
    start: Callable[..., subprocess.Popen[str]],
    wait_until: Callable[[Path, Callable[[Ledger], bool]], None],
) -> None:
    start(folder, tmp_path / "out")
    wait_until(tmp_path / "out", lambda ledger: ledger.counts().decided >= 1)
    second = start(folder, tmp_path / "out")
    assert second.wait(timeout=300) == 4
    assert second.stderr is not None
    assert "Another reid-edge watch is at work" in second.stderr.read()


def test_a_slow_writer_is_waited_for(
    tmp_path: Path,
    photo: Callable[..., bytes],
    start: Callable[..., subprocess.Popen[str]],
    wait_until: Callable[[Path, Callable[[Ledger], bool]], None],
) -> None:
    root, out = tmp_path / "photos", tmp_path / "out"
    root.mkdir()
    content = photo(1, "Amani", 0)
    start(root, out, "--settle", "6s")  # a busy machine does not keep the writer waiting for so long
    with (root / "slow.jpg").open("wb", buffering=0) as file:
        for at in range(0, len(content), 300):
            file.write(content[at : at + 300])
            time.sleep(0.1)
    wait_until(out, lambda ledger: ledger.counts().decided == 1)
    assert [message["kind"] for message in _messages(out)] == ["photo", "event"]  # never in quarantine on the way


def test_a_new_individual_is_enrolled_once_per_event_and_no_matter_from_how_many_cameras(
    tmp_path: Path, photo: Callable[..., bytes], watch_once: Callable[..., Finished], without_dalila: Path
) -> None:
    root, out = tmp_path / "photos", tmp_path / "out"
    enrolled = _individuals(without_dalila)
    for camera, numbers in (("A", range(50, 55)), ("B", (69, 83))):  # cosine of the two to A's: 1.00
        (root / camera).mkdir(parents=True)
        for at, number in enumerate(numbers):
            (root / camera / f"{at}.jpg").write_bytes(photo(number, "Dalila", 10 * at))
    done = watch_once(root, out, "--gallery", without_dalila, "--enrol-new", "auto")
    assert done.returncode == 0, done.stderr
    (name,) = set(_individuals(without_dalila)) - set(enrolled)
    assert re.fullmatch("new-2026-0001-[2-9b-z]{4}", name)
    # The three photos on which it is largest.
    assert _individuals(without_dalila) == {**enrolled, name: 3}
    assert f"is not enrolled: it may be {name}" in done.stderr
    again = watch_once(root, out, "--gallery", without_dalila, "--enrol-new", "auto")
    assert again.returncode == 0, again.stderr
    assert _individuals(without_dalila) == {**enrolled, name: 3}
    with Gallery.open(without_dalila) as gallery:
        gallery.undo()
    assert _individuals(without_dalila) == enrolled


def _individuals(gallery: Path) -> dict[str, int]:
    """The number of photos of each."""
    with Gallery.open(gallery, writable=False) as opened:
        return {individual.name: individual.sightings for individual in opened.individuals()}


def test_by_default_a_new_individual_waits_for_a_person(
    light,
    tmp_path: Path,
    photo: Callable[..., bytes],
    watch_once: Callable[..., Finished],
    without_dalila: Path,
    run_main: Callable[..., Finished],
) -> None:
    root, out, gallery = tmp_path / "photos", tmp_path / "out", without_dalila
    root.mkdir()
    (root / "1.jpg").write_bytes(photo(1, "Dalila", 0))
    (root / "2.jpg").write_bytes(photo(2, "Amani", 500))
    watch_once(root, out, "--gallery", gallery)
    listed = run_main("watch", "list", "--new", "--json", "--out", out, "--gallery", gallery)
    (event,) = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [Path(path).name for path in event["animals"][0]["files"]] == ["1.jpg"]
    shown = run_main("watch", "list", "--new", "--out", out, "--gallery", gallery).stdout
    assert f"  {event['animals'][0]['verdict']:<5} {event['animals'][0]['headline']}; 1 photo:\n" in shown
    run_main("gallery", "add", root / "1.jpg", "--identity", "Dalila", "--gallery", gallery, "--pack", light.pack)
    assert run_main("watch", "list", "--new", "--json", "--out", out, "--gallery", gallery).stdout == ""


def test_what_a_person_enrols_is_known_to_the_running_daemon(
    light,
    tmp_path: Path,
    photo: Callable[..., bytes],
    start: Callable[..., subprocess.Popen[str]],
    without_dalila: Path,
    run_cli: Callable[..., Finished],
    wait_until: Callable[[Path, Callable[[Ledger], bool]], None],
) -> None:
    root, out, gallery = tmp_path / "photos", tmp_path / "out", without_dalila
    root.mkdir()
    start(root, out, "--gallery", gallery)
    (root / "1.jpg").write_bytes(photo(1, "Dalila", 0))
    wait_until(out, lambda ledger: ledger.counts().verdicts.get("new", 0) + ledger.counts().verdicts.get("ask", 0) == 1)
    run_cli(
        "gallery",
        "add",
        light.gallery.parent / "known" / "Dalila",
        "--identity",
        "Dalila",
        "--gallery",
        gallery,
        "--pack",
        light.pack,
    )
    (root / "2.jpg").write_bytes(photo(2, "Dalila", 5000))
    wait_until(out, lambda ledger: ledger.counts().verdicts.get("known", 0) == 1)


def test_nothing_is_answered_beside_a_gallery_that_is_not_described(
    folder: Path, tmp_path: Path, light: Any, start: Callable[..., subprocess.Popen[str]]
) -> None:
    gallery, out = tmp_path / "gallery.sqlite", tmp_path / "out"
    shutil.copy(light.gallery, gallery)
    with contextlib.closing(sqlite3.connect(gallery, isolation_level=None)) as other:
        other.execute("DELETE FROM feature")
        other.execute("BEGIN IMMEDIATE")  # nobody else can write to it
        process = start(folder, out, "--gallery", gallery)
        assert process.stderr is not None
        while "photos wait" not in (line := process.stderr.readline()):
            assert line, "the daemon ended"
        assert not _messages(out)
    for _ in range(5):
        while ": known" not in (line := process.stderr.readline()) and ": empty" not in line and "quarantine" not in line:
            assert line, "the daemon ended"
            assert ": new" not in line


def test_outputs_are_made_again_from_the_ledger(
    folder: Path, tmp_path: Path, watch_once: Callable[..., Finished], run_main: Callable[..., Finished]
) -> None:
    out = tmp_path / "out"
    watch_once(folder, out)
    done = run_main("watch", "export", "--out", out, "--to", tmp_path / "again", "--csv", "--json-lines")
    assert done.returncode == 0, done.stderr
    for name in ("answers.csv", "answers.jsonl"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()
    assert run_main("watch", "export", "--out", out, "--to", tmp_path / "again").returncode == 2
    assert "5 answered" in run_main("watch", "status", "--out", out).stdout


def test_the_frames_of_a_video_are_answered_once(
    light, tmp_path: Path, photo: Callable[..., bytes], watch_once: Callable[..., Finished]
) -> None:
    root, out = tmp_path / "photos", tmp_path / "out"
    root.mkdir()
    pictures = [
        cv2.imdecode(np.frombuffer(photo(number, who), np.uint8), cv2.IMREAD_COLOR)
        for number, who in enumerate((None, "Amani", None))
    ]
    height, width = pictures[0].shape[:2]
    video = cv2.VideoWriter(str(root / "clip.avi"), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"MJPG"), 10, (width, height))
    assert video.isOpened()
    for picture in pictures:
        for _ in range(10):
            video.write(picture)
    video.release()
    done = watch_once(root, out, "--video", "1s")
    assert done.returncode == 0, done.stderr
    with Ledger.read(out / "ledger.sqlite") as ledger:
        photos = list(ledger.photos())
        assert [found.verdict for found in photos] == ["empty", "known", "empty"]
        assert {found.paths for found in photos} == {(os.fsencode(root / "clip.avi"),)}
        assert ledger.counts().decided == 1
        assert ledger.counts().events == 1
    (root / "copy.avi").write_bytes((root / "clip.avi").read_bytes())
    done = watch_once(root, out, "--video", "1s", "--move")
    with Ledger.read(out / "ledger.sqlite") as ledger:
        assert (ledger.counts().decided, ledger.counts().photos_decided) == (2, 3)
    assert sorted(path.name for path in (out / "done" / "Amani").iterdir()) == ["clip.avi", "copy.avi"]


def test_boxes_of_megadetector_say_where_animals_are_and_which_frames_are_empty(
    tmp_path: Path, photo: Callable[..., bytes], watch_once: Callable[..., Finished]
) -> None:
    root, out = tmp_path / "photos", tmp_path / "out"
    root.mkdir()
    for name in ("animal.jpg", "nothing.jpg"):
        (root / name).write_bytes(photo(len(name), "Amani"))
    told = {"animal.jpg": [{"category": "1", "conf": 0.9, "bbox": [0.0, 0.0, 1.0, 1.0]}], "nothing.jpg": []}
    table = {
        "info": {"format_version": "1.4", "detector": "md_v5a"},
        "detection_categories": {"1": "animal", "2": "person", "3": "vehicle"},
        "images": [{"file": name, "detections": detections} for name, detections in told.items()],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(table))
    done = watch_once(root, out, "--megadetector", tmp_path / "boxes.json")
    assert done.returncode == 0, done.stderr
    with Ledger.read(out / "ledger.sqlite") as ledger:
        verdicts = {Path(os.fsdecode(found.paths[0])).name: found.verdict for found in ledger.photos()}
    assert verdicts["nothing.jpg"] == "empty"
    assert verdicts["animal.jpg"] != "empty"


def test_the_configuration_is_read_again_and_a_wrong_one_is_not_taken(
    folder: Path,
    tmp_path: Path,
    light,
    start: Callable[..., subprocess.Popen[str]],
    wait_until: Callable[[Path, Callable[[Ledger], bool]], None],
) -> None:
    config = tmp_path / "watch.toml"
    config.write_text('log = "text"\n')
    process = start(folder, tmp_path / "out", "--config", config)
    wait_until(tmp_path / "out", lambda ledger: ledger.counts().decided >= 5)
    assert process.stderr is not None
    for content, answer in (('log = "json"\n', "was read again"), ("nonsense = 1\n", "stays as it was")):
        config.write_text(content)
        process.send_signal(signal.SIGHUP)
        line = next(line for line in process.stderr if answer in line)
        text = json.loads(line)["text"]
    assert "nonsense" in text
    process.terminate()
    assert process.wait(timeout=300) == 0


def test_the_daemon_survives_its_decoder(
    tmp_path: Path,
    photo: Callable[..., bytes],
    start: Callable[..., subprocess.Popen[str]],
    wait_until: Callable[[Path, Callable[[Ledger], bool]], None],
) -> None:
    root, out = tmp_path / "photos", tmp_path / "out"
    root.mkdir()
    process = start(root, out)
    (root / "0.jpg").write_bytes(photo(0, "Amani", 0))
    wait_until(out, lambda ledger: ledger.counts().decided == 1)
    children = Path(f"/proc/{process.pid}/task").glob("*/children")
    workers = [int(child) for listed in children for child in listed.read_text().split()]
    assert workers
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    for number in (1, 2):
        (root / f"{number}.jpg").write_bytes(photo(number, "Amani", 9999 * number))
    wait_until(out, lambda ledger: ledger.counts().decided == 3)


def test_a_full_disk_delays_answers_and_loses_none(
    tmp_path: Path,
    photo: Callable[..., bytes],
    small_disk: Callable[[str], Path],
    start: Callable[..., subprocess.Popen[str]],
    wait_until: Callable[[Path, Callable[[Ledger], bool]], None],
) -> None:
    root, disk = tmp_path / "photos", small_disk("size=1m")
    root.mkdir()
    start(root, disk / "out")
    (root / "0.jpg").write_bytes(photo(0, "Amani", 0))
    wait_until(disk / "out", lambda ledger: ledger.counts().decided == 1)
    with (disk / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(b"x" * 512)
    for number in range(1, 6):
        (root / f"{number}.jpg").write_bytes(photo(number, "Amani", 9999 * number))
    time.sleep(3.0)
    (disk / "ballast").unlink()
    wait_until(disk / "out", lambda ledger: ledger.counts().decided == 6)
    lines = [json.loads(line) for line in (disk / "out" / "answers.jsonl").read_text().splitlines()]
    assert Counter(line["key"] for line in lines).most_common(1)[0][1] == 1
