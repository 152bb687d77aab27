"""`bench systems draw`: a part of a labelled set, the same for the same seed, in which individuals take turns."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

from click.testing import CliRunner

from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge_benchmarks.cli import bench
from reid_edge_benchmarks.systems.drawing import Part, draw, write_part
from reid_edge_calibration.labels.labelled_set import LabelledSet


def labelled(known: int, unknown: int, photos: int) -> LabelledSet:
    """Each known individual has `photos` in the database, of two sides in halves, and as many queries; unknown ones queries alone."""
    people = [f"k{person}" for person in range(known)] + [f"u{person}" for person in range(unknown)]
    rows = [
        Enrolment(Path(f"/photos/{name}-{photo}.jpg"), name, "zebra", ("left", "right")[2 * photo // photos])
        for name in people
        for photo in range(photos)
    ]
    return LabelledSet("herd", "evaluate", tuple(row for row in rows if row.identity[0] == "k"), tuple(rows), "zebra")


def test_individuals_take_turns_and_a_quarter_of_the_queries_shows_unknown_ones() -> None:
    drawn = draw(labelled(9, 2, 8), Part(queries=16, individuals=6, database=2), seed=3)
    asked, kept = (Counter(row.identity for row in rows) for rows in (drawn.queries, drawn.database))
    known = {name for name in asked if name.startswith("k")}
    assert {asked[name] for name in known} == {2}
    assert set(kept) == known
    assert len(known) == 6
    assert sorted(asked[name] for name in asked if name.startswith("u")) == [2, 2]


def test_the_database_has_every_side_of_an_animal_before_it_has_one_twice() -> None:
    drawn = draw(labelled(4, 1, 8), Part(queries=8, individuals=4, database=2), seed=0)
    for name in {row.identity for row in drawn.database}:
        assert sorted(row.viewpoint for row in drawn.database if row.identity == name) == ["left", "right"]


def test_one_seed_draws_the_same_photos_and_another_one_others() -> None:
    whole, part = labelled(9, 2, 8), Part(queries=12, individuals=5, database=2)
    assert draw(whole, part, 1) == draw(whole, part, 1)
    assert draw(whole, part, 1) != draw(whole, part, 2)


def test_a_set_that_is_smaller_than_the_part_is_taken_whole() -> None:
    whole = labelled(3, 0, 2)
    drawn = draw(whole, Part(queries=100, individuals=10, database=9), seed=0)
    assert set(drawn.queries) == set(whole.queries)
    assert set(drawn.database) == set(whole.database)


def test_the_list_keeps_the_rows_of_other_sets(tmp_path: Path) -> None:
    listing = tmp_path / "photos.csv"
    listing.write_text("set,image_id,split,fold\nherd,old,query,evaluate\nshoal,t1,query,evaluate\n", "utf-8")
    drawn = draw(labelled(2, 1, 2), Part(queries=4, individuals=2, database=1), seed=0)
    write_part([drawn], tmp_path, listing)
    rows = list(csv.DictReader(listing.open(encoding="utf-8")))
    assert [row["image_id"] for row in rows if row["set"] == "shoal"] == ["t1"]
    assert len([row for row in rows if row["set"] == "herd"]) == len(drawn.database) + len(drawn.queries)
    assert "old" not in {row["image_id"] for row in rows}


def test_what_is_drawn_is_read_as_labels_again(few_samples: Path, tmp_path: Path) -> None:
    with few_samples.open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    whole = tmp_path / "herd" / "metadata.csv"
    whole.parent.mkdir()
    with whole.open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, [*rows[0], "fold"])
        writer.writeheader()
        writer.writerows({**row, "fold": fold, "species": "beast"} for fold in ("calibrate", "evaluate") for row in rows)

    def drawn(source: Path, out: Path) -> list[str]:
        arguments = ["systems", "draw", str(source), "--out", str(out), "--individuals", "2", "--database", "1"]
        result = CliRunner().invoke(bench, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return sorted((out / "herd" / "metadata.csv").read_text("utf-8").splitlines())

    once = drawn(whole, tmp_path / "once")
    assert len(once) > 5
    assert drawn(tmp_path / "once" / "herd" / "metadata.csv", tmp_path / "twice") == once
