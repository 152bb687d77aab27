"""On a terminal there is a bar; results on stdout are free of it, and Ctrl-C leaves the terminal as it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reid_edge.gallery import Gallery

if sys.platform == "win32":
    pytest.skip("there is no pseudo-terminal here", allow_module_level=True)

SHOW_CURSOR, HIDE_CURSOR = b"\x1b[?25h", b"\x1b[?25l"


class Screen:
    """What a terminal was sent."""

    def __init__(self, descriptor: int) -> None:
        self.sent = b""
        self.grown = threading.Condition()
        self._descriptor = descriptor
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                more = os.read(self._descriptor, 65536)
            except OSError:  # Linux says so when the other end is closed
                return
            if not more:
                return
            with self.grown:
                self.sent += more
                self.grown.notify_all()

    def wait_for(self, text: bytes) -> None:
        with self.grown:
            assert self.grown.wait_for(lambda: text in self.sent, timeout=120), self.sent[-500:]

    def close(self) -> None:
        self._reader.join(10)


@contextmanager
def terminal() -> Iterator[tuple[int, Screen]]:
    ours, theirs = os.openpty()
    screen = Screen(ours)
    try:
        yield theirs, screen
    finally:
        screen.close()
        os.close(ours)


def test_json_goes_to_the_pipe_and_the_bar_and_the_failures_to_the_terminal(
    command, environment, small_gallery, samples, tmp_path
):
    (tmp_path / "text.jpg").write_text("not a photo")
    photos = [samples / "photos" / "trail_1.jpg", "text.jpg", samples / "photos" / "trail_2.jpg"]
    arguments = [*command, "identify", *photos, "--gallery", small_gallery, "--json"]
    with terminal() as (theirs, screen):
        environment["TERM"] = "xterm"
        process = subprocess.Popen(
            arguments, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, text=True, env=environment, cwd=tmp_path
        )
        os.close(theirs)
        stdout = process.stdout.read()
        assert process.wait(120) == 1
    assert [json.loads(line).get("identity", "unreadable") for line in stdout.splitlines()] == ["Imara", "unreadable", "Chipo"]
    assert b"Identifying" in screen.sent
    assert b"3/3" in screen.sent
    assert b'"verdict"' not in screen.sent
    (failure,) = (line for line in screen.sent.replace(b"\r", b"\n").split(b"\n") if b"text.jpg" in line)
    assert b"Identifying" not in failure
    assert screen.sent.rindex(SHOW_CURSOR) > screen.sent.rindex(HIDE_CURSOR)


def test_ctrl_c_takes_the_bar_away_before_it_says_anything(command, environment, samples, tmp_path):
    arguments = [*command, "gallery", "add", samples, "--split", "database"]
    with terminal() as (theirs, screen):
        environment["TERM"] = "xterm"
        process = subprocess.Popen(arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=tmp_path)
        os.close(theirs)
        screen.wait_for(b"3/24")  # counts the photos that were begun: with one thread one is described ahead
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    last_words = screen.sent[screen.sent.rindex(SHOW_CURSOR) :]
    assert b"Stopped. The photos enrolled so far are kept" in last_words
    assert b"Interrupted." in last_words
    assert b"Enrolling" not in last_words
    assert b"Traceback" not in screen.sent
    with Gallery.open(tmp_path / "gallery.sqlite", writable=False) as gallery:
        assert 2 <= len(gallery.sightings()) < 24


def test_text_answers_on_a_terminal_are_coloured_and_free_of_the_bar(command, environment, small_gallery, samples):
    arguments = [*command, "identify", samples / "photos" / "trail_1.jpg", samples / "photos" / "trail_2.jpg"]
    with terminal() as (theirs, screen):
        environment["TERM"] = "xterm"
        process = subprocess.Popen(
            [*arguments, "--gallery", small_gallery], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        )
        os.close(theirs)
        assert process.wait(120) == 0
    assert b"\x1b[32m\x1b[1mknown\x1b[0m Imara" in screen.sent
    assert b"Identifying" not in screen.sent
