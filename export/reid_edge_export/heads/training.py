"""Train a head twice: without the held-out photos, to know when to stop and how good it is; then on all photos, for as many steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from reid_edge.compare.heads import Labels
from reid_edge.errors import EngineError
from reid_edge_export.heads.network_file import network_file, run_network
from reid_edge_export.heads.photos import LabelledPhotos
from reid_edge_export.progress import Say

if TYPE_CHECKING:
    from torch import nn

Kind = Literal["boosting", "classifier", "projection"]
KINDS: tuple[Kind, ...] = ("boosting", "classifier", "projection")
_LARGEST_DIFFERENCE = 1e-4
"""Of probabilities, or of embeddings relative to their largest value: float32 sums in another order differ by about 1e-6."""


@dataclass(frozen=True)
class TrainingOptions:
    """What is asked for.

    Attributes:
        kind: of the head.
        name: of its network.
        licence: of its file, SPDX.
        epochs: steps at most (rounds of boosting); None for the kind's own.
        seed: of the held-out photos and of the training.
        scale, margin: s and m of ArcFace, of a projection; None for its own.
    """

    kind: Kind
    name: str
    licence: str
    epochs: int | None = None
    seed: int = 0
    scale: float | None = None
    margin: float | None = None


@dataclass(frozen=True)
class TrainedHead:
    """A head that is ready for a pack.

    Attributes:
        kind: of the head.
        name: of its network.
        content: the bytes of its ONNX file.
        parameters: of the network in the manifest.
        labels: whom it names; None of a projection.
        parity: the file against the trainer's own answers, for the manifest.
        report: plain data: photos, individuals, settings, curves, figures on held-out photos, seconds.
        trained: the trainer's own file, by its name: XGBoost's JSON or PyTorch's weights as safetensors.
    """

    kind: Kind
    name: str
    content: bytes
    parameters: Mapping[str, int]
    labels: Labels | None
    parity: Mapping[str, float]
    report: Mapping[str, Any]
    trained: Mapping[str, bytes]


@dataclass(frozen=True)
class _Outcome:
    """What a kind's own training yields."""

    content: bytes
    parameters: Mapping[str, int]
    labels: Labels | None
    expected: NDArray[np.float32]
    rows: NDArray[np.float32]
    trained: Mapping[str, bytes]
    held_out: Mapping[str, float]
    settings: Mapping[str, Any]
    steps: int
    curves: Mapping[str, Any]


def train_head(photos: LabelledPhotos, order: TrainingOptions, say: Say | None = None) -> TrainedHead:
    """Train, write the network, and hold it against the trainer's own answers on all photos.

    Args:
        photos: labelled vectors.
        order: what is asked for.
        say: gets a line every two seconds.

    Raises:
        UsageError: too few photos to hold some out.
        EngineError: the network does not answer as the trainer does.
        ModuleNotFoundError: XGBoost is not installed.
    """
    start = time.monotonic()
    train, held = photos.hold_out(order.seed)
    with one_thread():
        outcome = _KINDS[order.kind](photos, train, held, order, say)
    task: Literal["head", "projection"] = "projection" if order.kind == "projection" else "head"
    parity = compare_outputs(order.name, outcome.expected, run_network(outcome.content, task, outcome.rows))
    report = {
        "kind": order.kind,
        "network": order.name,
        "seed": order.seed,
        "photos": len(photos),
        "photos_left_out": photos.left_out,
        "individuals": len(photos.identities),
        "dimension": photos.vectors.shape[1],
        "held_out": {
            "photos": len(held),
            "individuals": len(np.unique(held.individual)),
            "nearest_photo_accuracy": round(nearest_photo(train.vectors, held.vectors, train, held), 6),
            **{name: round(value, 6) for name, value in outcome.held_out.items()},
        },
        "settings": dict(outcome.settings),
        "steps": outcome.steps,
        "curves": dict(outcome.curves),
        "parity": parity,
        "bytes": len(outcome.content),
        "seconds": round(time.monotonic() - start, 1),
    }
    return TrainedHead(
        order.kind, order.name, outcome.content, outcome.parameters, outcome.labels, parity, report, outcome.trained
    )


def nearest_photo(
    gallery: NDArray[np.float32], queries: NDArray[np.float32], photos: LabelledPhotos, held: LabelledPhotos
) -> float:
    """How often the nearest of the photos that may be compared shows the right individual, 0..1.

    Args:
        gallery: [N, D], vectors of `photos`, of any length but 0.
        queries: [M, D], vectors of `held`.
        photos, held: whom they show.
    """
    units = [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (queries, gallery)]
    cosine = np.where(held.comparable(photos), units[0] @ units[1].T, -np.inf)
    right = photos.individual[cosine.argmax(axis=1)] == held.individual
    return float((right & np.isfinite(cosine.max(axis=1))).mean())


