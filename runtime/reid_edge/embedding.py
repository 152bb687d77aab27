"""Turn a chip into one vector that is near the vectors of the same individual."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reid_edge.engines import Engine
from reid_edge.network_input import to_network_input
from reid_edge.pack.manifest import Preprocessing


def embed(
    chip: NDArray[np.uint8], engine: Engine, preprocessing: Preprocessing, projection: Engine | None = None
) -> NDArray[np.float32]:
    """Embed one chip.

    Args:
        chip: uint8 [h, w, 3].
        engine: an embedding network: input ``image`` [1, 3, H, W], output ``embedding`` [1, D].
        preprocessing: the network's.
        projection: a projection network, applied to the vector of length 1: input ``vector`` [1, D], output ``embedding`` [1, K].

    Returns:
        float32 [D], or [K] with a projection, of length 1, so that a dot product is a cosine. A chip that embeds to zero stays zero.

    Raises:
        EngineError: the network failed.
    """
    vector = np.asarray(engine.run({"image": to_network_input(chip, preprocessing)})["embedding"], np.float32)[0]
    return _unit(vector) if projection is None else project(_unit(vector), projection)


def project(vector: NDArray[np.float32], projection: Engine) -> NDArray[np.float32]:
    """Project one vector of an embedding network.

    Args:
        vector: float32 [D] of length 1.
        projection: input ``vector`` [1, D], output ``embedding`` [1, K].

    Returns:
        float32 [K] of length 1; zero where the projection is zero.

    Raises:
        EngineError: the network failed, or takes vectors of another width.
    """
    return _unit(np.asarray(projection.run({"vector": vector[None]})["embedding"], np.float32)[0])


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    # Normalised here, not in the graph: an epsilon below fp16 range does not survive a half-precision engine.
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)
