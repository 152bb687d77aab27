"""Embedders that can be measured: those of the export catalogue, and any ONNX file of one image and one vector."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import reid_edge
from reid_edge.engines import Device, open_engine
from reid_edge.engines.network_input import to_network_input
from reid_edge.errors import UsageError
from reid_edge.pack.manifest import Preprocessing
from reid_edge.photo import list_photos, read_photo

# What published networks want, by the name that the command line takes: scale, mean and std of `Preprocessing`.
NORMALISATIONS = {
    "imagenet": (1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "unit": (1 / 255, (0.0,), (1.0,)),
    "symmetric": (1.0, (127.5,), (127.5,)),
    "bytes": (1.0, (0.0,), (1.0,)),
}

_ONE_THREAD = Device("cpu", "CPUExecutionProvider", 0, 1)
_PARITY_PHOTOS = 3


@dataclass(frozen=True)
class Embedder:
    """An embedding network to measure: its file, and how a crop becomes its input."""

    name: str
    path: Path
    preprocessing: Preprocessing


class OpenEmbedder:
    """An embedder in ONNX Runtime on one thread of the processor, one crop at a time."""

    def __init__(self, embedder: Embedder) -> None:
        """Load it; names, layout (NCHW or NHWC) and number type of the input are read from the graph.

        Raises:
            UsageError: it does not take one image.
            EngineError: it cannot be loaded.
        """
        self.embedder = embedder
        self.milliseconds: list[float] = []
        self._engine = open_engine(embedder.path.read_bytes(), embedder.name, _ONE_THREAD)
        image = self._engine.inputs[0]
        self._channels_last = len(image.shape) == 4 and image.shape[3] == 3
        if len(self._engine.inputs) != 1 or not (self._channels_last or (len(image.shape) == 4 and image.shape[1] == 3)):
            raise UsageError(f"{embedder.path} takes {self._engine.inputs}, not one RGB image.", "Give an embedding network.")

    def embed(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The vector of one crop uint8 [H, W, 3]: float32 [D] of length 1, from the network's first output.

        Raises:
            EngineError: the network failed.
        """
        image = self._engine.inputs[0]
        planes = to_network_input(crop, self.embedder.preprocessing)
        if self._channels_last:
            planes = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        planes = planes.astype(image.dtype)
        start = time.perf_counter()
        outputs = self._engine.run({image.name: planes})
        self.milliseconds.append((time.perf_counter() - start) * 1e3)
        vector = np.asarray(outputs[self._engine.outputs[0].name], np.float32).ravel()
        return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)


def catalogue_embedders(folder: Path, say: Callable[[str], None]) -> list[Embedder]:
    """The embedding networks of the catalogue whose weights can be fetched, with each of their poolings.

    Args:
        folder: for the ONNX files, weights in half precision as in a pack; those that are there already are used.
        say: called with one line at a time.

    Raises:
        UsageError, EngineError, StorageError: see `reid_edge_export.export.export_network`.
    """
    from reid_edge_export.catalogue import CATALOGUE
    from reid_edge_export.export import export_network

    images = [read_photo(photo).rgb for photo in list_photos(Path(reid_edge.__file__).parent / "samples")[:_PARITY_PHOTOS]]
    networks = [each for each in CATALOGUE.values() if each.task == "embedding" and each.source.address.startswith("pypi:")]
    embedders = []
    for network in networks:
        for parameters in [{"pool": pool} for pool in network.choices.get("pool", ())] or [{}]:
            path = folder / f"{'-'.join((network.name, *parameters.values()))}.onnx"
            name = ", ".join((network.name, *parameters.values()))
            if not path.exists():
                say(f"Exporting {name}.")
                export_network(network.name, path, images=images, storage="fp16", **parameters)
            assert network.preprocessing is not None, network.name
            embedders.append(Embedder(name, path, network.preprocessing))
    return embedders


def parse_embedder(text: str) -> Embedder:
    """Read ``NAME=FILE:SIZE:NORMALISATION``: SIZE is the side of the square input in pixels, see also `NORMALISATIONS`.

    Raises:
        UsageError: it is not of this form, or the file is not there.
    """
    name, _, rest = text.partition("=")
    file, size, normalisation = ("", *rest.rsplit(":", 2))[-3:] if rest.count(":") >= 2 else ("", "", "")
    if not (name and file and size.isdecimal() and int(size) and normalisation in NORMALISATIONS):
        raise UsageError(
            f"--onnx {text} is not of the form NAME=FILE:SIZE:NORMALISATION.",
            f"Such as mobilenet=mobilenet.onnx:224:imagenet; normalisations: {', '.join(NORMALISATIONS)}.",
        )
    if not Path(file).is_file():
        raise UsageError(f"There is no file {file}.", "Check the path.")
    side, (scale, mean, std) = int(size), NORMALISATIONS[normalisation]
    return Embedder(name, Path(file), Preprocessing("stretch", side, side, "rgb", scale, mean, std, "area"))
