"""Boxes of animals from a MegaDetector result file (its JSON output format, versions 1.0 to 1.6), by photo.

https://lila.science/megadetector-output-format
"""

from __future__ import annotations

import json
import math
import os
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from reid_edge.describe.segmentation import Box
from reid_edge.errors import UsageError

TYPICAL_THRESHOLD = 0.2  # of MegaDetector 5 and later, where the file recommends none
_MOST_BYTES = 500_000_000
_HINT = "Name the JSON file that MegaDetector wrote."

Relative = tuple[float, float, float, float]
"""x, y, width, height of a box as shares of the upright photo's width and height."""


class MegaDetectorBoxes:
    """The animals' boxes of a result file.

    A photo is found by its absolute path, or by its path below the watched folder or below the result file's own folder. Where the file
    is of another machine, the entry with the longest common end of both paths is taken, if there is one, it is more than the file's
    name, and it holds all of the photo's path below the watched folder or all of the entry's below the folder that all entries share: every
    camera has an IMG_0001.JPG. Case is ignored then. Videos and photos that MegaDetector could not read are treated as missing.

    Attributes:
        threshold: a detection counts from this confidence on, 0..1.
        asked, found: photos asked for so far, and those that the file had.
    """

    def __init__(self, boxes: Mapping[str, tuple[Relative, ...]], threshold: float, folder: Path) -> None:
        self.threshold = threshold
        self._boxes = boxes
        self._folder = folder
        self.asked = self.found = 0
        self._by_name: dict[str, list[tuple[str, ...]]] = {}
        self._names_of: dict[tuple[str, ...], str] = {}
        for name in boxes:
            parts = _plain_parts(name)
            self._by_name.setdefault(parts[-1], []).append(parts)
            self._names_of[parts] = name
        self._shared = _common_start([parts[:-1] for parts in self._names_of])

    def __len__(self) -> int:
        return len(self._boxes)

    def boxes(self, path: Path, root: Path, width: int, height: int) -> list[Box] | None:
        """The boxes of the animals on a photo, in pixels of the upright photo; empty where MegaDetector saw none.

        Args:
            path: of the photo, absolute.
            root: the watched folder that it lies in, absolute.
            width, height: of the upright photo, pixels.

        Returns:
            None where the file does not tell about this photo.
        """
        self.asked += 1
        name = next((name for name in self._names(path, root) if name in self._boxes), None) or self._by_tail(path, root)
        if name is None:
            return None
        self.found += 1
        return [(x * width, y * height, (x + w) * width, (y + h) * height) for x, y, w, h in self._boxes[name]]

    def _by_tail(self, path: Path, root: Path) -> str | None:
        photo = _plain_parts(os.fspath(path))
        below = len(path.relative_to(root).parts) if path.is_relative_to(root) else len(photo)
        tails = [(_common_tail(photo, entry), entry) for entry in self._by_name.get(photo[-1], ())]
        longest = max((length for length, _ in tails), default=0)
        best = [entry for length, entry in tails if length == longest]
        if len(best) != 1 or longest < 2 or not (longest >= below or longest >= len(best[0]) - self._shared):
            return None
        return self._names_of[best[0]]

    def _names(self, path: Path, root: Path) -> list[str]:
        below = [path.relative_to(folder) for folder in (root, self._folder) if path.is_relative_to(folder)]
        return [_normal(os.fspath(each)) for each in (path, *below)]


def read_megadetector(path: Path, threshold: float | None = None) -> MegaDetectorBoxes:
    """Read a result file.

    Args:
        path: of the JSON file.
        threshold: confidence from which a detection counts; None: what the file recommends as typical, else `TYPICAL_THRESHOLD`.

    Raises:
        UsageError: it cannot be read, or is not MegaDetector's.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{path} is too large to be read.", "Split it by folder.")
        whole = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.", "Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON.", _HINT) from error
    try:
        categories = {str(key) for key, name in whole["detection_categories"].items() if str(name).lower() == "animal"}
        if threshold is None:
            recommended = (whole.get("info") or {}).get("detector_metadata") or {}
            threshold = float(recommended.get("typical_detection_threshold", TYPICAL_THRESHOLD))
        boxes = {
            _normal(image["file"]): _animals(image["detections"], categories, threshold)
            for image in whole["images"]
            if image.get("detections") is not None and not image.get("failure") and "frame_rate" not in image
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{path} is JSON, but not MegaDetector's: {_in_words(error)}.", _HINT) from error
    return MegaDetectorBoxes(boxes, threshold, path.resolve().parent)


def _animals(detections: Sequence[Mapping[str, Any]], categories: set[str], threshold: float) -> tuple[Relative, ...]:
    return tuple(
        _box(detection["bbox"])
        for detection in detections
        if str(detection["category"]) in categories and float(detection["conf"]) >= threshold
    )


def _box(values: Sequence[float]) -> Relative:
    x, y, width, height = (float(value) for value in values)
    if not all(map(math.isfinite, (x, y, width, height))) or width < 0 or height < 0:
        raise ValueError(f"a box is {values}")
    # Rounding may leave a box a hair outside of its photo.
    left, top = min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)
    return left, top, min(max(x + width, left), 1.0) - left, min(max(y + height, top), 1.0) - top


def _normal(name: str) -> str:
    """A path as it is compared: forward slashes, without `.` and doubled slashes."""
    return PurePath(str(name).replace("\\", "/")).as_posix()


def _plain_parts(name: str) -> tuple[str, ...]:
    """The folders and the name of a file as they are compared between machines: without a root or drive, case and Unicode form."""
    parts = PurePath(_normal(unicodedata.normalize("NFC", name)).casefold()).parts
    return tuple(part for part in parts if part != "/" and not part.endswith(":")) or ("",)


def _common_start(paths: Sequence[tuple[str, ...]]) -> int:
    """How many first parts all paths have in common."""
    return next(
        (at for at, parts in enumerate(zip(*paths, strict=False)) if len(set(parts)) > 1), min(map(len, paths), default=0)
    )


def _common_tail(one: Sequence[str], other: Sequence[str]) -> int:
    return next(
        (at for at, (a, b) in enumerate(zip(reversed(one), reversed(other), strict=False)) if a != b), min(len(one), len(other))
    )


def _in_words(error: Exception) -> str:
    return f"the field {error} is missing" if isinstance(error, KeyError) else str(error) or "a value has the wrong type"