def _boosting(
    photos: LabelledPhotos, train: LabelledPhotos, held: LabelledPhotos, order: TrainingOptions, say: Say | None
) -> _Outcome:
    from xgboost import __version__ as xgboost_version

    from reid_edge_export.heads.boosting import PARAMETERS, ROUNDS, features_of, fit_boosting, labels_of, predict_boosting
    from reid_edge_export.heads.fitting import score
    from reid_edge_export.heads.tree_network import tree_graph, tree_table

    labels = labels_of(photos)
    first = fit_boosting(train, held, labels, order.epochs or ROUNDS, order.seed, say)
    held_out = score(predict_boosting(first.model, features_of(held, train, labels), labels), held.individual)
    final = fit_boosting(photos, None, labels, first.best, order.seed, say)
    rows = features_of(photos, photos, labels)
    table = tree_table(final.model, len(labels.identities))
    parameters = {
        "input_dimension": labels.dimension,
        "features": rows.shape[1],
        "individuals": len(labels.identities),
        "rounds": first.best,
        "nodes": len(table.left),
    }
    content = network_file(
        order.name, "head", *tree_graph(table, labels), (rows.shape[1], len(labels.identities)), parameters, order.licence
    )
    return _Outcome(
        content,
        parameters,
        labels,
        predict_boosting(final.model, rows, labels),
        rows,
        {f"{order.name}.xgboost.json": bytes(final.model.save_raw("json"))},
        {"loss": held_out[0], "accuracy": held_out[1]},
        {**PARAMETERS, "xgboost": xgboost_version},
        first.best,
        {"held_out": first.curve, "final": final.curve},
    )


def _classifier(
    photos: LabelledPhotos, train: LabelledPhotos, held: LabelledPhotos, order: TrainingOptions, say: Say | None
) -> _Outcome:
    from reid_edge_export.heads import classifier as kind
    from reid_edge_export.heads.fitting import score

    epochs = order.epochs or kind.EPOCHS
    first = kind.fit_classifier(train, held, epochs, order.seed, say)
    held_out = score(kind.predict_classifier(first.model, held.vectors), held.individual)
    final = kind.fit_classifier(photos, None, first.best, order.seed, say, most=epochs)
    dimension, components = tuple(final.model.components.shape)
    parameters = {"input_dimension": dimension, "individuals": len(photos.identities), "components": components}
    widths = (dimension, len(photos.identities))
    content = network_file(order.name, "head", *kind.classifier_graph(final.model), widths, parameters, order.licence)
    settings = {"epochs": epochs, "widths": list(kind.WIDTHS), "dropout": kind.DROPOUT, "batch": kind.BATCH, "rate": kind.RATE}
    settings |= {"decay": kind.DECAY, "warm_up": kind.WARM_UP, "variance": kind.VARIANCE, "components": components}
    return _Outcome(
        content,
        parameters,
        Labels(photos.identities, dimension),
        kind.predict_classifier(final.model, photos.vectors),
        photos.vectors,
        _safetensors(order.name, final.model),
        {"loss": held_out[0], "accuracy": held_out[1]},
        settings,
        first.best,
        {"held_out": first.curve, "final": final.curve},
    )


def _projection(
    photos: LabelledPhotos, train: LabelledPhotos, held: LabelledPhotos, order: TrainingOptions, say: Say | None
) -> _Outcome:
    from reid_edge_export.heads import projection as kind

    epochs, scale = order.epochs or kind.EPOCHS, order.scale or kind.SCALE
    margin = kind.MARGIN if order.margin is None else order.margin
    first = kind.fit_projection(train, held, epochs, order.seed, say, scale=scale, margin=margin)
    projected = [kind.predict_projection(first.model, each.vectors) for each in (train, held)]
    accuracy = nearest_photo(projected[0], projected[1], train, held)
    final = kind.fit_projection(photos, None, first.best, order.seed, say, most=epochs, scale=scale, margin=margin)
    dimension = photos.vectors.shape[1]
    parameters = {"dimension": dimension, "input_dimension": dimension}
    graph = kind.projection_graph(final.model)
    content = network_file(order.name, "projection", *graph, (dimension, dimension), parameters, order.licence)
    settings = {"epochs": epochs, "scale": scale, "margin": margin, "batch": kind.BATCH, "rate": kind.RATE}
    return _Outcome(
        content,
        parameters,
        None,
        kind.predict_projection(final.model, photos.vectors),
        photos.vectors,
        _safetensors(order.name, final.model),
        {"accuracy": accuracy},
        settings,
        first.best,
        {"held_out": first.curve, "final": final.curve},
    )


_KINDS: Mapping[Kind, Callable[[LabelledPhotos, LabelledPhotos, LabelledPhotos, TrainingOptions, Say | None], _Outcome]] = {
    "boosting": _boosting,
    "classifier": _classifier,
    "projection": _projection,
}


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread: sums of several threads differ in the last digit between machines, and gain nothing at these sizes."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _safetensors(name: str, network: nn.Module) -> dict[str, bytes]:
    from safetensors.torch import save

    return {f"{name}.safetensors": save({key: value.contiguous() for key, value in network.state_dict().items()})}


def compare_outputs(name: str, expected: NDArray[np.float32], found: NDArray[np.float32]) -> dict[str, float]:
    """The file's answers against the trainer's, float32 [N, C] each, on all photos.

    Raises:
        EngineError: they differ by more than rounding does.
    """
    difference = np.abs(found - expected) / max(1.0, float(np.abs(expected).max()))
    same = float((found.argmax(axis=1) == expected.argmax(axis=1)).mean())
    if not difference.max() <= _LARGEST_DIFFERENCE:
        raise EngineError(
            f"{name}: the ONNX file answers otherwise than the trainer, by {difference.max():.2g} where {_LARGEST_DIFFERENCE:g} is "
            "allowed.",
            "Check the versions of xgboost, torch and onnxruntime.",
        )
    return {
        "samples": float(len(expected)),
        "difference_max": float(f"{difference.max():.3g}"),
        "difference_p99": float(f"{np.percentile(difference, 99):.3g}"),
        "top1_agreement": same,
    }
