from __future__ import annotations

import numpy as np
import pytest

from reid_edge_export.catalogue import network_named, resolve_parameters
from reid_edge_export.samples import make_inputs

torch = pytest.importorskip("torch")

from reid_edge_export.networks import build_network  # noqa: E402

pytestmark = pytest.mark.usefixtures("timm")


# Measured cosines of the two photos, which show the same kind of coat: 0.989, 0.958, 0.977, 0.795; disturbed: 0.999998 at least.
@pytest.mark.parametrize("name", ["timm:test_vit", "timm:test_convnext", "timm:test_maxvit", "timm:test_efficientnet"])
def test_random_weights_tell_photos_apart_and_a_rounding_error_stays_small(name: str, photos: list[np.ndarray]) -> None:
    network = network_named(name)
    parameters = resolve_parameters(network, {})
    module = build_network(network, parameters, None)
    images = [torch.from_numpy(inputs["image"]) for inputs in make_inputs(network, parameters, photos, random=True)]
    with torch.inference_mode():
        first, second = (module(image)[0] for image in images)
        disturbed = module(images[0] * (1 + 1e-3 * torch.randn_like(images[0])))[0]
    assert torch.cosine_similarity(first, second, dim=0) < 0.995
    assert torch.cosine_similarity(first, disturbed, dim=0) > 0.9999
    assert first.norm() > 1


def test_random_weights_are_the_same_each_time() -> None:
    network = network_named("timm:test_efficientnet")
    first, again = (build_network(network, resolve_parameters(network, {}), None).state_dict() for _ in range(2))
    assert all(torch.equal(value, again[key]) for key, value in first.items())
