"""A classifier of vectors (AnimalCLEF 2025, sixth place, section 4.5): standardise, keep 99 % of the variance, five SiLU layers.

AdamW at 5e-4 with weight decay 1e-2, warmed up over a tenth of the steps and then linearly down; 100 epochs at most, ending after 10
without gain. The account names neither widths nor dropout nor batch; these are chosen here.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import NodeProto, helper
from torch import Tensor, nn

from reid_edge_export.heads.fitting import Curve, TrainedModel, score
from reid_edge_export.heads.photos import LabelledPhotos
from reid_edge_export.progress import Say

EPOCHS, PATIENCE = 100, 10
WIDTHS = (1024, 768, 512, 384, 256)
DROPOUT = 0.3
BATCH = 32
RATE, DECAY, WARM_UP = 5e-4, 1e-2, 0.1
VARIANCE = 0.99


class StandardisedMlp(nn.Module):
    """vector float32 [B, D] -> logits float32 [B, C].

    Attributes:
        mean, deviation: [D], of the photos that it was fitted on; a value that is the same on all has the deviation 1.
        components: [D, K], the main directions of the standardised vectors.
    """

    mean: Tensor
    deviation: Tensor
    components: Tensor

    def __init__(self, dimension: int, components: int, individuals: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dimension))
        self.register_buffer("deviation", torch.ones(dimension))
        self.register_buffer("components", torch.zeros(dimension, components))
        sizes = (components, *WIDTHS)
        self.hidden = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sizes))
        self.norm = nn.ModuleList(nn.BatchNorm1d(width) for width in WIDTHS)
        self.answer = nn.Linear(WIDTHS[-1], individuals)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, vector: Tensor) -> Tensor:  # noqa: D102
        x = (vector - self.mean) / self.deviation @ self.components
        for linear, norm in zip(self.hidden, self.norm, strict=True):
            x = self.dropout(nn.functional.silu(norm(linear(x))))
        answer: Tensor = self.answer(x)
        return answer


def fit_classifier(
    photos: LabelledPhotos, held: LabelledPhotos | None, epochs: int, seed: int, say: Say | None = None, most: int | None = None
) -> TrainedModel[StandardisedMlp]:
    """Train epoch by epoch, until the held-out photos gain nothing for 10 epochs.

    Args:
        photos: to fit on.
        held: to validate on; None for all epochs.
        epochs: at most.
        seed: of the weights, the order of photos and the dropout.
        say: gets a line every two seconds.
        most: the epochs that the learning rate is laid out for; None for `epochs`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _fit(photos, held, epochs, most or epochs, say)


def predict_classifier(network: StandardisedMlp, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """PyTorch's own probabilities: vectors float32 [N, D] to float32 [N, C]."""
    network.eval()
    with torch.inference_mode():
        return np.asarray(network(torch.from_numpy(vectors)).softmax(dim=1).numpy())


def classifier_graph(network: StandardisedMlp) -> tuple[list[NodeProto], dict[str, NDArray[Any]]]:
    """Nodes and constants: ``features`` float32 [batch, D] -> ``probabilities`` float32 [batch, C].

    What is linear is folded, in double precision: standardisation, components, first layer and its batch norm are one product.
    """
    weight = {name: value.double().numpy() for name, value in network.state_dict().items()}
    before = weight["components"] / weight["deviation"][:, None], -(weight["mean"] / weight["deviation"]) @ weight["components"]
    constants: dict[str, NDArray[Any]] = {}
    nodes, given = [], "features"
    for layer in range(len(WIDTHS)):
        scale = weight[f"norm.{layer}.weight"] / np.sqrt(weight[f"norm.{layer}.running_var"] + network.norm[layer].eps)
        matrix, bias = (
            weight[f"hidden.{layer}.weight"].T * scale,
            weight[f"hidden.{layer}.bias"] - weight[f"norm.{layer}.running_mean"],
        )
        bias = bias * scale + weight[f"norm.{layer}.bias"]
        if layer == 0:
            matrix, bias = before[0] @ matrix, before[1] @ matrix + bias
        constants |= {f"weight_{layer}": matrix, f"bias_{layer}": bias}
        nodes += [
            helper.make_node("Gemm", [given, f"weight_{layer}", f"bias_{layer}"], [f"linear_{layer}"], name=f"linear_{layer}"),
            helper.make_node("Sigmoid", [f"linear_{layer}"], [f"gate_{layer}"], name=f"gate_{layer}"),
            helper.make_node("Mul", [f"linear_{layer}", f"gate_{layer}"], [f"hidden_{layer}"], name=f"hidden_{layer}"),
        ]
        given = f"hidden_{layer}"
    constants |= {"weight": weight["answer.weight"].T, "bias": weight["answer.bias"]}
    nodes += [
        helper.make_node("Gemm", [given, "weight", "bias"], ["logits"], name="logits"),
        helper.make_node("Softmax", ["logits"], ["probabilities"], name="probabilities", axis=1),
    ]
    return nodes, {name: value.astype(np.float32) for name, value in constants.items()}


def _fit(
    photos: LabelledPhotos, held: LabelledPhotos | None, epochs: int, planned: int, say: Say | None
) -> TrainedModel[StandardisedMlp]:
    network = _standardised(photos)
    vectors, individual = torch.from_numpy(photos.vectors), torch.from_numpy(photos.individual)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    batches = -(-len(photos) // BATCH)
    warm_up, total = max(1, round(WARM_UP * planned * batches)), planned * batches
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warm_up, max(0.0, (total - step) / max(1, total - warm_up)))
    )
    curve, best = Curve("classifier", epochs, PATIENCE, say), copy.deepcopy(network.state_dict())
    for _ in range(epochs):
        network.train()
        losses = []
        for rows in torch.randperm(len(photos)).tensor_split(batches):  # of equal size, so that none holds a single photo
            loss = nn.functional.cross_entropy(network(vectors[rows]), individual[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        validation = score(predict_classifier(network, held.vectors), held.individual) if held else None
        if curve.add(float(np.mean(losses)), validation):
            best = copy.deepcopy(network.state_dict())
        if curve.over:
            break
    network.load_state_dict(best)
    return TrainedModel(network.eval(), curve.best, curve.steps)


def _standardised(photos: LabelledPhotos) -> StandardisedMlp:
    """The network with random weights behind mean, deviation and components of the photos."""
    vectors = photos.vectors.astype(np.float64)
    mean, deviation = vectors.mean(axis=0), vectors.std(axis=0)
    deviation[deviation < 1e-9] = 1.0
    _, singular, directions = np.linalg.svd((vectors - mean) / deviation, full_matrices=False)
    share = np.cumsum(singular**2) / (singular**2).sum()
    count = int(np.searchsorted(share, VARIANCE, side="right")) + 1
    network = StandardisedMlp(vectors.shape[1], min(count, len(singular)), len(photos.identities))
    for name, value in (("mean", mean), ("deviation", deviation), ("components", directions[:count].T)):
        getattr(network, name).copy_(torch.from_numpy(np.ascontiguousarray(value)))
    return network
