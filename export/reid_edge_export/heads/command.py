"""``reid-edge train-head`` without its options: from a gallery and a pack to a pack with one more head."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reid_edge.errors import UsageError
from reid_edge.pack import Pack, find_pack, open_pack
from reid_edge.pack.members import MANIFEST
from reid_edge.recipe import Recipe, parse_recipe
from reid_edge_export.export import write_whole
from reid_edge_export.heads.packing import check_place, had_calibration, write_with_head
from reid_edge_export.heads.photos import read_photos
from reid_edge_export.heads.training import Kind, TrainingOptions, train_head
from reid_edge_export.progress import Say
from reid_edge_export.recipe_file import heads_of, read_recipe_file
from reid_edge_export.untrained import without_heads

_TRAINING = {"epochs": int, "scale": (int, float), "margin": (int, float)}
"""What a recipe file may say under heads.NAME.training, and of which type."""


@dataclass(frozen=True)
class HeadRequest:
    """What the user asked for; empty or None where the recipe or the kind says it.

    Attributes:
        kind: of the head.
        species: to train on, as the user wrote them.
        embedding: whose vectors.
        name: of the network.
        recipe: a recipe's name or file.
        epochs, scale, margin, seed: see `training.Order`.
    """

    kind: Kind
    species: tuple[str, ...] = ()
    embedding: str = ""
    name: str = ""
    recipe: str = ""
    epochs: int | None = None
    scale: float | None = None
    margin: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class _Place:
    """Where a head belongs: name, embedding, species in lower case, concatenations, and the stages of the pack that then has it."""

    name: str
    embedding: str
    species: tuple[str, ...]
    parts: Mapping[str, Sequence[str]]
    stages: Mapping[str, Any] | None
    training: Mapping[str, Any]


def train_into_pack(
    gallery: Path, pack_name: str, out: Path, request: HeadRequest, report: Path | None, keep: Path | None, say: Say
) -> Pack:
    """Train a head and write the pack with it.

    Args:
        gallery: described with the pack.
        pack_name: name, folder or zip.
        out: folder of the new pack.
        request: what is trained, and how.
        report: JSON file for curves and figures; None for none.
        keep: folder for the trainer's own files; None for none.
        say: gets what happens, line by line.

    Raises:
        UsageError: something is asked for that the gallery, the pack or the recipe does not hold, or there are too few photos.
        GalleryError, PackError, EngineError, StorageError: it cannot go on.
    """
    if out.exists() and not (out / MANIFEST).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} already exists and is not a pack.", "Choose a new or empty folder.")
    # A head on top of random weights measures speed as these do, and the pack stays refused where they are.
    pack = open_pack(find_pack(pack_name), allow_random=True)
    recipe = parse_recipe(pack.recipe, pack.manifest)
    place = _from_file(pack, request) if request.recipe else _from_pack(recipe, request)
    check_place(pack, recipe, request.kind, place.name, place.embedding)
    photos = read_photos(gallery, pack, recipe, place.embedding, place.parts, place.species)
    say(
        f"{place.name}: a {request.kind} of {place.embedding}, {photos.vectors.shape[1]} values, on {len(photos)} photos of "
        f"{len(photos.identities)} individuals"
    )
    if photos.left_out:
        say(f"note: {photos.left_out} photos of the gallery have no vector of this pack and are left out.")
    order = TrainingOptions(
        request.kind,
        place.name,
        pack.manifest.licence,
        request.epochs or place.training.get("epochs"),
        request.seed,
        request.scale or place.training.get("scale"),
        place.training.get("margin") if request.margin is None else request.margin,
    )
    head = train_head(photos, order, say)
    trained = write_with_head(pack, head, place.embedding, place.species, out, place.stages)
    figures = {**head.report, "embedding": place.embedding, "species": list(place.species), "sha256": trained.sha256}
    if report:
        write_whole({report: (json.dumps(figures, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()})
    if keep:
        write_whole({keep / file: content for file, content in head.trained.items()})
    _conclude(pack, head.report, request.kind, out, say)
    return trained


def _conclude(pack: Pack, report: Mapping[str, Any], kind: Kind, out: Path, say: Say) -> None:
    held = report["held_out"]
    say(
        f"{report['steps']} steps, {report['seconds']} s; on {held['photos']} held-out photos the head is right for "
        f"{held['accuracy']:.1%}, the nearest photo without it for {held['nearest_photo_accuracy']:.1%}"
    )
    if held["accuracy"] < held["nearest_photo_accuracy"]:
        say("note: The head alone is worse than the nearest photo. It may still help in a fusion, which calibration measures.")
    if had_calibration(pack):
        say("note: The pack's calibration was fitted without the head and was removed. Calibrate again: reid-edge calibrate.")
    if kind == "projection":
        say("note: The vectors change, so galleries must be described again with this pack.")
    say(f"The pack {pack.manifest.name} with the head is in {out}.")


def _from_pack(recipe: Recipe, request: HeadRequest) -> _Place:
    """A head that the pack's recipe gets a stage for."""
    parts = {each.name: each.of for each in recipe.concatenate}
    embedding = request.embedding or (recipe.concatenate[-1].name if recipe.concatenate else recipe.retrieve.embedding)
    _one_of("The embedding", embedding, recipe.embedding_names)
    species = tuple(word.strip().casefold() for word in request.species)
    name = request.name or _network_name("-".join((request.kind, *species)))
    return _Place(_checked(name), embedding, species, parts, None, {})


