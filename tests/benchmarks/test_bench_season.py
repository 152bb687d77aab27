"""`bench season` reads what strace counted, and runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from click.testing import CliRunner

from reid_edge_benchmarks.results import read_results
from reid_edge_benchmarks.season import Counts, count_calls, season, season_text

OUT, PHOTOS = Path("/x/out"), Path("/x/photos")
LINES = """\
17 pwrite64(5</x/out/ledger.sqlite>, "SQLite"..., 4096, 0) = 4096
17 pwrite64(6</x/out/ledger.sqlite-journal>, "\\331"..., 512, 0) = 512
17 fdatasync(5</x/out/ledger.sqlite>) = 0
17 fsync(7</x/out>) = 0
18 write(9</x/out/answers.jsonl>, "{\\"a\\": = 7}"..., 900) = 900
18 write(9</x/out/answers.jsonl>, ""..., 10) = -1 ENOSPC (No space left on device)
18 write(1</dev/null>, "hello", 5) = 5
19 newfstatat(AT_FDCWD</x>, "/x/photos/1.jpg", {st_mode=S_IFREG|0644, st_size=9}, 0) = 0
19 newfstatat(AT_FDCWD, "/x/photos/2.jpg", 0x7ffd, 0) = -1 ENOENT (No such file or directory)
19 statx(3</x/photos/3.jpg>, "", AT_EMPTY_PATH, STATX_BASIC_STATS, {st_size=9}) = 0
19 stat("/x/elsewhere", {st_mode=S_IFREG|0644}) = 0
"""


def test_bytes_syncs_and_looks_are_counted_by_the_part_of_the_output_that_they_are_for():
    counts = count_calls(LINES.splitlines(), OUT, PHOTOS)
    assert counts.bytes == {"ledger": 4608, "answers.jsonl": 900}
    assert counts.syncs == {"ledger": 1, "(the folder)": 1}
    assert counts.looks == 2


def test_a_photo_costs_what_a_run_without_one_does_not():
    busy, idle = Counts(Counter(ledger=1000), Counter(ledger=24)), Counts(Counter(ledger=200), Counter(ledger=4))
    each = busy.per_photo(idle, 10)
    assert each == {"bytes": {"ledger": 80.0}, "syncs": {"ledger": 2.0}}
    text = season_text({"photos": 10, "per photo": each, "looks a scan of a file": 1.0, "size": {"ledger": 5000}})
    assert "| 5,000 photos a day |" in text
    assert "10,000" in text  # 2 syncs


def test_the_daemon_is_counted_from_outside(program, tmp_path):
    program("strace")
    done = CliRunner().invoke(season, ["--photos", "4", "--json", str(tmp_path / "season.json")], standalone_mode=False)
    assert done.exception is None, done.exception
    figures = read_results(tmp_path / "season.json")
    assert figures["per photo"]["bytes"]["ledger"] > 4096
    assert figures["per photo"]["syncs"]["ledger"] >= 1
    assert figures["size"]["answers.jsonl"] > 0
