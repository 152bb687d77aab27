"""Answers beside the truth: which were right, wrong, or asked of a person, where a table says who is on the photos."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reid_edge.cli.printing import count_of
from reid_edge.decide.decision import Decision

Result = Literal["right", "wrong", "asked"]


@dataclass(frozen=True)
class Outcome:
    """How an answer compares with the truth.

    Attributes:
        result: ``asked`` where the answer is `ask`, whoever leads it.
        identity: whom the photo shows.
        enrolled: whether the gallery holds that individual.
    """

    result: Result
    identity: str
    enrolled: bool

    def __str__(self) -> str:
        return f"{self.result}: this is {self.identity}{'' if self.enrolled else ', not in the gallery'}"


class Truth:
    """Who is on which photo; of a photo with several animals, the largest one."""

    def __init__(self, source: Path, enrolled: Collection[str]) -> None:
        """Read the truth.

        Args:
            source: a table, or a folder, as `reid-edge gallery add` takes it; a name that is not in the gallery is a new individual.
            enrolled: the individuals of the gallery.

        Raises:
            UsageError, StorageError: see `reid_edge.gallery.enrolment_list.read_source`.
        """
        from reid_edge.gallery.enrolment_list import read_source

        self._identities = {os.path.realpath(photo.path): photo.identity for photo in read_source(source)}
        self._enrolled = frozenset(enrolled)
        self._results: Counter[str] = Counter()

    def outcome(self, decision: Decision) -> Outcome | None:
        """Compare an answer, and count it; None where the truth does not name its photo, or not this animal of it.

        What a person said of the animal does not count: the answer itself is compared.
        """
        identity = self._identities.get(os.path.realpath(decision.photo.path or ""))
        if identity is None or decision.animal.index:
            return None
        enrolled = identity in self._enrolled
        # The identity of `new` is None.
        review = decision.review
        verdict, answered = (review.verdict, review.answered_identity) if review else (decision.verdict, decision.identity)
        is_right = answered == (identity if enrolled else None)
        result: Result = "asked" if verdict == "ask" else "right" if is_right else "wrong"
        self._results[result] += 1
        return Outcome(result, identity, enrolled)

    def summary(self) -> str:
        """Such as ``5 of 6 right without asking, 1 question, 0 wrong``."""
        right, asked, wrong = (self._results[result] for result in ("right", "asked", "wrong"))
        return f"{right} of {right + asked + wrong} right without asking, {count_of(asked, 'question')}, {wrong} wrong"
