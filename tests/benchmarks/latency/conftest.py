"""The PyTorch reference over the few samples, and their queries, made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from reid_edge.errors import UsageError
from reid_edge.gallery.enrolment_list import Enrolment, read_source
from reid_edge.identify.session import Session
from reid_edge_benchmarks.latency.torch_reference import TorchReference
from reid_edge_export.catalogue import network_named
from reid_edge_export.weight_files import obtain


@pytest.fixture(scope="session")
def weights(session: Session, skip_as_missing: Callable[[str], NoReturn]) -> None:
    """The weights of the bundled pack for PyTorch; skips where they cannot be had."""
    for name in session.identifier.pack.manifest.networks:
        try:
            obtain(network_named(name).source)
        except UsageError as error:
            skip_as_missing(f"the weights of {name} cannot be fetched here: {error.message}")


@pytest.fixture(scope="session")
def reference(session: Session, weights: None) -> TorchReference:
    """The bundled pack in PyTorch."""
    return TorchReference(session)


@pytest.fixture(scope="session")
def queries(few_samples: Path) -> list[Enrolment]:
    """Three photos: of Imara, of Chipo, and of Kito, whom the gallery does not know."""
    return read_source(few_samples, split="query")
