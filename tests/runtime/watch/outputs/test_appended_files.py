"""JSON Lines and CSV: every message once, whatever was torn, repeated or full, and never another file's content lost."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reid_edge.errors import StorageError
from reid_edge.watch.ledger.ledger import Ledger
from reid_edge.watch.outputs import appended_file
from reid_edge.watch.outputs.csv_file import COLUMNS, CsvFile
from reid_edge.watch.outputs.json_lines import JsonLines
from reid_edge.watch.outputs.sinks import SinkError, deliver_waiting

KINDS = [JsonLines, CsvFile]


def deliver_all(ledger, sink, limit=200):
    while deliver_waiting(ledger, sink, limit):
        pass


def reference(kind, ledger, folder):
    """The file as one undisturbed delivery writes it."""
    path = folder / f"reference-{kind.__name__}"
    path.unlink(missing_ok=True)
    sink = kind(path, ledger)
    assert sink.deliver(ledger.messages_after(0, 10_000)) == ledger.last_message()
    sink.close()
    return path.read_bytes()


def test_json_lines_hold_every_message_in_order(ledger, memory_folder, post_photos):
    post_photos(ledger, 30)
    lines = [json.loads(line) for line in reference(JsonLines, ledger, memory_folder).splitlines()]
    assert [line["id"] for line in lines] == list(range(1, 42))
    assert {line["kind"] for line in lines} == {"photo", "event", "quarantine"}
    assert lines[0]["schema"] == "reid-edge/watch/1"
    assert lines[0]["animals"][0]["animal"]["box"] == [10, 20, 110, 220]


def test_csv_has_a_row_for_each_animal_and_one_for_each_empty_photo(ledger, memory_folder, post_photos):
    post_photos(ledger, 8)
    text = reference(CsvFile, ledger, memory_folder).decode()
    rows = list(csv.DictReader(text.splitlines()))
    assert text.count("\n") == 1 + len(rows) == 1 + 2 * (1 + 2 + 1 + 3)
    assert list(rows[0]) == list(COLUMNS)
    assert [rows[3][column] for column in ("animals", "animal_number", "verdict", "identity", "x0")] == ["0", "", "empty", "", ""]
    assert [rows[2][column] for column in ("animals", "animal_number", "identity", "x0", "y1")] == ["2", "2", "Cleo", "11", "220"]
    assert rows[0]["runner_up"] == "Bela"
    assert rows[7]["photo"] == "/cards/waterhole/a\\nb\\u2028c.jpg"  # a line feed in a name stays one line
    assert rows[0]["reason"] == "Two scores agree,\\nclearly."


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_sequence_of_deliveries_kills_and_torn_tails_gives_the_same_file(kind, data, memory_folder, post_photos):
    """A delivery is noted or not; a kill or power cut within one leaves any part of its bytes, zeros behind them or not."""
    place = Path(tempfile.mkdtemp(dir=memory_folder))
    path = place / "file"
    with Ledger.open(place / "ledger.sqlite") as ledger:
        post_photos(ledger, 12)
        sink = kind(path, ledger)
        for _ in range(data.draw(st.integers(1, 8))):
            step = data.draw(st.sampled_from(["deliver", "deliver unnoted", "torn", "deleted", "reopened"]))
            waiting = ledger.messages_after(ledger.delivered(sink.name), data.draw(st.integers(1, 6)))
            before = path.stat().st_size if path.exists() else 0
            if step.startswith("deliver") or step == "torn":
                taken = sink.deliver(waiting) if waiting else 0
                if taken and step == "deliver":
                    ledger.mark_delivered(sink.name, waiting[taken - 1].id)
            if step in ("torn", "reopened", "deleted"):
                sink.close()
                if step == "torn":
                    size = path.stat().st_size
                    os.truncate(path, data.draw(st.integers(before, size)))
                    os.truncate(path, path.stat().st_size + data.draw(st.sampled_from([0, 0, 1, 500])))
                if step == "deleted":
                    path.unlink()
                sink = kind(path, ledger)
        deliver_all(ledger, sink)
        sink.close()
        assert path.read_bytes() == reference(kind, ledger, place)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tail_torn_at_any_byte_is_mended(kind, ledger, memory_folder, post_photos):
    post_photos(ledger, 5)
    whole = reference(kind, ledger, memory_folder)
    path = memory_folder / "file"
    for size in range(0, len(whole), 1 if kind is CsvFile else 7):
        path.write_bytes(whole[:size])
        sink = kind(path, ledger)
        sink.deliver(ledger.messages_after(0))
        sink.close()
        assert path.read_bytes() == whole


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_longer_than_its_tail_is_mended_from_its_tail(kind, ledger, memory_folder, post_photos, monkeypatch):
    monkeypatch.setattr(appended_file, "BATCH_BYTES", 3000)
    monkeypatch.setattr(appended_file, "TAIL_BYTES", 12_000)
    post_photos(ledger, 80)
    path = memory_folder / "file"
    sink = kind(path, ledger)
    deliver_all(ledger, sink)  # in batches
    sink.close()
    whole = path.read_bytes()
    assert len(whole) > 2 * 12_000 if kind is JsonLines else len(whole) > 12_000
    path.write_bytes(whole[:-1234] + bytes(100))
    kind(path, ledger).close()
    assert path.read_bytes() == whole


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_somebody_else_or_of_another_ledger_is_left_alone(kind, ledger, memory_folder, post_photos):
    path = memory_folder / "file"
    path.write_text("Notes of the season\nnyala, two calves\n")
    with pytest.raises(SinkError, match="is not a file that reid-edge wrote"):
        kind(path, ledger)
    assert path.read_text().startswith("Notes")
    path.unlink()
    post_photos(ledger, 3)
    sink = kind(path, ledger)
    deliver_all(ledger, sink)
    sink.close()
    with Ledger.open(memory_folder / "other.sqlite") as other:
        post_photos(other, 3, start=100)
        with pytest.raises(SinkError, match="another ledger"):
            kind(path, other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_leaves_whole_messages_and_the_rest_comes_when_there_is_room(kind, ledger, small_disk, post_photos, tmp_path):
    disk = small_disk("size=64k")
    post_photos(ledger, 400)
    sink = kind(disk / "file", ledger)
    filler = disk / "filler"
    filler.write_bytes(bytes(20_000))
    with pytest.raises(StorageError, match="full"):
        deliver_all(ledger, sink, 7)
    done = ledger.delivered(sink.name)
    assert 0 < done < ledger.last_message()
    assert (disk / "file").read_bytes() == reference(kind, ledger, tmp_path)[: (disk / "file").stat().st_size]
    for _ in range(3):
        with pytest.raises(StorageError):
            deliver_waiting(ledger, sink, 200)
    filler.unlink()
    small_disk("size=8m")
    deliver_all(ledger, sink)
    sink.close()
    assert (disk / "file").read_bytes() == reference(kind, ledger, tmp_path)


DELIVERER = """
    import sys
    from pathlib import Path
    from reid_edge.watch.ledger.ledger import Ledger
    from reid_edge.watch.outputs.csv_file import CsvFile
    from reid_edge.watch.outputs.json_lines import JsonLines
    from reid_edge.watch.outputs.sinks import deliver_waiting
    place = Path(sys.argv[1])
    with Ledger.open(place / "ledger.sqlite") as ledger:
        sinks = [JsonLines(place / "a.jsonl", ledger), CsvFile(place / "a.csv", ledger)]
        print("open", flush=True)
        while sum(deliver_waiting(ledger, sink, 3) for sink in sinks):
            pass
"""


def test_kill_9_at_random_moments_loses_and_doubles_nothing(memory_folder, post_photos):
    posted = 1500
    with Ledger.open(memory_folder / "ledger.sqlite") as ledger:
        post_photos(ledger, posted)
    command = [sys.executable, "-c", textwrap.dedent(DELIVERER), str(memory_folder)]
    chance, kills = random.Random(7), 0
    while True:
        if kills < 3:  # a run that was over before it was killed proves nothing
            with Ledger.open(memory_folder / "ledger.sqlite") as ledger:
                post_photos(ledger, 50, posted)
            posted += 50
        running = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        )
        assert running.stdout is not None
        assert running.stdout.readline() == "open\n"
        time.sleep(chance.uniform(0, 0.1))
        if kills < 12:
            running.send_signal(signal.SIGKILL)
        kills += running.wait() == -signal.SIGKILL
        if running.returncode == 0 and kills >= 3:
            break
    with Ledger.open(memory_folder / "ledger.sqlite") as ledger:
        assert (memory_folder / "a.jsonl").read_bytes() == reference(JsonLines, ledger, Path(memory_folder))
        assert (memory_folder / "a.csv").read_bytes() == reference(CsvFile, ledger, Path(memory_folder))
