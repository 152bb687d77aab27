"""``reid-edge train-head viewpoint`` without its options: from labelled photos and a pack to a pack that predicts viewpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reid_edge.cli.progress import progress
from reid_edge.describe.description import Describer
from reid_edge.engines.networks import Networks
from reid_edge.errors import UsageError
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.pack import Manifest, Network, NewFile, Pack, find_pack, open_pack, write_pack
from reid_edge.pack.head_labels import labels_file, parse_viewpoint_labels
from reid_edge.pack.members import MANIFEST
from reid_edge.recipe import Recipe, parse_recipe
from reid_edge_export.catalogue import OPSET
from reid_edge_export.export import write_whole
from reid_edge_export.heads.network_file import network_file, run_network
from reid_edge_export.heads.training import compare_outputs
from reid_edge_export.heads.viewpoint import Figures, FittedViewpoint, fit_viewpoint, viewpoint_graph
from reid_edge_export.heads.viewpoint_photos import Progress, ViewpointPhotos, describe_photos, halves_of_photo, read_labels
from reid_edge_export.progress import Say


@dataclass(frozen=True)
class ViewpointRequest:
    """What the user asked for.

    Attributes:
        sources: of labels, see `reid_edge_export.heads.viewpoint_photos.read_labels`.
        fold: rows to train on; None for all.
        test_fold: rows to report on, of individuals that are not trained on; None for cross-validation only.
        species: to train on, as the user wrote them; empty for all.
        per_viewpoint: at most so many photos of each viewpoint, of each of the two folds; None for all.
        embedding: the embedder whose vectors of an animal's two halves are used; empty for the shortlist's.
        name: of the head in the pack.
        min_probability: from which on a predicted viewpoint is used, 0..1.
        seed: of the cross-validation.
    """

    sources: tuple[Path, ...]
    fold: str | None = None
    test_fold: str | None = None
    species: tuple[str, ...] = ()
    per_viewpoint: int | None = None
    embedding: str = ""
    name: str = "viewpoint"
    min_probability: float = 0.8
    seed: int = 0


def train_viewpoint_into_pack(pack_name: str, out: Path, request: ViewpointRequest, report: Path | None, say: Say) -> Pack:
    """Train a viewpoint head and write the pack with it.

    Args:
        pack_name: name, folder or zip.
        out: folder of the new pack; may be the pack's own folder.
        request: what is trained, and on what.
        report: JSON file for the figures; None for none.
        say: gets what happens, line by line.

    Raises:
        UsageError: the labels or the pack do not hold what is asked for.
        PackError, EngineError, StorageError: it cannot go on.
    """
    if out.exists() and not (out / MANIFEST).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} already exists and is not a pack.", "Choose a new or empty folder.")
    pack = open_pack(find_pack(pack_name), allow_random=True)
    recipe = parse_recipe(pack.recipe, pack.manifest)
    embedders = [each.name for each in recipe.embed]
    embedding = request.embedding or (recipe.retrieve.embedding if recipe.retrieve.embedding in embedders else embedders[0])
    _check_place(pack, recipe, request.name, embedding)
    rows, tests = _labels(request)
    describe = halves_of_photo(Describer(recipe, Networks(pack, recipe, "auto")), embedding)
    photos = describe_photos(rows, sorted({row.viewpoint for row in rows}), describe, _progress("Describing photos"))
    fitted = fit_viewpoint(photos, request.seed)
    figures = {"cross_validated": Figures.of(photos, fitted.held_out, request.min_probability)}
    say(f"{' and '.join(photos.viewpoints)} from {embedding}; cross-validated by individual: {figures['cross_validated']}.")
    if tests:
        test = describe_photos(tests, photos.viewpoints, describe, _progress("Describing the test fold"), mirror=False)
        figures["test"] = Figures.of(test, fitted.model.probabilities(test.vectors), request.min_probability)
        say(f"Fold {request.test_fold}, not trained on: {figures['test']}.")
    if photos.unreadable:
        say(f"note: {len(photos.unreadable)} photos could not be read and were left out, such as {photos.unreadable[0]}.")
    worst = min(figures.values(), key=lambda each: each.accuracy - each.most_common)
    if worst.accuracy <= worst.most_common:
        say(
            "note: The head is no better than always naming the most common viewpoint. These vectors do not tell viewpoints apart."
        )
    content, parity = _file(photos, fitted, request.name, pack.manifest.licence)
    written = _write(pack, content, _Place(request, embedding, photos, parity), out)
    if report:
        plain = {
            "kind": "viewpoint",
            "viewpoints": list(photos.viewpoints),
            "embedding": embedding,
            "min_probability": request.min_probability,
            "penalty": fitted.penalty,
            "temperature": fitted.temperature,
            **{name: asdict(each) for name, each in figures.items()},
        }
        write_whole({report: (json.dumps(plain, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()})
    if recipe.orient:
        say("note: The pack turns animals by their viewpoint, so galleries must be described again with this pack.")
    say(f"The pack {pack.manifest.name} with the head is in {out}. Its calibration stays valid.")
    return written


@dataclass(frozen=True)
class _Place:
    """What the pack is told of a head besides its file."""

    request: ViewpointRequest
    embedding: str
    photos: ViewpointPhotos
    parity: Mapping[str, float]


def _check_place(pack: Pack, recipe: Recipe, name: str, embedding: str) -> None:
    embedders = [each.name for each in recipe.embed]
    if embedding not in embedders:
        raise UsageError(f"The embedder is {embedding!r}, which the recipe does not have.", f"It has: {', '.join(embedders)}.")
    others = set(pack.manifest.networks) - ({recipe.viewpoint.head} if recipe.viewpoint else set())
    if name in others:
        raise UsageError(f"The pack already has a network {name!r}.", "Choose another name with --name.")


def _labels(request: ViewpointRequest) -> tuple[list[Enrolment], list[Enrolment]]:
    """The rows to train on, and those to test on.

    Raises:
        UsageError: there are too few, or an individual is in both.
    """
    species = tuple(word.strip().casefold() for word in request.species)
    rows = read_labels(request.sources, request.fold, species, request.per_viewpoint)
    if request.test_fold is None:
        return rows, []
    tests = read_labels(request.sources, request.test_fold, species, request.per_viewpoint)
    both = sorted({row.identity for row in rows} & {row.identity for row in tests})
    if both:
        raise UsageError(
            f"{len(both)} individuals are trained on and in the fold {request.test_fold}, such as {both[0]}.",
            "Give --fold, and folds that share no individual.",
        )
    return rows, tests


def _progress(what: str) -> Progress:
    return lambda rows: progress(rows, what, len(rows))


def _file(photos: ViewpointPhotos, fitted: FittedViewpoint, name: str, licence: str) -> tuple[bytes, dict[str, float]]:
    """The ONNX file, held against the fitted model on all photos."""
    dimension = photos.vectors.shape[1]
    widths = (dimension, len(photos.viewpoints))
    parameters = {"input_dimension": dimension, "viewpoints": len(photos.viewpoints)}
    content = network_file(name, "head", *viewpoint_graph(fitted.model), widths, parameters, licence)
    expected = fitted.model.probabilities(photos.vectors).astype(np.float32)
    return content, compare_outputs(name, expected, run_network(content, "head", photos.vectors))


def _write(pack: Pack, content: bytes, place: _Place, out: Path) -> Pack:
    """The pack with the head in place of the one that it had; its calibration stays, because the head is no score."""
    request, photos = place.request, place.photos
    labels: dict[str, Any] = {
        "format_version": 1,
        "viewpoints": list(photos.viewpoints),
        "input_dimension": photos.vectors.shape[1],
    }
    parse_viewpoint_labels(labels, "labels")
    former = pack.recipe.get("viewpoint", {}).get("head", request.name)
    replaced = {f"{former}.onnx", labels_file(former)}
    files = [
        NewFile(file.path, pack.read_bytes(file.path), file.licence, file.origin)
        for file in pack.manifest.files
        if file.path not in replaced
    ]
    origin = (
        f"viewpoint head trained by reid-edge train-head on {int((~photos.mirrored).sum())} photos of "
        f"{len(np.unique(photos.individual))} individuals and their mirror images"
    )
    licence = pack.manifest.licence
    files.append(NewFile(f"{request.name}.onnx", content, licence, origin))
    text = json.dumps(labels, indent=1, ensure_ascii=False) + "\n"
    files.append(NewFile(labels_file(request.name), text.encode(), licence, origin))
    manifest = _manifest(pack.manifest, former, place)
    parse_recipe(manifest.recipe, replace(manifest, files=()))  # what the runtime would refuse is not written
    return write_pack(out, manifest, files, allow_random=True)


def _manifest(manifest: Manifest, former: str, place: _Place) -> Manifest:
    request, photos = place.request, place.photos
    parameters = {"input_dimension": photos.vectors.shape[1], "viewpoints": len(photos.viewpoints)}
    network = Network(f"{request.name}.onnx", "head", OPSET, "fp32", "fp32", "trained", parameters=parameters)
    stage = {"head": request.name, "embedding": place.embedding, "min_probability": request.min_probability}
    return replace(
        manifest,
        networks={**{name: each for name, each in manifest.networks.items() if name != former}, request.name: network},
        parity={**{name: each for name, each in manifest.parity.items() if name != former}, request.name: dict(place.parity)},
        recipe={**manifest.recipe, "viewpoint": stage},
    )
