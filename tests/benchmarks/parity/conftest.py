"""The default pack on the CPU beside the reference of it, and two sample photos described by both."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

import reid_edge
from reid_edge.describe.description import DescribedAnimal
from reid_edge.errors import UsageError
from reid_edge.identify.identifier import Identifier
from reid_edge.photo import read_photo

pytest.importorskip("kornia")

from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge_benchmarks.parity.describing import Described
from reid_edge_benchmarks.parity.reference import ReferenceSystem

SAMPLES = Path(reid_edge.__file__).parent / "samples" / "gallery"


class BothSides(NamedTuple):
    """One photo as both sides describe it."""

    reference: Described
    runtime: DescribedAnimal


@pytest.fixture(scope="session")
def field_reference(identifier: Identifier) -> ReferenceSystem:
    return ReferenceSystem(identifier.pack, identifier.recipe, None, 1)


@pytest.fixture(scope="session")
def imara(identifier: Identifier, field_reference: ReferenceSystem) -> list[BothSides]:
    """Two photos of one animal; skips where weights or timm cannot be had."""
    described = []
    for name in ("imara_1.jpg", "imara_2.jpg"):
        row = Enrolment(SAMPLES / "Imara" / name, "Imara")
        try:
            mine = field_reference.describe(row)
        except UsageError as error:
            pytest.skip(f"the reference cannot run here: {error.message}")  # torch and torchvision of two builds
        described.append(BothSides(mine, identifier.describe(read_photo(row.path), largest_only=True)[0]))
    return described
