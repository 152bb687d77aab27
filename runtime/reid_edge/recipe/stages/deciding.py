"""The stages from scores to an answer: fuse them, let sources agree or overrule, and decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from reid_edge.errors import PackError
from reid_edge.plain_data import Pattern, Range, Tagged
from reid_edge.recipe.stage import LATER, Stage
from reid_edge.recipe.stages.values import Boost, Candidates, Fit, Grid, Lowered, Name, Names, Share, Species, Weight


@dataclass(frozen=True, repr=False)
class Group(Stage):
    """Some scores of a fusion: their mean counts `weight`.

    Attributes:
        scores: names of scores: embedders, concatenations, matchers, re-rankings, heads.
        weight: what the mean of these scores is multiplied by; the fused score is the sum over all groups, divided by all weights.
        calibrated: by their calibrators; otherwise as they are, cut to 0..1.
        calibration: by calibrators that were fitted on other labels, `reid-edge calibrate --calibration NAME=METADATA`; empty for those
            that were fitted with all the rest.
    """

    scores: Names
    weight: Annotated[float, Range(0, 1_000_000)]
    calibrated: bool = True
    calibration: Annotated[str, Pattern(r"[a-z0-9-]{0,40}")] = field(default="", metadata=LATER)

    def __post_init__(self) -> None:
        if self.calibration and not self.calibrated:
            raise PackError("calibration names calibrators, which calibrated = false does not use.", "Leave one of the two out.")


@dataclass(frozen=True, repr=False)
class Fuse(Stage):
    """A fused score whose make-up is part of the system. Without any, `reid-edge calibrate` chooses one.

    Attributes:
        name: what steps call it.
        groups: what is summed.
        fit: ``none``: weights as written; or fitted by `reid-edge calibrate`: ``powell``: one weight per score, on GeoMean; ``network``: a
            small network on the calibrated scores in place of the mean; ``geomean``: of two groups, the weight of the first is one of
            `grid` and that of the second what is left to 1, whichever has the best GeoMean.
        candidates: how many of the shortlist it looks at; 0 for all.
        grid: the weights that are tried, 0..1.
    """

    name: Name
    groups: tuple[Group, ...]
    fit: Literal["none", "powell", "network", "geomean"] = "none"
    candidates: Candidates = 0
    grid: Grid = field(default=(), metadata=LATER)

    def __post_init__(self) -> None:
        _check_grid(self.fit, self.grid)
        if self.fit == "geomean" and len(self.groups) != 2:
            raise PackError(
                f'fit = "geomean" divides the weight between two groups, not {len(self.groups)}.', "Write two groups."
            )
        if not any(group.weight > 0 for group in self.groups):
            raise PackError("groups must have one group or more, one of a weight above 0.", "Say which scores are fused.")


@dataclass(frozen=True, repr=False)
class Agree(Stage):
    """Weigh the answer so far against another source's: together they are surer, apart one of them is taken.

    Attributes:
        source: a fusion or a score.
        weights: what the confidences of the answer so far and of the source are multiplied by first.
        boost: what the mean of both is multiplied by where they name the same individual.
        differ: which answer is taken where they do not: the ``source``'s, or the one of ``higher`` confidence.
        differ_boost: what the source's confidence is multiplied by where it is taken so.
        species: those that the step is for, in lower case; all where empty.
        fit: ``geomean``: `reid-edge calibrate` takes the weights (a, 1 - a) with the best GeoMean, a one of `grid`.
        grid: the weights that are tried, 0..1.
    """

    source: str
    weights: tuple[Weight, Weight]
    boost: Boost
    differ: Literal["source", "higher"]
    differ_boost: Boost
    species: Species = ()
    fit: Fit = field(default="none", metadata=LATER)
    grid: Grid = field(default=(), metadata=LATER)

    def __post_init__(self) -> None:
        _check_grid(self.fit, self.grid)


@dataclass(frozen=True, repr=False)
class Gate(Stage):
    """Let a source overrule the answer so far where it is sure enough, or call the animal new where it is too unsure.

    Attributes:
        source: a fusion or a score.
        then: ``take`` the source's answer where its confidence is `limit` or more; or ``new`` where it is less.
        limit: the confidence that decides, 0..1.
        cosine: the source is a cosine c, whose confidence is (c + 1) / 2.
        species: those that the step is for, in lower case; all where empty.
        calibrated: the source is a score, whose confidence is what its calibrator makes of it: a limit that means the same whatever network
            the score is from.
        fit: ``geomean``: `reid-edge calibrate` takes the limit with the best GeoMean, one of `grid`, for each species.
        grid: the limits that are tried, 0..1.
    """

    source: str
    then: Literal["take", "new"]
    limit: Share
    cosine: bool = False
    species: Species = ()
    calibrated: bool = False
    fit: Fit = field(default="none", metadata=LATER)
    grid: Grid = field(default=(), metadata=LATER)

    def __post_init__(self) -> None:
        _check_grid(self.fit, self.grid)


Step = Annotated[Agree | Gate, Tagged("do", {"gate": Gate, "agree": Agree})]


@dataclass(frozen=True, repr=False)
class Decide(Stage):
    """Known from which confidence on.

    Attributes:
        threshold: for any species not named below; left out, `reid-edge calibrate` fits it on GeoMean.
        species: by species, in lower case. `reid-edge calibrate` writes these thresholds into the pack for the species that are labelled;
            any other one gets `threshold`.
        pairs: the calibrators are fitted on so many pairs of photos of one individual and as many of two, drawn by the seed, from each
            species the same number; 0 for all pairs.
    """

    threshold: Share | None
    species: Mapping[Lowered, Share] = field(default_factory=dict)
    pairs: Annotated[int, Range(0, 1_000_000)] = field(default=0, metadata=LATER)


def _check_grid(fit: str, grid: tuple[float, ...]) -> None:
    if (fit == "geomean") != bool(grid):
        raise PackError('fit = "geomean" and grid, the values that are tried, go together.', "Give both, or neither.")
