"""Turn a chip into one vector that is near the vectors of the same individual."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reid_edge.engines import Engine
from reid_edge.engines.network_input import to_network_input
from reid_edge.pack.manifest import Preprocessing


def embed(
    chip: NDArray[np.uint8],
    engine: Engine,
    preprocessing: Preprocessing,
    projection: Engine | None = None,
    crop_share: float = 0.0,
) -> NDArray[np.float32]:
    """Embed one chip.

    Of five crops each vector is brought to length 1 first, so that all count the same; their mean is brought to length 1 again, and
    only then projected.

    Args:
        chip: uint8 [h, w, 3].
        engine: an embedding network: input ``image`` [B, 3, H, W], output ``embedding`` [B, D].
        preprocessing: the network's.
        projection: a projection network, applied to the vector of length 1: input ``vector`` [1, D], output ``embedding`` [1, K].
        crop_share: above 0, the vector is the mean of five crops, see `five_crops`; 0 for the chip as it is.

    Returns:
        float32 [D], or [K] with a projection, of length 1, so that a dot product is a cosine. A chip that embeds to zero stays zero.

    Raises:
        EngineError: the network failed.
    """
    if crop_share:
        crops = [to_network_input(crop, preprocessing) for crop in five_crops(chip, crop_share)]
        vectors = np.stack([_unit(vector) for vector in _run(np.concatenate(crops), engine)])
        vector: NDArray[np.float32] = vectors.mean(axis=0)
    else:
        vector = _run(to_network_input(chip, preprocessing), engine)[0]
    return _unit(vector) if projection is None else project(_unit(vector), projection)


def five_crops(chip: NDArray[np.uint8], share: float) -> list[NDArray[np.uint8]]:
    """The centre and the four corners of a chip, each of `share` of its width and height, one pixel at least."""
    height, width = chip.shape[:2]
    tall, wide = max(1, round(share * height)), max(1, round(share * width))
    bottom, right = height - tall, width - wide
    corners = [(bottom // 2, right // 2), (0, 0), (0, right), (bottom, 0), (bottom, right)]
    return [chip[top : top + tall, left : left + wide] for top, left in corners]


def concatenate(vectors: Sequence[NDArray[np.float32]], projection: Engine | None = None) -> NDArray[np.float32]:
    """Lay vectors end to end: the cosine of two concatenations is the mean of their parts' cosines.

    Args:
        vectors: float32 [D], each of length 1.
        projection: as of `embed`.

    Returns:
        float32 [the sum of all D], or [K] with a projection, of length 1.

    Raises:
        EngineError: the projection failed.
    """
    joined = _unit(np.concatenate(vectors))
    return joined if projection is None else project(joined, projection)


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


def _run(images: NDArray[np.float32], engine: Engine) -> NDArray[np.float32]:
    """float32 [B, D] of images [B, 3, H, W]: one run, or one for each where the network's batch is fixed."""
    together = len(images) == 1 or isinstance(engine.inputs[0].shape[0], str)
    runs = [images] if together else [image[None] for image in images]
    return np.concatenate([np.asarray(engine.run({"image": run})["embedding"], np.float32) for run in runs])


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    # Normalised here, not in the graph: an epsilon below fp16 range does not survive a half-precision engine.
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)
