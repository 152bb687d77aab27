"""What is certain before any photo is compared."""

from __future__ import annotations

import pytest

from reid_edge.discover.constraints import PersonsAnswer, Seen, constraints_of, read_answers
from reid_edge.errors import UsageError


def test_two_animals_of_one_photo_and_two_names_are_different(sighting) -> None:
    seen = [Seen(sighting("a")), Seen(sighting("a", animal_index=1)), Seen(sighting("b"), "Asha"), Seen(sighting("c"), "Chipo")]
    different = constraints_of(seen).different
    assert different[0, 1]
    assert different[2, 3]
    assert different.sum() == 4


def test_photos_of_one_name_are_one_animal(sighting) -> None:
    assert constraints_of([Seen(sighting("a"), "Asha"), Seen(sighting("b")), Seen(sighting("c"), "Asha")]).same == ((0, 2),)


def test_an_animal_is_apart_from_those_that_a_person_said_it_is_not(sighting) -> None:
    seen = [Seen(sighting("a"), rejected=frozenset({"Asha"})), Seen(sighting("b"), "Asha"), Seen(sighting("c"), "Chipo")]
    different = constraints_of(seen).different
    assert different[0, 1]
    assert not different[0, 2]


def test_left_and_right_are_not_comparable_and_an_unknown_side_is_with_both(sighting) -> None:
    sides = ("left", "Right", "", "LEFT")
    comparable = constraints_of([Seen(sighting(str(n), viewpoint=side)) for n, side in enumerate(sides)]).comparable
    assert not comparable[0, 1]
    assert comparable[0, 2]
    assert comparable[1, 2]
    assert comparable[0, 3]


def test_answers_name_animals_by_id_or_by_a_photo_that_shows_one(sighting, tmp_path) -> None:
    seen = [Seen(sighting("a.jpg")), Seen(sighting("b.jpg")), Seen(sighting("b.jpg", animal_index=1))]
    path = tmp_path / "answers.csv"
    path.write_text(f"first,second,answer\na.jpg,{seen[1].key},same\na.jpg,{seen[2].key},different\n", "utf-8")
    answers = read_answers(path, seen)
    assert answers == [PersonsAnswer(seen[0].key, seen[1].key, True), PersonsAnswer(seen[0].key, seen[2].key, False)]
    constraints = constraints_of(seen, answers)
    assert constraints.same == ((0, 1),)
    assert constraints.different[0, 2]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("first,second,answer\na.jpg,b.jpg,same\n", "is not clear"),
        ("first,second,answer\na.jpg,z.jpg,same\n", "is none of these animals"),
        ("first,second,answer\na.jpg,a.jpg,perhaps\n", "has the answer 'perhaps'"),
        ("first,second\na.jpg,a.jpg\n", "have no column answer"),
    ],
)
def test_answers_that_cannot_be_understood_are_refused(sighting, tmp_path, text: str, problem: str) -> None:
    path = tmp_path / "answers.csv"
    path.write_text(text, "utf-8")
    seen = [Seen(sighting("a.jpg")), Seen(sighting("b.jpg")), Seen(sighting("b.jpg", animal_index=1))]
    with pytest.raises(UsageError, match=problem):
        read_answers(path, seen)


def test_answers_of_a_missing_file_are_an_error(tmp_path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_answers(tmp_path / "none.csv", [])


def test_two_frames_in_which_no_animal_stands_out_are_not_compared_with_each_other(sighting) -> None:
    seen = [
        Seen(sighting("a", box=None)),
        Seen(sighting("b", box=None)),
        Seen(sighting("c")),
        Seen(sighting("d", box=None), "Asha"),
    ]
    comparable = constraints_of(seen).comparable
    assert not comparable[0, 1]
    assert comparable[0, 2]
    assert comparable[0, 3]
