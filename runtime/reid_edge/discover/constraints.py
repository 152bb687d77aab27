"""What is certain before any photo is compared: which animals are one, which are not, and which photos can be compared at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_edge.discover.tracks import TrackSpan, meeting_tracks, same_tracks
from reid_edge.errors import UsageError
from reid_edge.gallery import Gallery, Sighting
from reid_edge.storage.table import read_table

_COLUMNS = ("first", "second", "answer")
IS_SAME: Mapping[str, bool | None] = {"same": True, "different": False, "unsure": None}


@dataclass(frozen=True)
class Seen:
    """One animal of one photo that takes part.

    Attributes:
        sighting: of the working file, or of the gallery where it is known.
        name: of the known individual; '' where nobody named it.
        rejected: individuals that a person said it is not.
        is_animal: False where a person said that it is none: it is in no group.
    """

    sighting: Sighting
    name: str = ""
    rejected: frozenset[str] = frozenset()
    is_animal: bool = True

    @property
    def is_new(self) -> bool:
        """Whether it is an animal that nobody named."""
        return not self.name and self.is_animal

    @property
    def key(self) -> str:
        """The same in every run: the photo's hash, and which of its animals."""
        return f"{self.sighting.photo_sha256}-{self.sighting.animal_index}"


@dataclass(frozen=True)
class Constraints:
    """Of N animals.

    Attributes:
        same: pairs that are one animal: a person said so, they stand under one name, or it was followed through a video.
        different: bool [N, N], symmetric: two animals of one photo or of one video at one time, two names, or a person said so.
        comparable: bool [N, N], symmetric: of one species and one side, as far as these are known, and an animal stands out in one of them.
        unsure: pairs that a person could not tell apart or together.
    """

    same: tuple[tuple[int, int], ...]
    different: NDArray[np.bool_]
    comparable: NDArray[np.bool_]
    unsure: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class PersonsAnswer:
    """What a person said of two animals, given by their keys (`Seen.key`); `same` is None where the photos do not show it."""

    first: str
    second: str
    same: bool | None


def constraints_of(seen: Sequence[Seen], answers: Sequence[PersonsAnswer] = ()) -> Constraints:
    """Of these animals; answers about others are left out, and the last answer about a pair counts."""
    photos = np.array([each.sighting.photo_sha256 for each in seen])
    names = np.array([each.name for each in seen])
    named = names != ""
    different = (photos[:, None] == photos) | ((names[:, None] != names) & named[:, None] & named)
    for place, each in enumerate(seen):
        if each.rejected:
            apart = np.isin(names, sorted(each.rejected))
            different[place] |= apart
            different[:, place] |= apart
        if not each.is_animal:
            different[place] = different[:, place] = True
    spans = [None if each.name else TrackSpan.of(each.sighting) for each in seen]
    different |= meeting_tracks(spans)
    np.fill_diagonal(different, False)
    first_of = {name: int(np.flatnonzero(names == name)[0]) for name in set(names[named])}
    same = [(first_of[name], place) for place, name in enumerate(names) if name and first_of[name] != place]
    same += same_tracks(spans)
    places = {each.key: place for place, each in enumerate(seen)}
    said = {
        (min(pair), max(pair)): answer.same
        for answer in answers
        if len(pair := {places[key] for key in (answer.first, answer.second) if key in places}) == 2
    }
    for (one, other), is_same in said.items():
        if is_same:
            same.append((one, other))
        elif is_same is False:
            different[one, other] = different[other, one] = True
    comparable = _agreeing([each.sighting.viewpoint for each in seen]) & _agreeing([each.sighting.species for each in seen])
    # Two empty frames of one camera have the same bushes.
    empty = np.array([not each.name and each.sighting.box is None for each in seen], bool)
    comparable &= ~(empty[:, None] & empty)
    np.fill_diagonal(comparable, False)
    unsure = frozenset(pair for pair, is_same in said.items() if is_same is None)
    return Constraints(tuple(same), different, comparable, unsure)


def read_answers(path: Path, seen: Sequence[Seen]) -> list[PersonsAnswer]:
    """Answers from a CSV file with the columns `first`, `second` and `answer`, which is `same`, `different` or `unsure`.

    Args:
        path: the file; it names an animal by its id, as `--json` prints it, or by its photo's name where that is clear.
        seen: the animals.

    Raises:
        UsageError: it cannot be read, names an animal that is not among these or is not clear, or holds another answer.
    """
    try:
        table = read_table(path)
    except OSError as error:
        raise UsageError(f"The answers {path} cannot be read: {error.strerror}.", "Check the path.") from error
    missing = [column for column in _COLUMNS if column not in table.columns]
    if missing:
        raise UsageError(f"The answers {path} have no column {missing[0]}.", f"They need {', '.join(_COLUMNS)}.")
    keys: dict[str, list[str]] = {}
    for each in seen:
        for name in (each.key, each.sighting.photo_name):
            keys.setdefault(name, []).append(each.key)
    answers = []
    for line, row in table.rows:
        for column in ("first", "second"):
            if len(keys.get(row[column], ())) != 1:
                problem = "is not clear" if row[column] in keys else "is none of these animals"
                raise UsageError(f"Line {line} of {path}: {row[column]!r} {problem}.", "Give its id, as --json prints it.")
        if row["answer"] not in IS_SAME:
            raise UsageError(f"Line {line} of {path} has the answer {row['answer']!r}.", "Write same, different or unsure.")
        answers.append(PersonsAnswer(keys[row["first"]][0], keys[row["second"]][0], IS_SAME[row["answer"]]))
    return answers


def stored_answers(work: Gallery) -> list[PersonsAnswer]:
    """What people said of animals of a working file, on the review page; errors as `Gallery.pair_answers`."""
    return [
        PersonsAnswer(first, second, IS_SAME[answer.answer])
        for answer in work.pair_answers("animals")
        for first in answer.first
        for second in answer.second
    ]


def _agreeing(values: Sequence[str]) -> NDArray[np.bool_]:
    """Where both values are the same, or one is not known."""
    folded = np.array([value.casefold() for value in values])
    return np.asarray((folded[:, None] == folded) | (folded[:, None] == "") | (folded == ""))
