"""The stages that a recipe may name, in the order in which they run: from a photo to features, scores and an answer.

The fields are the keys of the recipe, and their types and rules are what it is checked against. A key that is left out switches something
off; there are no other defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from reid_edge.errors import PackError
from reid_edge.plain_data import Pattern, Range, Tagged, Then, each_once, must_be
from reid_edge.recipe.matchers import MATCHERS, Count, MatcherRules
from reid_edge.recipe.stage import LATER, Stage

Detector = Literal["network", "sift", "picture"]
Unit = Literal["individuals", "photos"]
Geometry = Literal["homography", "similarity"]


def _registered(matcher: str) -> str:
    if matcher not in MATCHERS:
        raise must_be(f"one of {', '.join(map(repr, MATCHERS))}", matcher)
    return matcher


# Part of the names under which a gallery stores features.
Name = Annotated[str, Pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")]
Names = Annotated[tuple[str, ...], Then(each_once)]
Lowered = Annotated[str, Then(str.lower)]
Species = Annotated[tuple[Lowered, ...], Then(each_once)]
Share = Annotated[float, Range(0, 1)]
Weight = Annotated[float, Range(0)]
Boost = Annotated[float, Range(0, 100)]
Candidates = Annotated[int, Range(0, 100_000)]
Fit = Literal["none", "geomean"]
Grid = Annotated[tuple[Share, ...], Then(each_once)]


@dataclass(frozen=True, repr=False)
class Segment(Stage):
    """Find the animals.

    Attributes:
        network: a segmentation network of the pack.
        threshold: saliency, or likelihood of an instance's mask, at and above which a pixel is animal, 0..1.
        min_contrast: highest saliency below which a photo holds no animal, or the score below which an instance is none, 0..1.
        min_area: smallest share of the frame that counts as an animal, 0..1.
        min_relative_area: smallest area of a further animal beside the largest, 0..1.
        max_animals: answers per photo at most.
        margin: added around an animal's box on each side, as a share of the box.
        locator: a segmentation network of the pack that finds the boxes on the frame, such as a detector or one of few pixels; `network`
            then sees the photo inside each box alone. Empty: `network` sees the frame.
        locator_margin: a box of the locator, widened by this share of it on each side, is drawn anew around what `network` outlines in
            it; 0: it stays as the locator drew it.
        locator_score: highest saliency below which the locator's photo holds no animal, or the score below which its instance is none,
            0..1.
        outline_given: `network` also outlines animals in boxes that somebody gave; where not, the whole box is the animal, at no cost.
        banner: an upper or lower edge of one colour, no taller than this share of the frame, is the banner that a camera prints into its
            photos, and what lies in it is no animal; 0 where no photo has one.
        species: those whose animals are sought, in lower case; of others the whole frame is the animal. All where empty.
    """

    network: str
    threshold: Share
    min_contrast: Share
    min_area: Share
    min_relative_area: Share
    max_animals: Annotated[int, Range(1, 100)]
    margin: Share
    locator: str = ""
    locator_margin: Share = 0.0
    locator_score: Share = 0.0
    outline_given: bool = True
    banner: Annotated[float, Range(0, 0.25)] = 0.0
    species: Species = field(default=(), metadata=LATER)

    def __post_init__(self) -> None:
        if bool(self.locator) != bool(self.locator_score):
            raise PackError("locator and locator_score of the segment stage go together.", "Give both, or neither.")
        if self.locator_margin and not self.locator:
            raise PackError("locator_margin of the segment stage is about a locator.", "Name one, or leave it out.")


@dataclass(frozen=True)
class Orient:
    """Turn animals so that all lie the same way, by the viewpoint that people gave a photo.

    Attributes:
        turn: by viewpoint, in lower case, degrees that the crop is turned counter-clockwise: 90, 180 or -90.
        species: those that are turned, in lower case; all where empty.
    """

    turn: Mapping[Lowered, Literal[90, 180, -90]]
    species: Species = ()


@dataclass(frozen=True, repr=False)
class Embed(Stage):
    """Turn a chip into one vector.

    Attributes:
        name: what retrieval and fusion call it.
        network: an embedding network of the pack.
        projection: a projection network of the pack, which the vector of length 1 goes through; empty for none.
        crops: 1 for the chip as it is; 5 for the mean of its centre and its four corners.
        crop_share: side of each of five crops, as a share of the chip's; 0 where there is one.
        species: those that are embedded, in lower case; the network is not run for others. All where empty.
    """

    name: Name
    network: str
    projection: str = ""
    crops: Literal[1, 5] = 1
    crop_share: Annotated[float, Range(0.1, 1)] = 0.0
    species: Species = field(default=(), metadata=LATER)

    def __post_init__(self) -> None:
        if (self.crops == 5) != bool(self.crop_share):
            raise PackError("crops = 5 and crop_share go together.", "Give both, or neither.")


@dataclass(frozen=True)
class Concatenate:
    """Several vectors of an animal laid end to end: one more embedding.

    Attributes:
        name: what retrieval and fusion call it.
        of: names of embeddings, each of length 1.
        projection: as in `Embed`.
    """

    name: Name
    of: Names
    projection: str = ""


@dataclass(frozen=True, repr=False)
class Extract(Stage):
    """Find keypoints on a chip, or keep a small picture of it for matchers that look at pixels.

    Attributes:
        name: what matchers call them.
        network: a keypoint network of the pack; empty for another detector.
        mask: keep keypoints on the animal only; of a picture, blacken what is not the animal.
        mask_margin: the mask grows by this share of the chip's long side first, so that the outline stays in.
        detector: ``network``; ``sift`` on the host; or ``picture``: a grey picture of `size` x `size` pixels.
        keypoints: how many SIFT keypoints at most; 0 for other detectors, whose network knows.
        size: long side in pixels that the chip is brought to for SIFT, side of the picture; 0 for a network.
        species: those whose keypoints are sought, in lower case; all where empty.
    """

    name: Name
    mask: bool
    mask_margin: Share
    network: str = ""
    detector: Detector = "network"
    keypoints: Annotated[int, Range(1, 100_000)] = 0
    size: Annotated[int, Range(16, 4096)] = 0
    species: Species = field(default=(), metadata=LATER)

    def __post_init__(self) -> None:
        needed = {"network": ("network",), "sift": ("keypoints", "size"), "picture": ("size",)}[self.detector]
        for key in ("network", "keypoints", "size"):
            if bool(getattr(self, key)) != (key in needed):
                raise PackError(f"the detector {self.detector} {'needs' if key in needed else 'takes no'} {key}.", "Correct it.")


@dataclass(frozen=True)
class Viewpoint:
    """Predict which side of an animal is seen, where nobody stated it. It is not a score: it fills in the viewpoint, or leaves it unknown.

    Attributes:
        head: a head of the pack; its viewpoints stand in ``heads/HEAD.json``.
        embedding: the embedder whose vectors of the animal's left and right half the head takes, laid end to end.
        min_probability: from this probability on a predicted viewpoint is used as a stated one is; below it the viewpoint stays unknown.
    """

    head: str
    embedding: str
    min_probability: Share


@dataclass(frozen=True, repr=False)
class Retrieve(Stage):
    """Shortlist the gallery animals that are nearest by the cosine of one embedding or concatenation.

    A recipe may have several, as [[recipe.retrieve]]: what any of them shortlists is compared. The first one is for all species.

    Attributes:
        embedding: or concatenation.
        candidates: how many (B); a gallery of no more is compared whole.
        unit: what `candidates`, and `best` of every matcher, count: ``individuals``, each by its nearest photo, so that one with many
            photos takes one place; or ``photos``, as the published systems do.
        photos: of each individual at most so many are compared, chosen to differ; 0 for all. Only where individuals are counted.
        any_view: a query is compared with gallery photos of every side, whichever side it shows; otherwise with those of its own side and
            those that state none. Of the first one, for all.
    """

    embedding: str
    candidates: Annotated[int, Range(1, 100_000)]
    unit: Unit = "photos"
    photos: Annotated[int, Range(1, 1000)] = 0
    any_view: bool = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        if self.photos and self.unit == "photos":
            raise PackError('photos is a limit for each individual: it needs unit = "individuals".', "Give both, or no photos.")


@dataclass(frozen=True, repr=False)
class Match(Stage):
    """Match the query's keypoints with a candidate's; the pair score is a count of matches.

    Attributes:
        name: what fusion calls the score.
        keypoints: which `Extract`.
        matcher: one of `reid_edge.recipe.matchers.MATCHERS`.
        network: a matching network of the pack; empty for the matchers that run on the host.
        min_score: matches with a cosine (mutual-nearest) or confidence above this are counted.
        best: how many candidates are matched, the best ones by `order`; 0 for all of the shortlist. See `Retrieve.unit`.
        order: the score that orders the candidates for `best`; empty where `best` is 0.
        photos: of each of the `best` individuals only so many photos are matched, the best ones by `order`; 0 for all.
        points: only the detector's best so many keypoints are matched, of the query and of each candidate; 0 for all.
        count: what the score counts: ``matches``; the ``sum`` of their scores; ``inliers`` of one geometry; the ``share`` of the query's
            keypoints that are matched; or how ``distinctive`` the matches are, see `reid_edge.compare.matching.distinctive`: a score that
            depends on the other candidates.
        geometry: what inliers agree on: a ``homography`` (MAGSAC++), or a ``similarity``: a turn, a scale and a shift (RANSAC).
        inlier_pixels: largest distance of an inlier, in pixels of a chip whose long side is 512; 0 where none is counted.
        in_doubt: run only where the answer by the other scores would be to ask a person, see `reid_edge.decide.doubt`. Of the last score.
        species: those that are matched, in lower case; all where empty.
    """

    name: Name
    keypoints: str
    matcher: Annotated[str, Then(_registered)]
    min_score: Share
    network: str = ""
    best: Candidates = 0
    order: str = ""
    photos: Annotated[int, Range(1, 1000)] = 0
    points: Annotated[int, Range(1, 100_000)] = 0
    count: Count = "matches"
    geometry: Geometry = "homography"
    inlier_pixels: Annotated[float, Range(0.1, 1000)] = 0.0
    in_doubt: bool = False
    species: Species = field(default=(), metadata=LATER)

    def __post_init__(self) -> None:
        if self.rules.network != bool(self.network):
            raise PackError(
                f"the matcher {self.matcher} {'needs a' if self.rules.network else 'takes no'} network.", "Correct it."
            )
        if self.count not in self.rules.counts:
            counts = " or ".join(self.rules.counts)
            raise PackError(f"the matcher {self.matcher} counts {counts}, not {self.count}.", "Correct count, or leave it out.")
        if bool(self.best) != bool(self.order):
            raise PackError("best and order go together.", "Give both, or neither to match the whole shortlist.")
        if self.photos and not self.best:
            raise PackError(
                "photos is a limit for each of the best individuals: it needs best and order.", "Give all, or no photos."
            )
        if (self.count == "inliers") != bool(self.inlier_pixels):
            raise PackError('count = "inliers" and inlier_pixels go together.', "Give both, or neither.")
        if self.geometry != "homography" and self.count != "inliers":
            raise PackError('geometry is what inliers agree on: it needs count = "inliers".', "Give both, or leave geometry out.")

    @property
    def rules(self) -> MatcherRules:
        """What the registry says of the matcher."""
        return MATCHERS[self.matcher]

    @property
    def is_first_look(self) -> bool:
        """Whether it compares but the best points of descriptors, not their places: of hundreds of photos, mapped from a cache."""
        return self.matcher == "mutual-nearest" and self.points > 0 and self.count != "inliers" and self.min_score >= 0


@dataclass(frozen=True)
class EarlyExit:
    """Let the last matcher stop once the candidates that it has not seen cannot change the answer, see `reid_edge.decide.early_exit`.

    Attributes:
        tolerance: how far the probabilities of the answer may still move, 0..1.
        per_match, spare: the highest score that a candidate is taken to reach: `per_match` times the score that orders the candidates,
            and `spare` more. An estimate, to be measured on labelled photos. Both 0: no estimate, and nothing but the number of
            keypoints bounds the score, which proves the answer but seldom stops early.
    """

    tolerance: Share
    per_match: Annotated[float, Range(0.01, 100)] = 0.0
    spare: Annotated[float, Range(0, 1_000_000)] = 0.0


@dataclass(frozen=True, repr=False)
class Rerank(Stage):
    """k-reciprocal nearest neighbours (Zhong et al., CVPR 2017): one more pair score, 1 - Jaccard distance.

    Attributes:
        name: what fusion calls the score.
        embedding: by whose cosines neighbours are found.
        k1, k2: sizes of the reciprocal neighbourhood and of the local query expansion.
        species: those that are re-ranked, in lower case; all where empty.
    """

    name: Name
    embedding: str
    k1: Annotated[int, Range(1, 1000)]
    k2: Annotated[int, Range(1, 1000)]
    species: Species = field(default=(), metadata=LATER)

    def __post_init__(self) -> None:
        if self.k2 > self.k1:
            raise PackError(f"k2 must be an integer from 1 to k1, {self.k1}, not {self.k2}.", "Correct it.")


@dataclass(frozen=True)
class Head:
    """A trained second opinion on who the animal is: one more pair score, the probability of the candidate's individual.

    Attributes:
        name: what fusion and steps call the score.
        kind: ``classifier`` (of a vector) or ``boosting`` (of a vector, its nearest gallery photos, viewpoint and species).
        network: a head of the pack; its individuals and categories stand in ``heads/NETWORK.json``.
        embedding: which vector it takes.
        species: those that it was trained on, in lower case; of others it has no opinion. All where empty.
    """

    name: Name
    kind: Literal["classifier", "boosting"]
    network: str
    embedding: str
    species: Species = ()


@dataclass(frozen=True, repr=False)
class Group(Stage):
    """Some scores of a fusion: their mean counts `weight`.

    Attributes:
        scores: names.
        weight: 0 or more.
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
        limit: 0..1.
        cosine: the source is a cosine c, whose confidence is (c + 1) / 2.
        species: as in `Agree`.
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


@dataclass(frozen=True)
class Decide:
    """Known from which confidence on.

    Attributes:
        threshold: for any species not named below; None: fitted on GeoMean by `reid-edge calibrate`.
        species: by species, in lower case. `reid-edge calibrate` writes these thresholds into the pack for the species that are labelled;
            any other one gets `threshold`.
    """

    threshold: Share | None
    species: Mapping[Lowered, Share] = field(default_factory=dict)


def _check_grid(fit: str, grid: tuple[float, ...]) -> None:
    if (fit == "geomean") != bool(grid):
        raise PackError('fit = "geomean" and grid, the values that are tried, go together.', "Give both, or neither.")
