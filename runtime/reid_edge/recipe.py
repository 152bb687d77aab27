"""A recipe says which stages run with which networks and parameters: TOML in, frozen dataclasses out.

Every key is written in the recipe and none has a hidden default, so a recipe reads as the whole truth about a system.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reid_edge.errors import PackError
from reid_edge.pack.manifest import Manifest
from reid_edge.pack.tables import Table

# Part of the names under which a gallery stores features.
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}"

# Raise it when the code changes what is computed of a photo, so that galleries are described anew and never mixed.
FEATURES_VERSION = 1


@dataclass(frozen=True)
class Segment:
    """Find the animals.

    Attributes:
        network: a segmentation network of the pack.
        threshold: saliency, or likelihood of an instance's mask, at and above which a pixel is animal, 0..1.
        min_contrast: highest saliency below which a photo holds no animal, or the score below which an instance is none, 0..1.
        min_area: smallest share of the frame that counts as an animal, 0..1.
        min_relative_area: smallest area of a further animal beside the largest, 0..1.
        max_animals: answers per photo at most.
        margin: added around an animal's box on each side, as a share of the box.
    """

    network: str
    threshold: float
    min_contrast: float
    min_area: float
    min_relative_area: float
    max_animals: int
    margin: float


@dataclass(frozen=True)
class Embed:
    """Turn a chip into one vector.

    Attributes:
        name: what retrieval and fusion call it.
        network: an embedding network of the pack.
        projection: a projection network of the pack, which the vector of length 1 goes through; empty for none.
    """

    name: str
    network: str
    projection: str = ""


@dataclass(frozen=True)
class Retrieve:
    """Shortlist the nearest `candidates` gallery animals (B) by the cosine of one embedding."""

    embedding: str
    candidates: int


@dataclass(frozen=True)
class Extract:
    """Find keypoints on a chip.

    Attributes:
        name: what matchers call them.
        network: a keypoint network of the pack.
        mask: keep keypoints on the animal only.
        mask_margin: the mask grows by this share of the chip's long side first, so that the outline stays in.
    """

    name: str
    network: str
    mask: bool
    mask_margin: float


@dataclass(frozen=True)
class Match:
    """Match the query's keypoints with a candidate's; the pair score is a count of matches.

    Attributes:
        name: what fusion calls the score.
        keypoints: which `Extract`.
        matcher: ``mutual-nearest`` (cosine) or ``lightglue``.
        network: a matching network of the pack; empty for ``mutual-nearest``.
        min_score: matches with a cosine (mutual-nearest) or confidence (lightglue) above this are counted.
        best: how many candidates are matched, the best ones by `order`; 0 for all of the shortlist.
        order: the score that orders the candidates for `best`; empty where `best` is 0.
    """

    name: str
    keypoints: str
    matcher: str
    network: str
    min_score: float
    best: int
    order: str


@dataclass(frozen=True)
class Recipe:
    """The stages of one system, in the order in which they run."""

    segment: Segment
    embed: tuple[Embed, ...]
    retrieve: Retrieve
    extract: tuple[Extract, ...]
    match: tuple[Match, ...]

    @property
    def score_names(self) -> tuple[str, ...]:
        """The pair scores in the order in which they are computed: the embeddings' cosines, then the matchers' counts."""
        return tuple(embed.name for embed in self.embed) + tuple(match.name for match in self.match)

    @property
    def feature_networks(self) -> tuple[str, ...]:
        """The networks whose output is stored in a gallery."""
        embedders = (network for embed in self.embed for network in (embed.network, embed.projection) if network)
        return (self.segment.network, *embedders, *(e.network for e in self.extract))

    def feature_settings(self) -> dict[str, Any]:
        """The parameters that change stored features; a gallery's features are tied to these and to `feature_networks`."""
        several = ("max_animals", "min_relative_area")  # how many animals are answered; of an enrolled photo it is the largest
        return {
            "version": FEATURES_VERSION,
            "segment": {name: value for name, value in vars(self.segment).items() if name not in several},
            # What is not there is not told, so that it does not change the key of packs that never had it.
            "embed": [{name: value for name, value in vars(embed).items() if value} for embed in self.embed],
            "extract": [vars(extract) for extract in self.extract],
        }


def parse_recipe(data: Mapping[str, Any], manifest: Manifest) -> Recipe:
    """Read the recipe of a pack and check it against the pack's networks.

    Args:
        data: the table ``recipe`` of pack.toml.
        manifest: the rest of pack.toml.

    Raises:
        PackError: an unknown or missing key, a value out of range, or a stage that asks for something the pack does not hold.
    """
    top = Table(data, "recipe", required=("segment", "embed", "retrieve", "extract", "match"))
    recipe = Recipe(
        segment=_segment(top.table("segment")),
        embed=tuple(_embed(item, f"recipe.embed[{i}]") for i, item in enumerate(top.table_list("embed"))),
        retrieve=_retrieve(top.table("retrieve")),
        extract=tuple(_extract(item, f"recipe.extract[{i}]") for i, item in enumerate(top.table_list("extract"))),
        match=tuple(_match(item, f"recipe.match[{i}]") for i, item in enumerate(top.table_list("match"))),
    )
    _check_references(recipe, manifest)
    return recipe


