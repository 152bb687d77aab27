"""MiewID, the ArcFace embedders and the dual backbone: the published key layouts, the arithmetic, and wrong checkpoints."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from reid_edge.errors import UsageError
from reid_edge_export.catalogue import network_named, resolve_parameters

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

from reid_edge_export.networks import arcface, build_network, dual_backbone, load_network, miewid  # noqa: E402
from reid_edge_export.weights import fill  # noqa: E402

pytestmark = pytest.mark.usefixtures("timm")


@pytest.fixture(scope="module")
def reference(timm: ModuleType) -> torch.nn.Module:
    """EfficientNetV2-M of timm's own, feature maps in place of the pooled features, statistics that are not those it starts with."""
    torch.manual_seed(8)
    model = timm.create_model("efficientnetv2_rw_m", num_classes=0, global_pool="").eval()
    for norm in model.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_var.uniform_(2, 4)
    return model


@pytest.fixture(scope="module")
def published(reference: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Tensors laid out as the published model.safetensors of MiewID-msv3."""
    norm = torch.nn.BatchNorm1d(2152)
    torch.nn.init.normal_(norm.running_mean)
    torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
    head = torch.nn.Linear(2152, 10)
    return {
        **{f"backbone.{key}": value for key, value in reference.state_dict().items()},
        "backbone.global_pool.p": torch.tensor([2.6]),
        **{f"bn.{key}": value for key, value in norm.state_dict().items()},
        **{f"final.{key}": value.detach() for key, value in head.state_dict().items()},
    }


@pytest.mark.parametrize("pooling", ["backbone.global_pool.p", "pooling.p"], ids=["published", "of the training code"])
def test_miewid_reads_its_layouts_and_pools_by_the_generalised_mean(
    reference: torch.nn.Module, published: dict[str, torch.Tensor], tmp_path: Path, pooling: str
) -> None:
    file = tmp_path / "model.safetensors"
    safetensors.save_file({pooling if "global_pool" in key else key: value for key, value in published.items()}, file)
    image = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        found = load_network("miewid-msv3", file, size=96)(image)
        pooled = (reference(image).clamp(min=1e-6) ** 2.6).mean((2, 3)) ** (1 / 2.6)
        scale = published["bn.weight"] / torch.sqrt(published["bn.running_var"] + 1e-5)
        expected = (pooled - published["bn.running_mean"]) * scale + published["bn.bias"]
    assert found.shape == (2, 2152)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_miewid_refuses_weights_of_its_backbone_alone(reference: torch.nn.Module, tmp_path: Path) -> None:
    safetensors.save_file(reference.state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(UsageError, match=r"missing: backbone\.blocks\.0\.0.*unexpected: blocks\.0\.0"):
        load_network("miewid-msv3", tmp_path / "model.safetensors")


def test_miewid_says_that_its_weights_come_without_a_licence() -> None:
    network = network_named("miewid-msv3")
    assert network.licence == "NOASSERTION"
    assert "without a licence" in network.terms


@pytest.mark.parametrize("bias", [True, False])
def test_an_arcface_checkpoint_gives_the_embedding_without_its_class_centres(
    timm: ModuleType, tmp_path: Path, bias: bool
) -> None:
    torch.manual_seed(9)
    backbone = timm.create_model("test_efficientnet", num_classes=0).eval()
    embedding, norm = torch.nn.Linear(256, 512, bias=bias), torch.nn.BatchNorm1d(512).eval()
    torch.nn.init.normal_(norm.running_mean)
    parts = {"backbone": backbone, "embedding": embedding, "bn": norm}
    state = {f"{part}.{key}": value for part, module in parts.items() for key, value in module.state_dict().items()}
    state |= {"arcface.weight": torch.zeros(40, 512), "backbone.classifier.weight": torch.zeros(1000, 256)}
    torch.save({"state_dict": {f"model.{key}": value for key, value in state.items()}}, tmp_path / "run.pth")
    network = arcface.build("test_efficientnet", 512, 160).eval()
    fill(network, arcface.read_state(tmp_path / "run.pth", network), "run.pth")
    image = torch.randn(2, 3, 160, 160)
    with torch.inference_mode():
        torch.testing.assert_close(network(image), norm(embedding(backbone(image))))


def test_the_backbone_of_resnet50_arcface_has_the_keys_of_torchvision(timm: ModuleType) -> None:
    import torchvision

    network = network_named("resnet50-arcface")
    ours = build_network(network, resolve_parameters(network, {"size": 32}), None).state_dict()
    theirs = torchvision.models.resnet50(weights=None).state_dict()
    shapes = {f"backbone.{key}": value.shape for key, value in theirs.items() if not key.startswith("fc.")}
    assert {key: value.shape for key, value in ours.items() if key.startswith("backbone.")} == shapes
    assert ours["embedding.weight"].shape == (512, 2048)


def test_the_dual_backbone_shrinks_the_photo_for_the_first_and_normalises_each(
    timm: ModuleType, published: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    torch.manual_seed(10)
    swin = timm.create_model("swin_tiny_patch4_window7_224", num_classes=0).eval()
    first, second = torch.nn.BatchNorm1d(768).eval(), torch.nn.BatchNorm1d(2152).eval()
    for norm in (first, second):
        torch.nn.init.normal_(norm.running_mean)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2)
    parts = {"megadescriptor": swin, "megadescriptor_bn": first, "miewid_bn": second}
    state = {f"{part}.{key}": value for part, module in parts.items() for key, value in module.state_dict().items()}
    state |= {f"miewid.{key}": value for key, value in published.items()} | {"arcface.weight": torch.zeros(5, 2920)}
    torch.save(state, tmp_path / "dual.pth")
    network = dual_backbone.build("swin_tiny_patch4_window7_224", 224, 256).eval()
    fill(network, dual_backbone.read_state(tmp_path / "dual.pth", network), "dual.pth")
    single = miewid.build(256).eval()
    fill(single, {key: value for key, value in published.items() if "final" not in key and "batches" not in key}, "published")
    image = torch.randn(1, 3, 256, 256)
    small = torch.nn.functional.interpolate(image, (224, 224), mode="bilinear", align_corners=False)
    with torch.inference_mode():
        expected = torch.cat((first(swin(small)), second(single(image))), 1)
        torch.testing.assert_close(network(image), expected, atol=1e-4, rtol=1e-4)


def test_the_dual_backbone_takes_photos_of_one_size() -> None:
    network = network_named("dual-backbone")
    assert network.outputs[0].shape == ("batch", 1536 + 2152)
    with pytest.raises(UsageError, match="size is 384"):
        resolve_parameters(network, {"size": 384})
