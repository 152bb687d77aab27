"""Labelled sets: one per species, from one or several sources, without the queries that would find themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import reid_edge
from reid_edge.errors import UsageError
from reid_edge.identify.identifier import Identifier
from reid_edge.recipe import Fuse, Group
from reid_edge_calibration.labels.labelled_set import LabelledSet, of_the_same_species, read_labelled_sets
from reid_edge_calibration.labels.request import LabelRequest

Draw = Callable[..., Path]

HEADER = "image_id,identity,path,species,split,fold\n"


def silent(items: Iterable[Any], what: str) -> Iterable[Any]:
    return items


def read(*paths: Path, **asked: Any) -> list[LabelledSet]:
    return read_labelled_sets(paths, LabelRequest(**asked), silent)


@pytest.fixture
def metadata(tmp_path: Path) -> Path:
    for name, content in {"a": b"one", "b": b"two", "again": b"one", "c": b"three"}.items():
        (tmp_path / f"{name}.jpg").write_bytes(content)
    (tmp_path / "metadata.csv").write_text(
        HEADER
        + "1,Ada,a.jpg,okapi,database,calibrate\n2,Bo,b.jpg,okapi,database,calibrate\n"
        + "3,Ada,again.jpg,okapi,query,calibrate\n4,Bo,c.jpg,okapi,query,calibrate\n"
    )
    return tmp_path / "metadata.csv"


def test_a_query_that_is_a_database_photo_too_is_left_out_and_named(metadata: Path) -> None:
    (labelled,) = read(metadata, fold="calibrate")
    assert [row.path.name for row in labelled.queries] == ["c.jpg"]
    assert [row.path.name for row in labelled.database] == ["a.jpg", "b.jpg"]
    assert [path.name for path in labelled.leaked] == ["again.jpg"]
    assert len(labelled.notes) == 1
    assert "again.jpg" in labelled.notes[0]
    assert (labelled.name, labelled.fold, labelled.species) == (metadata.parent.name, "calibrate", "okapi")


def test_without_such_a_photo_there_is_nothing_to_note(metadata: Path) -> None:
    (metadata.parent / "again.jpg").write_bytes(b"another")
    (labelled,) = read(metadata)
    assert len(labelled.queries) == 2
    assert labelled.notes == ()
    assert labelled.fold == "all"


def test_where_every_query_leaks_there_is_nothing_left_to_ask_for(metadata: Path) -> None:
    (metadata.parent / "c.jpg").write_bytes(b"two")
    with pytest.raises(UsageError, match="Every query photo"):
        read(metadata)


def two_species(metadata: Path) -> Path:
    text = metadata.read_text()
    metadata.write_text(text + text.removeprefix(HEADER).replace("okapi", "nyala").replace("Ada", "Cy").replace("jpg", "png"))
    for path in metadata.parent.glob("*.jpg"):
        path.with_suffix(".png").write_bytes(path.read_bytes() + b"nyala")
    return metadata


def test_several_species_in_one_file_give_several_sets(metadata: Path) -> None:
    sets = read(two_species(metadata))
    assert [labelled.species for labelled in sets] == ["nyala", "okapi"]
    assert [labelled.name for labelled in sets] == [f"{metadata.parent.name} nyala", f"{metadata.parent.name} okapi"]
    assert {row.species for row in sets[0].database + sets[0].queries} == {"nyala"}


def test_species_are_chosen_by_name_and_an_unknown_one_is_refused(metadata: Path) -> None:
    two_species(metadata)
    assert [labelled.species for labelled in read(metadata, species=("okapi",))] == ["okapi"]
    with pytest.raises(UsageError, match="no species 'zebra'") as raised:
        read(metadata, species=("okapi", "zebra"))
    assert raised.value.hint == "They have nyala, okapi."


def test_sets_of_another_fold_are_found_by_species(metadata: Path) -> None:
    nyala, okapi = read(two_species(metadata))
    assert of_the_same_species([okapi, nyala], [nyala, okapi]) == [nyala, okapi]
    with pytest.raises(UsageError, match="The fold all has no photos of nyala"):
        of_the_same_species([okapi], [nyala])


def folder(draw: Draw, name: str, individuals: str, first: int) -> Path:
    """A folder per individual, of three photos each."""
    for who, individual in enumerate(individuals):
        for number in range(3):
            path = draw(f"{name}/{individual}/{number}.jpg", first + 3 * who + number)
    return path.parent.parent


def test_a_folder_that_names_no_species_has_the_one_that_is_given(draw: Draw) -> None:
    path = folder(draw, "okapis", "ABCD", 0)
    assert [labelled.species for labelled in read(path)] == [""]
    assert [labelled.species for labelled in read(path, species=("okapi",))] == ["okapi"]


def test_sources_of_one_species_make_one_set_where_no_name_is_in_both(draw: Draw) -> None:
    first, second = folder(draw, "east", "ABCD", 0), folder(draw, "west", "EFGH", 100)
    (labelled,) = read(first, second)
    assert labelled.name == "east+west"
    assert len(labelled.database) + len(labelled.queries) == 24
    both = folder(draw, "north", "DEXY", 200)
    with pytest.raises(UsageError, match="individuals of the same name: D") as raised:
        read(first, both)
    assert "names of their own" in raised.value.hint


def test_leaks_are_left_out_or_kept_if_asked_and_noted(draw: Draw) -> None:
    path = folder(draw, "okapis", "ABCDEF", 0)
    for individual in "ABCDEF":  # a copy of each photo
        for number in range(3):
            draw(f"okapis/{individual}/{number} copy.jpg", 3 * "ABCDEF".index(individual) + number, quality=50)
    (kept,) = read(path, split="photo", drop_leaks=False)
    (dropped,) = read(path, split="photo")
    assert dropped.database == kept.database
    assert set(dropped.queries) < set(kept.queries)
    assert len(kept.queries) - len(dropped.queries) == len(dropped.leaked) > 0
    assert "kept; --drop-leaks leaves them out" in kept.notes[-1]
    assert "near-duplicates of database photos" in dropped.notes[-1]
    assert "left out; --keep-leaks keeps them" in dropped.notes[-1]


def test_where_every_query_is_nearly_a_database_photo_the_way_out_is_named(draw: Draw, tmp_path: Path) -> None:
    rows = ["identity,path,split"]
    for who, identity in enumerate(("Ada", "Bo")):
        rows += [
            f"{identity},{draw(f'{who} {side}.jpg', who, quality)},{side}" for side, quality in (("database", 95), ("query", 50))
        ]
    (tmp_path / "metadata.csv").write_text("\n".join(rows))
    with pytest.raises(UsageError, match="or nearly") as refused:
        read(tmp_path / "metadata.csv")
    assert "--keep-leaks" in refused.value.hint
    assert len(read(tmp_path / "metadata.csv", drop_leaks=False)[0].queries) == 2


def test_a_set_says_whether_its_labels_tell_which_photos_were_taken_together(draw: Draw, tmp_path: Path) -> None:
    path = folder(draw, "okapis", "ABCDEF", 0)
    (bare,) = read(path)
    assert not bare.tells_encounters
    rows = [(photo.parent.name, photo) for photo in sorted(path.glob("*/*.jpg"))]
    columns = {
        "date": lambda name, number: f"2020-01-{number % 3 + 1:02d}",
        "encounter": lambda name, number: f"{name}{number % 3 // 2}",
    }
    for column, value in columns.items():
        lines = [f"{name},{photo},{value(name, number)}" for number, (name, photo) in enumerate(rows)]
        (tmp_path / f"{column}.csv").write_text("\n".join([f"identity,path,{column}", *lines]))
        (told,) = read(tmp_path / f"{column}.csv")
        assert told.tells_encounters


def test_days_that_the_cameras_noted_tell_it_as_well(draw: Draw, note_date: Callable[[Path, str], None]) -> None:
    path = folder(draw, "okapis", "ABCDEF", 0)
    for photo in path.glob("*/*.jpg"):
        note_date(photo, f"2020:01:{int(photo.stem) + 1:02d} 12:00:00")
    (labelled,) = read(path)
    assert "split by day" in " ".join(labelled.notes)
    assert labelled.tells_encounters


def test_files_of_a_set_are_named_after_what_is_in_it(draw: Draw, identifier: Identifier) -> None:
    path = folder(draw, "okapis", "ABCDEF", 0)
    stems = [read(path, split="photo", seed=seed, species=("a/b",))[0].stem(identifier) for seed in (1, 1, 2)]
    assert stems[0] == stems[1] != stems[2]
    assert stems[0].startswith("okapis-all-")
    two = LabelledSet("okapis a/b", "all", (), (), "a/b")
    assert two.stem(identifier).startswith("okapis a-b-all-")


def test_another_order_of_candidates_has_files_of_its_own_and_another_fusion_has_not(identifier: Identifier) -> None:
    labelled, groups = LabelledSet("okapis", "all", (), (), "okapi"), (Group(("efficientnet-lite0",), 1.0, calibrated=False),)

    def stem(**changes: Any) -> str:
        other = copy(identifier)
        other.recipe = replace(identifier.recipe, **changes)
        return labelled.stem(other)

    first, second, *rest = identifier.recipe.match
    ordered = (first, replace(second, order="early"), *rest)
    early = Fuse("early", groups)
    assert stem() == stem(fuse=(Fuse("all", groups),))
    assert stem(match=ordered, fuse=(early,)) == stem(match=ordered, fuse=(Fuse("all", groups), early))
    twice = replace(early, groups=(*groups, *groups))
    assert stem(match=ordered, fuse=(early,)) != stem(match=ordered, fuse=(twice,))


def test_the_sample_animals_are_labels_too() -> None:
    (labelled,) = read(Path(reid_edge.__file__).parent / "samples" / "gallery", species=("sample animal",), drop_leaks=True)
    known = {row.identity for row in labelled.database}
    assert known
    assert {row.identity for row in labelled.queries} - known
    assert labelled.species == "sample animal"
