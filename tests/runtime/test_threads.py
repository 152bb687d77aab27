"""Threads: as they are set, at most the cores, and the same for the networks and for numpy."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from reid_edge.errors import UsageError
from reid_edge.threads import default_threads


def test_threads_are_those_of_the_environment_or_at_most_the_cores(monkeypatch):
    monkeypatch.delenv("REID_EDGE_THREADS", raising=False)
    assert 1 <= default_threads() <= len(os.sched_getaffinity(0))
    monkeypatch.setenv("REID_EDGE_THREADS", " 3 ")
    assert default_threads() == 3


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "²", "1e3", "100000"])
def test_a_number_of_threads_that_cannot_be_is_refused(monkeypatch, text):
    monkeypatch.setenv("REID_EDGE_THREADS", text)
    with pytest.raises(UsageError, match="REID_EDGE_THREADS="):
        default_threads()


def test_numpy_takes_one_thread_and_others_no_more_than_the_command_line_asks_for():
    code = (
        "import os; from reid_edge.cli import main\n"
        "try: main(['doctor', '--pack', 'no-such-pack'])\n"
        "except SystemExit: pass\n"
        "try: main(['identify', 'x.jpg', '--threads', '3', '--gallery', '/nowhere'])\n"
        "except SystemExit: print(os.environ['OPENBLAS_NUM_THREADS'], os.environ['OMP_NUM_THREADS'])"
    )
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "1 3", done.stderr
