"""What training code puts around a network's own keys: wrappers in front of all of them, and heads that an embedder has not."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from reid_edge_export.weights import read_checkpoint

# Classifiers as timm and torchvision name them; what else lies under `head.` (a norm, a hidden layer) belongs to the embedding.
CLASSIFIERS = ("head.weight", "head.bias", "head.fc.", "fc.", "classifier.")
# Heads that a margin loss (ArcFace and its kin) is computed with.
MARGIN_HEADS = ("final.", "arcface.")

_PLACES = ("state_dict", "model_state_dict", "model")
_WRAPPERS = ("model.", "module.")  # of a training class around the network


def read_unwrapped(path: Path, wrappers: tuple[str, ...], heads: tuple[str, ...]) -> dict[str, Tensor]:
    """The tensors of a checkpoint under the network's own keys.

    Args:
        path: the file, in any of the kinds that `read_checkpoint` reads.
        wrappers: beginnings that are cut where all keys share one, besides those of common training code.
        heads: beginnings of the keys that are left out.

    Raises:
        UsageError: see `read_checkpoint`.
    """
    state = read_checkpoint(path, *_PLACES)
    while True:
        state = {key: value for key, value in state.items() if not key.startswith(heads)}
        shared = [wrapper for wrapper in (*_WRAPPERS, *wrappers) if state and all(key.startswith(wrapper) for key in state)]
        if not shared:
            return state
        state = {key.removeprefix(shared[0]): value for key, value in state.items()}
