"""Whether two sides give the same answers; without that, a ratio of their times means nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reid_edge_benchmarks.latency.plain import PlainAnswer

# Two implementations round differently, so a match at the threshold may fall on either side.
_SAME_MATCHES, _SAME_SHARE = 2, 0.02


@dataclass(frozen=True)
class Agreement:
    """Do both give the same answers?

    Attributes:
        photos: compared.
        same_animals: share of photos in which both see the same number of animals.
        same_identity: share of animals with the same identity ranked first.
        same_verdict: share of animals with the same verdict; None where the other side gives none.
        counts: match counts compared, of the runtime's ranking, each matcher that both ran.
        same_counts: share of them that differ by at most 2 matches or 2 %; None of none.
        largest_difference: in matches.
        largest_cosine_difference: of the embeddings' scores.
        largest_score_difference: of other scores, such as how distinctive matches are, as a share of the larger of the two, or of 1
            where both are less; None of none.
    """

    photos: int
    same_animals: float
    same_identity: float
    same_verdict: float | None
    counts: int
    same_counts: float | None
    largest_difference: float
    largest_cosine_difference: float
    largest_score_difference: float | None = None

    def text(self) -> str:
        """In sentences."""
        parts = [f"the same identity first for {self.same_identity:.1%}"]
        if self.same_verdict is not None:
            parts.append(f"the same verdict for {self.same_verdict:.1%}")
        text = f"On {self.photos} photos both give {' and '.join(parts)} of the animals"
        if self.same_animals < 1:
            text += f", but find the same number of animals in only {self.same_animals:.1%} of the photos"
        if self.same_counts is not None:
            text += (
                f"; of {self.counts} match counts {self.same_counts:.1%} agree within {_SAME_MATCHES} matches or {_SAME_SHARE:.0%} "
                f"(largest difference {self.largest_difference:.0f}), cosines within {self.largest_cosine_difference:.4f}"
            )
        if self.largest_score_difference is not None:
            text += f", other scores within {self.largest_score_difference:.2%}"
        return text + "."


def compare_answers(
    ours: Sequence[Sequence[PlainAnswer]], theirs: Sequence[Sequence[PlainAnswer]], counts_of: Mapping[str, str]
) -> Agreement:
    """Compare the runtime's answers with another side's, photo by photo.

    Args:
        ours, theirs: per photo the answers, one per animal, as workers give them.
        counts_of: by name of a matcher, what its score counts, see `reid_edge.recipe.Match.count`; other scores are cosines.
    """
    pairs = [pair for mine, its in zip(ours, theirs, strict=True) for pair in zip(mine, its, strict=False)]
    counts: list[tuple[float, float]] = []
    cosines: list[tuple[float, float]] = []
    others: list[tuple[float, float]] = []
    lists = {"matches": counts, "inliers": counts, "share": others, "distinctive": others}
    for mine, its in pairs:
        known = {scored["sighting"]: scored["raw"] for scored in its.get("scored", ())}
        for ranked in mine["ranking"]:
            for name, value in ranked["raw"].items():
                if name in (other := known.get(ranked["sighting"], {})):
                    (lists[counts_of[name]] if name in counts_of else cosines).append((value, other[name]))
    differences = [abs(a - b) for a, b in counts]
    same = [difference <= max(_SAME_MATCHES, _SAME_SHARE * a) for difference, (a, _) in zip(differences, counts, strict=True)]
    verdicts = [(mine["verdict"], its["verdict"]) for mine, its in pairs if "verdict" in its]
    return Agreement(
        photos=len(ours),
        same_animals=_share(len(mine) == len(its) for mine, its in zip(ours, theirs, strict=True)),
        same_identity=_share(_first(mine) == _first(its) for mine, its in pairs),
        same_verdict=_share(a == b for a, b in verdicts) if verdicts else None,
        counts=len(counts),
        same_counts=_share(same) if same else None,
        largest_difference=max(differences, default=0.0),
        largest_cosine_difference=max((abs(a - b) for a, b in cosines), default=0.0),
        largest_score_difference=max((abs(a - b) / max(a, b, 1.0) for a, b in others), default=None),
    )


def _first(answer: PlainAnswer) -> str:
    return str(answer["ranking"][0]["identity"]) if answer["ranking"] else ""


def _share(answers: Iterable[bool]) -> float:
    values = [*answers]
    return float(np.mean(values)) if values else math.nan
