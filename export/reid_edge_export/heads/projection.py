"""The head of the dual backbone (AnimalCLEF 2025, second place, section 3.6 and section 4, step 5), on frozen backbones.

A batch norm behind each part of a concatenation, and the ArcFace loss (Deng et al., CVPR 2019, equation 3) on all of it. The class centres
serve the training alone: what is kept is the batch norm, in whose space the nearest photo answers with the confidence (cos + 1) / 2.
A batch norm acts on every value by itself, so one over the concatenation is one behind each part.

The backbones do not change, so the statistics of the batch norm are those of all photos from the start, and only its scale and shift are
learnt. Photos are drawn so that individuals count the same. SGD, cosine annealing, and s = 30, m = 0.35 unless asked otherwise are the
account's too (for salamanders; 64 and 0.5 for lynx and turtles).
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import NodeProto, helper
from torch import Tensor, nn

from reid_edge_export.heads.fitting import Curve, TrainedModel, score
from reid_edge_export.heads.photos import LabelledPhotos
from reid_edge_export.progress import Say

EPOCHS, PATIENCE = 60, 10
SCALE, MARGIN = 30.0, 0.35
BATCH = 64
RATE, MOMENTUM = 1e-2, 0.9
_SMALLEST_VARIANCE = 1e-5


class BatchNormProjection(nn.Module):
    """vector float32 [B, D] of length 1 -> embedding float32 [B, D], not normalised.

    Args:
        mean, variance: [D], of the photos. As in PyTorch, 1e-5 is added to the variance; here it is of the mean variance, since the
            values of a vector of length 1 are small.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Tensor, variance: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", (variance + _SMALLEST_VARIANCE * variance.mean()).sqrt())
        self.scale = nn.Parameter(torch.ones(len(mean)))
        self.shift = nn.Parameter(torch.zeros(len(mean)))

    def forward(self, vector: Tensor) -> Tensor:  # noqa: D102
        return (vector - self.mean) / self.deviation * self.scale + self.shift


def fit_projection(
    photos: LabelledPhotos,
    held: LabelledPhotos | None,
    epochs: int,
    seed: int,
    say: Say | None = None,
    most: int | None = None,
    scale: float = SCALE,
    margin: float = MARGIN,
) -> TrainedModel[BatchNormProjection]:
    """Train epoch by epoch, until the held-out photos gain nothing for 10 epochs.

    The held-out loss is the cross-entropy of s times the cosines to the class centres, without margin.

    Args:
        photos: to fit on.
        held: to validate on; None for all epochs.
        epochs: at most.
        seed: of the order of photos.
        say: gets a line every two seconds.
        most: the epochs that the learning rate is laid out for; None for `epochs`.
        scale: s of ArcFace.
        margin: m of ArcFace, radians.
    """
    random = torch.Generator().manual_seed(seed)
    vectors, individual = torch.from_numpy(photos.vectors), torch.from_numpy(photos.individual)
    wide = vectors.double()
    network = BatchNormProjection(wide.mean(dim=0).float(), wide.var(dim=0, unbiased=False).float())
    with torch.no_grad():
        centres = nn.Parameter(_centres(network(vectors), individual, len(photos.identities)))
    optimiser = torch.optim.SGD([*network.parameters(), centres], lr=RATE, momentum=MOMENTUM)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, most or epochs)
    weight = 1.0 / torch.bincount(individual)[individual].float()
    curve, best = Curve("projection", epochs, PATIENCE, say), copy.deepcopy(network.state_dict())
    for _ in range(epochs):
        losses = []
        drawn = torch.multinomial(weight, len(photos), replacement=True, generator=random)
        for rows in torch.split(drawn, BATCH):
            cosine = _cosines(network(vectors[rows]), centres)
            loss = nn.functional.cross_entropy(scale * _with_margin(cosine, individual[rows], margin), individual[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(loss.item())
        schedule.step()
        validation = _validate(network, centres, held, scale) if held else None
        if curve.add(float(np.mean(losses)), validation):
            best = copy.deepcopy(network.state_dict())
        if curve.over:
            break
    network.load_state_dict(best)
    return TrainedModel(network.eval(), curve.best, curve.steps)


def predict_projection(network: BatchNormProjection, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """PyTorch's own embeddings: vectors float32 [N, D] to float32 [N, D]."""
    with torch.inference_mode():
        return np.asarray(network(torch.from_numpy(vectors)).numpy())


def projection_graph(network: BatchNormProjection) -> tuple[list[NodeProto], dict[str, NDArray[Any]]]:
    """Nodes and constants: ``vector`` float32 [batch, D] -> ``embedding`` float32 [batch, D]."""
    weight = {name: value.double().numpy() for name, value in network.state_dict().items()}
    factor = weight["scale"] / weight["deviation"]
    constants = {"factor": factor, "offset": weight["shift"] - weight["mean"] * factor}
    nodes = [
        helper.make_node("Mul", ["vector", "factor"], ["scaled"], name="scaled"),
        helper.make_node("Add", ["scaled", "offset"], ["embedding"], name="embedding"),
    ]
    return nodes, {name: value.astype(np.float32) for name, value in constants.items()}


def _validate(network: BatchNormProjection, centres: Tensor, held: LabelledPhotos, scale: float) -> tuple[float, float]:
    with torch.inference_mode():
        cosine = _cosines(network(torch.from_numpy(held.vectors)), centres)
    return score((scale * cosine).softmax(dim=1).numpy(), held.individual)


def _centres(embedding: Tensor, individual: Tensor, count: int) -> Tensor:
    """float32 [C, D]: the mean direction of the photos of each individual; zero where there are none."""
    direction = nn.functional.normalize(embedding)
    total = torch.zeros(count, embedding.shape[1]).index_add_(0, individual, direction)
    return nn.functional.normalize(total)


def _cosines(embedding: Tensor, centres: Tensor) -> Tensor:
    return nn.functional.normalize(embedding) @ nn.functional.normalize(centres).T


def _with_margin(cosine: Tensor, individual: Tensor, margin: float) -> Tensor:
    """Cosines [B, C] with the angle to the own centre larger by the margin."""
    own = individual[:, None]
    angle = cosine.gather(1, own).clamp(-1 + 1e-6, 1 - 1e-6).acos()
    return cosine.scatter(1, own, (angle + margin).clamp(max=float(np.pi)).cos())
