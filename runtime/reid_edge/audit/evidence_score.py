"""Which score of a recipe says of two photos, whoever else is in the gallery, that they show one individual."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reid_edge.recipe import Match, Recipe

_COARSE_POINTS = 128  # as the first look of the default pack, whose mapped descriptors are read
_COARSE_MIN_COSINE = 0.5


@dataclass(frozen=True)
class EvidenceScore:
    """The score that an audit goes by.

    Attributes:
        name: of the score, as the calibration knows it.
        match: the matcher whose score it is; None for the cosine of the embedding that retrieves.
        absolute: it counts inliers of one geometry. Other scores are weaker evidence, and the audit says so.
        coarse: a quick first look at many photos, to choose the few that are matched; None where the recipe keeps no keypoints.
    """

    name: str
    match: Match | None
    absolute: bool
    coarse: Match | None

    @classmethod
    def of(cls, recipe: Recipe) -> EvidenceScore:
        """The last matcher that counts inliers, else the last whose score does not depend on the other candidates, else the cosine."""
        of_pairs = [match for match in recipe.match if match.count != "distinctive"]
        inliers = [match for match in of_pairs if match.count == "inliers"]
        chosen = (inliers or of_pairs)[-1] if of_pairs else None
        with_keypoints = [match.keypoints for match in (chosen, *recipe.match) if match and not match.rules.pictures]
        coarse = None
        if with_keypoints:
            name = with_keypoints[0]
            coarse = Match("audit-coarse", name, "mutual-nearest", _COARSE_MIN_COSINE, points=_COARSE_POINTS, count="distinctive")
        return cls(chosen.name if chosen else recipe.retrieve.embedding, chosen, bool(inliers), coarse)

    def strength(self, score: float) -> float:
        """The score on a scale on which differences count: the logarithm of a number of matches or a share of them, or of the distance that
        is left to a cosine of 1; a little is added so that few matches are as good as none.
        """
        if self.match is None:
            return -math.log(max(0.0, 1 - score) + 0.02)
        return math.log(score + (0.01 if self.match.count == "share" else 5.0))
