"""KeyNet, AffNet, OriNet and their patch descriptors against kornia's implementations with the same weights, and through the export."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reid_edge.errors import UsageError
from reid_edge_export import catalogue
from reid_edge_export.catalogue import network_named
from reid_edge_export.export import ExportedNetwork, export_network
from reid_edge_export.networks import build_network, load_network
from reid_edge_export.samples import make_inputs
from reid_edge_export.weight_files import obtain, sha256_of

torch = pytest.importorskip("torch")

from reid_edge_export.networks import affine_frames, keynet  # noqa: E402
from reid_edge_export.networks.patch_descriptor import HardNet  # noqa: E402

Folder = Callable[[str], Path]
HARDNET, HARDTFEAT = "keynet-affnet-hardnet", "keynet-affnet-hardtfeat"
OPTIONS = {"size": 256, "keypoints": 256}


@pytest.fixture(scope="module")
def folder(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A folder with the official files of a network; those of HardNet are random, in the official layout."""

    def fill(name: str) -> Path:
        made = tmp_path_factory.mktemp(name)
        for file in network_named(name).layout["files"]:
            if file == "checkpoint_liberty_with_aug.pth":
                torch.manual_seed(0)
                torch.save({"epoch": 10, "state_dict": HardNet().state_dict()}, made / file)
            elif (shared / "weights" / file).is_file():
                shutil.copy(shared / "weights" / file, made / file)
            else:
                pytest.skip(f"{file} is not beside this checkout")
        return made

    return fill


@pytest.fixture(scope="module")
def weights_folder(folder: Folder) -> Path:
    return folder(HARDTFEAT)


@pytest.fixture(scope="module")
def network(weights_folder: Path) -> torch.nn.Module:
    return load_network(HARDTFEAT, weights_folder, **OPTIONS)


@pytest.fixture(scope="module")
def image(photos: list[np.ndarray]) -> torch.Tensor:
    """A photo as the network sees it, 192 x 256 pixels."""
    return torch.from_numpy(make_inputs(network_named(HARDTFEAT), OPTIONS, photos[:1])[0]["image"])


@pytest.mark.parametrize("name", [HARDNET, HARDTFEAT])
def test_keynet_finds_the_keypoints_frames_and_descriptors_of_kornia(name: str, folder: Folder, image: torch.Tensor) -> None:
    files = folder(name)
    with torch.inference_mode():
        keypoints, scores, frames, descriptors = load_network(name, files, **OPTIONS)(image, torch.ones_like(image))
        expected_lafs, expected_scores, expected_descriptors = _reference(name, files)(image)
    filled = expected_scores[0] > 0
    assert filled.sum() == (scores[0] > 0).sum() > 100
    # A corner is found on several levels at nearly the same place, so the scale counts too.
    theirs, ours = expected_lafs[0, filled], torch.cat((frames, keypoints.unsqueeze(3)), 3)[0]
    nearest, slot = torch.cdist(_place_and_scale(theirs), _place_and_scale(ours)).min(1)
    assert (nearest < 0.01).float().mean() > 0.99  # pixels; measured all, 3e-5 at most
    same = nearest < 0.01
    assert (ours[slot] - theirs).abs()[same].max() < 0.05  # pixels; frames of up to 88 pixels; measured 0.004
    likeness = (expected_descriptors[0, filled] * descriptors[0, slot]).sum(1)[same]
    assert likeness.min() > 0.9999  # measured 0.9999998
    torch.testing.assert_close(scores[0, slot][same], expected_scores[0, filled][same], rtol=1e-4, atol=0.1)  # of 1e2 to 1e4


def _place_and_scale(lafs: torch.Tensor) -> torch.Tensor:
    return torch.cat((lafs[:, :, 2], lafs[:, :, :2].det().abs().sqrt()[:, None]), 1).double()


def _reference(name: str, files: Path) -> torch.nn.Module:
    feature = pytest.importorskip("kornia.feature")
    names = network_named(name).layout["files"]
    states = [torch.load(files / file, map_location="cpu", weights_only=True)["state_dict"] for file in names]
    shape, orientation = feature.LAFAffNetShapeEstimator(False, preserve_orientation=False), feature.OriNet(False)
    detector = feature.KeyNetDetector(
        False, OPTIONS["keypoints"], ori_module=feature.LAFOrienter(angle_detector=orientation), aff_module=shape
    )
    descriptor = feature.HardNet(False) if name == HARDNET else _HardTFeat()
    for module, state in zip((detector.model, shape, orientation, descriptor), states, strict=True):
        absent = module.load_state_dict({key: value for key, value in state.items() if not key.startswith("SIFT.")}, strict=False)
        assert not absent.unexpected_keys
        assert all(key.endswith("num_batches_tracked") for key in absent.missing_keys)
    return feature.LocalFeature(detector, feature.LAFDescriptor(descriptor)).eval()


