"""From a photo to its animals: run the network, read what kind of answer it gives, cut the animals out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.segmentation.animal import Animal, Region, cut_out, whole_frame
from reid_edge.describe.segmentation.banner import find_banner
from reid_edge.describe.segmentation.box_prompt import centre_box
from reid_edge.describe.segmentation.instances import detected_regions, instance_regions
from reid_edge.describe.segmentation.saliency import salient_regions
from reid_edge.engines import Engine
from reid_edge.engines.network_input import content_size, to_network_input
from reid_edge.pack.manifest import Preprocessing
from reid_edge.photo import Photo
from reid_edge.recipe import Segment


def find_animals(photo: Photo, engine: Engine, preprocessing: Preprocessing, settings: Segment) -> list[Animal]:
    """Find the largest animals; the whole frame where there is none.

    Args:
        photo: upright.
        engine: a segmentation network with the input ``image`` [1, 3, h, w] and, where it is prompted, ``box`` [1, 4] in pixels of
            the input. It gives ``saliency`` [1, 1, h', w'], 0..1, over the whole input; or ``boxes`` and ``scores``, and of instances
            ``coefficients`` and ``prototypes``, see `reid_edge.describe.segmentation.instances`.
        preprocessing: the network's.
        settings: thresholds, see `Segment`.

    Returns:
        At least one animal, largest first.

    Raises:
        EngineError: the network failed.
    """
    regions = find_regions(photo, engine, preprocessing, settings)
    if not regions:
        return [whole_frame(photo)]
    return [cut_out(photo, region, index, settings.margin) for index, region in enumerate(regions)]


def find_regions(photo: Photo, engine: Engine, preprocessing: Preprocessing, settings: Segment) -> list[Region]:
    """The largest animals on the network's map, before they are cut out; none where nothing stands out. Arguments as `find_animals`."""
    image = to_network_input(photo.rgb, preprocessing)
    content = content_size(photo.rgb.shape[1], photo.rgb.shape[0], preprocessing)
    inputs: dict[str, NDArray[np.generic]] = {"image": image}
    if any(spec.name == "box" for spec in engine.inputs):
        inputs["box"] = centre_box(content)
    outputs = {name: np.asarray(values, np.float32)[0] for name, values in engine.run(inputs).items()}
    banner = find_banner(photo.rgb, settings.banner) if settings.banner else None
    if "saliency" in outputs:
        return salient_regions(outputs["saliency"][0], image.shape[2], content, settings, banner)
    read = instance_regions if "prototypes" in outputs else detected_regions
    return [region for region in read(outputs, content, settings) if not banner or not banner.holds(region)]
