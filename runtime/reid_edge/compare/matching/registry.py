"""The code that runs each matcher of `reid_edge.recipe.matchers.MATCHERS`, under the same name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.matching.adalam import match_adalam
from reid_edge.compare.matching.affine_points import AffinePoints, detection_size
from reid_edge.compare.matching.geometry_aware import match_fginn
from reid_edge.compare.matching.lightglue import match_lightglue
from reid_edge.compare.matching.loftr import match_loftr
from reid_edge.compare.matching.matches import Matches
from reid_edge.compare.matching.mutual_nearest import match_mutual_nearest
from reid_edge.describe.keypoints import Keypoints
from reid_edge.engines.networks import LoadedNetwork
from reid_edge.pack.manifest import Preprocessing


@dataclass(frozen=True)
class Settings:
    """What a matcher is run with.

    Attributes:
        min_score: matches with a score above this are kept.
        network: a matching network; None for the matchers that run on the host.
        detector: how the network that found the keypoints takes a chip; None where no network did.
    """

    min_score: float
    network: LoadedNetwork | None = None
    detector: Preprocessing | None = None

    @property
    def loaded(self) -> LoadedNetwork:
        """The network of a matcher that has one, which the recipe was checked for."""
        assert self.network is not None
        return self.network


Run = Callable[[Any, Sequence[Any], Settings], list[Matches]]
"""(query, candidates, settings) -> one `Matches` per candidate; query and candidates are `Keypoints`, or pictures: uint8 [S, S]."""


def _mutual_nearest(query: Keypoints, candidates: Sequence[Keypoints], settings: Settings) -> list[Matches]:
    return match_mutual_nearest(query, candidates, settings.min_score)


def _lightglue(query: Keypoints, candidates: Sequence[Keypoints], settings: Settings) -> list[Matches]:
    network = settings.loaded
    return match_lightglue(query, candidates, network.engine, settings.min_score, network.run_shape)


def _loftr(query: NDArray[np.uint8], candidates: Sequence[NDArray[np.uint8]], settings: Settings) -> list[Matches]:
    return match_loftr(query, candidates, settings.loaded, settings.min_score)


def _of_affine_points(match: Callable[[AffinePoints, Sequence[AffinePoints], float], list[Matches]]) -> Run:
    """A matcher of places and frames in the pixels that the detector saw."""

    def run(query: Keypoints, candidates: Sequence[Keypoints], settings: Settings) -> list[Matches]:
        one, *others = (AffinePoints.of(each, detection_size(each, settings.detector)) for each in (query, *candidates))
        return match(one, others, settings.min_score)

    return run


IMPLEMENTATIONS: Mapping[str, Run] = {
    "mutual-nearest": _mutual_nearest,
    "lightglue": _lightglue,
    "loftr": _loftr,
    "adalam": _of_affine_points(match_adalam),
    "fginn": _of_affine_points(match_fginn),
}