def _segment(data: Mapping[str, Any]) -> Segment:
    fields = ("network", "threshold", "min_contrast", "min_area", "min_relative_area", "max_animals", "margin")
    table = Table(data, "recipe.segment", required=fields)
    return Segment(
        network=table.text("network"),
        threshold=_share(table, "threshold"),
        min_contrast=_share(table, "min_contrast"),
        min_area=_share(table, "min_area"),
        min_relative_area=_share(table, "min_relative_area"),
        max_animals=table.integer("max_animals", 1, 100),
        margin=_share(table, "margin"),
    )


def _embed(data: Mapping[str, Any], where: str) -> Embed:
    table = Table(data, where, required=("name", "network"), optional=("projection",))
    projection = table.text("projection") if "projection" in data else ""
    return Embed(table.text("name", _NAME), table.text("network"), projection)


def _retrieve(data: Mapping[str, Any]) -> Retrieve:
    table = Table(data, "recipe.retrieve", required=("embedding", "candidates"))
    return Retrieve(table.text("embedding"), table.integer("candidates", 1, 100_000))


def _extract(data: Mapping[str, Any], where: str) -> Extract:
    table = Table(data, where, required=("name", "network", "mask", "mask_margin"))
    return Extract(table.text("name", _NAME), table.text("network"), table.truth("mask"), _share(table, "mask_margin"))


def _match(data: Mapping[str, Any], where: str) -> Match:
    table = Table(data, where, required=("name", "keypoints", "matcher", "min_score"), optional=("network", "best", "order"))
    matcher = table.choice("matcher", "mutual-nearest", "lightglue")
    best = table.integer("best", 0, 100_000, default=0)
    network, order = (table.text(key) if key in data else "" for key in ("network", "order"))
    if (matcher == "lightglue") != bool(network):
        raise PackError(
            f"{where}: the matcher {matcher} {'needs' if matcher == 'lightglue' else 'takes no'} network.", "Correct it."
        )
    if bool(best) != bool(order):
        raise PackError(f"{where}: best and order go together.", "Give both, or neither to match the whole shortlist.")
    return Match(table.text("name", _NAME), table.text("keypoints"), matcher, network, _share(table, "min_score"), best, order)


def _share(table: Table, key: str) -> float:
    return table.number(key, 0.0, 1.0)


def _check_references(recipe: Recipe, manifest: Manifest) -> None:
    _one_of("recipe.retrieve.embedding", recipe.retrieve.embedding, [embed.name for embed in recipe.embed])
    names = list(recipe.score_names)
    if len(set(names)) != len(names):
        raise PackError(f"The recipe gives two scores the same name: {names}.", "Name every embedding and matcher differently.")
    extracts = [extract.name for extract in recipe.extract]
    if len(set(extracts)) != len(extracts):
        raise PackError(f"The recipe gives two sets of keypoints the same name: {extracts}.", "Name every one differently.")
    for position, match in enumerate(recipe.match):
        _one_of(f"The matcher {match.name}'s keypoints", match.keypoints, extracts)
        if match.order:
            _one_of(f"The matcher {match.name}'s order", match.order, names[: len(recipe.embed) + position])
    wanted = [(recipe.segment.network, "segmentation")]
    wanted += [(embed.network, "embedding") for embed in recipe.embed]
    wanted += [(embed.projection, "projection") for embed in recipe.embed if embed.projection]
    wanted += [(extract.network, "keypoints") for extract in recipe.extract]
    wanted += [(match.network, "matching") for match in recipe.match if match.network]
    for network, task in wanted:
        _one_of(f"The recipe's {task} network", network, [n for n, info in manifest.networks.items() if info.task == task])
        if task not in ("matching", "projection") and manifest.networks[network].preprocessing is None:
            raise PackError(f"The {task} network {network} states no preprocessing.", "Export the pack again.")
    for embed in recipe.embed:
        if embed.projection:
            _check_projection(embed, manifest)
    for extract in recipe.extract:
        preprocessing = manifest.networks[extract.network].preprocessing
        if preprocessing is not None and preprocessing.resize == "letterbox":
            raise PackError(
                f"The keypoint network {extract.network} states a letterbox, on whose bars it would find keypoints.",
                "Give it long-side.",
            )


def _check_projection(embed: Embed, manifest: Manifest) -> None:
    """Refuse a projection that says it takes vectors of another width than the embedder says it gives."""
    takes = manifest.networks[embed.projection].parameters.get("input_dimension")
    gives = manifest.networks[embed.network].parameters.get("dimension")
    if takes is None:
        raise PackError(
            f"The projection {embed.projection} does not say how wide the vectors are that it takes.",
            f"Give networks.{embed.projection}.parameters the input_dimension.",
        )
    if gives is not None and takes != gives:
        raise PackError(
            f"The projection {embed.projection} takes vectors of {takes} values, but {embed.network} gives {gives}.",
            "Fit the projection on the vectors of this pack: reid-edge calibrate --fit-projection.",
        )


def _one_of(what: str, value: str, choices: list[str]) -> None:
    if value not in choices:
        raise PackError(f"{what} is {value!r}, which the pack does not have.", f"It has: {', '.join(choices) or 'none'}.")
