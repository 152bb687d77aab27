"""Threads: as they are set, at most the cores, and the same for the networks and for numpy."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.errors import UsageError
from reid_edge.threads import default_threads, in_shares


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


@given(st.lists(st.integers(), max_size=9), st.integers(1, 12))
def test_shared_work_gives_one_result_per_item_in_their_order(items, threads):
    assert in_shares(lambda some: [-item for item in some], items, threads) == [-item for item in items]


def test_shared_work_runs_in_as_many_threads_and_takes_rows_of_arrays():
    meeting = threading.Barrier(3)

    def work(rows):
        meeting.wait(timeout=30)  # breaks unless all three are here at once
        return [int(row.sum()) for row in rows]

    assert in_shares(work, np.arange(10).reshape(5, 2), 3) == [1, 5, 9, 13, 17]


def test_an_error_in_a_share_is_raised():
    def work(items):
        if 7 in items:
            raise UsageError("seven")
        return list(items)

    with pytest.raises(UsageError, match="seven"):
        in_shares(work, list(range(8)), 2)
