"""Answers that a person corrected: a box that was moved or drawn, and evidence that was made again, on top of another store."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reid_edge.decide.decision import Decision
from reid_edge.review.answers.stored import AnswerSource, StoredAnswer, summarised

_KEPT_EVIDENCE = 64


class CorrectedAnswers:
    """The answers of `source` with the corrections of this run, which reach the gallery with the decision about them."""

    def __init__(self, source: AnswerSource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._corrected: dict[tuple[str, int], tuple[StoredAnswer, Decision]] = {}
        self._corrections = 0
        self._evidence: OrderedDict[tuple[str, int], Decision] = OrderedDict()

    def refresh(self) -> int:
        """As of the source, and another number after each correction."""
        return self._source.refresh() * 1_000_003 + self._corrections

    def answers(self) -> Sequence[StoredAnswer]:
        """Those of the source, corrected, and the animals that were drawn."""
        answers = self._source.answers()
        if not self._corrected:
            return answers
        with self._lock:
            corrected = {key: answer for key, (answer, _) in self._corrected.items()}
        merged = [corrected.pop(answer.key, answer) for answer in answers]
        return [*merged, *corrected.values()]

    def decision(self, answer: StoredAnswer) -> Decision:
        """The corrected answer, else the one of the source, with its evidence where that was made again."""
        with self._lock:
            if answer.key in self._corrected:
                return self._corrected[answer.key][1]
            if answer.key in self._evidence:
                return self._evidence[answer.key]
        return self._source.decision(answer)

    def correct(self, near: StoredAnswer, index: int, decision: Decision) -> StoredAnswer:
        """Take a decision for another box as the answer of an animal of the photo of `near`; a new `index` is a further animal."""
        decision = replace(decision, animal=replace(decision.animal, index=index), photo=self._source.decision(near).photo)
        facts = {"camera": near.camera, "taken_at": near.taken_at, "event": near.event, "photo": near.photo}
        group = near.group if index == near.index else f"{near.event}/drawn/{near.sha256}/{index}"
        answer = summarised(decision.as_json(), **facts, group=group)
        with self._lock:
            self._corrected.pop(answer.key, None)
            self._corrected[answer.key] = answer, decision
            self._corrections += 1
        return answer

    def keep_evidence(self, answer: StoredAnswer, decision: Decision) -> None:
        """Keep evidence that the store no longer has; the newest few are kept."""
        with self._lock:
            self._evidence[answer.key] = decision
            while len(self._evidence) > _KEPT_EVIDENCE:
                self._evidence.popitem(last=False)

    def paths(self, answer: StoredAnswer) -> Sequence[Path]:
        """As of the source."""
        return self._source.paths(answer)

    def thumbnail(self, answer: StoredAnswer) -> bytes | None:
        """As of the source; none of a corrected box, which it does not show."""
        return None if answer.key in self._corrected else self._source.thumbnail(answer)

    def close(self) -> None:
        """Close the source."""
        self._source.close()