def _from_file(pack: Pack, request: HeadRequest) -> _Place:
    """A head that a recipe file names; the pack gets the stages of the file that need no head which is still missing."""
    data = read_recipe_file(request.recipe)
    heads = heads_of(data)
    candidates = [name for name, head in heads.items() if head.kind == request.kind]
    name = request.name or (candidates[0] if len(candidates) == 1 else "")
    if not name:
        raise UsageError(
            f"The recipe {request.recipe} has {len(candidates)} heads of the kind {request.kind}.", _names(candidates)
        )
    if name not in candidates:
        raise UsageError(f"The recipe {request.recipe} has no {request.kind} {name!r}.", _names(candidates))
    for option, value in (("--embedding", request.embedding), ("--species", request.species)):
        if value:
            raise UsageError(f"{option} is set by the recipe {request.recipe}.", "Leave one of the two out.")
    training = heads[name].training
    for key, value in training.items():
        if key not in _TRAINING or isinstance(value, bool) or not isinstance(value, _TRAINING[key]):  # type: ignore[arg-type]
            raise UsageError(
                f"heads.{name}.training.{key} of the recipe {request.recipe} is {value!r}.",
                f"The table may have these numbers: {', '.join(_TRAINING)}.",
            )
    stages = data["recipe"]
    parts = {each["name"]: tuple(each["of"]) for each in stages.get("concatenate", [])}
    embedding, species = _use(stages, name, request)
    _one_of("The embedding", embedding, [each["name"] for key in ("embed", "concatenate") for each in stages.get(key, [])])
    missing = {each for each in heads if each not in pack.manifest.networks} - {name}
    return _Place(name, embedding, species, parts, without_heads(stages, missing), training)


def _use(stages: Mapping[str, Any], name: str, request: HeadRequest) -> tuple[str, tuple[str, ...]]:
    """The embedding and the species of the stage that uses a head."""
    for stage in stages.get("head", []):
        if stage.get("network") == name:
            return str(stage["embedding"]), tuple(word.casefold() for word in stage.get("species", []))
    for key in ("embed", "concatenate"):
        for stage in stages.get(key, []):
            if stage.get("projection") == name:
                species = {
                    tuple(word.casefold() for word in step.get("species", []))
                    for step in stages.get("step", [])
                    if step.get("source") == stage["name"]
                }
                return str(stage["name"]), species.pop() if len(species) == 1 else ()
    raise UsageError(f"No stage of the recipe {request.recipe} uses the head {name}.", "Correct the recipe.")


def _network_name(text: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "-", text).strip("-")[:64]


def _checked(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
        raise UsageError(f"A network cannot be called {name!r}.", "Use lower-case letters, digits, - and _ in --name.")
    return name


def _one_of(what: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UsageError(f"{what} is {value!r}, which the recipe does not have.", f"It has: {', '.join(choices)}.")


def _names(names: Sequence[str]) -> str:
    return f"Choose one with --name: {', '.join(names)}." if names else "See the heads of the recipe file."
