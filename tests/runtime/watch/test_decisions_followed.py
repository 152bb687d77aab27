"""A real daemon and a gallery that people write to meanwhile: what they decide reaches the outputs, exactly once, through kills."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reid_edge.gallery import Gallery, NewReview
from reid_edge.watch.ledger.ledger import LEDGER_NAME, Ledger

KILLS = int(os.environ.get("REID_EDGE_KILLS", "3"))


@pytest.fixture
def gallery(light, tmp_path):
    return Path(shutil.copy(light.gallery, tmp_path / "gallery.sqlite"))


@pytest.fixture
def cards(tmp_path):
    from reid_edge_benchmarks.reliability.photos import INDIVIDUALS, photo

    folder = tmp_path / "cards"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.jpg").write_bytes(photo(number, INDIVIDUALS[number % 2]))
    return folder


def say(gallery, sha256, kind, identity=None):
    with Gallery.open(gallery) as opened:
        return opened.review(NewReview(photo_sha256=sha256, kind=kind, person="Ana", identity=identity))


def answers(out):
    with (out / "answers.csv").open(newline="", encoding="utf-8") as file:
        return {row["sha256"]: row for row in csv.DictReader(file)}


def test_a_decision_between_two_runs_reaches_every_output(watch_once, cards, gallery, tmp_path):
    out = tmp_path / "out"
    assert watch_once(cards, out, "--gallery", gallery).returncode == 0
    before = answers(out)
    sha256, row = next(iter(before.items()))
    with Gallery.open(gallery) as opened:
        other = next(name for name in opened.names() if name != row["identity"])
    say(gallery, sha256, "confirmed", other)
    assert watch_once(cards, out, "--gallery", gallery).returncode == 0
    after = answers(out)
    assert (after[sha256]["identity"], after[sha256]["reviewed_by"]) == (other, "Ana")
    assert {key: value for key, value in after.items() if key != sha256} == {
        key: value for key, value in before.items() if key != sha256
    }
    with Gallery.open(gallery) as opened:
        opened.undo()
    assert watch_once(cards, out, "--gallery", gallery).returncode == 0
    assert answers(out) == before
    keys = [json.loads(line)["key"] for line in (out / "answers.jsonl").read_text("utf-8").splitlines()]
    assert [key for key in keys if key.startswith(f"photo:{sha256}")] == [
        *(f"photo:{sha256}", f"photo:{sha256}:1", f"photo:{sha256}:2")
    ]


_FOLLOWER = """
import sys
from dataclasses import dataclass
from pathlib import Path
from reid_edge.gallery import Gallery
from reid_edge.watch import outputs
from reid_edge.watch.answer.following import GalleryFollower
from reid_edge.watch.configuration import Configuration
from reid_edge.watch.ledger.ledger import Ledger
from reid_edge.watch.outputs.sinks import deliver_waiting

@dataclass
class Opened:
    gallery: Gallery
    def refresh(self):
        return False

out = Path(sys.argv[1])
with Ledger.open(out / "ledger.sqlite") as ledger, Gallery.open(sys.argv[2], writable=False) as gallery:
    follower, sinks = GalleryFollower(ledger, Opened(gallery)), outputs.open_sinks(Configuration(folders=(), out=out), out, ledger)
    print("ready", flush=True)
    while True:
        follower.step()
        for sink in sinks:
            deliver_waiting(ledger, sink)
"""


def test_a_kill_while_decisions_are_followed_loses_and_doubles_none(watch_once, cards, gallery, tmp_path):
    out = tmp_path / "out"
    assert watch_once(cards, out, "--gallery", gallery).returncode == 0
    photos = sorted(answers(out))
    with Gallery.open(gallery) as opened:
        names = opened.names()
    for kill in range(KILLS):
        for number, sha256 in enumerate(photos):
            say(gallery, sha256, "confirmed", names[(kill + number) % len(names)])
        follower = subprocess.Popen(
            [sys.executable, "-c", _FOLLOWER, out, gallery], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert follower.stdout.readline() == "ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            follower.wait(0.01 * (kill + 1))
        follower.send_signal(signal.SIGKILL)
        follower.wait()
        follower.stdout.close()
    assert watch_once(cards, out, "--gallery", gallery).returncode == 0
    with Gallery.open(gallery) as opened:
        expected = {review.photo_sha256: review.identity for review in opened.reviews()}
    assert {sha256: row["identity"] for sha256, row in answers(out).items()} == expected
    lines = [json.loads(line) for line in (out / "answers.jsonl").read_text("utf-8").splitlines()]
    assert len({line["key"] for line in lines}) == len(lines)
    newest = {line["photo"]["sha256"]: line["animals"][0]["identity"] for line in lines if line["kind"] == "photo"}
    assert newest == expected
    with Ledger.read(out / LEDGER_NAME) as ledger:
        assert {photo.sha256: photo.animals[0]["identity"] for photo in ledger.photos()} == expected
