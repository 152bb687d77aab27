"""What people said of pairs: the newest counts, a late answer is a conflict, and undo takes an answer back."""

from __future__ import annotations

from pathlib import Path

import pytest

from reid_edge.errors import UsageError
from reid_edge.gallery import Gallery, NewPairAnswer, PairConflict
from reid_edge.gallery.history import describe


def answer(first: str, second: str, said: str = "same", person: str = "Ana", of: str = "animals") -> NewPairAnswer:
    sides = {"first": (first,), "second": (second,), "shown": (f"{first}.jpg", f"{second}.jpg")}
    return NewPairAnswer(of=of, answer=said, person=person, **sides)  # type: ignore[arg-type]


def test_answers_are_kept_in_order_and_by_what_they_are_about(tmp_path: Path) -> None:
    with Gallery.create(tmp_path / "g.sqlite") as gallery:
        stored = gallery.answer_pair(answer("a", "b"))
        gallery.answer_pair(answer("Asha", "Baraka", "different", of="individuals"))
    with Gallery.open(tmp_path / "g.sqlite") as gallery:
        assert [each.answer for each in gallery.pair_answers()] == ["same", "different"]
        assert gallery.pair_answers("animals") == [stored]
        assert (stored.first, stored.second, stored.person) == (("a",), ("b",), "Ana")
        assert describe(gallery.history()[1]) == "Ana said same of a.jpg, b.jpg"


def test_an_answer_to_what_somebody_answered_meanwhile_is_a_conflict_and_not_stored(tmp_path: Path) -> None:
    with Gallery.create(tmp_path / "g.sqlite") as gallery:
        first = gallery.answer_pair(answer("a", "b"), expected=0)
        with pytest.raises(PairConflict, match=r"Meanwhile Ana said same of a\.jpg, b\.jpg"):
            gallery.answer_pair(answer("b", "a", "different", "Ben"), expected=0)
        gallery.answer_pair(answer("a", "c", "different", "Ben"), expected=0)
        gallery.answer_pair(answer("b", "a", "unsure", "Ben"), expected=first.sequence)
        gallery.undo_batch(gallery.pair_answers()[-1].batch, "Ben")
        assert [each.answer for each in gallery.pair_answers()] == ["same", "different"]


@pytest.mark.parametrize("wrong", [answer("a", "a"), answer("a", "b", "perhaps")])
def test_what_is_no_answer_is_refused(tmp_path: Path, wrong: NewPairAnswer) -> None:
    with Gallery.create(tmp_path / "g.sqlite") as gallery, pytest.raises(UsageError):
        gallery.answer_pair(wrong)
