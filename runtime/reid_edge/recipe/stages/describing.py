"""The stages from a photo to its features: find the animals, turn them, embed them, and find their keypoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from reid_edge.errors import PackError
from reid_edge.plain_data import Range
from reid_edge.recipe.stage import LATER, Stage
from reid_edge.recipe.stages.values import Lowered, Name, Names, Share, Species

Detector = Literal["network", "sift", "picture"]


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
        projection: a projection network of the pack, which the vector goes through once it has length 1 again; empty for none.
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
