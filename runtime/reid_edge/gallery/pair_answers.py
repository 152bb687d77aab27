"""What people said of pairs: one animal, two, or not to be told apart. An answer is one event, which undo takes back.

Pairs are of animals in photos (a discovery's working file) or of individuals (the doubles of a catalogue).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from reid_edge.errors import GalleryError, UsageError
from reid_edge.gallery.decisions import Decisions
from reid_edge.gallery.history import describe, recording
from reid_edge.gallery.records import Event, person_name
from reid_edge.storage.database import Database

PairAnswerKind = Literal["same", "different", "unsure"]
_KIND = "pair"
_MOST = 20_000


@dataclass(frozen=True, kw_only=True)
class NewPairAnswer:
    """What a person says of each pair of an animal of `first` and one of `second`.

    Attributes:
        of: `animals`: `first` and `second` are photo hash and animal index, as `Seen.key` writes them. `individuals`: they are names.
        first, second: one or more each.
        answer: `unsure` where the photos do not show it.
        person: who says it.
        shown: what people call both sides, for the history.
    """

    of: Literal["animals", "individuals"]
    first: tuple[str, ...]
    second: tuple[str, ...]
    answer: PairAnswerKind
    person: str
    shown: tuple[str, ...] = ()

    @property
    def pair(self) -> frozenset[tuple[str, ...]]:
        """Both sides, in no order."""
        return frozenset((tuple(sorted(self.first)), tuple(sorted(self.second))))


@dataclass(frozen=True, kw_only=True)
class PairAnswer(NewPairAnswer):
    """What a person said of pairs, as the gallery has it: `sequence` grows with every answer, `answered_at` is ISO 8601 in UTC."""

    sequence: int
    batch: str
    answered_at: str


class PairConflict(GalleryError):
    """Somebody else answered about this pair since the caller looked; nothing was stored. `answer` is None where one was undone."""

    def __init__(self, answer: PairAnswer | None) -> None:
        message = "Meanwhile what was said of this pair was undone."
        if answer is not None:
            message = f"Meanwhile {describe(_as_event(answer))} ({answer.answered_at})."
        super().__init__(message, "Look at it again, then decide.")
        self.answer = answer


class PairAnswers(Decisions):
    """Stores and reads answers."""

    def answer_pair(self, new: NewPairAnswer, expected: int | None = None, batch: str | None = None) -> PairAnswer:
        """Store an answer; the newest about a pair counts.

        Args:
            new: the answer.
            expected: the sequence of the newest answer about this pair that the person has seen, 0 for none; None does not check.
            batch: from `new_batch`.

        Raises:
            PairConflict: see there.
            UsageError: a field has an invalid value.
            GalleryError, StorageError: it cannot be stored.
        """
        _check(new)
        payload = {**asdict(new), "person": person_name(new.person)}
        with self.database.transaction():
            newest = next((each for each in reversed(self.pair_answers()) if each.of == new.of and each.pair == new.pair), None)
            if expected is not None and expected != (newest.sequence if newest else 0):
                raise PairConflict(newest)
            with recording(self.database, batch or self.new_batch(), _KIND, payload):
                pass
            return self.pair_answers()[-1]

    def pair_answers(self, of: Literal["animals", "individuals"] | None = None) -> list[PairAnswer]:
        """All answers that were not undone and are no open question of a synchronisation, oldest first."""
        return [each for each in read_pair_answers(self.database) if of is None or each.of == of]


def read_pair_answers(database: Database) -> list[PairAnswer]:
    """As `PairAnswers.pair_answers`; one that became a question counts for nothing, see `reid_edge.gallery.sync.pairs`."""
    rows = database.rows("SELECT id, batch, at, payload FROM event WHERE kind = ? AND undone = 0 ORDER BY id", (_KIND,))
    found = [(*row, json.loads(payload)) for *row, payload in rows]
    return [_answer(*row) for row in found if not row[-1].get("question")]


def pair_of(payload: Mapping[str, Any]) -> tuple[str, frozenset[tuple[str, ...]]]:
    """Of what an answer is, and both sides, from the payload of its event."""
    return payload["of"], frozenset((tuple(sorted(payload["first"])), tuple(sorted(payload["second"]))))


def _check(new: NewPairAnswer) -> None:
    if new.answer not in get_args(PairAnswerKind):
        raise UsageError(f"There is no answer {str(new.answer)[:40]!r}.", f"There are: {', '.join(get_args(PairAnswerKind))}.")
    if not new.first or not new.second or set(new.first) & set(new.second):
        raise UsageError("An answer about a pair needs two different sides.", "Name both.")
    if len(new.first) * len(new.second) > _MOST:
        raise UsageError(f"An answer about more than {_MOST:,} pairs cannot be stored.", "Answer for fewer photos at once.")


def _answer(sequence: int, batch: str, at: str, values: Mapping[str, Any]) -> PairAnswer:
    sides = {name: tuple(values[name]) for name in ("first", "second", "shown")}
    return PairAnswer(
        of=values["of"], answer=values["answer"], person=values["person"], sequence=sequence, batch=batch, answered_at=at, **sides
    )


def _as_event(answer: PairAnswer) -> Event:
    payload = {**asdict(answer), "shown": list(answer.shown)}
    return Event(answer.sequence, answer.batch, answer.answered_at, _KIND, payload, undone=False)
