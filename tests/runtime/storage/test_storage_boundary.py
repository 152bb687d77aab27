"""Only reid_edge.storage syncs files, replaces them, and opens SQLite, so that each is done in one way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = ("runtime/reid_edge", "export/reid_edge_export", "calibration/reid_edge_calibration", "benchmarks/reid_edge_benchmarks")
ALLOWED = (
    "runtime/reid_edge/storage/",
    "benchmarks/reid_edge_benchmarks/reliability/",  # damages, renames and reads the daemon's files from outside, as a fault does
)
MODULE_CALLS = {
    "os": {"fsync", "fdatasync", "replace", "rename", "renames", "sync"},
    "shutil": {"move"},
    "sqlite3": {"connect", "Connection"},
}
METHODS = {"replace", "rename"}  # of a path: one argument. Those of texts, dates and data frames have two, or name theirs.


def storage_calls(source: str) -> Iterator[tuple[int, str]]:
    """Lines and texts of the calls in Python source that only storage may make."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (forbidden := MODULE_CALLS.get(node.module or "")):
            if any(alias.name in forbidden for alias in node.names):
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
            of_module = node.func.attr in MODULE_CALLS.get(owner, ())
            of_path = node.func.attr in METHODS and len(node.args) == 1 and not node.keywords
            if of_module or of_path:
                yield node.lineno, ast.unparse(node)


def test_nothing_outside_storage_syncs_replaces_or_opens_sqlite():
    found = []
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith(ALLOWED):
                found += [f"{name}:{line}: {call}" for line, call in storage_calls(path.read_text("utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "os.fsync(file.fileno())",
        "os.replace(a, b)",
        "unfinished.replace(path)",
        "path.with_suffix('.new').rename(path)",
        "shutil.move(a, b)",
        "sqlite3.connect(path)",
        "from os import fsync",
    ],
)
def test_each_of_these_calls_is_found(source):
    assert list(storage_calls(source))


@pytest.mark.parametrize(
    "source",
    ["text.replace('a', 'b')", "when.replace(microsecond=0)", "gallery.rename('Zoe', 'Anna')", "dataclasses.replace(a, b=1)"],
)
def test_texts_dates_and_galleries_may_be_changed_anywhere(source):
    assert not list(storage_calls(source))
