"""Write a trained head into a copy of its pack: the network, its labels, and the stage of the recipe that uses it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reid_edge.compare.heads import Labels, labels_file, parse_labels
from reid_edge.errors import UsageError
from reid_edge.pack import Manifest, Network, NewFile, Pack, write_pack
from reid_edge.plain_data import Scalar
from reid_edge.recipe import Recipe, parse_recipe
from reid_edge_export.catalogue import OPSET
from reid_edge_export.heads.training import Kind, TrainedHead

# TrainedModel on the scores that there were without the head.
_CALIBRATION = "calibration/"


def check_place(pack: Pack, recipe: Recipe, kind: Kind, name: str, embedding: str) -> None:
    """Refuse, before the training, a head that the pack has no place for.

    Raises:
        UsageError: another network has the name, or the embedding has a projection or a head already that this one would spoil.
    """
    task = "projection" if kind == "projection" else "head"
    if name in pack.manifest.networks and pack.manifest.networks[name].task != task:
        raise UsageError(f"The pack already has a network {name!r}, which is not a {task}.", "Choose another name with --name.")
    for stage in recipe.head:
        if stage.network == name and (stage.kind, stage.embedding) != (kind, embedding):
            raise UsageError(
                f"The recipe's {stage.name} is a {stage.kind} of {stage.embedding} with the network {name}.",
                "Choose another name with --name.",
            )
    if kind != "projection":
        return
    projections = {stage.name: stage.projection for stage in recipe.embed} | {
        stage.name: stage.projection for stage in recipe.concatenate
    }
    if projections.get(embedding):
        raise UsageError(
            f"{embedding} already has a projection, and the gallery holds projected vectors.",
            "Train on the pack without the projection, or on another concatenation.",
        )
    users = [stage.name for stage in recipe.head if stage.embedding == embedding]
    users += [stage.name for stage in recipe.concatenate if embedding in stage.of and stage.projection]
    if users:
        raise UsageError(
            f"{', '.join(users)} was trained on {embedding} without a projection, and a projection would change its input.",
            "Give the recipe another concatenation for the projection.",
        )


def write_with_head(
    pack: Pack, head: TrainedHead, embedding: str, species: Sequence[str], out: Path, stages: Mapping[str, Any] | None
) -> Pack:
    """Write the pack with the head in place of one of its name, and without its calibration, whose scores are others now.

    Args:
        pack: stays as it is.
        head: trained on its vectors.
        embedding: of these vectors.
        species: whom they show, in lower case; empty for all.
        out: folder of the new pack; may be the pack's own folder.
        stages: the recipe's stages that the new pack has; None for those of the pack with one for this head.

    Raises:
        PackError, StorageError: see `reid_edge.pack.write_pack`.
    """
    manifest = _with_network(pack.manifest, head)
    recipe = dict(stages) if stages is not None else _with_stage(manifest.recipe, head, embedding, species)
    manifest = replace(manifest, recipe=recipe)
    names = {f"{head.name}.onnx", labels_file(head.name)}
    files = [
        NewFile(file.path, pack.read_bytes(file.path), file.licence, file.origin)
        for file in pack.manifest.files
        if file.path not in names and not file.path.startswith(_CALIBRATION)
    ]
    whom = ", ".join(species) or "any species"
    origin = (
        f"{head.kind} trained by reid-edge train-head on {head.report['photos']} photos of {head.report['individuals']} individuals "
        f"({whom})"
    )
    licence = pack.manifest.licence
    files.append(NewFile(f"{head.name}.onnx", head.content, licence, origin))
    if head.labels is not None:
        files.append(NewFile(labels_file(head.name), _labels_json(head.labels, head.kind).encode(), licence, origin))
    listed = replace(manifest, files=())
    parse_recipe(listed.recipe, listed)  # what the runtime would refuse is not written
    return write_pack(out, manifest, files, allow_random=True)


def had_calibration(pack: Pack) -> bool:
    """Whether the pack loses a calibration when a head is added."""
    return any(file.path.startswith(_CALIBRATION) for file in pack.manifest.files)


def _with_network(manifest: Manifest, head: TrainedHead) -> Manifest:
    parameters: dict[str, Scalar] = dict(head.parameters)
    task = "projection" if head.kind == "projection" else "head"
    network = Network(f"{head.name}.onnx", task, OPSET, "fp32", "fp32", "trained", parameters=parameters)  # type: ignore[arg-type]
    networks = {**manifest.networks, head.name: network}
    return replace(manifest, networks=networks, parity={**manifest.parity, head.name: dict(head.parity)})


def _with_stage(recipe: Mapping[str, Any], head: TrainedHead, embedding: str, species: Sequence[str]) -> dict[str, Any]:
    """The recipe with a stage for the head, unless it has one.

    A matcher that ran in doubt only always runs beside the score of a head.
    """
    if head.kind == "projection":
        changed = {
            table: [{**stage, "projection": head.name} if stage["name"] == embedding else stage for stage in recipe[table]]
            for table in ("embed", "concatenate")
            if table in recipe
        }
        return {**recipe, **changed}
    stages = list(recipe.get("head", []))
    if any(stage["network"] == head.name for stage in stages):
        return dict(recipe)
    stage = {"name": head.name, "kind": head.kind, "network": head.name, "embedding": embedding}
    changed = {"match": [{key: match[key] for key in match if key != "in_doubt"} for match in recipe.get("match", [])]}
    return {
        **recipe,
        **(changed if "match" in recipe else {}),
        "head": [*stages, {**stage, "species": list(species)} if species else stage],
    }


def _labels_json(labels: Labels, kind: Kind) -> str:
    """The labels as the runtime reads them, read back once."""
    data: dict[str, Any] = {"format_version": 1, "identities": list(labels.identities), "embedding_dimension": labels.dimension}
    if kind == "boosting":
        data |= {"neighbours": labels.neighbours, "viewpoints": list(labels.viewpoints), "species": list(labels.species)}
    assert kind != "projection"
    parse_labels(data, kind, "labels")
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"
