"""The stages from features to the scores of pairs: shortlist, match, re-rank, and hear a trained second opinion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from reid_edge.errors import PackError
from reid_edge.plain_data import Range, Then, must_be
from reid_edge.recipe.matchers import MATCHERS, Count, MatcherRules
from reid_edge.recipe.stage import LATER, Stage
from reid_edge.recipe.stages.values import Candidates, Name, Share, Species

Unit = Literal["individuals", "photos"]
Geometry = Literal["homography", "similarity"]


def _registered(matcher: str) -> str:
    if matcher not in MATCHERS:
        raise must_be(f"one of {', '.join(map(repr, MATCHERS))}", matcher)
    return matcher


@dataclass(frozen=True, repr=False)
class Retrieve(Stage):
    """Shortlist the gallery animals that are nearest by the cosine of one embedding or concatenation.

    A recipe may have several, as [[recipe.retrieve]]: what any of them shortlists is compared. The first one is for all species.

    Attributes:
        embedding: by which vectors: the name of an embedder or of a concatenation.
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
        keypoints: the `name` of a ``[[recipe.extract]]``.
        matcher: a name of the table of matchers.
        network: a matching network of the pack; empty for the matchers that run on the host.
        min_score: matches with a cosine (mutual-nearest) or confidence above this are counted.
        best: how many candidates are matched, the best ones by `order`; 0 for all of the shortlist. Individuals or photos,
            as `unit` of the first ``[[recipe.retrieve]]`` says.
        order: the score that orders the candidates for `best`, or a fusion of earlier scores as they are (``calibrated = false``); empty
            where `best` is 0.
        photos: of each of the `best` individuals only so many photos are matched, the best ones by `order`; 0 for all.
        points: only the detector's best so many keypoints are matched, of the query and of each candidate; 0 for all.
        count: what the score counts: ``matches``; the ``sum`` of their scores; ``inliers`` of one geometry; the ``share`` of the query's
            keypoints that are matched; or how ``distinctive`` the matches are: by how much each keypoint of the query resembles this
            candidate more than any other individual, summed (local naive Bayes nearest neighbour): a score that depends on the others.
        geometry: what inliers agree on: a ``homography`` (MAGSAC++), or a ``similarity``: a turn, a scale and a shift (RANSAC).
        inlier_pixels: largest distance of an inlier, in pixels of a chip whose long side is 512; 0 where none is counted.
        in_doubt: run only where the answer by the other scores would be to ask a person. Of the last score.
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
    """Let the last matcher stop once the candidates that it has not seen cannot change the answer.

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
        embedding: by whose cosines neighbours are found; empty where a fusion finds them.
        k1: size of the reciprocal neighbourhood.
        k2: size of the local query expansion, at most k1.
        species: those that are re-ranked, in lower case; all where empty.
        fusion: by whose fused score neighbours are found, of scores of vectors and matchers alone. Pairs of gallery photos are scored
            beforehand, with `reid-edge gallery pairs`.
    """

    name: Name
    embedding: str = field(default="", kw_only=True)
    k1: Annotated[int, Range(1, 1000)]
    k2: Annotated[int, Range(1, 1000)]
    species: Species = field(default=(), metadata=LATER)
    fusion: str = field(default="", metadata=LATER)

    def __post_init__(self) -> None:
        if bool(self.embedding) == bool(self.fusion):
            raise PackError("neighbours are found by an embedding or by a fusion.", "Give one of the two.")
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
