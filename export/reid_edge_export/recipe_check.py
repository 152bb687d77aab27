"""Check a recipe against the catalogue without exporting anything; each error names its line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from reid_edge.errors import PackError, ReidEdgeError, UsageError, raise_together
from reid_edge.pack import Manifest, Network, parse_manifest, write_manifest
from reid_edge.pack.manifest import PackedFile
from reid_edge.recipe import Head, Recipe, parse_recipe, read_recipe
from reid_edge_export.catalogue import OPSET
from reid_edge_export.export import pack_entry
from reid_edge_export.precision import precision_named
from reid_edge_export.recipe_file import HeadToTrain, NamedNetwork, heads_of, networks_of, parse_recipe_text, read_recipe_text
from reid_edge_export.recipe_lines import locate
from reid_edge_export.untrained import without_heads


@dataclass(frozen=True)
class CheckedRecipe:
    """A recipe that can become a pack.

    Attributes:
        data: the file.
        networks: by their names in the recipe.
        heads: what has to be trained after the export.
        recipe: all stages, the heads' too.
        untrained: the stages that the pack has before its heads are trained.
    """

    data: Mapping[str, Any]
    networks: Mapping[str, NamedNetwork]
    heads: Mapping[str, HeadToTrain]
    recipe: Recipe
    untrained: Recipe


def check_recipe(name_or_path: str) -> CheckedRecipe:
    """Check a recipe as the runtime will, but before any weights are fetched.

    Args:
        name_or_path: a recipe's name or TOML file.

    Raises:
        UsageError: anything wrong with it; the message begins with the recipe and, where there is one, the line. What else was found is
            `further`; more may show when these are corrected.
    """
    text = read_recipe_text(name_or_path)
    data = parse_recipe_text(text, name_or_path)  # whose errors name the line where there is one
    try:
        return check_data(data)
    except ReidEdgeError as error:
        first, *further = _located([error, *error.further], text, data, name_or_path)
        first.further = tuple(further)
        raise first from error


def _located(errors: Iterable[ReidEdgeError], text: str, data: Mapping[str, Any], title: str) -> list[UsageError]:
    """The errors with their lines, each once: the first one that was found, then the others in the order of their lines."""
    found: dict[str, tuple[int, UsageError]] = {}
    for error in errors:
        message = error.message.removeprefix("pack.toml ")
        line = locate(text, data, message)
        where = f"{title} line {line}" if line else title
        found.setdefault(message, (line or 0, UsageError(f"{where}: {message}", _way_out(error))))
    first, *others = found.values()
    return [first[1], *(error for _, error in sorted(others, key=lambda each: each[0]))]


def check_data(data: Mapping[str, Any]) -> CheckedRecipe:
    """`check_recipe` for the data of a recipe file.

    Raises:
        UsageError, PackError: anything wrong with it; the first one, with others as `further`.
    """
    raise_together([partial(networks_of, data), partial(heads_of, data), partial(read_recipe, data["recipe"])])
    networks, heads = networks_of(data), heads_of(data)
    entries = {name: _entry(network) for name, network in networks.items()}
    heads_there = {name: _head_entry(head, data["recipe"], entries) for name, head in heads.items()}
    whole = _manifest(data, {**entries, **heads_there}, data["recipe"], heads)
    recipe = parse_recipe(whole.recipe, whole)
    raise_together(
        [
            *(partial(_check_kind, place, stage, heads) for place, stage in enumerate(recipe.head)),
            *(partial(_check_matcher, place, recipe, networks) for place in range(len(recipe.match))),
            *(partial(_check_used, "networks", name, recipe) for name in networks),
            *(partial(_check_used, "heads", name, recipe) for name in heads),
            partial(_check_licence, data["licence"], networks),
        ]
    )
    before = _manifest(data, entries, without_heads(data["recipe"], heads), {})
    return CheckedRecipe(data, networks, heads, recipe, parse_recipe(before.recipe, before))


def _entry(named: NamedNetwork) -> Network:
    precision = precision_named(named.precision)
    storage = named.storage if precision.computes == "fp32" else precision.computes
    return pack_entry(named.network, named.parameters, precision, storage, False, f"{named.name}.onnx")  # type: ignore[arg-type]


def _head_entry(head: HeadToTrain, recipe: Mapping[str, Any], entries: Mapping[str, Network]) -> Network:
    """What the pack will say about a head once it is trained."""
    if head.kind != "projection":
        facts: dict[str, Any] = {} if head.input_dimension is None else {"input_dimension": head.input_dimension}
        return Network(f"{head.name}.onnx", "head", OPSET, "fp32", "fp32", "trained", parameters=facts)
    takes = head.input_dimension or _width_before(head.name, recipe, entries)
    facts = {"dimension": head.dimension, **({"input_dimension": takes} if takes else {})}
    return Network(f"{head.name}.onnx", "projection", OPSET, "fp32", "fp32", "trained", parameters=facts)


def _width_before(projection: str, recipe: Mapping[str, Any], entries: Mapping[str, Network]) -> int | None:
    """The width of the vectors that go into a projection that is to be trained; None where the recipe gives it none."""
    widths: dict[str, int] = {}
    for embed in recipe.get("embed", []):
        if entry := entries.get(embed.get("network", "")):
            widths[embed.get("name", "")] = int(entry.parameters["dimension"])
            if embed.get("projection") == projection:
                return widths[embed["name"]]
    for each in recipe.get("concatenate", []):
        if each.get("projection") == projection and all(name in widths for name in each.get("of", [])):
            return sum(widths[name] for name in each["of"])
    return None


def _manifest(
    data: Mapping[str, Any], networks: Mapping[str, Network], recipe: Mapping[str, Any], heads: Mapping[str, HeadToTrain]
) -> Manifest:
    """The manifest that the pack will have, without hashes and sizes, checked in every key."""
    paths = [network.file for network in networks.values()]
    paths += [f"heads/{name}.json" for name, head in heads.items() if head.kind != "projection"]
    manifest = Manifest(
        name=data["name"],
        version=data["version"],
        description=data["description"],
        licence=data["licence"],
        networks=networks,
        files=tuple(PackedFile(path, "0" * 64, 0, "NOASSERTION", "to be made") for path in paths),
        recipe=recipe,
    )
    return replace(parse_manifest(write_manifest(manifest)), recipe=recipe)


def _check_kind(place: int, stage: Head, heads: Mapping[str, HeadToTrain]) -> None:
    trained = heads[stage.network].kind
    if stage.kind != trained:
        raise PackError(
            f"recipe.head[{place}].kind is {stage.kind!r}, but heads.{stage.network} is trained as a {trained}.",
            "Give both the same kind.",
        )


def _check_matcher(place: int, recipe: Recipe, networks: Mapping[str, NamedNetwork]) -> None:
    """A matching network gets the keypoints that it was trained on, where the catalogue says which."""
    match = recipe.match[place]
    if match.matcher != "lightglue":
        return
    matcher = networks[match.network].network
    extract = next(extract for extract in recipe.extract if extract.name == match.keypoints)
    if matcher.extractor == "sift" or extract.detector == "sift":
        fits = matcher.extractor == extract.detector
    else:
        trained_on, given = _family(matcher.extractor), networks[extract.network].network
        descriptor = given.outputs[-1].shape[-1]
        fits = trained_on == (given.module, given.layout.get("descriptor")) and matcher.layout["descriptor"] == descriptor
    if not fits:
        raise PackError(
            f"recipe.match[{place}].network is {match.network!r}, which was trained on keypoints of {matcher.extractor}, "
            f"but {match.keypoints} is of {extract.network or extract.detector}.",
            f"Give it keypoints of {matcher.extractor}, or take another matcher.",
        )


def _family(name: str) -> tuple[str, Any]:
    """What networks of one family share: the module that builds them, and for KeyNet the kind of its descriptor."""
    from reid_edge_export.catalogue import network_named

    network = network_named(name)
    return network.module, network.layout.get("descriptor")


def _check_used(table: str, name: str, recipe: Recipe) -> None:
    if name not in recipe.networks:
        raise PackError(f"{table}.{name} is used by no stage.", "Remove it, or name it in a stage.")


def _check_licence(licence: str, networks: Mapping[str, NamedNetwork]) -> None:
    """The pack's licence covers every file: it names each one's."""
    stated = re.split(r"[\s()]+", licence)
    for name, named in networks.items():
        if named.network.licence not in stated:
            raise PackError(
                f"licence is {licence!r}, but networks.{name} is under {named.network.licence}.",
                f"Name all of them: {' AND '.join(sorted({each.network.licence for each in networks.values()}))}.",
            )


def _way_out(error: ReidEdgeError) -> str:
    """Packs are exported again; a recipe is corrected."""
    return "Correct the line." if isinstance(error, PackError) and error.hint.startswith("Export the pack") else error.hint
