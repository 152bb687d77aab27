"""The registry of matchers: what a recipe may ask of each, and what each asks of a recipe.

Recipe parsing, checking and matching all read it. The code that runs a matcher is under the same name in
`reid_edge.compare.matching.registry`, which this room may not import.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Count = Literal["matches", "sum", "inliers", "share", "distinctive"]


@dataclass(frozen=True)
class MatcherRules:
    """The rules of one matcher.

    Attributes:
        network: it runs a matching network of the pack; the others run on the host.
        pictures: it compares pictures, which `Extract` keeps with the detector ``picture``, rather than keypoints.
        positions: the network may take more of a keypoint than its place, as its parameter `position` says: 4 numbers are SIFT's scale and
            orientation beside the place, 6 are an affine frame.
        one_to_one: a candidate's keypoint is in one match at most, as a query's always is. An early exit relies on this bound.
        counts: what of its matches a pair score may count.
    """

    network: bool = False
    pictures: bool = False
    positions: bool = False
    one_to_one: bool = True
    counts: tuple[Count, ...] = ("matches", "sum", "inliers", "share")


MATCHERS: Mapping[str, MatcherRules] = {
    # Keypoints that are equally near are both matched. Only its scores are cosines, which "distinctive" subtracts from one another.
    "mutual-nearest": MatcherRules(one_to_one=False, counts=("matches", "sum", "inliers", "share", "distinctive")),
    "lightglue": MatcherRules(network=True, positions=True),
    "loftr": MatcherRules(network=True, pictures=True, counts=("matches", "sum")),
    "adalam": MatcherRules(one_to_one=False),
    "fginn": MatcherRules(one_to_one=False),
}
