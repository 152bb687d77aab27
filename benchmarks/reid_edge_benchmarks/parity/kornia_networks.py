"""kornia's own keypoint networks and LightGlue with the published weights, behind one small contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from kornia.feature import DISK, HardNet, KeyNetDetector, LAFAffNetShapeEstimator, LAFDescriptor, LAFOrienter, OriNet, XFeat
from kornia.feature.lightglue import LightGlue
from torch import Tensor, nn

_ALL = 20_000  # keypoints before the mask takes its part
_DISK_WINDOW = 5  # pixels per side in which a keypoint's heat is the largest


class DiskDetector:
    """DISK; of its heat map every local maximum counts, as in the original, also along the border, where kornia takes none."""

    def __init__(self, weights: Path, keypoints: int) -> None:
        self._count, self._model = keypoints, DISK().eval()
        self._model.load_state_dict(_load(weights)["extractor"])

    def __call__(self, image: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """See `TorchNetworks.detector`."""
        heat, descriptors = self._model.heatmap_and_dense_descriptors(image)
        highest = F.max_pool2d(heat, _DISK_WINDOW, stride=1, padding=_DISK_WINDOW // 2)
        y, x = ((heat == highest) & (heat > 0))[0, 0].nonzero().T
        xy = torch.stack((x, y), 1)
        chosen = _strongest(xy, heat[0, 0, y, x], mask, self._count)
        xy = xy[chosen]
        return xy.float(), heat[0, 0, xy[:, 1], xy[:, 0]], F.normalize(descriptors[0][:, xy[:, 1], xy[:, 0]].T, dim=1)


class XFeatDetector:
    """XFeat; kornia leaves out two pixels along the border of the input."""

    def __init__(self, weights: Path, keypoints: int) -> None:
        self._count, self._model = keypoints, XFeat(top_k=_ALL, detection_threshold=0.0).eval()
        self._model.net.load_state_dict(_load(weights))

    def __call__(self, image: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """See `TorchNetworks.detector`."""
        found = self._model.detectAndCompute(image)[0]
        chosen = _strongest(found["keypoints"], found["scores"], mask, self._count)
        return found["keypoints"][chosen], found["scores"][chosen], found["descriptors"][chosen]


class KeynetDetector:
    """KeyNet, AffNet, OriNet and HardNet; the mask is read at the pixel of a keypoint, which is found without it."""

    def __init__(self, folder: Path, files: Sequence[str], keypoints: int, patches: nn.Module | None) -> None:
        """Load the four files of a folder; `patches` describes patches in place of HardNet, with weights of its own."""
        self._count = keypoints
        shape, orientation = LAFAffNetShapeEstimator(False, preserve_orientation=False), OriNet(False)
        self._detector = KeyNetDetector(False, _ALL, ori_module=LAFOrienter(angle_detector=orientation), aff_module=shape).eval()
        descriptor = HardNet(False)
        for module, file in zip((self._detector.model, shape, orientation, descriptor), files, strict=True):
            if module is not descriptor or patches is None:
                module.load_state_dict(_load(folder / file)["state_dict"], strict=False)
        self._descriptor = LAFDescriptor(patches or descriptor).eval()

    def __call__(self, image: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """See `TorchNetworks.detector`."""
        responses, lafs = self._detector.detect(image, None)
        chosen = _strongest(lafs[0, :, :, 2], responses[0], mask, self._count)
        lafs = self._detector.ori(self._detector.aff(lafs[:, chosen], image), image)
        return lafs[0, :, :, 2], responses[0, chosen], self._descriptor(image, lafs)[0], lafs[0, :, :, :2]


class KorniaLightGlue:
    """LightGlue without early stopping and pruning; places are normalised already."""

    def __init__(self, weights: Path, layout: Mapping[str, Any]) -> None:
        self._position = int(layout["position"])
        self._model = LightGlue(
            None,
            input_dim=layout["descriptor"],
            descriptor_dim=layout["width"],
            n_layers=layout["layers"],
            num_heads=layout["heads"],
            add_scale_ori=self._position == 4,
            add_laf=self._position == 6,
            flash=False,
            depth_confidence=-1,
            width_confidence=-1,
            filter_threshold=0.0,
        ).eval()
        state = {key.removeprefix("matcher."): value for key, value in _load(weights).items()}
        moved = {_new_name(key): value for key, value in state.items() if not key.startswith("extractor.")}
        absent = self._model.load_state_dict(moved, strict=False).missing_keys
        if [key for key in absent if key != "confidence_thresholds"]:
            raise AssertionError(f"kornia's LightGlue is missing {absent} of {weights.name}")

    def __call__(self, places0: Tensor, descriptors0: Tensor, places1: Tensor, descriptors1: Tensor) -> tuple[Tensor, Tensor]:
        """Match two photos.

        Args:
            places0, places1: [N, 2, 4 or 6], as the network of the catalogue takes them: x and y between -1 and 1; then scale and
                orientation, or the ends of the frame's two axes.
            descriptors0, descriptors1: [N, D].

        Returns:
            matches: int64 [M, 2], rows of both.
            confidences: float32 [M].
        """
        found = self._model({"image0": self._side(places0, descriptors0), "image1": self._side(places1, descriptors1)})
        return listed(found["matches0"], found["matching_scores0"])

    def _side(self, places: Tensor, descriptors: Tensor) -> dict[str, Tensor]:
        """One photo of 2 x 2 pixels, whose normalisation moves places by 1 and no more."""
        xy = places[None, :, :2]
        side = {"keypoints": (xy + 1).clamp(0, 2), "descriptors": descriptors[None], "image_size": torch.tensor([[2.0, 2.0]])}
        if self._position == 4:
            side |= {"scales": places[None, :, 2], "oris": places[None, :, 3]}
        if self._position == 6:
            axes = [tip - xy for tip in (places[None, :, 2:4], places[None, :, 4:])]
            side["lafs"] = torch.stack((*axes, xy + 1), -1)
        return side


def listed(matches: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Matches [1, N], the partner of each row or -1, as pairs of rows int64 [M, 2], with their scores [M]."""
    rows = torch.nonzero(matches[0] >= 0)[:, 0]
    return torch.stack((rows, matches[0, rows]), 1), scores[0, rows]


def _strongest(xy: Tensor, scores: Tensor, mask: Tensor, count: int) -> Tensor:
    """The rows of the `count` strongest keypoints inside the mask [1, 1, h, w], in falling order."""
    x, y = xy.round().long().T
    inside = torch.nonzero((mask[0, 0, y, x] > 0.5) & (scores > 0)).flatten()
    return inside[scores[inside].argsort(descending=True, stable=True)[:count]]


def _new_name(key: str) -> str:
    """The name that a tensor of the first release has in kornia."""
    kind, *rest = key.split(".")
    return ".".join(("transformers", rest[0], kind, *rest[1:])) if kind.endswith("_attn") else key


def _load(file: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return state
