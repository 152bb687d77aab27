"""The calibration file of a pack, as `reid_edge.decide.calibration.read_calibration` reads it."""

from __future__ import annotations

import json
from typing import Any

from reid_edge.decide.calibration import CalibrationModel
from reid_edge.decide.calibration.reading import FORMAT_VERSION
from reid_edge.plain_data import encode


def model_to_json(model: CalibrationModel) -> str:
    """The text of the file, which is read back as an equal model."""
    content = {"format_version": FORMAT_VERSION, **_without_unused(encode(model))}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


_OPTIONAL = ("further", "fitted", "levels", "order", "time_place")
"""Keys that only some recipes and kinds of evidence have. Where one is read, its table has a value for every score."""


def _without_unused(value: Any) -> Any:
    """Without the optional keys whose tables are empty."""
    if not isinstance(value, dict):
        return value
    return {key: _without_unused(each) for key, each in value.items() if each or key not in _OPTIONAL}
