"""A pack adapted to labelled photos: for each of its embeddings a projection, where cross-validation says that it helps."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reid_edge.describe.embedding import project
from reid_edge.describe.features import vector_array
from reid_edge.errors import UsageError
from reid_edge.gallery import Gallery
from reid_edge.identify.enrolment import enrol
from reid_edge.identify.identifier import CALIBRATION, Identifier
from reid_edge.pack import NewFile, Pack, write_pack
from reid_edge.recipe import parse_recipe
from reid_edge.storage.durable import move_into_place
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.projection.choice import Progress, ProjectionChoice, choose_projection
from reid_edge_calibration.projection.fit import Projection
from reid_edge_calibration.projection.network import network_name, projection_network, with_projections
from reid_edge_calibration.projection.vectors import LabelledVectors
from reid_edge_calibration.scoring import refuse_incomplete


@dataclass(frozen=True)
class Adaptation:
    """What became of a pack.

    Attributes:
        pack: with the projections that were kept and without a calibration, or as it was.
        kept: whether there is one.
        figures: by the recipe's embedding name, plain data: photos, individuals, kept, reason, decay, iterations and, where it could be
            measured, the fields of `choice.ProjectionGain`, once over all and in ``sets`` by the set's name.
        notes: what a person should know, a sentence each.
    """

    pack: Pack
    kept: bool
    figures: dict[str, Any]
    notes: tuple[str, ...]


def adapt_pack(
    identifier: Identifier, sets: Sequence[LabelledSet], folder: Path, out: Path, progress: Progress, seed: int = 0
) -> Adaptation:
    """Fit a projection of each embedding on the database photos of labelled sets, and write a pack with those that help.

    Args:
        identifier: the pack to adapt; its calibration is not used.
        sets: labelled photos; individuals of two sets are different ones.
        folder: where the database photos are enrolled, one gallery per set, named as for `scoring.score_labelled_set`.
        out: folder of the adapted pack, not that of the identifier's own; nothing is written there where no projection is kept.
        seed: of the parts of the cross-validation and of the bootstrap.

    Raises:
        UsageError: a photo cannot be read, a vector is broken, or the pack has a projection already.
        EngineError, GalleryError, StorageError, PackError: it cannot go on.
    """
    if identifier.recipe.concatenate or identifier.recipe.head:
        raise UsageError(
            f"The pack {identifier.pack.manifest.name} lays vectors together or has heads, which know the embedding as it is.",
            "Leave --fit-projection out; reid-edge train-head projection adapts a concatenation.",
        )
    for embed in identifier.recipe.embed:
        if embed.projection:
            raise UsageError(
                f"The pack {identifier.pack.manifest.name} has a projection of {embed.name} already.",
                "Fit on the pack that it was made from, or leave --fit-projection out.",
            )
    galleries = [_enrol(labelled, identifier, folder, progress) for labelled in sets]
    figures: dict[str, Any] = {}
    notes: list[str] = []
    kept: dict[str, Projection] = {}
    for embed in identifier.recipe.embed:
        photos = _labelled_vectors(galleries, identifier.feature_key, embed.name)
        choice = choose_projection(photos, progress, seed)
        figures[embed.name] = _figures(choice, photos, sets)
        done = "A projection is kept" if choice.projection else "No projection is kept"
        notes.append(f"{embed.name}: {done}. {choice.reason}")
        if photos.left_out:
            notes.append(f"{embed.name}: {photos.left_out} photos were left out, because their vector is zero.")
        if choice.projection:
            kept[embed.name] = choice.projection
    pack = _write(identifier.pack, kept, sets, out) if kept else identifier.pack
    return Adaptation(pack, bool(kept), figures, tuple(notes))


def carry_features_over(before: Identifier, after: Identifier, sets: Sequence[LabelledSet], folder: Path) -> None:
    """Describe the database photos for the adapted pack by projecting the vectors that are there, without looking at a photo again.

    Args:
        before: of the pack that was adapted, whose galleries lie in the folder.
        after: of the adapted pack, whose galleries are put beside them, named as for `scoring.score_labelled_set`.
        sets: the labelled sets.
        folder: of the galleries.

    Raises:
        EngineError, GalleryError, StorageError: it cannot go on.
    """
    projections = {embed.name: after.networks[embed.projection].engine for embed in after.recipe.embed if embed.projection}
    for labelled in sets:
        source, target = (_gallery_path(labelled, identifier, folder) for identifier in (before, after))
        if target.exists():
            continue
        unfinished = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            shutil.copyfile(source, unfinished)
            with Gallery.open(unfinished) as gallery:
                for sighting in gallery.sightings():
                    arrays = dict(gallery.features([sighting.id], before.feature_key).get(sighting.id, {}))
                    for name, engine in projections.items():
                        if vector_array(name) in arrays:
                            arrays[vector_array(name)] = project(arrays[vector_array(name)], engine)
                    if arrays:
                        gallery.put_features(sighting.id, after.feature_key, arrays)
            move_into_place(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)


def _gallery_path(labelled: LabelledSet, identifier: Identifier, folder: Path) -> Path:
    return folder / f"{labelled.stem(identifier)}.sqlite"


def _enrol(labelled: LabelledSet, identifier: Identifier, folder: Path, progress: Progress) -> Path:
    path = _gallery_path(labelled, identifier, folder)
    with Gallery.open_or_create(path) as gallery:
        refuse_incomplete(labelled, enrol(gallery, identifier, progress(labelled.database, f"Enrolling {labelled.name}")))
    return path


def _labelled_vectors(galleries: Sequence[Path], key: str, embedding: str) -> LabelledVectors:
    """The vectors of all galleries, each gallery a group of its own; the groups are numbered as the galleries."""
    name = vector_array(embedding)
    rows = []
    for number, path in enumerate(galleries):
        with Gallery.open(path, writable=False) as gallery:
            sightings = gallery.sightings()
            arrays = gallery.features([sighting.id for sighting in sightings], key, [name])
            rows += [(arrays[one.id][name], one.identity, one.encounter, one.viewpoint, f"{number:06}") for one in sightings]
    vectors, individuals, encounters, viewpoints, groups = zip(*rows, strict=True)
    return LabelledVectors.of(np.stack(vectors), individuals, encounters, viewpoints, groups)


def _figures(choice: ProjectionChoice, photos: LabelledVectors, sets: Sequence[LabelledSet]) -> dict[str, Any]:
    return {
        "photos": len(photos),
        "individuals": len(np.unique(photos.individual)),
        **choice.figures(),
        "sets": {sets[group].name: asdict(gain) for group, gain in choice.by_group.items()},
    }


def _write(pack: Pack, kept: dict[str, Projection], sets: Sequence[LabelledSet], out: Path) -> Pack:
    manifest = with_projections(pack.manifest, kept)
    parse_recipe(manifest.recipe, manifest)  # what the runtime would refuse is not written
    names = {embedding: network_name(manifest, embedding) for embedding in kept}
    # The old calibration was fitted on other scores.
    files = [
        NewFile(file.path, pack.read_bytes(file.path), file.licence, file.origin)
        for file in pack.manifest.files
        if file.path != CALIBRATION
    ]
    species = ", ".join(dict.fromkeys(labelled.species or labelled.name for labelled in sets))
    licence = pack.manifest.licence
    for embedding, projection in kept.items():
        content = projection_network(projection, names[embedding], licence)
        origin = f"projection of {embedding}, fitted by reid-edge calibrate --fit-projection on labelled photos of {species}"
        files.append(NewFile(f"{names[embedding]}.onnx", content, licence, origin))
    return write_pack(out, manifest, files, allow_random=bool(manifest.random_networks))