class _HardTFeat(torch.nn.Module):
    """As the authors describe it; kornia has TFeat's own weights only, in another layout."""

    def __init__(self) -> None:
        super().__init__()
        nn = torch.nn
        self.features = nn.Sequential(nn.Conv2d(1, 32, 7), nn.Tanh(), nn.MaxPool2d(2, 2), nn.Conv2d(32, 64, 6), nn.Tanh())
        self.classifier = nn.Sequential(nn.Identity(), nn.Conv2d(64, 128, 8), nn.Tanh())

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        pixels = patches.flatten(1)
        pixels = (pixels - pixels.mean(1, keepdim=True)) / (pixels.std(1, keepdim=True) + 1e-7)
        return torch.nn.functional.normalize(self.classifier(self.features(pixels.view_as(patches))).flatten(1), dim=1)


def test_patches_are_read_from_the_level_and_place_that_kornia_reads() -> None:
    feature = pytest.importorskip("kornia.feature")
    torch.manual_seed(0)
    image = torch.nn.functional.avg_pool2d(torch.rand(2, 1, 166, 198), 7, stride=1)  # 160 x 192 pixels
    scale = torch.tensor([9.0, 22.0, 31.0, 33.0, 45.0, 63.0, 65.0, 100.0]).repeat(2, 1)
    keypoints = torch.rand(2, 8, 2) * torch.tensor([191.0, 159.0])
    frames = torch.eye(2) + 0.3 * torch.randn(2, 8, 2, 2)
    frames = frames * (scale / frames.det().abs().sqrt())[..., None, None]
    lafs = torch.cat((frames, keypoints.unsqueeze(3)), 3)
    expected = feature.extract_patches_from_pyramid(image, lafs, 32).flatten(0, 1)
    found = affine_frames.read_patches(affine_frames.build_pyramid(image), keypoints, frames, scale)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)  # measured 1e-5


def test_the_sides_of_the_levels_are_those_of_floating_point_division() -> None:
    for side in range(32, 4097, 32):
        assert keynet.enlarged(side) == int(side * math.sqrt(2))
        level = side
        for _ in range(4):
            assert keynet.reduced(level) == int(level / math.sqrt(2))
            level = keynet.reduced(level)


def test_keynet_keeps_to_the_mask_and_falls_in_score(network: torch.nn.Module, image: torch.Tensor) -> None:
    mask = torch.zeros_like(image)
    mask[..., 64:112, 96:160] = 1
    with torch.inference_mode():
        keypoints, scores, frames, descriptors = network(image, mask)
    valid = scores[0] > 0
    assert 0 < valid.sum() < OPTIONS["keypoints"]
    assert (keypoints[0, valid] >= torch.tensor([96.0, 64.0])).all()
    assert (keypoints[0, valid] < torch.tensor([160.0, 112.0])).all()
    assert (scores[0].diff() <= 0).all()
    assert (frames[0].det() > 0).all()
    torch.testing.assert_close(descriptors.norm(dim=2), torch.ones(1, OPTIONS["keypoints"]))


def test_keynet_on_a_batch_gives_what_each_photo_gives(network: torch.nn.Module, image: torch.Tensor) -> None:
    images = torch.cat((image, image.flip(3)))
    with torch.inference_mode():
        together = network(images, torch.ones_like(images))
        alone = network(images[1:], torch.ones_like(image))
    for found, expected in zip(together, alone, strict=True):
        torch.testing.assert_close(found[1:], expected, atol=1e-2, rtol=1e-4)


def test_keynet_on_the_smallest_photo_without_an_animal_gives_finite_empty_slots(network: torch.nn.Module) -> None:
    with torch.inference_mode():
        keypoints, scores, frames, descriptors = network(torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32))
    assert (scores <= 0).all()
    assert all(tensor.isfinite().all() for tensor in (keypoints, frames, descriptors))


