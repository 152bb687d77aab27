"""The calibration file of a pack, as `reid_edge.decide.calibration.read_calibration` reads it."""

from __future__ import annotations

import json

from reid_edge.decide.calibration import CalibrationModel
from reid_edge.decide.calibration.reading import FORMAT_VERSION
from reid_edge.plain_data import encode


def model_to_json(model: CalibrationModel) -> str:
    """The text of the file, which is read back as an equal model."""
    content = {"format_version": FORMAT_VERSION, **encode(model)}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
