"""EdgePoint2 with the published weights finds the same places in a turned photo, and goes through the export."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from reid_edge.errors import UsageError
from reid_edge_export.catalogue import network_named
from reid_edge_export.export import export_network
from reid_edge_export.networks import load_network

torch = pytest.importorskip("torch")

OPTIONS = {"size": 256, "keypoints": 256}


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    if not (shared / "weights" / "edgepoint2-T32.pth").is_file():
        pytest.skip("the weights of EdgePoint2 are not beside this checkout")
    return shared / "weights"


@pytest.mark.parametrize(("model", "dimension"), [("T32", 32), ("S64", 64), ("M64", 64)])
def test_it_finds_and_describes_the_same_places_in_a_turned_photo(folder: Path, photos, model: str, dimension: int) -> None:
    network = load_network(f"edgepoint2-{model.lower()}", folder / f"edgepoint2-{model}.pth", **OPTIONS)
    grey = cv2.resize(photos[0], (256, 192)).mean(2).astype(np.float32) / 255
    turn = cv2.getRotationMatrix2D((128, 96), 12, 0.9)
    found = []
    for image in (grey, cv2.warpAffine(grey, turn, (256, 192), borderMode=cv2.BORDER_REFLECT)):
        pixels = torch.from_numpy(image)[None, None]
        with torch.inference_mode():
            keypoints, scores, descriptors = (answer[0].numpy() for answer in network(pixels, torch.ones_like(pixels)))
        assert descriptors.shape == (256, dimension)
        assert np.allclose(np.linalg.norm(descriptors, axis=1), 1, atol=1e-4)
        found.append((keypoints[scores > 0], descriptors[scores > 0]))
    (places, ours), (turned, theirs) = found
    cosines = ours @ theirs.T
    partner = cosines.argmax(1)
    mutual = np.flatnonzero(cosines.argmax(0)[partner] == np.arange(len(partner)))
    apart = np.linalg.norm(places[mutual] @ turn[:, :2].T + turn[:, 2] - turned[partner[mutual]], axis=1)
    assert (apart < 2).mean() > 0.6  # measured 0.85 to 0.92 on a rendered photo of 384 x 288 pixels


def test_no_keypoint_lies_outside_of_the_mask_or_on_the_border(folder: Path) -> None:
    network = load_network("edgepoint2-t32", folder / "edgepoint2-T32.pth", **OPTIONS)
    image = torch.rand(1, 1, 96, 128, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros_like(image)
    mask[..., 40:, :64] = 1
    with torch.inference_mode():
        keypoints, scores, _ = network(image, mask)
    kept = keypoints[0][scores[0] > 0]
    assert len(kept) > 10
    assert (kept[:, 1] >= 40).all()
    assert (kept[:, 0] >= 4).all()
    assert (kept[:, 0] < 64).all()
    assert (kept[:, 1] < 92).all()


def test_the_graph_gives_what_pytorch_gives(folder: Path, photos, tmp_path: Path) -> None:
    out = tmp_path / "edgepoint2.onnx"
    exported = export_network("edgepoint2-t32", out, images=photos[:2], weights=folder / "edgepoint2-T32.pth", **OPTIONS)
    assert exported.parity["keypoints_repeated"] > 0.995
    assert exported.parity["descriptors_cosine_p1"] > 0.9999


def test_a_checkpoint_of_another_size_is_refused(folder: Path) -> None:
    assert network_named("edgepoint2-s64").licence == "MIT"
    with pytest.raises(UsageError, match="does not fit the network"):
        load_network("edgepoint2-s64", folder / "edgepoint2-T32.pth", **OPTIONS)