def test_random_weights_respond_to_a_photo(image: torch.Tensor) -> None:
    with torch.inference_mode():
        _, scores, frames, _ = build_network(network_named(HARDNET), dict(OPTIONS), None)(image, torch.ones_like(image))
    valid = scores[0][scores[0] > 0]
    assert len(valid) > 100
    assert (valid.diff().abs() / valid[1:]).median() > 1e-4  # far above the rounding of float32
    assert frames.isfinite().all()


def test_a_folder_without_one_of_the_files_is_refused_by_its_name(weights_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(weights_folder, tmp_path / "short")
    (tmp_path / "short" / "OriNet.pth").unlink()
    with pytest.raises(UsageError, match=r"has no OriNet\.pth") as caught:
        load_network(HARDTFEAT, tmp_path / "short")
    assert "keynet_pytorch.pth, AffNet.pth, OriNet.pth, HardTFeat.pth" in caught.value.hint
    with pytest.raises(UsageError, match=r"has no keynet_pytorch\.pth"):
        load_network(HARDTFEAT, weights_folder / "AffNet.pth")


def test_a_file_under_the_name_of_another_is_refused_by_its_keys(weights_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(weights_folder, tmp_path / "mixed")
    shutil.copy(tmp_path / "mixed" / "AffNet.pth", tmp_path / "mixed" / "OriNet.pth")
    with pytest.raises(UsageError, match=r"orinet\.features\.19\.weight \[3, 64, 8, 8\] instead of \[2, 64, 8, 8\]"):
        load_network(HARDTFEAT, tmp_path / "mixed")


def test_without_weights_the_address_of_each_file_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        obtain(network_named(HARDNET).source)
    for file in network_named(HARDNET).layout["files"]:
        assert f"/{file}" in caught.value.hint


def test_the_hash_of_a_folder_is_that_of_the_names_and_hashes_of_its_files(tmp_path: Path, weights_folder: Path) -> None:
    (tmp_path / "b.pth").write_bytes(b"two")
    (tmp_path / "a.pth").write_bytes(b"one")
    lines = f"a.pth {hashlib.sha256(b'one').hexdigest()}\nb.pth {hashlib.sha256(b'two').hexdigest()}\n"
    assert sha256_of(tmp_path) == hashlib.sha256(lines.encode()).hexdigest()
    assert sha256_of(weights_folder) == network_named(HARDTFEAT).source.sha256


@pytest.mark.parametrize("options", [{"size": 100}, {"keypoints": 4096}])
def test_keynet_refuses_what_no_graph_can_have(options: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="keynet"):
        load_network(HARDTFEAT, tmp_path / "never_read", **options)


@pytest.fixture(scope="module")
def exported(weights_folder: Path, photos: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> ExportedNetwork:
    """Without the four coarser levels, which repeat the finer ones: tracing them takes a minute."""
    whole = network_named(HARDTFEAT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(catalogue.CATALOGUE, HARDTFEAT, replace(whole, layout={**whole.layout, "coarser": 0}))
        out = tmp_path_factory.mktemp("keynet") / "keynet.onnx"
        return export_network(HARDTFEAT, out, images=photos, weights=weights_folder, storage="fp16", **OPTIONS)


@pytest.mark.large
def test_keynet_exports_with_plain_operators_and_passes_its_comparison(exported: ExportedNetwork) -> None:
    assert exported.size < 2_500_000  # bytes
    assert exported.licence == "MIT"
    assert exported.entry.parameters == {**OPTIONS, "dimension": 128, "frames": True}
    assert exported.entry.preprocessing.colour == "grey"
    assert exported.parity["keypoints_repeated"] >= 0.97
    assert exported.parity["descriptors_cosine_p1"] >= 0.998


@pytest.mark.large
@pytest.mark.parametrize("shape", [(1, 1, 32, 64), (2, 1, 128, 160)])
def test_the_graph_of_keynet_takes_any_batch_and_size(exported: ExportedNetwork, shape: tuple[int, ...]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    outputs = session.run(["keypoints", "scores", "frames", "descriptors"], {"image": image, "mask": np.ones_like(image)})
    keypoints, scores, frames, descriptors = outputs
    assert frames.shape == (shape[0], OPTIONS["keypoints"], 2, 2)
    assert descriptors.shape == (shape[0], OPTIONS["keypoints"], 128)
    assert all(np.isfinite(array).all() for array in outputs)
    assert (scores > 0).any()
    assert (keypoints[scores > 0] < np.array(shape[:1:-1])).all()
    np.testing.assert_allclose(np.linalg.norm(descriptors, axis=2), 1, atol=1e-4)
