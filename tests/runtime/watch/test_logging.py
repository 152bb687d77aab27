from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from reid_edge.watch.logging import ROOT, TextLines, set_up_logging


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    logger = logging.getLogger(ROOT)
    before = (logger.handlers, logger.level, logger.propagate)
    yield
    logger.handlers, logger.level, logger.propagate = before


def test_json_is_one_object_a_line_with_the_facts_beside_the_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("json")
    name = os.fsdecode(b"a\nb\xff.jpg")
    logging.getLogger(f"{ROOT}.scanning").warning("It cannot be read: %s", "truncated", extra={"photo": name, "tries": 3})
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    record = json.loads(line)
    assert record.pop("at").endswith("+00:00")
    assert record == {
        "level": "warning", "module": "scanning", "text": "It cannot be read: truncated", "photo": name, "tries": 3,
    }  # fmt: skip


def test_text_is_one_line_whatever_a_file_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("text")
    logging.getLogger(f"{ROOT}.scanning").info("Seen %s", "a\nb\x1b[31m\udcff.jpg")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(r" info: Seen a\nb\x1b[31m\udcff.jpg")


def test_the_journal_gets_priorities_and_no_time() -> None:
    lines = TextLines(for_journal=True)
    record = logging.LogRecord(ROOT, logging.ERROR, "", 0, "The disk is full.", (), None)
    assert lines.format(record) == "<3>The disk is full."


def test_a_traceback_stays_in_the_line_of_its_record(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("text")
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger(ROOT).exception("Went wrong")
    (line,) = capsys.readouterr().err.splitlines()
    assert "Went wrong" in line
    assert "ValueError: broken" in line


def test_setting_it_up_again_changes_the_kind_and_doubles_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("text")
    set_up_logging("json")
    logging.getLogger(ROOT).info("once")
    assert capsys.readouterr().err.count("once") == 1


def test_a_log_that_cannot_be_written_does_not_stop_the_daemon() -> None:
    program = (
        "import logging; from reid_edge.watch.logging import set_up_logging; set_up_logging('text')\n"
        "for _ in range(100): logging.getLogger('reid_edge.watch').warning('x' * 1000)\nprint('on')"
    )
    with open("/dev/full", "wb") as full:  # noqa: PTH123 (every write to it fails with ENOSPC)
        done = subprocess.run([sys.executable, "-c", program], stderr=full, stdout=subprocess.PIPE, check=False, timeout=300)
    assert done.stdout == b"on\n"
