"""SuperPoint: its weights only with the user's consent, and its answers pinned to those of the published implementation."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from reid_edge.errors import UsageError
from reid_edge_export.catalogue import CATALOGUE
from reid_edge_export.cli import export
from reid_edge_export.export import export_network
from reid_edge_export.networks import load_network
from reid_edge_export.recipe_export import RecipeRequest, export_recipe
from reid_edge_export.recipe_file import read_recipe_text

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

Weights = Callable[[str], Path]

# What the implementation published with SuperGlue finds in `_chequers` (its twelve strongest): x, y, score, and the first three
# of the 256 values of the descriptor.
PUBLISHED = np.array(
    [
        (63, 48, 0.547841, -0.00838, 0.08229, 0.11514),
        (95, 47, 0.496538, 0.01391, 0.10761, 0.07883),
        (31, 24, 0.458719, -0.03141, 0.05076, 0.12842),
        (63, 24, 0.449172, -0.00921, 0.08851, 0.12203),
        (31, 72, 0.432498, -0.04134, 0.0445, 0.09731),
        (95, 72, 0.423564, -0.06898, 0.04016, 0.06133),
        (63, 72, 0.407468, 0.01105, 0.08017, 0.06313),
        (95, 23, 0.403263, -0.06297, 0.02563, 0.09019),
        (31, 48, 0.389574, 0.05291, 0.09211, 0.11061),
        (84, 34, 0.325861, 0.1138, 0.00522, 0.09027),
        (75, 54, 0.272297, -0.04273, 0.02453, 0.05678),
        (83, 47, 0.240758, 0.0163, 0.05708, 0.07868),
    ]
)


def _chequers() -> torch.Tensor:
    """A chequered board with a disc on it, grey [1, 1, 96, 128]."""
    row, column = np.mgrid[:96, :128]
    grey = np.where((row // 24 + column // 32) % 2 == 0, 0.2, 0.8) + 0.1 * (np.hypot(row - 40, column - 70) < 15)
    return torch.from_numpy(grey.astype(np.float32))[None, None]


@pytest.fixture(scope="module")
def superpoint(weights: Weights) -> torch.nn.Module:
    return load_network("superpoint", weights("superpoint"), keypoints=256)


def test_superpoint_gives_the_keypoints_scores_and_descriptors_of_the_published_implementation(
    superpoint: torch.nn.Module,
) -> None:
    image = _chequers()
    with torch.inference_mode():
        keypoints, scores, descriptors = (part[0, : len(PUBLISHED)].numpy() for part in superpoint(image, torch.ones_like(image)))
    np.testing.assert_array_equal(keypoints, PUBLISHED[:, :2])
    np.testing.assert_allclose(scores, PUBLISHED[:, 2], atol=1e-4)
    np.testing.assert_allclose(descriptors[:, :3], PUBLISHED[:, 3:], atol=1e-4)


def test_superpoint_keeps_to_the_mask_and_falls_in_score(superpoint: torch.nn.Module) -> None:
    mask = torch.zeros_like(_chequers())
    mask[..., 16:56, 40:100] = 1
    with torch.inference_mode():
        keypoints, scores, descriptors = superpoint(_chequers(), mask)
    valid = scores[0] > 0
    assert 0 < valid.sum() < 256
    assert (keypoints[0, valid] >= torch.tensor([40.0, 16.0])).all()
    assert (keypoints[0, valid] < torch.tensor([100.0, 56.0])).all()
    assert (scores[0].diff() <= 0).all()
    torch.testing.assert_close(descriptors.norm(dim=2), torch.ones(1, 256))


@pytest.mark.parametrize(
    "network", [network for network in CATALOGUE.values() if network.terms], ids=lambda network: network.name
)
def test_weights_with_terms_are_not_even_fetched_without_consent(
    network, photos: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REID_EDGE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UsageError, match=re.escape(network.terms)) as caught:
        export_network(network.name, tmp_path / "network.onnx", images=photos)
    assert "--accept-terms" in caught.value.hint
    assert not any(tmp_path.iterdir())


def test_a_recipe_cannot_consent_for_the_user(photos: list[np.ndarray], tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    text = read_recipe_text("arcface-lightglue")
    for option, complaint in (('storage = "fp32"', "research use only"), ("accept_terms = true", "no parameter 'accept_terms'")):
        recipe.write_text(text.replace("[networks.superpoint] ", f"[networks.superpoint]\n{option}\n"))
        with pytest.raises(UsageError, match=complaint):
            export_recipe(str(recipe), tmp_path / "pack", RecipeRequest(photos), lambda line: None)
    assert not (tmp_path / "pack").exists()


def test_superpoint_is_exported_with_consent_and_passes_its_comparison(
    weights: Weights, photos: list[np.ndarray], tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "coat.png"), photos[0][..., ::-1])
    given = ["--weights", str(weights("superpoint")), "--photos", str(tmp_path / "photos"), "--out", str(tmp_path)]
    done = CliRunner().invoke(export, ["superpoint", "--accept-terms", *given], catch_exceptions=False)
    assert done.exit_code == 0
    assert "keypoints_repeated" in done.output
    file = tmp_path / "superpoint.onnx"
    assert file.stat().st_size < 2_700_000  # bytes, as float16
    facts = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    assert facts["licence"] == "LicenseRef-SuperPoint-noncommercial"
