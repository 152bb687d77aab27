"""Only the package `gallery` knows that a gallery is a SQLite file, so that another store can stand behind `Gallery`."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
WITHIN = (
    ROOT / "runtime/reid_edge/gallery",
    ROOT / "benchmarks/reid_edge_benchmarks/scale",  # fills tables in bulk, and measures indexes that the product does not make
)


def test_nothing_outside_the_gallery_reaches_through_it_to_the_database():
    found = []
    for folder in (
        "runtime/reid_edge",
        "export/reid_edge_export",
        "calibration/reid_edge_calibration",
        "benchmarks/reid_edge_benchmarks",
    ):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not any(folder in path.parents for folder in WITHIN):
                found += [f"{path}: {use}" for use in re.findall(r"\w*gallery\.database\b", path.read_text("utf-8"))]
    assert found == []
