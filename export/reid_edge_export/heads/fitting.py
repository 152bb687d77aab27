"""What fitting a head yields, and how it goes on: a curve on held-out photos, an early end, a line every two seconds."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from reid_edge_export.progress import Say

Model = TypeVar("Model")
_EVERY_SECONDS = 2.0


@dataclass(frozen=True)
class TrainedModel(Generic[Model]):
    """A model and how it came about.

    Attributes:
        model: as it was at step `best`.
        best: the number of steps (rounds of boosting, epochs) with the lowest loss on the held-out photos, or all of them.
        curve: one entry per step: ``step``, ``train_loss`` and, with held-out photos, ``validation_loss`` and ``validation_accuracy``.
    """

    model: Model
    best: int
    curve: list[dict[str, float]]


@dataclass
class Curve:
    """Follows the losses step by step.

    Attributes:
        what: is trained, for people.
        most: steps at most.
        patience: steps without a lower loss after which it ends.
        say: gets a line every two seconds.
    """

    what: str
    most: int
    patience: int
    say: Say | None
    steps: list[dict[str, float]] = field(default_factory=list)
    best: int = 0
    lowest: float = math.inf
    _told: float = field(default_factory=time.monotonic)

    def add(self, train_loss: float, validation: tuple[float, float] | None) -> bool:
        """Note a step: its training loss, and loss and accuracy (0..1) on the held-out photos; gives whether it is the best so far."""
        step = len(self.steps) + 1
        entry = {"step": step, "train_loss": round(train_loss, 6)}
        if validation is not None:
            entry |= {"validation_loss": round(validation[0], 6), "validation_accuracy": round(validation[1], 6)}
        self.steps.append(entry)
        better = validation is None or validation[0] < self.lowest
        if better:
            self.best, self.lowest = step, validation[0] if validation else train_loss
        now = time.monotonic()
        if self.say is not None and now - self._told >= _EVERY_SECONDS:
            self._told = now
            self.say(f"{self.what}: step {step} of at most {self.most}, {_in_words(entry)}")
        return better

    @property
    def over(self) -> bool:
        """Whether the loss has not become lower for as many steps as the patience lasts."""
        return len(self.steps) - self.best >= self.patience


def score(probabilities: NDArray[np.floating], individual: NDArray[np.int64]) -> tuple[float, float]:
    """Mean cross-entropy, and the share of rows whose most probable individual is the right one.

    Args:
        probabilities: [N, C].
        individual: [N], the right ones.
    """
    own = probabilities[np.arange(len(individual)), individual]
    return float(-np.log(np.maximum(own, 1e-12)).mean()), float((probabilities.argmax(axis=1) == individual).mean())


def _in_words(entry: Mapping[str, float]) -> str:
    text = f"loss {entry['train_loss']:.3f}"
    if "validation_loss" in entry:
        text += f", of held-out photos {entry['validation_loss']:.3f}, {entry['validation_accuracy']:.0%} right"
    return text
