"""A recipe says which stages run with which networks and parameters: the whole truth about a system."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from reid_edge.recipe.stage import LATER, Stage
from reid_edge.recipe.stages import (
    Concatenate,
    Decide,
    EarlyExit,
    Embed,
    Extract,
    Fuse,
    Head,
    Match,
    Orient,
    Rerank,
    Retrieve,
    Segment,
    Step,
    Viewpoint,
)

# Raise it when the code changes what is computed of a photo, so that galleries are described anew and never mixed.
FEATURES_VERSION = 1


@dataclass(frozen=True, repr=False)
class Recipe(Stage):
    """The stages of one system, in the order in which they run.

    Attributes:
        retrieve: the first, which is for all species.
        retrieve_also: further ones, whose shortlists are added; in a file all of them are ``[[recipe.retrieve]]``.
        segment: None where the whole frame is the animal, as of photos that were cut out already.
        viewpoint: None where the pack predicts no viewpoints.
        early_exit: None where the last matcher sees all candidates that it is given.
        decide: None where `reid-edge calibrate` models the evidence.
    """

    segment: Segment | None
    embed: tuple[Embed, ...]
    retrieve: Retrieve
    extract: tuple[Extract, ...]
    match: tuple[Match, ...]
    orient: Orient | None = None
    concatenate: tuple[Concatenate, ...] = ()
    viewpoint: Viewpoint | None = None
    rerank: tuple[Rerank, ...] = ()
    head: tuple[Head, ...] = ()
    fuse: tuple[Fuse, ...] = ()
    step: tuple[Step, ...] = ()
    decide: Decide | None = None
    early_exit: EarlyExit | None = None
    retrieve_also: tuple[Retrieve, ...] = field(default=(), metadata=LATER)

    @property
    def embedding_names(self) -> tuple[str, ...]:
        """The vectors of an animal: those of the embedders, then the concatenations."""
        return (*(embed.name for embed in self.embed), *(each.name for each in self.concatenate))

    @property
    def score_names(self) -> tuple[str, ...]:
        """The pair scores in the order in which they are computed: cosines, match counts, re-ranked neighbours, heads' probabilities."""
        counts = [match.name for match in self.match]
        return (*self.embedding_names, *counts, *(each.name for each in self.rerank), *(head.name for head in self.head))

    @property
    def calibrations(self) -> tuple[str, ...]:
        """The names of the further calibrations that fusions ask for, see `Group.calibration`."""
        return tuple(dict.fromkeys(group.calibration for fuse in self.fuse for group in fuse.groups if group.calibration))

    @property
    def ordering_fusions(self) -> tuple[Fuse, ...]:
        """The fusions that order a matcher's candidates: which pairs are scored depends on them."""
        orders = {match.order for match in self.match}
        return tuple(fuse for fuse in self.fuse if fuse.name in orders)

    def species_of(self, name: str) -> tuple[str, ...]:
        """Those that a score, a vector or a set of keypoints is computed of, in lower case; all where empty, none where ``("",)``.

        A vector that is laid together of several is there where all its parts are.
        """
        joined = next((each for each in self.concatenate if each.name == name), None)
        if joined is None:
            stages: tuple[Embed | Match | Rerank | Head, ...] = (*self.embed, *self.match, *self.rerank, *self.head)
            return next((stage.species for stage in stages if stage.name == name), ())
        common: tuple[str, ...] = ()
        for part in filter(None, map(self.species_of, joined.of)):
            common = tuple(each for each in part if not common or each in common) or ("",)
        return common

    @property
    def costly_score(self) -> str:
        """The score that is computed only where the others leave a doubt, see `Match.in_doubt`; '' where there is none."""
        return next((match.name for match in self.match if match.in_doubt), "")

    @property
    def absolute_scores(self) -> tuple[str, ...]:
        """Scores of a pair of photos that mean the same whoever else is in the gallery: counts of matches and of inliers, sums of
        their scores.
        """
        return tuple(match.name for match in self.match if match.count in ("matches", "sum", "inliers"))

    @property
    def feature_networks(self) -> tuple[str, ...]:
        """The networks whose output is stored in a gallery."""
        embedders = [network for embed in self.embed for network in (embed.network, embed.projection)]
        names = list(dict.fromkeys((self.segment.locator, self.segment.network))) if self.segment else []
        names += embedders
        names += [each.projection for each in self.concatenate]
        names += [extract.network for extract in self.extract]
        names += [self.viewpoint.head] if self.viewpoint and self.orient else []
        return tuple(filter(None, names))

    @property
    def networks(self) -> tuple[str, ...]:
        """All networks that the recipe opens, once each."""
        matchers = [match.network for match in self.match if match.network]
        heads = [head.network for head in self.head] + ([self.viewpoint.head] if self.viewpoint else [])
        return tuple(dict.fromkeys((*self.feature_networks, *matchers, *heads)))

    def feature_settings(self) -> dict[str, Any]:
        """The parameters that change stored features; a gallery's features are tied to these and to `feature_networks`.

        Predicting viewpoints changes none, unless animals are turned by them: a gallery needs no new features when its pack gets a
        viewpoint head.

        Fields at their default are left out, so that a key that a later version adds does not change the features of packs without it.
        """
        several = ("max_animals", "min_relative_area")  # how many animals are answered; of an enrolled photo it is the largest
        segment = _non_default_fields(self.segment) if self.segment else {}
        settings: dict[str, Any] = {
            "version": FEATURES_VERSION,
            "segment": {name: value for name, value in segment.items() if name not in several},
            "embed": [_non_default_fields(embed) for embed in self.embed],
            "extract": [{"network": extract.network, **_non_default_fields(extract)} for extract in self.extract],
        }
        if self.orient:
            settings["orient"] = _non_default_fields(self.orient)
        if self.orient and self.viewpoint:
            settings["viewpoint"] = _non_default_fields(self.viewpoint)
        if self.concatenate:
            settings["concatenate"] = [_non_default_fields(each) for each in self.concatenate]
        return settings


def _non_default_fields(stage: Any) -> dict[str, Any]:
    return {each.name: value for each in fields(stage) if (value := getattr(stage, each.name)) != each.default}
