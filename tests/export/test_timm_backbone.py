"""Networks of timm: the catalogue against timm's own facts, official and wrapped key layouts, wrong ones, and the exported graph."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from reid_edge.errors import UsageError
from reid_edge_export.catalogue import CATALOGUE, network_named, resolve_parameters
from reid_edge_export.export import export_network
from reid_edge_export.networks import load_network

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
safetensors = pytest.importorskip("safetensors.torch")

from reid_edge_export.networks import checkpoint_keys, timm_backbone  # noqa: E402

pytestmark = pytest.mark.usefixtures("timm")

OF_TIMM = [network for network in CATALOGUE.values() if network.source.address.startswith("hub:timm/")]
MEGADESCRIPTORS = [network for network in CATALOGUE.values() if network.name.startswith("megadescriptor")]


@pytest.fixture(scope="module")
def vit(timm: ModuleType) -> torch.nn.Module:
    """A small transformer of timm with its classifier, position embeddings and random weights."""
    torch.manual_seed(5)
    return timm.create_model("test_vit", num_classes=10).eval()


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    return torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("network", OF_TIMM, ids=lambda network: network.name)
def test_the_catalogue_says_what_timm_says(network) -> None:
    facts = timm_backbone.facts(network.layout["architecture"])
    preprocessing = network.preprocessing
    assert (preprocessing.mean, preprocessing.std, preprocessing.scale) == (facts.mean, facts.std, 1 / 255)
    assert network.source.address == f"hub:{facts.file}"
    assert network.licence.lower() == facts.licence
    if not network.name.startswith("dinov2"):  # takes any multiple of 14; 518 would cost six times as much
        assert network.parameters["size"] == facts.size
    if not network.layout["outputs"]:  # else the projection gives the dimension
        assert network.outputs[0].shape[-1] == facts.dimension


@pytest.mark.parametrize("network", MEGADESCRIPTORS, ids=lambda network: network.name)
def test_megadescriptor_is_a_swin_of_its_size_and_asks_for_agreement(network) -> None:
    facts = timm_backbone.facts(network.layout["architecture"])
    assert (network.parameters["size"], network.outputs[0].shape[-1]) == (facts.size, facts.dimension)
    assert network.licence == "CC-BY-NC-4.0"
    assert "non-commercial" in network.terms
    with pytest.raises(UsageError):
        resolve_parameters(network, {"size": 192})


def test_any_model_of_timm_is_a_network_with_timms_preprocessing() -> None:
    network = network_named("timm:test_vit.r160_in1k")
    assert (network.parameters["size"], network.outputs[0].shape) == (160, ("batch", 64))
    assert network.preprocessing.mean == network.preprocessing.std == (0.5, 0.5, 0.5)
    assert (network.licence, network.terms) == ("Apache-2.0", "")
    assert network.source.address == "hub:timm/test_vit.r160_in1k/model.safetensors"


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("timm:resnet51", "resnet51", "timm:resnet50"),
        ("timm:test_vit.nobody", "test_vit.nobody", "r160_in1k"),
    ],
)
def test_an_unknown_model_or_tag_is_refused_with_the_nearest(name: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        network_named(name)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_weights_under_another_licence_ask_for_agreement() -> None:
    network = network_named("timm:convnextv2_atto.fcmae")
    assert network.licence == "cc-by-nc-4.0"
    assert "cc-by-nc-4.0" in network.terms


def test_a_size_that_the_patches_do_not_divide_is_refused() -> None:
    with pytest.raises(UsageError, match="size is 100") as caught:
        timm_backbone.build("test_vit", 100)
    assert "multiple of 16" in caught.value.hint


@pytest.mark.parametrize(
    ("place", "wrapper"),
    [("", ""), ("", "backbone."), ("state_dict", "module."), ("state_dict", "model.backbone."), ("model", "module.model.")],
)
def test_a_file_of_timms_or_of_a_training_run_gives_timms_features(
    vit: torch.nn.Module, image: torch.Tensor, tmp_path: Path, wrapper: str, place: str
) -> None:
    state = {f"{wrapper}{key}": value for key, value in vit.state_dict().items()}
    state["final.weight"] = torch.zeros(7, 64)  # the class centres of a margin loss
    if place:
        torch.save({place: state, "epoch": 3}, tmp_path / "run.pth")
    else:
        safetensors.save_file(state, tmp_path / "run.pth")
    with torch.inference_mode():
        found = load_network("timm:test_vit", tmp_path / "run.pth")(image)
        expected = vit.forward_head(vit.forward_features(image), pre_logits=True)
    torch.testing.assert_close(found, expected)


def test_position_embeddings_are_resampled_for_another_size_as_timm_does(
    timm: ModuleType, vit: torch.nn.Module, tmp_path: Path
) -> None:
    safetensors.save_file(vit.state_dict(), tmp_path / "model.safetensors")
    reference = timm.create_model("test_vit", num_classes=10, img_size=224).eval()
    resampled = timm.layers.resample_abs_pos_embed(vit.state_dict()["pos_embed"], [14, 14])
    reference.load_state_dict({**vit.state_dict(), "pos_embed": resampled})
    image = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        found = load_network("timm:test_vit", tmp_path / "model.safetensors", size=224)(image)
        expected = reference.forward_head(reference.forward_features(image), pre_logits=True)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("former", [False, True], ids=["present layout", "former layout"])
def test_megadescriptor_reads_both_layouts_of_swin(timm: ModuleType, tmp_path: Path, former: bool) -> None:
    torch.manual_seed(6)
    reference = timm.create_model("swin_tiny_patch4_window7_224", num_classes=0).eval()
    state = {key: value for key, value in reference.state_dict().items() if not key.endswith("num_batches_tracked")}
    if former:  # merging patches at the end of a stage, with the buffers that timm once saved
        state = {
            re.sub(r"layers\.(\d)\.downsample", lambda match: f"layers.{int(match[1]) - 1}.downsample", key): value
            for key, value in state.items()
        }
        state["layers.0.blocks.1.attn_mask"] = torch.zeros(64, 49, 49)
        state["layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(49, 49, dtype=torch.int64)
        state["head.weight"], state["head.bias"] = torch.zeros(9, 768), torch.zeros(9)
    torch.save(state, tmp_path / "pytorch_model.bin")
    image = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        found = load_network("megadescriptor-t-224", tmp_path / "pytorch_model.bin")(image)
        torch.testing.assert_close(found, reference(image))
    # tables of another window, as in the weights for 384 px: not resampled, named
    table = next(key for key in state if key.endswith("relative_position_bias_table"))
    torch.save({**state, table: torch.zeros(23**2, 3)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UsageError, match=r"of another shape: model\.layers.*\[529, 3\] instead of \[169, 3\]"):
        load_network("megadescriptor-t-224", tmp_path / "pytorch_model.bin")


def test_the_image_tower_of_an_open_clip_file_is_found_and_its_projection_kept(timm: ModuleType, tmp_path: Path) -> None:
    model = timm.create_model("vit_tiny_patch16_224", num_classes=24, depth=1).eval()
    state = {f"visual.trunk.{key}": value for key, value in model.state_dict().items()}
    state["text.token_embedding.weight"] = state["logit_scale"] = torch.zeros(3)
    torch.save(state, tmp_path / "open_clip_pytorch_model.bin")
    heads = checkpoint_keys.MARGIN_HEADS
    read = checkpoint_keys.read_unwrapped(tmp_path / "open_clip_pytorch_model.bin", (), heads)
    converted = timm_backbone.to_timm_keys(read, model)
    assert converted.keys() == model.state_dict().keys()
    assert torch.equal(converted["head.weight"], model.state_dict()["head.weight"])


def test_the_checkpoint_of_another_model_is_refused_by_name(vit: torch.nn.Module, tmp_path: Path) -> None:
    torch.save(vit.state_dict(), tmp_path / "vit.pth")
    for name in ("timm:test_convnext", "timm:test_efficientnet", "timm:test_maxvit"):
        with pytest.raises(UsageError, match="does not fit the network") as caught:
            load_network(name, tmp_path / "vit.pth")
        assert "missing: model." in caught.value.message
        assert "unexpected: model." in caught.value.message


def test_the_graph_takes_any_batch_gives_timms_features_and_the_same_bytes_again(
    timm: ModuleType, vit: torch.nn.Module, photos: list[np.ndarray], tmp_path: Path
) -> None:
    torch.manual_seed(7)
    model = timm.create_model("test_convnext", num_classes=10).eval()
    safetensors.save_file(model.state_dict(), tmp_path / "model.safetensors")
    arguments = {"images": photos, "weights": tmp_path / "model.safetensors"}
    first, again = (export_network("timm:test_convnext", tmp_path / name, **arguments) for name in ("a.onnx", "b.onnx"))
    assert first.sha256 == again.sha256
    assert first.parity["embedding_cosine_p1"] >= 0.999999  # measured 1 - 1e-13
    assert first.entry.parameters["dimension"] == 64
    operators = {node.op_type for node in onnx.load(first.path).graph.node}
    assert not operators & {"Range", "Gather", "Expand"}  # nothing is computed from the shape
    session = onnxruntime.InferenceSession(first.path, providers=["CPUExecutionProvider"])
    images = np.random.default_rng(3).standard_normal((3, 3, 160, 160)).astype(np.float32)
    with torch.inference_mode():
        expected = model.forward_head(model.forward_features(torch.from_numpy(images)), pre_logits=True)
    np.testing.assert_allclose(session.run(None, {"image": images})[0], expected, atol=2e-5)  # measured 2e-6


@pytest.mark.parametrize(
    "torchvision",
    [
        "raise ModuleNotFoundError('no such module', name='torchvision')",
        "raise RuntimeError('operator torchvision::nms does not exist')",
    ],
    ids=["missing", "built for another torch"],
)
def test_a_network_of_timm_is_exported_without_a_torchvision_that_fits(tmp_path: Path, torchvision: str) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(torchvision)
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from reid_edge_export.export import export_network\n"
        "photos = [np.random.default_rng(0).integers(0, 255, (96, 96, 3)).astype('uint8')]\n"
        f"made = export_network('timm:test_resnet.r160_in1k', Path({str(tmp_path / 'tiny.onnx')!r}), images=photos, random=True, size=96)\n"
        "print(made.entry.parameters['dimension'], 'torchvision' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["96", "False"]
